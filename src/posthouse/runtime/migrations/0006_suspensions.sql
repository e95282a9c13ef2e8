-- What people stopped, and processes that were told to hand over.

CREATE TABLE suspensions (
    workspace_id uuid NOT NULL,
    suspension_id uuid NOT NULL,
    pool text CHECK (pool IN ('transactional', 'notification', 'marketing')),   -- null: every pool
    domain text CHECK (domain <> ''),                 -- lower-case A-label; null: every destination
    everything boolean NOT NULL,                      -- all mail is stopped only by saying so, never by leaving something out
    drain boolean NOT NULL,                           -- mail already taken from the queue still goes; else it is put back
    reason text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    until timestamptz,                                -- null: until somebody ends it
    ended_at timestamptz,
    ended_by text,
    PRIMARY KEY (workspace_id, suspension_id),
    CHECK (everything = (pool IS NULL AND domain IS NULL)),
    CHECK (until > created_at),
    CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE INDEX suspensions_in_force ON suspensions (workspace_id) WHERE ended_at IS NULL;

-- A process told to take no more mail, to end what it has begun, and to leave its sites to the others of its pool.
ALTER TABLE workers ADD COLUMN draining_at timestamptz;

GRANT SELECT, INSERT, UPDATE ON suspensions TO posthouse_app;
