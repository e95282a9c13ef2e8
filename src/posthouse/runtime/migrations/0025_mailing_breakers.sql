-- How each mailing fares, and the suspension of one mailing. A mailing is marketing under one name: the first tag, or else the mailing type.

CREATE TABLE mailing_counts (
    workspace_id uuid NOT NULL,
    quarter timestamptz NOT NULL,                     -- as reputation_counts
    mailing text NOT NULL,
    sent integer NOT NULL,
    delivered integer NOT NULL,
    hard_bounces integer NOT NULL,
    complaints integer NOT NULL,
    PRIMARY KEY (workspace_id, quarter, mailing)
);

ALTER TABLE suspensions ADD COLUMN mailing text CHECK (mailing <> '');
ALTER TABLE suspensions DROP CONSTRAINT suspensions_everything;
ALTER TABLE suspensions ADD CONSTRAINT suspensions_everything
    CHECK (everything = (pool IS NULL AND domain IS NULL AND sender_domain IS NULL AND mailing IS NULL));
ALTER TABLE suspensions ADD CONSTRAINT suspensions_of_mailing
    CHECK (mailing IS NULL OR (pool IS NULL AND domain IS NULL AND sender_domain IS NULL));
DROP INDEX suspensions_of_senders;
CREATE INDEX suspensions_that_set_aside ON suspensions (workspace_id, suspension_id)
    WHERE sender_domain IS NOT NULL OR mailing IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON mailing_counts TO posthouse_app;
