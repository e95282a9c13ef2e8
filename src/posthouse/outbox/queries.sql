-- Every statement of the outbox. $1 is the workspace wherever a statement touches tenant rows; the exceptions read across
-- workspaces and change nothing.

-- name: announce
-- Wakes the delivery processes that `announcements.text` names; they look for themselves, so a lost notice costs one tick.
SELECT pg_notify('outbox', $1);

-- name: register_worker
INSERT INTO workers (worker_id, role, host, pid, started_at, lease_until) VALUES ($1, $2, $3, $4, $5, $6);

-- name: renew_lease
-- A lease that ran out is not renewed: what it covered may be in other hands already. No row: the worker must start anew.
UPDATE workers SET lease_until = $2 WHERE worker_id = $1 AND lease_until > $3 RETURNING worker_id;

-- name: end_lease
UPDATE workers SET lease_until = $2 WHERE worker_id = $1;

-- name: live_workers
-- Who may own sites: a worker that hands over owns nothing new.
SELECT worker_id FROM workers WHERE role = $1 AND lease_until > $2 AND draining_at IS NULL;

-- name: forget_workers
-- What one of them still held is an orphan with or without this row.
DELETE FROM workers WHERE lease_until < $1;

-- name: workspaces_with_mail
-- Cross-workspace read: where this pool has mail to look at. LIMIT keeps the planner from reading all that
-- is ready to find out, and the order from reading another pool's mail through an index that does not know pools.
SELECT w.workspace_id FROM workspaces w, LATERAL (
    SELECT FROM outbox o WHERE o.workspace_id = w.workspace_id AND o.pool = $1 AND o.state = 'ready' ORDER BY o.domain LIMIT 1) waiting;

-- name: ready_domains
-- The destinations of one workspace after $3 that have ready mail, by skipping through the index from domain to domain.
WITH RECURSIVE lane AS (
    (SELECT domain, priority FROM outbox
     WHERE pool = $2 AND workspace_id = $1 AND state = 'ready' AND domain > $3 ORDER BY domain, priority DESC LIMIT 1)
    UNION ALL
    SELECT next.domain, next.priority FROM lane, LATERAL (
        SELECT domain, priority FROM outbox
        WHERE pool = $2 AND workspace_id = $1 AND state = 'ready' AND domain > lane.domain
        ORDER BY domain, priority DESC LIMIT 1) next
)
SELECT domain, priority FROM lane LIMIT $4;

-- name: claim
-- ready -> claimed, highest priority first, then first come first served; only under a living lease. The array makes the planner
-- fetch the rows by key whatever it believes about the size of the table.
UPDATE outbox SET state = 'claimed', claimed_by = $5, claimed_at = $6, attempts = attempts + 1
WHERE workspace_id = $1 AND state = 'ready' AND recipient_id = ANY(ARRAY(
    SELECT recipient_id FROM outbox
    WHERE pool = $2 AND workspace_id = $1 AND domain = $3 AND state = 'ready'
      AND EXISTS (SELECT FROM workers WHERE worker_id = $5 AND lease_until > $6)
    ORDER BY priority DESC, recipient_id LIMIT $4
    FOR UPDATE SKIP LOCKED))
RETURNING recipient_id, message_id, address, domain, priority, attempts, expires_at, source;

-- name: claim_again
-- The same for mail that was tried before, through an index that holds no other.
UPDATE outbox SET state = 'claimed', claimed_by = $5, claimed_at = $6, attempts = attempts + 1
WHERE workspace_id = $1 AND state = 'ready' AND recipient_id = ANY(ARRAY(
    SELECT recipient_id FROM outbox
    WHERE pool = $2 AND workspace_id = $1 AND domain = $3 AND state = 'ready' AND attempts > 0
      AND EXISTS (SELECT FROM workers WHERE worker_id = $5 AND lease_until > $6)
    ORDER BY priority DESC, recipient_id LIMIT $4
    FOR UPDATE SKIP LOCKED))
RETURNING recipient_id, message_id, address, domain, priority, attempts, expires_at, source;

-- name: claimed_messages
-- What a worker needs to send what it has claimed; a message to many recipients is read once, a body over $3 octets only when its
-- turn has come.
SELECT m.message_id, m.sender, m.mail_class, m.smtputf8, m.tls, m.source, m.mailing_type, b.encoding,
       CASE WHEN m.mail_class = 'marketing' THEN coalesce(m.tags[1], m.mailing_type) ELSE '' END AS mailing,
       CASE WHEN m.octets <= $3 THEN b.content END AS content
FROM messages m JOIN bodies b USING (workspace_id, message_id)
WHERE workspace_id = $1 AND message_id = ANY($2::uuid[]);

-- name: own_groups
-- Groups of sites ($2, sorted: one lock order) for a worker with a living lease: those it has, and those whose owner has none.
INSERT INTO site_owners (pool, site_group, worker_id, since)
SELECT $1, site_group, $3, $4 FROM unnest($2::text[]) AS wanted (site_group)
WHERE EXISTS (SELECT FROM workers WHERE worker_id = $3 AND lease_until > $4)
ON CONFLICT (pool, site_group) DO UPDATE SET worker_id = $3, since = $4
WHERE site_owners.worker_id = $3
   OR NOT EXISTS (SELECT FROM workers w WHERE w.worker_id = site_owners.worker_id AND w.lease_until > $4)
RETURNING site_group;

-- name: disown_groups
DELETE FROM site_owners WHERE pool = $1 AND site_group = ANY($2::text[]) AND worker_id = $3;

-- name: note_sites
INSERT INTO sites (pool, site, state, rule, sentence, until, connections, held, mails_per_s, worker_id, updated_at)
SELECT $1, n.*, $10, $11
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::integer[], $8::integer[], $9::real[]) AS n
ON CONFLICT (pool, site) DO UPDATE
SET state = EXCLUDED.state, rule = EXCLUDED.rule, sentence = EXCLUDED.sentence, until = EXCLUDED.until,
    connections = EXCLUDED.connections, held = EXCLUDED.held, mails_per_s = EXCLUDED.mails_per_s,
    worker_id = EXCLUDED.worker_id, updated_at = EXCLUDED.updated_at;

-- name: note_domains
INSERT INTO site_domains (domain, site, seen_at) SELECT n.*, $3 FROM unnest($1::text[], $2::text[]) AS n
ON CONFLICT (domain) DO UPDATE SET site = EXCLUDED.site, seen_at = EXCLUDED.seen_at;

-- name: keep_words
INSERT INTO receiver_words (pool, source, site_group, suspends, rule, sentence, until, rate, connections)
SELECT $1, w.*
FROM unnest($2::text[], $3::text[], $4::boolean[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::integer[]) AS w
ON CONFLICT (pool, source, site_group) DO UPDATE
SET suspends = EXCLUDED.suspends, rule = EXCLUDED.rule, sentence = EXCLUDED.sentence, until = EXCLUDED.until, rate = EXCLUDED.rate,
    connections = EXCLUDED.connections;

-- name: words_in_force
SELECT source, site_group, suspends, rule, sentence, until, rate, connections FROM receiver_words
WHERE pool = $1 AND site_group = ANY($2::text[]) AND until > $3;

-- name: all_words
SELECT pool, source, site_group, suspends, rule, sentence, until, rate, connections FROM receiver_words
WHERE until > $1 ORDER BY site_group, pool, source;

-- name: lift_words
DELETE FROM receiver_words WHERE site_group = $1 RETURNING pool;

-- name: begin_grants
INSERT INTO warmup_grants (source, provider, day, mails) VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING;

-- name: lock_grants
SELECT mails FROM warmup_grants WHERE (source, provider, day) = ($1, $2, $3) FOR UPDATE;

-- name: add_grants
UPDATE warmup_grants SET mails = mails + $4 WHERE (source, provider, day) = ($1, $2, $3);

-- name: forget_sites
DELETE FROM sites WHERE updated_at < $1;

-- name: forget_domains
DELETE FROM site_domains WHERE seen_at < $1;

-- name: forget_words
DELETE FROM receiver_words WHERE until < $1;

-- name: forget_grants
DELETE FROM warmup_grants WHERE day < $1;

-- name: shares
-- Cross-workspace read: how much each workspace gets where several want the same; those that say nothing have 1.
SELECT workspace_id, share FROM workspaces WHERE share <> 1;

-- name: gather_pools
-- Mail that is not in a worker's hands moves to another pool, for a pool that nobody serves any more.
UPDATE outbox SET pool = $3
WHERE workspace_id = $1 AND recipient_id IN (
    SELECT recipient_id FROM outbox WHERE workspace_id = $1 AND pool = ANY($2::text[]) AND state IN ('waiting', 'ready', 'held')
    LIMIT $4 FOR UPDATE SKIP LOCKED)
RETURNING recipient_id;

-- name: claimed_in_my_name
-- Cross-workspace read: what a worker has held for longer than any claim takes to come back.
SELECT workspace_id, recipient_id FROM outbox WHERE claimed_by = $1 AND state = 'claimed' AND claimed_at < $2;

-- name: give_back
-- claimed -> ready for mail that never met the wire: the attempt does not count.
UPDATE outbox SET state = 'ready', claimed_by = NULL, claimed_at = NULL, attempts = attempts - 1
WHERE workspace_id = $1 AND recipient_id = ANY($2::uuid[]) AND state = 'claimed' AND claimed_by = $3;

-- name: settle
-- claimed -> final or waiting. A worker whose lease was lost may still say "delivered" of mail that nobody has taken since:
-- that spares the receiver a second copy.
UPDATE outbox o
SET state = s.state, not_before = s.not_before, reason = s.reason, code = s.code, enhanced = s.enhanced, remote = s.remote,
    settled_at = s.settled_at, source = s.source, claimed_by = NULL, claimed_at = NULL
FROM unnest($3::uuid[], $4::text[], $5::timestamptz[], $6::text[], $7::smallint[], $8::text[], $9::text[], $10::timestamptz[],
            $11::text[], $12::smallint[])
     AS s (recipient_id, state, not_before, reason, code, enhanced, remote, settled_at, source, attempt)
WHERE o.workspace_id = $1 AND o.recipient_id = s.recipient_id
  AND ((o.state = 'claimed' AND o.claimed_by = $2 AND o.attempts = s.attempt) OR (o.state IN ('ready', 'waiting') AND s.state = 'delivered'))
RETURNING o.recipient_id;

-- name: promote
-- waiting -> ready when its time has come, unless its expiry came first.
UPDATE outbox SET state = 'ready'
WHERE workspace_id = $1 AND recipient_id IN (
    SELECT recipient_id FROM outbox WHERE workspace_id = $1 AND state = 'waiting' AND not_before <= $2 AND expires_at > $2
    ORDER BY not_before LIMIT $3 FOR UPDATE SKIP LOCKED)
  AND state = 'waiting'
RETURNING pool;

-- name: expire
-- waiting, ready, held -> expired: nobody wants this mail any more.
UPDATE outbox SET state = 'expired', settled_at = $2, reason = CASE WHEN reason = '' THEN $4 ELSE $4 || ' Last: ' || reason END
WHERE workspace_id = $1 AND recipient_id IN (
    SELECT recipient_id FROM outbox WHERE workspace_id = $1 AND state IN ('waiting', 'ready', 'held') AND expires_at <= $2
    ORDER BY expires_at LIMIT $3 FOR UPDATE SKIP LOCKED)
  AND state IN ('waiting', 'ready', 'held')
RETURNING recipient_id, message_id, address, attempts, enhanced,
          coalesce((SELECT m.mail_class FROM messages m WHERE m.workspace_id = $1 AND m.message_id = outbox.message_id),
                   'transactional') AS mail_class;

-- name: workspaces
-- Cross-workspace read.
SELECT workspace_id FROM workspaces;

-- name: orphans
-- Cross-workspace read: claims whose worker has no living lease.
SELECT DISTINCT o.workspace_id, o.claimed_by FROM outbox o
WHERE o.state = 'claimed' AND NOT EXISTS (SELECT FROM workers w WHERE w.worker_id = o.claimed_by AND w.lease_until > $1);

-- name: recover
-- claimed -> ready, or waiting from the second attempt on, so that mail that kills its worker cannot do so in a loop.
WITH lost AS (
    SELECT recipient_id, claimed_at FROM outbox
    WHERE workspace_id = $1 AND claimed_by = $2 AND state = 'claimed'
    LIMIT $5 FOR UPDATE SKIP LOCKED
)
UPDATE outbox o
SET state = CASE WHEN attempts > 1 THEN 'waiting' ELSE 'ready' END,
    not_before = CASE WHEN attempts > 1 THEN $4::timestamptz ELSE $3::timestamptz END,
    reason = 'Outcome unknown: the process sending it was stopped; it may arrive twice.',
    claimed_by = NULL, claimed_at = NULL
FROM lost WHERE o.workspace_id = $1 AND o.recipient_id = lost.recipient_id
RETURNING o.recipient_id, o.message_id, o.attempts, lost.claimed_at;

-- name: take_keys
-- Idempotency keys of a group, in key order so that two groups cannot wait for each other; what does not come back is taken.
INSERT INTO idempotency_keys (workspace_id, key, fingerprint, status, response, created_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::smallint[], $5::bytea[], $6::timestamptz[])
ON CONFLICT (workspace_id, key) DO NOTHING
RETURNING workspace_id, key;

-- name: find_key
SELECT fingerprint, status, response FROM idempotency_keys WHERE workspace_id = $1 AND key = $2;

-- name: drop_old_keys
DELETE FROM idempotency_keys WHERE workspace_id = $1 AND created_at < $2;

-- name: find_message
SELECT message_id, accepted_at, source, mail_class, route, route_reason, sender, subject, message_id_header, priority, tags, metadata,
       send_at, expires_at, octets, credential_id, recipient_count, tls, mailing_type
FROM messages WHERE workspace_id = $1 AND message_id = $2;

-- name: find_content
SELECT encoding, content FROM bodies WHERE workspace_id = $1 AND message_id = $2;

-- name: message_recipients
SELECT recipient_id, message_id, address, domain, kind, pool, state, priority, not_before, expires_at, attempts, claimed_at, settled_at,
       reason, code, enhanced, remote
FROM outbox WHERE workspace_id = $1 AND message_id = $2 ORDER BY recipient_id;

-- name: find_recipient
SELECT recipient_id, message_id, address, domain, kind, pool, state, priority, not_before, expires_at, attempts, claimed_at, settled_at,
       reason, code, enhanced, remote
FROM outbox WHERE workspace_id = $1 AND recipient_id = $2;

-- name: list_messages
-- Newest first below the cursor $2; the filters that are null do not count.
SELECT message_id, accepted_at, source, mail_class, route, route_reason, sender, subject, message_id_header, priority, tags, metadata,
       send_at, expires_at, octets, credential_id, recipient_count, tls, mailing_type
FROM messages m
WHERE workspace_id = $1
  AND ($2::uuid IS NULL OR message_id < $2)
  AND ($3::uuid IS NULL OR message_id >= $3)
  AND ($4::uuid IS NULL OR message_id < $4)
  AND ($5::text IS NULL OR source = $5)
  AND ($9::text IS NULL OR mail_class = $9)
  AND (($6::text IS NULL AND $7::text IS NULL) OR EXISTS (
        SELECT FROM outbox o WHERE o.workspace_id = m.workspace_id AND o.message_id = m.message_id
          AND ($6::text IS NULL OR o.state = $6) AND ($7::text IS NULL OR o.domain = $7)))
ORDER BY message_id DESC LIMIT $8;

-- name: list_by_address
-- Messages to the addresses from $2 up to, not including, $3 in byte order (one address, or all that begin so), newest first; from lot
-- to lot, as the index has them.
WITH RECURSIVE lots AS (
    SELECT max(lot) AS lot FROM outbox WHERE workspace_id = $1
    UNION ALL
    SELECT (SELECT max(lot) FROM outbox WHERE workspace_id = $1 AND lot < lots.lot) FROM lots WHERE lot IS NOT NULL
)
SELECT DISTINCT message_id FROM lots, LATERAL (
    SELECT message_id FROM outbox
    WHERE workspace_id = $1 AND outbox.lot = lots.lot AND address ~>=~ $2 AND address ~<~ $3
      AND ($4::uuid IS NULL OR message_id < $4)
    ORDER BY message_id DESC LIMIT $5) newest
ORDER BY message_id DESC LIMIT $5;

-- name: list_recent_by_words
-- Of the newest $4 messages below the cursor, those with these words: finds common words without reading all that have them.
SELECT message_id FROM (
    SELECT message_id, subject, sender FROM messages
    WHERE workspace_id = $1 AND ($3::uuid IS NULL OR message_id < $3)
    ORDER BY message_id DESC LIMIT $4) recent
WHERE to_tsvector('simple', subject || ' ' || sender) @@ to_tsquery('simple', $2)
ORDER BY message_id DESC LIMIT $5;

-- name: list_by_words
-- Rarer words, through their index: walking the messages from the newest would read all of them.
WITH found AS MATERIALIZED (
    SELECT message_id FROM messages
    WHERE workspace_id = $1 AND to_tsvector('simple', subject || ' ' || sender) @@ to_tsquery('simple', $2))
SELECT message_id FROM found WHERE $3::uuid IS NULL OR message_id < $3 ORDER BY message_id DESC LIMIT $4;

-- name: list_recent_by_tag
SELECT message_id FROM (
    SELECT message_id, tags FROM messages
    WHERE workspace_id = $1 AND ($3::uuid IS NULL OR message_id < $3)
    ORDER BY message_id DESC LIMIT $4) recent
WHERE tags @> ARRAY[$2]
ORDER BY message_id DESC LIMIT $5;

-- name: list_by_tag
WITH found AS MATERIALIZED (
    SELECT message_id FROM messages WHERE workspace_id = $1 AND tags <> '{}' AND tags @> ARRAY[$2])
SELECT message_id FROM found WHERE $3::uuid IS NULL OR message_id < $3 ORDER BY message_id DESC LIMIT $4;

-- name: list_by_state
-- Messages with a recipient in one of the rarer states, through the small partial indexes.
SELECT DISTINCT message_id FROM outbox
WHERE workspace_id = $1 AND state = $2 AND ($3::uuid IS NULL OR message_id < $3) AND ($5::text IS NULL OR domain = $5)
ORDER BY message_id DESC LIMIT $4;

-- name: list_by_header
WITH RECURSIVE lots AS (
    SELECT max(lot) AS lot FROM messages WHERE workspace_id = $1
    UNION ALL
    SELECT (SELECT max(lot) FROM messages WHERE workspace_id = $1 AND lot < lots.lot) FROM lots WHERE lot IS NOT NULL
)
SELECT message_id FROM lots, LATERAL (
    SELECT message_id FROM messages
    WHERE workspace_id = $1 AND messages.lot = lots.lot AND message_id_header = $2 AND ($3::uuid IS NULL OR message_id < $3)
    ORDER BY message_id DESC LIMIT $4) newest
ORDER BY message_id DESC LIMIT $4;

-- name: messages_by_id
SELECT message_id, accepted_at, source, mail_class, route, route_reason, sender, subject, message_id_header, priority, tags, metadata,
       send_at, expires_at, octets, credential_id, recipient_count, tls, mailing_type
FROM messages WHERE workspace_id = $1 AND message_id = ANY($2::uuid[]) ORDER BY message_id DESC;

-- name: recipients_of_many
SELECT recipient_id, message_id, address, domain, kind, pool, state, priority, not_before, expires_at, attempts, claimed_at, settled_at,
       reason, code, enhanced, remote
FROM outbox WHERE workspace_id = $1 AND message_id = ANY($2::uuid[]) ORDER BY message_id, recipient_id;

-- name: shape
-- Unsettled mail by destination and age, as Postfix's qshape; ids sort by time, so an age is a range of ids. The two halves are
-- each answered from a small partial index, however much mail is settled.
SELECT domain, width_bucket(recipient_id, $2::uuid[]) AS bucket, count(*) AS mails
FROM (
    SELECT domain, recipient_id FROM outbox WHERE workspace_id = $1 AND state IN ('waiting', 'ready', 'held')
    UNION ALL
    SELECT domain, recipient_id FROM outbox WHERE workspace_id = $1 AND state = 'claimed') unsettled
GROUP BY domain, bucket;

-- name: unsettled_counts
SELECT state, count(*) AS mails FROM outbox WHERE workspace_id = $1 AND state IN ('waiting', 'ready', 'held') GROUP BY state
UNION ALL
SELECT state, count(*) AS mails FROM outbox WHERE workspace_id = $1 AND state = 'claimed' GROUP BY state;

-- name: select_for_operator
-- What an operator's action will touch after the recipient $16, at most $17 rows. Null: that does not count; $9 is the first id of
-- mail that is too young; nothing that is in the pool $14 already; with $15 no marketing.
SELECT o.recipient_id, o.message_id FROM outbox o
WHERE o.workspace_id = $1 AND o.state = ANY($2::text[]) AND o.state IN ('waiting', 'ready', 'held')
  AND ($3::uuid IS NULL OR o.message_id = $3)
  AND ($4::uuid[] IS NULL OR o.recipient_id = ANY($4))
  AND ($5::text IS NULL OR o.domain = $5)
  AND ($6::text IS NULL OR o.pool = $6)
  AND ($7::smallint IS NULL OR o.priority >= $7)
  AND ($8::smallint IS NULL OR o.priority <= $8)
  AND ($9::uuid IS NULL OR o.recipient_id < $9)
  AND ($10::smallint IS NULL OR o.attempts >= $10)
  AND ($11::text IS NULL OR strpos(lower(o.reason), lower($11)) > 0)
  AND (($12::text IS NULL AND $13::text IS NULL) OR EXISTS (
        SELECT FROM messages m WHERE m.workspace_id = o.workspace_id AND m.message_id = o.message_id
          AND ($12::text IS NULL OR lower(m.sender) = lower($12)) AND ($13::text IS NULL OR m.tags @> ARRAY[$13])))
  AND ($14::text IS NULL OR o.pool <> $14)
  AND (NOT $15::boolean OR (o.pool <> 'marketing' AND NOT EXISTS (
        SELECT FROM messages m WHERE m.workspace_id = o.workspace_id AND m.message_id = o.message_id AND m.mail_class = 'marketing')))
  AND o.recipient_id > $16
ORDER BY o.recipient_id LIMIT $17 FOR UPDATE OF o SKIP LOCKED;

-- name: count_for_operator
-- How much the same action would touch.
SELECT count(*) FROM outbox o
WHERE o.workspace_id = $1 AND o.state = ANY($2::text[]) AND o.state IN ('waiting', 'ready', 'held')
  AND ($3::uuid IS NULL OR o.message_id = $3)
  AND ($4::uuid[] IS NULL OR o.recipient_id = ANY($4))
  AND ($5::text IS NULL OR o.domain = $5)
  AND ($6::text IS NULL OR o.pool = $6)
  AND ($7::smallint IS NULL OR o.priority >= $7)
  AND ($8::smallint IS NULL OR o.priority <= $8)
  AND ($9::uuid IS NULL OR o.recipient_id < $9)
  AND ($10::smallint IS NULL OR o.attempts >= $10)
  AND ($11::text IS NULL OR strpos(lower(o.reason), lower($11)) > 0)
  AND (($12::text IS NULL AND $13::text IS NULL) OR EXISTS (
        SELECT FROM messages m WHERE m.workspace_id = o.workspace_id AND m.message_id = o.message_id
          AND ($12::text IS NULL OR lower(m.sender) = lower($12)) AND ($13::text IS NULL OR m.tags @> ARRAY[$13])))
  AND ($14::text IS NULL OR o.pool <> $14)
  AND (NOT $15::boolean OR (o.pool <> 'marketing' AND NOT EXISTS (
        SELECT FROM messages m WHERE m.workspace_id = o.workspace_id AND m.message_id = o.message_id AND m.mail_class = 'marketing')));

-- name: cancel
-- waiting, ready, held -> cancelled.
UPDATE outbox SET state = 'cancelled', settled_at = $3, reason = $4 WHERE workspace_id = $1 AND recipient_id = ANY($2::uuid[]);

-- name: hold
-- waiting, ready -> held.
UPDATE outbox SET state = 'held', reason = $3 WHERE workspace_id = $1 AND recipient_id = ANY($2::uuid[]);

-- name: release
-- held -> waiting; `promote` makes it ready when its own time has come.
UPDATE outbox SET state = 'waiting', reason = '' WHERE workspace_id = $1 AND recipient_id = ANY($2::uuid[]);

-- name: retry_now
-- waiting -> ready.
UPDATE outbox SET state = 'ready', not_before = $3 WHERE workspace_id = $1 AND recipient_id = ANY($2::uuid[]);

-- name: bounce
-- waiting, ready, held -> bounced, because a person says so.
UPDATE outbox SET state = 'bounced', settled_at = $3, reason = $4 WHERE workspace_id = $1 AND recipient_id = ANY($2::uuid[]);

-- name: move
-- Mail that nobody has taken leaves by another pool from now on.
UPDATE outbox SET pool = $3 WHERE workspace_id = $1 AND recipient_id = ANY($2::uuid[]);

-- name: override_delivered
-- delivered -> bounced: a report that came after the receiver's 250 (RFC 3464) is the better truth.
UPDATE outbox SET state = 'bounced', settled_at = $3, reason = $4, enhanced = $5, remote = $6
WHERE workspace_id = $1 AND recipient_id = $2 AND state = 'delivered' RETURNING message_id;

-- name: delivered_since
-- The addresses at which any mail has arrived after these times.
WITH RECURSIVE lots AS (
    SELECT max(lot) AS lot FROM outbox WHERE workspace_id = $1
    UNION ALL
    SELECT (SELECT max(lot) FROM outbox WHERE workspace_id = $1 AND lot < lots.lot) FROM lots WHERE lot IS NOT NULL
)
SELECT a.address FROM unnest($2::text[], $3::timestamptz[]) AS a (address, since)
WHERE EXISTS (SELECT FROM lots, LATERAL (
    SELECT FROM outbox o
    WHERE o.workspace_id = $1 AND o.lot = lots.lot AND o.address = a.address AND o.state = 'delivered' AND o.settled_at > a.since
    LIMIT 1) arrived);

-- name: add_partitions
SELECT add_partitions($1, $2);

-- name: active_suspensions
-- Cross-workspace read: what people have stopped, for dispatchers.
SELECT workspace_id, suspension_id, pool, domain, sender_domain, mailing, drain, reason, created_by, created_at, until, ended_at, ended_by
FROM suspensions WHERE ended_at IS NULL AND (until IS NULL OR until > $1);

-- name: suspensions_in_force
SELECT workspace_id, suspension_id, pool, domain, sender_domain, mailing, drain, reason, created_by, created_at, until, ended_at, ended_by
FROM suspensions WHERE workspace_id = $1 AND ended_at IS NULL AND (until IS NULL OR until > $2) ORDER BY suspension_id DESC;

-- name: suspended_since
-- Whether one who suspends all mail of a pool has done so since $4, whatever became of it.
SELECT EXISTS (
    SELECT FROM suspensions WHERE workspace_id = $1 AND pool = $2 AND domain IS NULL AND created_by = $3 AND created_at >= $4);

-- name: suspend
INSERT INTO suspensions (workspace_id, suspension_id, pool, domain, sender_domain, mailing, everything, drain, reason, created_by,
                         created_at, until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: resume
-- Ends suspensions; one whose time is over already stays as it is.
UPDATE suspensions SET ended_at = $4, ended_by = $3
WHERE workspace_id = $1 AND suspension_id = ANY($2::uuid[]) AND ended_at IS NULL AND (until IS NULL OR until > $4)
RETURNING workspace_id, suspension_id, pool, domain, sender_domain, mailing, drain, reason, created_by, created_at, until, ended_at, ended_by;

-- name: supersede
-- A new suspension takes the place of those that stop the same.
UPDATE suspensions SET ended_at = $4, ended_by = $5
WHERE workspace_id = $1 AND pool IS NOT DISTINCT FROM $2::text AND domain IS NOT DISTINCT FROM $3::text
  AND sender_domain IS NOT DISTINCT FROM $6::text AND mailing IS NOT DISTINCT FROM $7::text AND ended_at IS NULL;

-- name: breakers_resumed
-- When what breakers had stopped was last let go, since $2: figures from before that are not held against it again.
SELECT pool, sender_domain, mailing, max(ended_at) AS ended_at FROM suspensions
WHERE workspace_id = $1 AND created_by = 'breaker' AND ended_at > $2 GROUP BY pool, sender_domain, mailing;

-- name: set_aside
-- claimed -> held, for mail of a From domain or a mailing that is suspended: the attempt does not count.
UPDATE outbox SET state = 'held', reason = $4, claimed_by = NULL, claimed_at = NULL, attempts = attempts - 1
WHERE workspace_id = $1 AND recipient_id = ANY($2::uuid[]) AND state = 'claimed' AND claimed_by = $3;

-- name: set_aside_in_line
-- ready -> held for what is of the From domain $4 or the mailing $7 (one of them is null) among the first $5 in a line, so that others
-- are not behind it for long.
UPDATE outbox SET state = 'held', reason = $6
WHERE workspace_id = $1 AND state = 'ready' AND recipient_id = ANY(ARRAY(
    SELECT line.recipient_id FROM (
        SELECT recipient_id, message_id FROM outbox
        WHERE pool = $2 AND workspace_id = $1 AND domain = $3 AND state = 'ready'
        ORDER BY priority DESC, recipient_id LIMIT $5 FOR UPDATE SKIP LOCKED) line
    WHERE EXISTS (SELECT FROM messages m
                  WHERE m.workspace_id = $1 AND m.message_id = line.message_id
                    AND ($4::text IS NULL OR lower(split_part(m.sender, '@', -1)) = $4)
                    AND ($7::text IS NULL OR (m.mail_class = 'marketing' AND coalesce(m.tags[1], m.mailing_type) = $7)))))
RETURNING recipient_id, message_id;

-- name: note_set_aside
-- Somebody may have released it by hand meanwhile, so it can come again.
INSERT INTO set_aside (workspace_id, recipient_id, suspension_id) SELECT $1, unnest($2::uuid[]), $3
ON CONFLICT (workspace_id, recipient_id) DO UPDATE SET suspension_id = EXCLUDED.suspension_id;

-- name: suspensions_to_release
-- Cross-workspace read: suspensions of From domains and mailings that are over and still have mail set aside.
SELECT s.workspace_id, s.suspension_id, s.reason FROM suspensions s
WHERE (s.sender_domain IS NOT NULL OR s.mailing IS NOT NULL) AND (s.ended_at IS NOT NULL OR s.until <= $1)
  AND EXISTS (SELECT FROM set_aside a WHERE a.workspace_id = s.workspace_id AND a.suspension_id = s.suspension_id);

-- name: take_set_aside
DELETE FROM set_aside WHERE workspace_id = $1 AND recipient_id IN (
    SELECT recipient_id FROM set_aside WHERE workspace_id = $1 AND suspension_id = $2 ORDER BY recipient_id LIMIT $3
    FOR UPDATE SKIP LOCKED)
RETURNING recipient_id;

-- name: release_set_aside
-- held -> waiting, unless somebody has stopped it for another reason since.
UPDATE outbox SET state = 'waiting', reason = ''
WHERE workspace_id = $1 AND recipient_id = ANY($2::uuid[]) AND state = 'held' AND reason = $3
RETURNING recipient_id, message_id;

-- name: origins
-- What suspensions look at in a message: the address in From and, of marketing, the mailing.
SELECT message_id, sender, CASE WHEN mail_class = 'marketing' THEN coalesce(tags[1], mailing_type) ELSE '' END AS mailing
FROM messages WHERE workspace_id = $1 AND message_id = ANY($2::uuid[]);

-- name: count_suspensions
SELECT count(*) FROM suspensions WHERE workspace_id = $1 AND ended_at IS NULL AND (until IS NULL OR until > $2);

-- name: sites_of_domains
-- Where mail for these domains goes, and what the owners have said of it since $2, a row for each pool that has a site there.
SELECT d.domain, s.pool, s.site, s.state, s.rule, s.sentence, s.until, s.connections, s.held, s.mails_per_s
FROM site_domains d LEFT JOIN sites s ON s.site = d.site AND s.updated_at > $2
WHERE d.domain = ANY($1::text[]);

-- name: live_roles
-- The roles that somebody plays now: a process that hands over takes nothing more.
SELECT DISTINCT role FROM workers WHERE lease_until > $1 AND draining_at IS NULL;

-- name: places_in_line
-- Which place the recipients $4 have in their lines (the i-th of $2 and $3: pool and domain), among the first $5 of each; and who has
-- the last place that is looked at, if there is one.
SELECT line.pool, line.domain, place.recipient_id, place.before FROM unnest($2::text[], $3::text[]) AS line (pool, domain), LATERAL (
    SELECT ahead.recipient_id, row_number() OVER (ORDER BY ahead.priority DESC, ahead.recipient_id) - 1 AS before FROM (
        SELECT o.recipient_id, o.priority FROM outbox o
        WHERE o.workspace_id = $1 AND o.pool = line.pool AND o.domain = line.domain AND o.state = 'ready'
        ORDER BY o.priority DESC, o.recipient_id LIMIT $5) ahead) place
WHERE place.recipient_id = ANY($4::uuid[]) OR place.before = $5 - 1;

-- name: list_workers
SELECT worker_id, role, host, pid, started_at, lease_until, draining_at FROM workers
WHERE lease_until > $1 ORDER BY host, role, started_at;

-- name: drain_workers
-- Tells delivery processes to take nothing more: one by its id, or all of a host.
UPDATE workers SET draining_at = $1
WHERE lease_until > $1 AND draining_at IS NULL AND role = ANY($4::text[])
  AND ($2::uuid IS NULL OR worker_id = $2) AND ($3::text IS NULL OR host = $3)
RETURNING worker_id, role, host, pid, started_at, lease_until, draining_at;

-- name: worker_is_draining
SELECT draining_at IS NOT NULL FROM workers WHERE worker_id = $1;

-- name: recipients_between
-- Every recipient's mail with its message, in order after $2 and before $3. The message is looked up by key: a join might read all there are.
SELECT o.recipient_id, o.message_id, o.address, o.kind, o.pool, o.state, o.attempts, o.settled_at, o.reason, o.code, o.enhanced, o.remote,
       m.accepted_at, m.sender, m.subject, m.mail_class, m.mailing_type, m.source, m.tags, m.metadata
FROM outbox o
LEFT JOIN LATERAL (SELECT * FROM messages n WHERE n.workspace_id = $1 AND n.message_id = o.message_id LIMIT 1) m ON true
WHERE o.workspace_id = $1 AND o.recipient_id > $2 AND o.recipient_id < $3 ORDER BY o.recipient_id LIMIT $4;

-- name: count_recipients_between
SELECT count(*) FROM outbox WHERE workspace_id = $1 AND recipient_id > $2 AND recipient_id < $3;

-- name: how_given_up
-- What is known of these recipients' mail: where it went and what was last said of it.
SELECT recipient_id, address, attempts, reason, code, enhanced FROM outbox WHERE workspace_id = $1 AND recipient_id = ANY($2::uuid[]);

-- name: addresses
SELECT recipient_id, address FROM outbox WHERE workspace_id = $1 AND recipient_id = ANY($2::uuid[]);
