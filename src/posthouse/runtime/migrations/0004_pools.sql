-- Pools with processes of their own, the paths mail leaves by, and what a message may demand of its way.

ALTER TABLE outbox DROP CONSTRAINT outbox_pool_check;
ALTER TABLE outbox ADD CONSTRAINT outbox_pool_check CHECK (pool IN ('transactional', 'notification', 'marketing'));
-- The address the last attempt came from: greylisting receivers want to see the same one again.
ALTER TABLE outbox ADD COLUMN source text NOT NULL DEFAULT '';

-- Deferred mail that may go again, for a source whose warm-up leaves room for no other.
CREATE INDEX outbox_again ON outbox (pool, workspace_id, domain, priority DESC, recipient_id) WHERE state = 'ready' AND attempts > 0;

ALTER TABLE messages ADD COLUMN tls text NOT NULL DEFAULT '' CHECK (tls IN ('', 'verified'));

-- How much a workspace gets of a site that several want at the same priority, in relation to the others.
ALTER TABLE workspaces ADD COLUMN share smallint NOT NULL DEFAULT 1 CHECK (share BETWEEN 1 AND 1000);

-- What the owner of a site knows of it, for those who ask why a mail waits. No tenant's data: sites belong to the installation.
CREATE TABLE sites (
    pool text NOT NULL,
    site text NOT NULL,
    state text NOT NULL CHECK (state IN ('flowing', 'busy', 'limited', 'suspended')),
    rule text NOT NULL,                               -- what decided, as it is found in settings or shaping.toml
    sentence text NOT NULL,
    until timestamptz,
    connections integer NOT NULL,
    held integer NOT NULL,
    mails_per_s real NOT NULL,
    worker_id uuid NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (pool, site)
);
CREATE TABLE site_domains (
    domain text PRIMARY KEY,
    site text NOT NULL,
    seen_at timestamptz NOT NULL
);

-- Who sends to a group of sites that count together, so that its limits are exact: taken over only from a worker without a lease.
CREATE TABLE site_owners (
    pool text NOT NULL,
    site_group text NOT NULL,
    worker_id uuid NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (pool, site_group)
);

-- Mail already granted to a source that is being warmed up, by provider and day; granted before it is sent.
CREATE TABLE warmup_grants (
    source text NOT NULL,
    provider text NOT NULL,
    day date NOT NULL,
    mails integer NOT NULL,
    PRIMARY KEY (source, provider, day)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON sites, site_domains, site_owners, warmup_grants TO posthouse_app;
