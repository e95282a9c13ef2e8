-- What receivers publish about encryption, and how sessions with them fared. No tenant's data: it belongs to the installation.

CREATE TABLE sts_policies (
    domain text PRIMARY KEY,
    id text NOT NULL,                                 -- of the TXT record the policy was fetched for
    mode text NOT NULL CHECK (mode IN ('enforce', 'testing', 'none')),
    mx text[] NOT NULL,                               -- patterns: a host name, or *. and the rest of one
    max_age integer NOT NULL CHECK (max_age >= 0),    -- seconds after fetched_at
    fetched_at timestamptz NOT NULL,
    checked_at timestamptz NOT NULL                   -- when somebody last set out to fetch it anew
);
CREATE INDEX sts_policies_by_age ON sts_policies (fetched_at);

-- The counters of RFC 8460: sessions by day (UTC), the domain whose policy it was, and result.
CREATE TABLE tls_results (
    day date NOT NULL,
    domain text NOT NULL,
    policy text NOT NULL CHECK (policy IN ('tlsa', 'sts', 'no-policy-found')),
    mx text NOT NULL,                                 -- '' when it did not come to a host
    result text NOT NULL,
    sessions bigint NOT NULL,
    PRIMARY KEY (day, domain, policy, mx, result)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON sts_policies TO posthouse_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON tls_results TO posthouse_app;
