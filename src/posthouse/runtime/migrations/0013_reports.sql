-- What receivers report about a workspace's domains: DMARC aggregate and failure reports, TLS reports.
--
-- A report is kept once, whichever way it came and however often. `domain` is the verified domain of the workspace it belongs to,
-- `about` the name in the report, which may be below it.

CREATE TABLE dmarc_reports (
    workspace_id uuid NOT NULL,
    report_id uuid NOT NULL,
    domain text NOT NULL,
    about text NOT NULL,
    organisation text NOT NULL,
    external_id text NOT NULL,                        -- as its sender calls it
    contact text NOT NULL,
    begins_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    policy text NOT NULL,                             -- p= as the receiver found it
    rows integer NOT NULL,
    messages bigint NOT NULL,
    passed bigint NOT NULL,
    received_at timestamptz NOT NULL,
    source text NOT NULL CHECK (source IN ('api', 'page', 'mail')),
    PRIMARY KEY (workspace_id, report_id),
    UNIQUE (workspace_id, organisation, external_id, about)
);
CREATE INDEX dmarc_reports_by_domain ON dmarc_reports (workspace_id, domain, begins_at);
CREATE INDEX dmarc_reports_by_time ON dmarc_reports (workspace_id, received_at);

CREATE TABLE dmarc_rows (
    workspace_id uuid NOT NULL,
    report_id uuid NOT NULL,
    number integer NOT NULL,
    source_ip text NOT NULL,                          -- '' where it was not said
    messages bigint NOT NULL,
    disposition text NOT NULL CHECK (disposition IN ('none', 'quarantine', 'reject')),
    dkim_aligned boolean NOT NULL,
    spf_aligned boolean NOT NULL,
    header_from text NOT NULL,
    envelope_from text NOT NULL,
    envelope_to text NOT NULL,
    dkim text NOT NULL,                               -- each signature: domain/selector result
    spf text NOT NULL,                                -- each check: domain scope result
    overrides text NOT NULL,                          -- why the receiver did not do as the policy says
    PRIMARY KEY (workspace_id, report_id, number),
    FOREIGN KEY (workspace_id, report_id) REFERENCES dmarc_reports ON DELETE CASCADE
);

CREATE TABLE dmarc_failures (
    workspace_id uuid NOT NULL,
    report_id uuid NOT NULL,
    domain text NOT NULL,
    about text NOT NULL,
    fingerprint bytea NOT NULL,                       -- of what it says
    reporter text NOT NULL,
    arrived_at timestamptz NOT NULL,
    source_ip text NOT NULL,
    failure text NOT NULL,
    delivery text NOT NULL,
    mail_from text NOT NULL,
    dkim_domain text NOT NULL,
    dkim_selector text NOT NULL,
    message_id text NOT NULL,
    received_at timestamptz NOT NULL,
    source text NOT NULL CHECK (source IN ('api', 'page', 'mail')),
    PRIMARY KEY (workspace_id, report_id),
    UNIQUE (workspace_id, fingerprint)
);
CREATE INDEX dmarc_failures_by_domain ON dmarc_failures (workspace_id, domain, arrived_at);
CREATE INDEX dmarc_failures_by_time ON dmarc_failures (workspace_id, received_at);

CREATE TABLE tls_reports (
    workspace_id uuid NOT NULL,
    report_id uuid NOT NULL,
    organisation text NOT NULL,
    external_id text NOT NULL,
    contact text NOT NULL,
    begins_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    source text NOT NULL CHECK (source IN ('api', 'page', 'mail')),
    PRIMARY KEY (workspace_id, report_id),
    UNIQUE (workspace_id, organisation, external_id)
);
CREATE INDEX tls_reports_by_time ON tls_reports (workspace_id, received_at);

-- Only the policies of domains of the workspace: a report may tell of others' too.
CREATE TABLE tls_report_policies (
    workspace_id uuid NOT NULL,
    report_id uuid NOT NULL,
    number integer NOT NULL,
    domain text NOT NULL,
    about text NOT NULL,
    begins_at timestamptz NOT NULL,
    policy text NOT NULL,                             -- tlsa, sts, no-policy-found
    strings text NOT NULL,                            -- its lines
    hosts text NOT NULL,
    successful bigint NOT NULL,
    failed bigint NOT NULL,
    PRIMARY KEY (workspace_id, report_id, number),
    FOREIGN KEY (workspace_id, report_id) REFERENCES tls_reports ON DELETE CASCADE
);
CREATE INDEX tls_report_policies_by_domain ON tls_report_policies (workspace_id, domain, begins_at);

CREATE TABLE tls_report_failures (
    workspace_id uuid NOT NULL,
    report_id uuid NOT NULL,
    policy_number integer NOT NULL,
    number integer NOT NULL,
    result text NOT NULL,
    sessions bigint NOT NULL,
    sending_ip text NOT NULL,
    receiving_host text NOT NULL,
    receiving_ip text NOT NULL,
    reason text NOT NULL,
    information text NOT NULL,
    PRIMARY KEY (workspace_id, report_id, policy_number, number),
    FOREIGN KEY (workspace_id, report_id, policy_number) REFERENCES tls_report_policies ON DELETE CASCADE
);

GRANT SELECT, INSERT, DELETE ON dmarc_reports, dmarc_rows, dmarc_failures, tls_reports, tls_report_policies, tls_report_failures
    TO posthouse_app;
