-- Webhooks: who wants to hear of events, what each has heard, and every try to tell it. Owned by the room webhooks.

CREATE TABLE webhook_endpoints (
    workspace_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    url text NOT NULL,
    description text NOT NULL,
    kinds text[] NOT NULL,                            -- empty: every kind of event
    sealed_secret bytea NOT NULL,
    sealed_previous bytea,                            -- the secret before, which signs too until `previous_until`
    previous_until timestamptz,
    enabled boolean NOT NULL DEFAULT true,
    disabled_at timestamptz,
    disabled_reason text NOT NULL DEFAULT '',
    since uuid NOT NULL,                              -- it is told of events from here on
    failing_since timestamptz,                        -- null: the last try went well, or there was none
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    deleted_at timestamptz,                           -- gone for everybody; housekeeping takes its deliveries, then this row
    PRIMARY KEY (workspace_id, endpoint_id),
    CHECK ((sealed_previous IS NULL) = (previous_until IS NULL)),
    CHECK (enabled = (disabled_at IS NULL))
);

-- One event for one endpoint. A try is counted, and `due_at` moved past it, before anybody is dialled: a process that dies in
-- the middle of a try leaves a row that becomes due again.
CREATE TABLE webhook_deliveries (
    workspace_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    message_id uuid NOT NULL,                         -- events of one message are told in order; a test event is its own message
    recipient_id uuid NOT NULL,
    kind text NOT NULL,
    occurred_at timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    tries smallint NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL,
    first_tried_at timestamptz,
    settled_at timestamptz,
    status smallint,                                  -- the last answer's; null when there was none
    reason text NOT NULL DEFAULT '',                  -- one sentence: what went wrong last
    PRIMARY KEY (workspace_id, endpoint_id, event_id),
    CHECK ((state = 'pending') = (settled_at IS NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (workspace_id, endpoint_id, due_at, event_id) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_turn ON webhook_deliveries (workspace_id, endpoint_id, message_id, event_id)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (workspace_id, endpoint_id, event_id) WHERE state = 'failed';

CREATE TABLE webhook_attempts (
    workspace_id uuid NOT NULL,
    endpoint_id uuid NOT NULL,
    event_id uuid NOT NULL,
    attempt_id uuid NOT NULL,
    number smallint NOT NULL,
    started_at timestamptz NOT NULL,
    duration_ms integer NOT NULL,
    status smallint,
    reason text NOT NULL,                             -- '' when it went well
    answer text NOT NULL,                             -- the first kilobyte of it
    remote text NOT NULL,                             -- the address that was connected to
    PRIMARY KEY (workspace_id, endpoint_id, event_id, attempt_id)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_endpoints, webhook_deliveries, webhook_attempts TO posthouse_app;
