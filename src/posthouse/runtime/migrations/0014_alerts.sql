-- What administrators have to know without looking for it. One alert stays open for one trouble, however often it is found again.

CREATE TABLE alerts (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    alert_id uuid NOT NULL,
    kind text NOT NULL,                               -- what is wrong: `domain.incomplete`, `breaker.complaints`
    subject text NOT NULL,                            -- with what: a domain, an address, a pool
    level text NOT NULL CHECK (level IN ('warning', 'critical')),
    sentence text NOT NULL,                           -- what a person reads, with the figure and what to do
    path text NOT NULL,                               -- the page where it is seen and mended
    raised_at timestamptz NOT NULL,
    told_at timestamptz,                              -- when administrators were written to, at its present level
    ended_at timestamptz,
    ended_by text,
    PRIMARY KEY (workspace_id, alert_id)
);
CREATE UNIQUE INDEX alerts_open ON alerts (workspace_id, kind, subject) WHERE ended_at IS NULL;
CREATE INDEX alerts_by_time ON alerts (workspace_id, raised_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON alerts TO posthouse_app;
