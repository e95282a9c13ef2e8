-- How mail fares, by who sent it and who takes it, and what is stopped when too much of it is refused or complained about.

CREATE TABLE reputation_counts (
    workspace_id uuid NOT NULL,
    quarter timestamptz NOT NULL,                     -- as event_counts: the beginning of a quarter of an hour
    pool text NOT NULL,
    sender_domain text NOT NULL,                      -- of From
    provider text NOT NULL,                           -- ledger.providers: who takes the mail
    sent integer NOT NULL,                            -- delivered or bounced, each mail once
    delivered integer NOT NULL,
    hard_bounces integer NOT NULL,                    -- also those reported after delivery
    complaints integer NOT NULL,                      -- in the quarter in which they came
    PRIMARY KEY (workspace_id, quarter, pool, sender_domain, provider)
);

-- Who has once sent a provider so much in a day that its rules for bulk senders hold from then on.
CREATE TABLE bulk_senders (
    workspace_id uuid NOT NULL,
    domain text NOT NULL,                             -- the organizational domain (RFC 9989)
    provider text NOT NULL,
    mails integer NOT NULL,                           -- within the 24 hours in which it became one
    since timestamptz NOT NULL,
    PRIMARY KEY (workspace_id, domain, provider)
);

-- A suspension may stop the bulk mail of one From domain: every pool but the transactional one.
ALTER TABLE suspensions ADD COLUMN sender_domain text CHECK (sender_domain <> '');
ALTER TABLE suspensions DROP CONSTRAINT suspensions_check;
ALTER TABLE suspensions ADD CONSTRAINT suspensions_everything
    CHECK (everything = (pool IS NULL AND domain IS NULL AND sender_domain IS NULL));
ALTER TABLE suspensions ADD CONSTRAINT suspensions_of_sender
    CHECK (sender_domain IS NULL OR (pool IS NULL AND domain IS NULL));
CREATE INDEX suspensions_of_senders ON suspensions (workspace_id, suspension_id) WHERE sender_domain IS NOT NULL;
CREATE INDEX suspensions_ended_of_breakers ON suspensions (workspace_id, ended_at) WHERE created_by = 'breaker';

-- Mail that a dispatcher found to be of a suspended From domain: held until the suspension ends.
CREATE TABLE set_aside (
    workspace_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    suspension_id uuid NOT NULL,
    PRIMARY KEY (workspace_id, recipient_id)
);
CREATE INDEX set_aside_by_suspension ON set_aside (workspace_id, suspension_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON reputation_counts, set_aside TO posthouse_app;
GRANT SELECT, INSERT ON bulk_senders TO posthouse_app;
