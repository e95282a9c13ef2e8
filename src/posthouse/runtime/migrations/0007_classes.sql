-- Classes of mail kept apart: which domain may be used for which, mass mail noticed, senders told of failures, counts by class.

ALTER TABLE workspaces
    ADD COLUMN class_policy text NOT NULL DEFAULT 'warn' CHECK (class_policy IN ('warn', 'refuse')),
    ADD COLUMN mass_policy text NOT NULL DEFAULT 'hold' CHECK (mass_policy IN ('flag', 'hold', 'refuse')),
    ADD COLUMN failure_notices boolean NOT NULL DEFAULT true,
    ADD COLUMN allow_lists text NOT NULL DEFAULT '';  -- certifications as its people noted them; nothing checks them

ALTER TABLE sending_domains ADD COLUMN mail_classes text[] NOT NULL DEFAULT '{}'    -- empty: every class
    CHECK (mail_classes <@ ARRAY['business', 'transactional', 'marketing']);

-- A report to a sender that mail was not delivered is mail of our own.
ALTER TABLE messages DROP CONSTRAINT messages_source_check;
ALTER TABLE messages ADD CONSTRAINT messages_source_check CHECK (source IN ('api', 'smtp', 'manual', 'notice'));

-- Who got the same text in which minute, as far as processes tell each other: recipients as numbers that name nobody.
CREATE TABLE mass_sightings (
    workspace_id uuid NOT NULL,
    text bigint NOT NULL,                             -- fingerprint of the body
    minute timestamptz NOT NULL,
    recipients bigint[] NOT NULL,
    PRIMARY KEY (workspace_id, text, minute)
);

-- Texts that went to so many that they are no single messages any more, and what was done about it.
CREATE TABLE mass_mailings (
    workspace_id uuid NOT NULL,
    text bigint NOT NULL,
    found_at timestamptz NOT NULL,
    action text NOT NULL CHECK (action IN ('flag', 'hold', 'refuse', 'allow')),
    message_id uuid,                                  -- the one it was found with; null when that was refused
    sender text NOT NULL,
    subject text NOT NULL,
    reason text NOT NULL,                             -- of a sender who insisted
    PRIMARY KEY (workspace_id, text)
);
CREATE INDEX mass_mailings_by_time ON mass_mailings (workspace_id, found_at);

ALTER TABLE event_counts ADD COLUMN mail_class text NOT NULL DEFAULT '';            -- '': counted before classes were
ALTER TABLE event_counts DROP CONSTRAINT event_counts_pkey;
ALTER TABLE event_counts ADD PRIMARY KEY (workspace_id, quarter, kind, mail_class);

GRANT SELECT, INSERT, UPDATE, DELETE ON mass_sightings TO posthouse_app;
GRANT SELECT, INSERT, UPDATE ON mass_mailings TO posthouse_app;
