-- Where bounces return to: the installation's own domain, or one of the workspace's that aligns with From (RFC 9989, relaxed).

ALTER TABLE workspaces ADD COLUMN bounce_processing boolean NOT NULL DEFAULT true;

CREATE TABLE bounce_domains (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    bounce_domain_id uuid NOT NULL,
    name text NOT NULL,                               -- lower-case A-label, an alias of the installation's return target
    created_at timestamptz NOT NULL,
    checked_at timestamptz NOT NULL,
    broken_at timestamptz,                            -- since when the alias leads elsewhere; until then it is not used
    problem text NOT NULL DEFAULT '',
    PRIMARY KEY (workspace_id, bounce_domain_id),
    UNIQUE (workspace_id, name)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON bounce_domains TO posthouse_app;
