-- Logins and keys that were refused, where they name somebody who exists: counted by quarter of an hour, never what was tried.

CREATE TABLE login_failures (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    failure_id uuid NOT NULL,                         -- the quarter of an hour, and a digest of the four that follow
    door text NOT NULL CHECK (door IN ('pages', 'smtp', 'api')),
    account text NOT NULL,                            -- of a person the address, of a credential its hint
    source text NOT NULL,                             -- an IPv4 address, or an IPv6 /64; '' when it is not known
    reason text NOT NULL CHECK (reason IN ('wrong_secret', 'revoked', 'expired', 'disabled', 'network')),
    attempts integer NOT NULL CHECK (attempts > 0),
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, failure_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON login_failures TO posthouse_app;
