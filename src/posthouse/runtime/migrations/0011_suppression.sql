-- Suppressions of every scope, that may end by themselves; the list of invalid addresses; mail that bounced softly again and again.

ALTER TABLE workspaces ADD COLUMN strict_optout boolean NOT NULL DEFAULT false;    -- any opt-out stops all mail, receipts too

-- Byte order: the same index answers whether an address is suppressed and lists addresses by their beginning.
ALTER TABLE suppressions DROP CONSTRAINT suppressions_pkey;
ALTER TABLE suppressions DROP CONSTRAINT suppressions_scope_check;
ALTER TABLE suppressions DROP CONSTRAINT suppressions_reason_check;
ALTER TABLE suppressions
    ALTER COLUMN address TYPE text COLLATE "C",
    ALTER COLUMN scope TYPE text COLLATE "C",
    ALTER COLUMN reason TYPE text COLLATE "C",
    ADD COLUMN note text NOT NULL DEFAULT '',
    ADD COLUMN expires_at timestamptz,                -- null: for good
    ADD COLUMN listed bigint,                         -- place in the list of invalid addresses, given when it is first read
    ADD COLUMN replaced_by text,                      -- the address that is used instead of an invalid one
    ADD CONSTRAINT suppressions_scope_check CHECK (scope IN ('everything', 'marketing', 'channel:email') OR scope LIKE 'mailing_type:_%'),
    ADD CONSTRAINT suppressions_reason_check CHECK (reason IN
        ('hard_bounce', 'soft_bounces', 'complaint', 'unsubscribe', 'manual', 'invalid', 'imported')),
    ADD CONSTRAINT suppressions_invalid_check CHECK (reason NOT IN ('hard_bounce', 'invalid') OR scope = 'everything'),
    ADD CONSTRAINT suppressions_replaced_check CHECK (replaced_by IS NULL OR reason IN ('hard_bounce', 'invalid')),
    -- One for each reason: an address that exists after all may still be one whose owner has unsubscribed.
    ADD PRIMARY KEY (workspace_id, address, scope, reason);
CREATE INDEX suppressions_by_reason ON suppressions (workspace_id, reason);
CREATE INDEX suppressions_by_scope ON suppressions (workspace_id, scope);
CREATE INDEX suppressions_by_time ON suppressions (workspace_id, created_at);
CREATE INDEX suppressions_invalid ON suppressions (workspace_id, listed) WHERE reason IN ('hard_bounce', 'invalid');

CREATE SEQUENCE invalid_places;                       -- only ever rises, so that a place is not given twice after a row is gone
GRANT USAGE ON SEQUENCE invalid_places TO posthouse_app;

-- Marketing that could not be delivered to an address, message after message; a delivery in between begins the count anew.
CREATE TABLE soft_bounces (
    workspace_id uuid NOT NULL,
    address text COLLATE "C" NOT NULL,                -- case folded
    messages integer NOT NULL CHECK (messages > 0),
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    message_id uuid NOT NULL,                         -- the last of them
    PRIMARY KEY (workspace_id, address)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON soft_bounces TO posthouse_app;
