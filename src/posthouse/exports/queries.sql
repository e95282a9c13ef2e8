-- Every statement of exports.

-- name: lock_exports
-- One at a time decides whether a workspace may have another.
SELECT pg_advisory_xact_lock(hashtextextended('exports ' || ($1::uuid)::text, 0));

-- name: count_exports
SELECT count(*) AS kept, count(*) FILTER (WHERE state IN ('submitted', 'preparing', 'running')) AS unfinished
FROM exports WHERE workspace_id = $1 AND schedule_id IS NULL;

-- name: add_export
-- -> submitted
INSERT INTO exports (workspace_id, export_id, what, format, since, until, state, turn_at, link_key, webhook_id, schedule_id, created_at,
                     created_by)
VALUES ($1, $2, $3, $4, $5, $6, 'submitted', $10, $7, $8, $9, $10, $11);

-- name: exports
SELECT export_id, what, format, since, until, state, expected, completed, parts, octets, problem, link_key, webhook_id, uploaded,
       schedule_id, created_at, created_by, finished_at
FROM exports WHERE workspace_id = $1 AND ($2::uuid IS NULL OR export_id < $2) ORDER BY export_id DESC LIMIT $3;

-- name: export
SELECT export_id, what, format, since, until, state, expected, completed, parts, octets, problem, link_key, webhook_id, uploaded,
       schedule_id, created_at, created_by, finished_at
FROM exports WHERE workspace_id = $1 AND export_id = $2;

-- name: delete_export
DELETE FROM exports WHERE workspace_id = $1 AND export_id = $2 RETURNING what;

-- name: drop_old_exports
DELETE FROM exports WHERE workspace_id = $1 AND coalesce(finished_at, created_at) < $2 AND state IN ('complete', 'failed', 'uploading');

-- name: exports_to_do
-- Cross-workspace read: whose period is over and whom nobody is at, who waits longest first.
SELECT workspace_id, export_id FROM exports
WHERE state IN ('submitted', 'preparing', 'running') AND until <= $2 AND (lease_until IS NULL OR lease_until <= $1)
ORDER BY turn_at LIMIT $3;

-- name: claim_export
-- submitted -> preparing; what others have begun goes on where they stopped.
UPDATE exports SET claim = $3, lease_until = $5, tries = tries + 1, state = CASE state WHEN 'submitted' THEN 'preparing' ELSE state END
WHERE workspace_id = $1 AND export_id = $2 AND state IN ('submitted', 'preparing', 'running') AND (lease_until IS NULL OR lease_until <= $4)
RETURNING what, format, since, until, expected, parts, octets, position, tries;

-- name: note_expected
-- preparing -> running
UPDATE exports SET state = 'running', expected = $4, lease_until = $5
WHERE workspace_id = $1 AND export_id = $2 AND claim = $3 AND state = 'preparing' RETURNING export_id;

-- name: add_part
-- The next part, on top of the $4 there are, by whoever holds the claim and nobody else.
WITH taken AS (
    UPDATE exports SET parts = parts + 1, completed = completed + $5, octets = octets + length($6::bytea), position = $7, lease_until = $8,
           tries = 0
    WHERE workspace_id = $1 AND export_id = $2 AND claim = $3 AND parts = $4 AND state = 'running'
    RETURNING workspace_id, export_id
)
INSERT INTO export_parts (workspace_id, export_id, number, rows, content)
SELECT $1, export_id, $4, $5, $6 FROM taken WHERE workspace_id = $1 RETURNING number;

-- name: finish_export
-- running -> complete, or uploading where it is to be posted.
UPDATE exports SET state = CASE WHEN webhook_id IS NULL THEN 'complete' ELSE 'uploading' END, finished_at = $4, upload_at = $4,
       claim = NULL, lease_until = NULL
WHERE workspace_id = $1 AND export_id = $2 AND claim = $3 RETURNING state;

-- name: fail_export
-- -> failed
UPDATE exports SET state = 'failed', problem = $4, claim = NULL, lease_until = NULL
WHERE workspace_id = $1 AND export_id = $2 AND claim = $3 RETURNING export_id;

-- name: give_up_turn
-- Somebody else's is next.
UPDATE exports SET claim = NULL, lease_until = NULL, turn_at = $4 WHERE workspace_id = $1 AND export_id = $2 AND claim = $3;

-- name: export_part
SELECT rows, content FROM export_parts WHERE workspace_id = $1 AND export_id = $2 AND number = $3;

-- name: uploads_due
-- Cross-workspace read.
SELECT workspace_id, export_id FROM exports WHERE state = 'uploading' AND upload_at <= $1 ORDER BY upload_at LIMIT $2;

-- name: claim_upload
-- The next part is posted now; should that never end, it is anybody's at $4.
UPDATE exports SET upload_at = $4, upload_tries = upload_tries + 1, upload_since = coalesce(upload_since, $3)
WHERE workspace_id = $1 AND export_id = $2 AND state = 'uploading' AND upload_at <= $3
RETURNING what, format, since, until, webhook_id, parts, uploaded, upload_tries, upload_since, completed;

-- name: note_uploaded
-- One more part is there; uploading -> complete with the last.
UPDATE exports SET uploaded = uploaded + 1, upload_tries = 0, upload_since = NULL, upload_at = $4, problem = '',
       state = CASE WHEN uploaded + 1 >= parts THEN 'complete' ELSE state END
WHERE workspace_id = $1 AND export_id = $2 AND uploaded = $3 AND state = 'uploading' RETURNING state;

-- name: put_off_upload
UPDATE exports SET upload_at = $4, problem = $5 WHERE workspace_id = $1 AND export_id = $2 AND uploaded = $3 AND state = 'uploading';

-- name: fail_upload
-- uploading -> failed; it can still be downloaded.
UPDATE exports SET state = 'failed', problem = $4 WHERE workspace_id = $1 AND export_id = $2 AND uploaded = $3 AND state = 'uploading';

-- name: schedules
SELECT schedule_id, what, format, every, on_day, hour, zone, webhook_id, covered_until, next_at, created_at, created_by
FROM export_schedules WHERE workspace_id = $1 ORDER BY schedule_id;

-- name: add_schedule
INSERT INTO export_schedules (workspace_id, schedule_id, what, format, every, on_day, hour, zone, webhook_id, covered_until, next_at,
                              created_at, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: delete_schedule
DELETE FROM export_schedules WHERE workspace_id = $1 AND schedule_id = $2 RETURNING what;

-- name: schedules_due
-- Cross-workspace read.
SELECT workspace_id, schedule_id FROM export_schedules WHERE next_at <= $1 ORDER BY next_at LIMIT $2;

-- name: lock_schedule
SELECT schedule_id, what, format, every, on_day, hour, zone, webhook_id, covered_until, next_at, created_at, created_by
FROM export_schedules WHERE workspace_id = $1 AND schedule_id = $2 AND next_at <= $3 FOR UPDATE SKIP LOCKED;

-- name: advance_schedule
UPDATE export_schedules SET covered_until = $3, next_at = $4 WHERE workspace_id = $1 AND schedule_id = $2;
