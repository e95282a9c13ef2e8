-- What is promised and what happened: outbox and ledger.
--
-- Ids are UUIDv7, so a range of ids is a range of time: messages, bodies, attempts and events are partitioned by their own id,
-- a lookup by id touches one partition, and retention drops whole partitions.

CREATE FUNCTION uuid_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

CREATE TABLE messages (
    workspace_id uuid NOT NULL,
    message_id uuid NOT NULL,
    accepted_at timestamptz NOT NULL,
    source text NOT NULL CHECK (source IN ('api', 'smtp', 'manual')),
    mail_class text NOT NULL CHECK (mail_class IN ('business', 'transactional', 'marketing')),
    route text NOT NULL CHECK (route IN ('INBOX', 'TRANSACTIONAL', 'MARKETING')),
    route_reason text NOT NULL,
    sender text NOT NULL,
    subject text NOT NULL,
    message_id_header text NOT NULL,
    priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    tags text[] NOT NULL,
    metadata jsonb NOT NULL,
    send_at timestamptz,
    expires_at timestamptz NOT NULL,
    octets integer NOT NULL,
    smtputf8 boolean NOT NULL,
    credential_id uuid NOT NULL,
    recipient_count smallint NOT NULL,
    PRIMARY KEY (workspace_id, message_id)
) PARTITION BY RANGE (message_id);
CREATE INDEX messages_by_header ON messages (workspace_id, message_id_header);
CREATE INDEX messages_by_words ON messages USING gin (to_tsvector('simple', subject || ' ' || sender));
CREATE INDEX messages_by_tag ON messages USING gin (tags) WHERE tags <> '{}';

CREATE TABLE bodies (
    workspace_id uuid NOT NULL,
    message_id uuid NOT NULL,
    encoding smallint NOT NULL,                       -- outbox.bodies: 0 plain, 1 zstd, 2 zstd then sealed
    content bytea NOT NULL,
    PRIMARY KEY (workspace_id, message_id)
) PARTITION BY RANGE (message_id);
ALTER TABLE bodies ALTER COLUMN content SET STORAGE EXTERNAL;   -- compressed by us where it pays, never by TOAST

CREATE TABLE outbox (
    workspace_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    message_id uuid NOT NULL,
    address text NOT NULL,
    domain text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('to', 'cc', 'bcc')),
    pool text NOT NULL CHECK (pool IN ('transactional', 'marketing')),
    state text NOT NULL CHECK (state IN
        ('waiting', 'ready', 'claimed', 'held', 'delivered', 'bounced', 'expired', 'cancelled', 'suppressed')),
    priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    not_before timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    claimed_by uuid,
    claimed_at timestamptz,
    settled_at timestamptz,
    reason text NOT NULL DEFAULT '',                  -- one sentence: why it waits, or why it ended as it did
    code smallint,                                    -- the last SMTP reply
    enhanced text,
    remote text,                                      -- who said it
    PRIMARY KEY (workspace_id, recipient_id),
    CHECK ((state = 'claimed') = (claimed_by IS NOT NULL)),
    CHECK ((claimed_by IS NULL) = (claimed_at IS NULL)),
    CHECK ((state IN ('delivered', 'bounced', 'expired', 'cancelled', 'suppressed')) = (settled_at IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outbox_ready ON outbox (pool, workspace_id, domain, priority DESC, recipient_id) WHERE state = 'ready';
CREATE INDEX outbox_waiting ON outbox (workspace_id, not_before) WHERE state = 'waiting';
CREATE INDEX outbox_expiring ON outbox (workspace_id, expires_at) WHERE state IN ('waiting', 'ready', 'held');
CREATE INDEX outbox_claimed ON outbox (claimed_by) WHERE state = 'claimed';
CREATE INDEX outbox_ended_badly ON outbox (workspace_id, state, message_id)
    WHERE state IN ('bounced', 'expired', 'cancelled', 'suppressed');
CREATE INDEX outbox_by_message ON outbox (workspace_id, message_id);
CREATE INDEX outbox_by_address ON outbox (workspace_id, address text_pattern_ops, recipient_id);

CREATE TABLE workers (
    worker_id uuid PRIMARY KEY,
    role text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    started_at timestamptz NOT NULL,
    lease_until timestamptz NOT NULL                  -- past it, what the worker had claimed goes back to ready
);

CREATE TABLE idempotency_keys (
    workspace_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,                       -- SHA-256 of the request: same key with another request is a conflict
    status smallint NOT NULL,
    response bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (workspace_id, created_at);

CREATE TABLE attempts (
    workspace_id uuid NOT NULL,
    attempt_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    message_id uuid NOT NULL,
    number smallint NOT NULL,
    worker_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('delivered', 'transient', 'permanent', 'unknown')),
    stage text NOT NULL,
    code smallint,
    enhanced text,
    text text NOT NULL,
    remote text NOT NULL,
    tls text NOT NULL,                                -- '' when the mail went in the clear
    signature bytea NOT NULL,                         -- the DKIM-Signature fields as sent; raw = signature + body
    transcript text NOT NULL,
    PRIMARY KEY (workspace_id, attempt_id)
) PARTITION BY RANGE (attempt_id);
CREATE INDEX attempts_by_recipient ON attempts (workspace_id, recipient_id);

CREATE TABLE events (
    workspace_id uuid NOT NULL,
    event_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    message_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    kind text NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (workspace_id, event_id)
) PARTITION BY RANGE (event_id);
CREATE INDEX events_by_message ON events (workspace_id, message_id);

CREATE TABLE suppressions (
    workspace_id uuid NOT NULL,
    address text NOT NULL,                            -- case folded
    scope text NOT NULL CHECK (scope IN ('everything', 'marketing')),
    reason text NOT NULL CHECK (reason IN ('hard_bounce', 'complaint', 'unsubscribe', 'manual')),
    message_id uuid,
    added_by text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, address, scope)
);

-- Partitions cover calendar months. Roles have no right to create tables, so they call this; it is safe to call at any time.
CREATE FUNCTION add_partitions(first timestamptz, last timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC' AS $$
DECLARE
    month timestamptz := date_trunc('month', first);
    parent text;
    child text;
    added integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(7310579);
    WHILE month <= last LOOP
        FOREACH parent IN ARRAY ARRAY['messages', 'bodies', 'attempts', 'events'] LOOP
            child := parent || to_char(month, '_YYYY_MM');
            IF to_regclass(child) IS NULL THEN
                EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                    child, parent, uuid_floor(month), uuid_floor(month + interval '1 month'));
                added := added + 1;
            END IF;
        END LOOP;
        month := month + interval '1 month';
    END LOOP;
    RETURN added;
END $$;
SELECT add_partitions(now() - interval '1 month', now() + interval '3 months');

GRANT SELECT, INSERT, UPDATE ON outbox TO posthouse_app;
GRANT SELECT, INSERT ON messages, bodies, attempts, events TO posthouse_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON workers, idempotency_keys, suppressions TO posthouse_app;
GRANT EXECUTE ON FUNCTION add_partitions(timestamptz, timestamptz), uuid_floor(timestamptz) TO posthouse_app;
