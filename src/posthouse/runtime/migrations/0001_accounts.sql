-- Who may send and as whom. Owned by the room accounts.
--
-- Every tenant table's key starts with workspace_id, and no constraint crosses workspaces: that is what lets the same schema be
-- distributed by workspace_id later. users, sessions and sign_in_links belong to people, not to a workspace.

CREATE TABLE workspaces (
    workspace_id uuid PRIMARY KEY,
    number integer GENERATED ALWAYS AS IDENTITY,      -- short name in keys, user names and return paths; never reused
    name text NOT NULL CHECK (name <> ''),
    default_priority smallint NOT NULL DEFAULT 4 CHECK (default_priority BETWEEN 0 AND 9),
    priority_enabled boolean NOT NULL DEFAULT true,
    encrypt_bodies boolean NOT NULL DEFAULT false,
    support_contact text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL
);

CREATE TABLE users (
    user_id uuid PRIMARY KEY,
    email text NOT NULL UNIQUE,                       -- lower case
    name text NOT NULL DEFAULT '',
    password_hash text,                               -- argon2id; null until a password is set
    locale text NOT NULL DEFAULT 'en',
    created_at timestamptz NOT NULL,
    disabled_at timestamptz
);

CREATE TABLE memberships (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    user_id uuid NOT NULL REFERENCES users,
    role text NOT NULL CHECK (role IN ('admin', 'sender', 'reader')),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, user_id)
);

CREATE TABLE sessions (
    session_hash bytea PRIMARY KEY,                   -- SHA-256 of the cookie: a leaked table opens no session
    user_id uuid NOT NULL REFERENCES users,
    workspace_id uuid NOT NULL REFERENCES workspaces,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE sign_in_links (
    token_hash bytea PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

CREATE TABLE data_keys (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    key_id uuid NOT NULL,
    wrapped_key bytea NOT NULL,                       -- under the key-encryption key, which is not in this database
    kek_id text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, key_id)
);

CREATE TABLE credentials (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    credential_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('api_key', 'smtp')),
    name text NOT NULL CHECK (name <> ''),
    hint text NOT NULL,                               -- what may be shown: user name, or the key's first letters
    secret_hash bytea NOT NULL,                       -- SHA-256: the secrets are 160 random bits, not passwords
    scopes text[] NOT NULL CHECK (scopes <@ ARRAY['send', 'read', 'manage']),
    domains text[] NOT NULL DEFAULT '{}',             -- empty: every verified domain of the workspace
    networks cidr[] NOT NULL DEFAULT '{}',            -- empty: from anywhere
    without_auth boolean NOT NULL DEFAULT false,      -- SMTP from `networks` needs no AUTH
    any_domain boolean NOT NULL DEFAULT false,        -- lab only
    mail_class text NOT NULL DEFAULT 'transactional' CHECK (mail_class IN ('transactional', 'marketing', 'business')),
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (workspace_id, credential_id),
    CHECK (NOT without_auth OR (kind = 'smtp' AND cardinality(networks) > 0))
);
CREATE INDEX credentials_by_secret ON credentials (workspace_id, secret_hash);

CREATE TABLE credential_use (
    workspace_id uuid NOT NULL,
    credential_id uuid NOT NULL,
    used_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, credential_id),
    FOREIGN KEY (workspace_id, credential_id) REFERENCES credentials
);

CREATE TABLE sending_domains (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    domain_id uuid NOT NULL,
    name text NOT NULL,                               -- lower-case A-label
    ownership_token text NOT NULL,                    -- published as TXT: one workspace cannot claim another's domain
    verified_at timestamptz,                          -- ownership and DKIM seen in DNS; null refuses sending
    checked_at timestamptz,
    checks jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, domain_id),
    UNIQUE (workspace_id, name)
);

CREATE TABLE dkim_keys (
    workspace_id uuid NOT NULL,
    domain_id uuid NOT NULL,
    selector text NOT NULL,
    algorithm text NOT NULL CHECK (algorithm IN ('rsa-sha256', 'ed25519-sha256')),
    sealed_private_key bytea NOT NULL,
    public_key text NOT NULL,                         -- the TXT value to publish
    created_at timestamptz NOT NULL,
    retired_at timestamptz,
    PRIMARY KEY (workspace_id, domain_id, selector),
    FOREIGN KEY (workspace_id, domain_id) REFERENCES sending_domains ON DELETE CASCADE
);

CREATE TABLE audit_log (
    workspace_id uuid NOT NULL REFERENCES workspaces,
    sequence bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail jsonb NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (workspace_id, sequence)
);

GRANT SELECT, INSERT, UPDATE ON workspaces, users TO posthouse_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON memberships, sessions, sign_in_links, data_keys, credentials, credential_use,
    sending_domains, dkim_keys TO posthouse_app;
GRANT SELECT, INSERT ON audit_log TO posthouse_app;   -- append only, by right and not by habit
