-- Every statement of the ledger: appends, reads, and the suppression list.

-- name: append_events
INSERT INTO events (workspace_id, event_id, occurred_at, message_id, recipient_id, kind, data)
SELECT workspace_id, event_id, occurred_at, message_id, recipient_id, kind, data::jsonb
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[], $5::uuid[], $6::text[], $7::text[])
     AS e (workspace_id, event_id, occurred_at, message_id, recipient_id, kind, data);

-- name: append_attempts
-- The same attempt may come again when the answer to a commit was lost.
INSERT INTO attempts (workspace_id, attempt_id, recipient_id, message_id, number, worker_id, started_at, ended_at, outcome, stage,
                      code, enhanced, text, remote, tls, signature, transcript)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::smallint[], $6::uuid[], $7::timestamptz[], $8::timestamptz[],
                     $9::text[], $10::text[], $11::smallint[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bytea[],
                     $17::text[])
ON CONFLICT (workspace_id, attempt_id) DO NOTHING;

-- name: events_of_message
-- $3 is the message's own id as a lower bound: nothing happened to it before it existed, so older partitions are not opened.
SELECT event_id, occurred_at, recipient_id, kind, data FROM events
WHERE workspace_id = $1 AND message_id = $2 AND event_id >= $3 ORDER BY event_id;

-- name: events_of_kind
-- How often this happened to one recipient's mail; bounded as events_of_message is.
SELECT count(*) FROM events
WHERE workspace_id = $1 AND message_id = $2 AND event_id >= $2 AND recipient_id = $3 AND kind = $4;

-- name: attempts_of_recipients
SELECT attempt_id, recipient_id, number, started_at, ended_at, outcome, stage, code, enhanced, text, remote, tls, signature,
       transcript
FROM attempts WHERE workspace_id = $1 AND recipient_id = ANY($2::uuid[]) AND attempt_id >= $3 ORDER BY attempt_id;

-- name: start_cursor
INSERT INTO event_cursors (workspace_id, reader, next) VALUES ($1, $2, $3) ON CONFLICT (workspace_id, reader) DO NOTHING;

-- name: advance_cursor
-- Moves a reader's cursor to $3 and says where it stood; the row lock keeps two readers of one name from counting twice.
UPDATE event_cursors c SET next = $3
FROM (SELECT next FROM event_cursors WHERE workspace_id = $1 AND reader = $2 FOR UPDATE) before
WHERE c.workspace_id = $1 AND c.reader = $2 AND before.next < $3
RETURNING before.next;

-- name: count_events
-- Adds the events from $2 up to, not including, $3 to their quarters.
INSERT INTO event_counts (workspace_id, quarter, kind, times)
SELECT $1, date_bin('15 minutes', occurred_at, 'epoch'), kind, count(*) FROM events
WHERE workspace_id = $1 AND event_id >= $2 AND event_id < $3
GROUP BY 2, 3
ON CONFLICT (workspace_id, quarter, kind) DO UPDATE SET times = event_counts.times + EXCLUDED.times;

-- name: counts_by_day
-- How often what happened on each day of the zone $3 since $2: what is counted, and the few events since the cursor.
SELECT day, kind, sum(times)::bigint AS times FROM (
    SELECT (quarter AT TIME ZONE $3)::date AS day, kind, times FROM event_counts
    WHERE workspace_id = $1 AND quarter >= $2
    UNION ALL
    SELECT (occurred_at AT TIME ZONE $3)::date, kind, 1 FROM events
    WHERE workspace_id = $1 AND occurred_at >= $2
      AND event_id >= coalesce((SELECT next FROM event_cursors WHERE workspace_id = $1 AND reader = 'counts'), uuid_floor($2))
) happened
GROUP BY day, kind;

-- name: suppressions_of
SELECT address, scope, reason FROM suppressions WHERE workspace_id = $1 AND address = ANY($2::text[]);

-- name: add_suppression
-- The first reason stays: it is the evidence.
INSERT INTO suppressions (workspace_id, address, scope, reason, message_id, added_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (workspace_id, address, scope) DO NOTHING;

-- name: list_suppressions
-- Addresses from $2 up to, not including, $3 in byte order.
SELECT address, scope, reason, added_by, created_at FROM suppressions
WHERE workspace_id = $1 AND address COLLATE "C" >= $2 AND address COLLATE "C" < $3
ORDER BY address COLLATE "C", scope LIMIT $4;

-- name: remove_suppressions
DELETE FROM suppressions WHERE workspace_id = $1 AND address = $2 RETURNING scope, reason;
