-- How often what happened, by quarter of an hour: what summaries read instead of walking a day of events.
-- Quarters, because there are time zones a quarter of an hour apart and a day begins at midnight in each of them.

CREATE TABLE event_counts (
    workspace_id uuid NOT NULL,
    quarter timestamptz NOT NULL,
    kind text NOT NULL,
    times bigint NOT NULL,
    PRIMARY KEY (workspace_id, quarter, kind)
);

CREATE TABLE event_cursors (
    workspace_id uuid NOT NULL,
    reader text NOT NULL,                             -- who has read the events up to, not including, `next`
    next uuid NOT NULL,
    PRIMARY KEY (workspace_id, reader)
);

GRANT SELECT, INSERT, UPDATE ON event_counts, event_cursors TO posthouse_app;
