-- Which addresses mail bounced at: what bounced last, for lists and counts that never walk the events; which of our own addresses
-- stand on block lists; and exports made in the background.

CREATE TABLE bounced_addresses (
    workspace_id uuid NOT NULL,
    address text COLLATE "C" NOT NULL,                -- case folded
    blocked boolean NOT NULL,                         -- refused for what we are or send: it says nothing of the address, and is kept apart
    type text NOT NULL CHECK (type IN ('hard', 'soft', 'blocked')),
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    bounces bigint NOT NULL CHECK (bounces > 0),
    reason text NOT NULL,                             -- of the last one: a word of bounces.toml
    code smallint,
    enhanced text NOT NULL,
    said text NOT NULL,                               -- the receiver's words, or why it was given up
    message_id uuid NOT NULL,
    PRIMARY KEY (workspace_id, address, blocked),
    CHECK (blocked = (type = 'blocked'))
);
CREATE INDEX bounced_addresses_by_time ON bounced_addresses (workspace_id, blocked, last_at, address);
CREATE INDEX bounced_addresses_by_type ON bounced_addresses (workspace_id, type, last_at, address);
GRANT SELECT, INSERT, UPDATE, DELETE ON bounced_addresses TO posthouse_app;

CREATE TABLE ip_listings (
    address text NOT NULL,                            -- of ours, as receivers see it
    zone text NOT NULL,                               -- the list
    next_at timestamptz NOT NULL,                     -- when it is looked up again
    looked_at timestamptz,
    listed_at timestamptz,                            -- null: the list does not have it
    codes text NOT NULL DEFAULT '',                   -- the addresses the list answers with
    reason text NOT NULL DEFAULT '',                  -- in the list's words
    removal text NOT NULL DEFAULT '',                 -- where to ask for removal
    clean_looks smallint NOT NULL DEFAULT 0,          -- in a row, while it is still taken to be listed
    trouble text NOT NULL DEFAULT '',                 -- why the last look found out nothing
    PRIMARY KEY (address, zone)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON ip_listings TO posthouse_app;

-- Long exports, made in the background and kept for a week. Owned by the room exports.
CREATE TABLE exports (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    export_id uuid NOT NULL,
    what text NOT NULL,
    format text NOT NULL CHECK (format IN ('csv', 'jsonl')),
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('submitted', 'preparing', 'running', 'uploading', 'complete', 'failed')),
    expected bigint,                                  -- rows; null until they were counted
    completed bigint NOT NULL DEFAULT 0,
    parts integer NOT NULL DEFAULT 0,
    octets bigint NOT NULL DEFAULT 0,                 -- as kept, packed
    position text NOT NULL DEFAULT '',                -- where the next part begins, in words of what is exported
    claim uuid,                                       -- of whoever is at it
    lease_until timestamptz,                          -- past it, anybody may go on
    tries smallint NOT NULL DEFAULT 0,                -- claims since the last part
    turn_at timestamptz NOT NULL,                     -- who waits longest is next
    problem text NOT NULL DEFAULT '',
    link_key bytea NOT NULL,                          -- signs links that need no sign-in
    webhook_id uuid,                                  -- it is posted there, part by part
    uploaded integer NOT NULL DEFAULT 0,
    upload_at timestamptz,                            -- when the next part is posted; while one is on its way, when that is given up
    upload_since timestamptz,                         -- the first try of the part that is next
    upload_tries integer NOT NULL DEFAULT 0,
    schedule_id uuid,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    finished_at timestamptz,                          -- when its last part was made; from then on it can be downloaded
    PRIMARY KEY (workspace_id, export_id),
    CHECK (since < until)
);
CREATE INDEX exports_to_do ON exports (turn_at) WHERE state IN ('submitted', 'preparing', 'running');
CREATE INDEX exports_to_upload ON exports (upload_at) WHERE state = 'uploading';

CREATE TABLE export_parts (
    workspace_id uuid NOT NULL,
    export_id uuid NOT NULL,
    number integer NOT NULL,
    rows integer NOT NULL,
    content bytea NOT NULL,                           -- gzip: all of them one after the other are a gzip file
    PRIMARY KEY (workspace_id, export_id, number),
    FOREIGN KEY (workspace_id, export_id) REFERENCES exports ON DELETE CASCADE
);
ALTER TABLE export_parts ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE export_schedules (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    schedule_id uuid NOT NULL,
    what text NOT NULL,
    format text NOT NULL CHECK (format IN ('csv', 'jsonl')),
    every text NOT NULL CHECK (every IN ('day', 'week', 'month')),
    on_day smallint NOT NULL,                         -- of the week from Monday as 1, or of the month; 0 for every day
    hour smallint NOT NULL CHECK (hour BETWEEN 0 AND 23),
    zone text NOT NULL,
    webhook_id uuid,
    covered_until timestamptz NOT NULL,               -- where the next export begins
    next_at timestamptz NOT NULL,                     -- and where it ends
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (workspace_id, schedule_id),
    CHECK (CASE every WHEN 'day' THEN on_day = 0 WHEN 'week' THEN on_day BETWEEN 1 AND 7 ELSE on_day BETWEEN 1 AND 28 END),
    CHECK (covered_until < next_at)
);
CREATE INDEX export_schedules_by_time ON export_schedules (next_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON exports, export_parts, export_schedules TO posthouse_app;
