-- What a workspace does about mail that comes back, where it chose otherwise than everybody: what each outcome means for the address,
-- and rules of its own for what receivers say.

CREATE TABLE bounce_policies (
    workspace_id uuid PRIMARY KEY REFERENCES workspaces,
    policy jsonb NOT NULL,
    changed_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON bounce_policies TO posthouse_app;
