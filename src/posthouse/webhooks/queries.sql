-- Every statement of the webhooks. $1 is the workspace wherever a statement touches tenant rows; the exceptions read across
-- workspaces and change nothing.

-- name: in_service
-- Cross-workspace read: every endpoint that is told of events.
SELECT workspace_id, endpoint_id, url, kinds, since, failing_since, sealed_secret, sealed_previous, previous_until
FROM webhook_endpoints WHERE enabled AND deleted_at IS NULL;

-- name: due
-- Cross-workspace read: the endpoints for which something is to be sent now, by one look into an index each.
SELECT e.workspace_id, e.endpoint_id FROM webhook_endpoints e
WHERE e.enabled AND e.deleted_at IS NULL AND EXISTS (
    SELECT FROM webhook_deliveries d
    WHERE d.workspace_id = e.workspace_id AND d.endpoint_id = e.endpoint_id AND d.state = 'pending' AND d.due_at <= $1);

-- name: out_of_service
-- Cross-workspace read: endpoints that are switched off or deleted, whose deliveries housekeeping ends or takes away.
SELECT workspace_id, endpoint_id, deleted_at IS NOT NULL AS deleted FROM webhook_endpoints
WHERE NOT enabled OR deleted_at IS NOT NULL;

-- name: endpoints
SELECT * FROM webhook_endpoints WHERE workspace_id = $1 AND deleted_at IS NULL ORDER BY endpoint_id;

-- name: endpoint
SELECT * FROM webhook_endpoints WHERE workspace_id = $1 AND endpoint_id = $2 AND deleted_at IS NULL;

-- name: lock_endpoints
-- One writer at a time per workspace, until commit: how many there may be is counted before one is added.
SELECT pg_advisory_xact_lock(hashtextextended('webhooks ' || $1::text, 0));

-- name: count_endpoints
SELECT count(*) FROM webhook_endpoints WHERE workspace_id = $1 AND deleted_at IS NULL;

-- name: insert_endpoint
INSERT INTO webhook_endpoints (workspace_id, endpoint_id, url, description, kinds, sealed_secret, since, created_at, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: update_endpoint
UPDATE webhook_endpoints SET url = $3, description = $4, kinds = $5
WHERE workspace_id = $1 AND endpoint_id = $2 AND deleted_at IS NULL;

-- name: enable_endpoint
-- off -> on. What happened meanwhile is not sent by itself: that is what replay is for.
UPDATE webhook_endpoints SET enabled = true, disabled_at = NULL, disabled_reason = '', failing_since = NULL, since = $3
WHERE workspace_id = $1 AND endpoint_id = $2 AND deleted_at IS NULL AND NOT enabled RETURNING url;

-- name: disable_endpoint
-- on -> off.
UPDATE webhook_endpoints SET enabled = false, disabled_at = $3, disabled_reason = $4
WHERE workspace_id = $1 AND endpoint_id = $2 AND deleted_at IS NULL AND enabled RETURNING url;

-- name: delete_endpoint
UPDATE webhook_endpoints SET deleted_at = $3 WHERE workspace_id = $1 AND endpoint_id = $2 AND deleted_at IS NULL RETURNING url;

-- name: rotate_secret
UPDATE webhook_endpoints SET sealed_secret = $3, sealed_previous = $4, previous_until = $5
WHERE workspace_id = $1 AND endpoint_id = $2 AND deleted_at IS NULL;

-- name: note_failing
UPDATE webhook_endpoints SET failing_since = $3 WHERE workspace_id = $1 AND endpoint_id = $2 AND failing_since IS NULL;

-- name: note_well
UPDATE webhook_endpoints SET failing_since = NULL WHERE workspace_id = $1 AND endpoint_id = $2 AND failing_since IS NOT NULL;

-- name: enqueue
-- New rows are pending. An event that is there already stays as it is: the same stretch of the ledger is read more than once.
-- Where an earlier event of the message has failed and waits, this one need not be looked at before that is due.
INSERT INTO webhook_deliveries (workspace_id, endpoint_id, event_id, message_id, recipient_id, kind, occurred_at, state, due_at)
SELECT $1, endpoint_id, event_id, message_id, recipient_id, kind, occurred_at, 'pending',
       greatest($2::timestamptz, (SELECT CASE WHEN first.reason <> '' THEN first.due_at END FROM (
           SELECT d.event_id, d.due_at, d.reason FROM webhook_deliveries d
           WHERE d.workspace_id = $1 AND d.endpoint_id = e.endpoint_id AND d.message_id = e.message_id AND d.state = 'pending'
           OFFSET 0) first ORDER BY first.event_id LIMIT 1))
FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::timestamptz[])
     AS e (endpoint_id, event_id, message_id, recipient_id, kind, occurred_at)
ON CONFLICT (workspace_id, endpoint_id, event_id) DO NOTHING
RETURNING endpoint_id;

-- name: enqueue_again
-- New rows are pending; delivered or failed -> pending. What is on its way stays there.
INSERT INTO webhook_deliveries AS d (workspace_id, endpoint_id, event_id, message_id, recipient_id, kind, occurred_at, state, due_at)
SELECT $1, endpoint_id, event_id, message_id, recipient_id, kind, occurred_at, 'pending', $2
FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::timestamptz[])
     AS e (endpoint_id, event_id, message_id, recipient_id, kind, occurred_at)
ON CONFLICT (workspace_id, endpoint_id, event_id) DO UPDATE
SET state = 'pending', tries = 0, due_at = EXCLUDED.due_at, first_tried_at = NULL, settled_at = NULL, reason = ''
WHERE d.state <> 'pending'
RETURNING d.endpoint_id;

-- name: failed_again
-- failed -> pending, the oldest first.
UPDATE webhook_deliveries
SET state = 'pending', tries = 0, due_at = $3, first_tried_at = NULL, settled_at = NULL, reason = ''
WHERE workspace_id = $1 AND endpoint_id = $2 AND state = 'failed' AND event_id = ANY(ARRAY(
    SELECT event_id FROM webhook_deliveries
    WHERE workspace_id = $1 AND endpoint_id = $2 AND state = 'failed' AND event_id >= $4 ORDER BY event_id LIMIT $5))
RETURNING event_id;

-- name: claim
-- Counts a try and moves `due_at` past it, of what is due and the first of its message. As a look-up for each row, which ends at the
-- limit: as an anti-join it would read all that waits, and without OFFSET 0 the key's order could tempt the planner to walk that.
UPDATE webhook_deliveries SET tries = tries + 1, due_at = $4, first_tried_at = coalesce(first_tried_at, $3)
WHERE workspace_id = $1 AND endpoint_id = $2 AND state = 'pending' AND event_id = ANY(ARRAY(
    SELECT d.event_id FROM webhook_deliveries d
    WHERE d.workspace_id = $1 AND d.endpoint_id = $2 AND d.state = 'pending' AND d.due_at <= $3
      AND d.event_id = (SELECT mine.event_id FROM (
          SELECT m.event_id FROM webhook_deliveries m
          WHERE m.workspace_id = $1 AND m.endpoint_id = $2 AND m.message_id = d.message_id AND m.state = 'pending'
          OFFSET 0) mine ORDER BY mine.event_id LIMIT 1)
    ORDER BY d.due_at, d.event_id LIMIT $5 FOR UPDATE SKIP LOCKED))
RETURNING event_id, message_id, recipient_id, kind, occurred_at, tries, first_tried_at;

-- name: settle
-- pending -> delivered, failed, or pending until its next time; only while the try is still ours.
UPDATE webhook_deliveries d
SET state = r.state, due_at = r.due_at, settled_at = CASE WHEN r.state = 'pending' THEN NULL ELSE $3::timestamptz END,
    status = r.status, reason = r.reason
FROM unnest($4::uuid[], $5::smallint[], $6::text[], $7::timestamptz[], $8::smallint[], $9::text[])
     AS r (event_id, tries, state, due_at, status, reason)
WHERE d.workspace_id = $1 AND d.endpoint_id = $2 AND d.event_id = r.event_id AND d.tries = r.tries AND d.state = 'pending';

-- name: wait_behind
-- Later events of a message wait as long as the one before them: nobody need look at them until then.
UPDATE webhook_deliveries d SET due_at = r.due_at
FROM unnest($3::uuid[], $4::uuid[], $5::timestamptz[]) AS r (event_id, message_id, due_at)
WHERE d.workspace_id = $1 AND d.endpoint_id = $2 AND d.message_id = r.message_id AND d.state = 'pending'
  AND d.event_id > r.event_id AND d.due_at < r.due_at;

-- name: give_back
-- What was claimed and not tried after all.
UPDATE webhook_deliveries d SET tries = d.tries - 1, due_at = $3
FROM unnest($4::uuid[], $5::smallint[]) AS r (event_id, tries)
WHERE d.workspace_id = $1 AND d.endpoint_id = $2 AND d.event_id = r.event_id AND d.tries = r.tries AND d.state = 'pending';

-- name: append_attempts
-- The same attempt may come again when the answer to a commit was lost.
INSERT INTO webhook_attempts (workspace_id, endpoint_id, event_id, attempt_id, number, started_at, duration_ms, status, reason,
                              answer, remote)
SELECT $1, $2, event_id, attempt_id, number, started_at, duration_ms, status, reason, answer, remote
FROM unnest($3::uuid[], $4::uuid[], $5::smallint[], $6::timestamptz[], $7::integer[], $8::smallint[], $9::text[], $10::text[],
            $11::text[])
     AS a (event_id, attempt_id, number, started_at, duration_ms, status, reason, answer, remote)
ON CONFLICT (workspace_id, endpoint_id, event_id, attempt_id) DO NOTHING;

-- name: give_up_untried
-- pending -> failed, for what an endpoint that is down had no turn for.
UPDATE webhook_deliveries SET state = 'failed', settled_at = $4, reason = $5
WHERE workspace_id = $1 AND endpoint_id = $2 AND state = 'pending' AND event_id = ANY(ARRAY(
    SELECT event_id FROM webhook_deliveries
    WHERE workspace_id = $1 AND endpoint_id = $2 AND state = 'pending' AND due_at < $3 AND first_tried_at IS NULL
    ORDER BY due_at, event_id LIMIT $6 FOR UPDATE SKIP LOCKED))
RETURNING event_id;

-- name: deliveries
-- Newest first, below $3, delivered ones or any; what is rare has an index of its own, and a statement of its own to find it by.
SELECT event_id, message_id, kind, occurred_at, state, tries, due_at, settled_at, status, reason FROM webhook_deliveries
WHERE workspace_id = $1 AND endpoint_id = $2 AND event_id < $3 AND ($4::text IS NULL OR state = $4)
ORDER BY event_id DESC LIMIT $5;

-- name: failed_deliveries
SELECT event_id, message_id, kind, occurred_at, state, tries, due_at, settled_at, status, reason FROM webhook_deliveries
WHERE workspace_id = $1 AND endpoint_id = $2 AND event_id < $3 AND state = 'failed' ORDER BY event_id DESC LIMIT $4;

-- name: pending_deliveries
SELECT event_id, message_id, kind, occurred_at, state, tries, due_at, settled_at, status, reason FROM webhook_deliveries
WHERE workspace_id = $1 AND endpoint_id = $2 AND event_id < $3 AND state = 'pending' ORDER BY event_id DESC LIMIT $4;

-- name: delivery
SELECT event_id, message_id, kind, occurred_at, state, tries, due_at, settled_at, status, reason FROM webhook_deliveries
WHERE workspace_id = $1 AND endpoint_id = $2 AND event_id = $3;

-- name: attempts
SELECT event_id, number, started_at, duration_ms, status, reason, answer, remote FROM webhook_attempts
WHERE workspace_id = $1 AND endpoint_id = $2 AND event_id = ANY($3::uuid[]) ORDER BY event_id, attempt_id;

-- name: count_pending
SELECT count(*) FROM (
    SELECT FROM webhook_deliveries WHERE workspace_id = $1 AND endpoint_id = $2 AND state = 'pending' LIMIT $3) counted;

-- name: count_failed
SELECT count(*) FROM (
    SELECT FROM webhook_deliveries WHERE workspace_id = $1 AND endpoint_id = $2 AND state = 'failed' LIMIT $3) counted;

-- name: drop_deliveries
-- What is older than $3 and not on its way.
DELETE FROM webhook_deliveries WHERE workspace_id = $1 AND endpoint_id = $2 AND event_id = ANY(ARRAY(
    SELECT event_id FROM webhook_deliveries
    WHERE workspace_id = $1 AND endpoint_id = $2 AND event_id < $3 AND state <> 'pending' ORDER BY event_id LIMIT $4))
RETURNING event_id;

-- name: drop_attempts
DELETE FROM webhook_attempts WHERE workspace_id = $1 AND endpoint_id = $2 AND event_id = ANY(ARRAY(
    SELECT event_id FROM webhook_attempts
    WHERE workspace_id = $1 AND endpoint_id = $2 AND event_id < $3 ORDER BY event_id LIMIT $4))
RETURNING event_id;

-- name: keep_news
INSERT INTO webhook_news (workspace_id, event_id, about_id, kind, occurred_at, data)
SELECT $1, n.* FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::jsonb[]) AS n
ON CONFLICT (workspace_id, event_id) DO NOTHING;

-- name: news_between
SELECT event_id, about_id, kind, occurred_at FROM webhook_news
WHERE workspace_id = $1 AND event_id >= $2 AND event_id < $3 ORDER BY event_id LIMIT $4;

-- name: news_by_id
SELECT event_id, about_id, kind, occurred_at, data FROM webhook_news WHERE workspace_id = $1 AND event_id = ANY ($2::uuid[]);

-- name: drop_news
-- What is older than $2, and all of a workspace in which no endpoint is left.
DELETE FROM webhook_news n WHERE n.workspace_id = $1 AND (n.event_id < $2 OR NOT EXISTS (
    SELECT FROM webhook_endpoints e WHERE e.workspace_id = $1 AND e.deleted_at IS NULL));

-- name: drop_endpoint
-- The row of one that was deleted, once nothing is left of it.
DELETE FROM webhook_endpoints e WHERE e.workspace_id = $1 AND e.endpoint_id = $2 AND e.deleted_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.workspace_id = $1 AND d.endpoint_id = $2)
  AND NOT EXISTS (SELECT FROM webhook_attempts a WHERE a.workspace_id = $1 AND a.endpoint_id = $2);

-- name: fail_pending
-- pending -> failed, for an endpoint that is out of service.
UPDATE webhook_deliveries SET state = 'failed', settled_at = $3, reason = $4
WHERE workspace_id = $1 AND endpoint_id = $2 AND state = 'pending' AND event_id = ANY(ARRAY(
    SELECT event_id FROM webhook_deliveries WHERE workspace_id = $1 AND endpoint_id = $2 AND state = 'pending'
    ORDER BY event_id LIMIT $5 FOR UPDATE SKIP LOCKED))
RETURNING event_id;
