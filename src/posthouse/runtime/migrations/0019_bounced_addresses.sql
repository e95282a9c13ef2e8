-- Which addresses mail bounced at: what bounced last, for lists and counts that never walk the events; and which of our own addresses
-- stand on block lists.

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
