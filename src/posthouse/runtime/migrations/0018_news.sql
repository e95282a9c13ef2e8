-- Alerts are written to administrators once in a while; webhooks tell of what is no mail's: addresses and alerts.

-- Whose turn it is to write is no fact about a workspace: every door reads those, and this changes each time.
CREATE TABLE alert_turns (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    told_at timestamptz NOT NULL,                     -- when administrators were last written to
    PRIMARY KEY (workspace_id)
);

CREATE TABLE webhook_news (
    workspace_id uuid NOT NULL,
    event_id uuid NOT NULL,                           -- made of the moment and of its place where it was read: found again it is the same
    about_id uuid NOT NULL,                           -- the address or trouble it is about; news about one are told in order
    kind text NOT NULL,                               -- as endpoints ask for it: `address.invalid`
    occurred_at timestamptz NOT NULL,
    data jsonb NOT NULL,                              -- what is told of it
    PRIMARY KEY (workspace_id, event_id)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON alert_turns, webhook_news TO posthouse_app;
