-- Where links in mail lead: the installation's own host, or one of a sending domain that is an alias of it.

CREATE TABLE link_hosts (
    workspace_id uuid NOT NULL,
    domain_id uuid NOT NULL,                          -- the sending domain whose links these are; it has one host at most
    name text NOT NULL,                               -- lower-case A-label; one domain's over all workspaces (lock_link_host)
    created_at timestamptz NOT NULL,
    checked_at timestamptz NOT NULL,
    broken_at timestamptz,                            -- since when the alias leads elsewhere; until then it is not used
    problem text NOT NULL DEFAULT '',
    PRIMARY KEY (workspace_id, domain_id),
    FOREIGN KEY (workspace_id, domain_id) REFERENCES sending_domains ON DELETE CASCADE
);
CREATE INDEX link_hosts_name ON link_hosts (name);    -- whoever follows a link names no workspace

GRANT SELECT, INSERT, UPDATE, DELETE ON link_hosts TO posthouse_app;
