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
-- Adds the events from $2 up to, not including, $3 to their quarters. The class of each is looked up by key: a join might read
-- every message there is.
INSERT INTO event_counts (workspace_id, quarter, kind, mail_class, times)
SELECT $1, date_bin('15 minutes', e.occurred_at, 'epoch'), e.kind,
       coalesce((SELECT m.mail_class FROM messages m WHERE m.workspace_id = $1 AND m.message_id = e.message_id), ''), count(*)
FROM events e
WHERE e.workspace_id = $1 AND e.event_id >= $2 AND e.event_id < $3
GROUP BY 2, 3, 4
ON CONFLICT (workspace_id, quarter, kind, mail_class) DO UPDATE SET times = event_counts.times + EXCLUDED.times;

-- name: count_reputation
-- Adds the events from $2 up to, not including, $3 to the counts by pool, From domain and provider ($4, with the patterns $5 of
-- domains). Recipient and message are looked up by key, as in count_events. What a person bounced was not sent. Who complains or bounces
-- again and again about one mail counts once: a single reader must not be able to stop everybody's mail.
INSERT INTO reputation_counts (workspace_id, quarter, pool, sender_domain, provider, sent, delivered, hard_bounces, complaints)
SELECT $1, date_bin('15 minutes', e.occurred_at, 'epoch'), r.pool, m.sender_domain,
       coalesce((SELECT p.provider FROM unnest($4::text[], $5::text[]) AS p (provider, pattern) WHERE r.domain ~ p.pattern), 'other'),
       count(*) FILTER (WHERE e.kind IN ('delivered', 'bounced')), count(*) FILTER (WHERE e.kind = 'delivered'),
       count(*) FILTER (WHERE e.kind IN ('bounced', 'late_bounce') AND e.data ->> 'class' = 'hard'),
       count(*) FILTER (WHERE e.kind = 'complained')
FROM events e,
     LATERAL (SELECT o.pool, o.domain FROM outbox o WHERE o.workspace_id = $1 AND o.recipient_id = e.recipient_id LIMIT 1) r,
     LATERAL (SELECT lower(split_part(m.sender, '@', -1)) AS sender_domain FROM messages m
              WHERE m.workspace_id = $1 AND m.message_id = e.message_id LIMIT 1) m
WHERE e.workspace_id = $1 AND e.event_id >= $2 AND e.event_id < $3
  AND (e.kind IN ('delivered', 'complained') OR (e.kind = 'bounced' AND NOT e.data ? 'by')
       OR (e.kind = 'late_bounce' AND e.data ->> 'class' = 'hard'))
  AND (e.kind NOT IN ('complained', 'late_bounce') OR NOT EXISTS (
       SELECT FROM events b
       WHERE b.workspace_id = $1 AND b.message_id = e.message_id AND b.recipient_id = e.recipient_id AND b.event_id < e.event_id
         AND CASE e.kind WHEN 'complained' THEN b.kind = 'complained'
                         ELSE b.kind IN ('bounced', 'late_bounce') AND b.data ->> 'class' = 'hard' END))
GROUP BY 2, 3, 4, 5
ON CONFLICT (workspace_id, quarter, pool, sender_domain, provider) DO UPDATE
SET sent = reputation_counts.sent + EXCLUDED.sent, delivered = reputation_counts.delivered + EXCLUDED.delivered,
    hard_bounces = reputation_counts.hard_bounces + EXCLUDED.hard_bounces,
    complaints = reputation_counts.complaints + EXCLUDED.complaints;

-- name: count_mailings
-- The same by mailing, of marketing that has a name without an address in it; the quarter of each comes back.
INSERT INTO mailing_counts (workspace_id, quarter, mailing, sent, delivered, hard_bounces, complaints)
SELECT $1, date_bin('15 minutes', e.occurred_at, 'epoch'), m.mailing,
       count(*) FILTER (WHERE e.kind IN ('delivered', 'bounced')), count(*) FILTER (WHERE e.kind = 'delivered'),
       count(*) FILTER (WHERE e.kind IN ('bounced', 'late_bounce') AND e.data ->> 'class' = 'hard'),
       count(*) FILTER (WHERE e.kind = 'complained')
FROM events e,
     LATERAL (SELECT coalesce(n.tags[1], n.mailing_type) AS mailing FROM messages n
              WHERE n.workspace_id = $1 AND n.message_id = e.message_id AND n.mail_class = 'marketing' LIMIT 1) m
WHERE e.workspace_id = $1 AND e.event_id >= $2 AND e.event_id < $3 AND m.mailing <> '' AND strpos(m.mailing, '@') = 0
  AND (e.kind IN ('delivered', 'complained') OR (e.kind = 'bounced' AND NOT e.data ? 'by')
       OR (e.kind = 'late_bounce' AND e.data ->> 'class' = 'hard'))
  AND (e.kind NOT IN ('complained', 'late_bounce') OR NOT EXISTS (
       SELECT FROM events b
       WHERE b.workspace_id = $1 AND b.message_id = e.message_id AND b.recipient_id = e.recipient_id AND b.event_id < e.event_id
         AND CASE e.kind WHEN 'complained' THEN b.kind = 'complained'
                         ELSE b.kind IN ('bounced', 'late_bounce') AND b.data ->> 'class' = 'hard' END))
GROUP BY 2, 3
ON CONFLICT (workspace_id, quarter, mailing) DO UPDATE
SET sent = mailing_counts.sent + EXCLUDED.sent, delivered = mailing_counts.delivered + EXCLUDED.delivered,
    hard_bounces = mailing_counts.hard_bounces + EXCLUDED.hard_bounces, complaints = mailing_counts.complaints + EXCLUDED.complaints
RETURNING quarter;

-- name: keep_largest_mailings
-- Of each quarter the $3 mailings that weigh most stay: tags may name every single mail, and those can never reach a mark. A complaint
-- weighs as a hundred mails, so that one about yesterday's mailing is not lost among today's tags.
DELETE FROM mailing_counts WHERE workspace_id = $1 AND (quarter, mailing) IN (
    SELECT q.quarter, small.mailing FROM unnest($2::timestamptz[]) AS q (quarter), LATERAL (
        SELECT c.mailing FROM mailing_counts c WHERE c.workspace_id = $1 AND c.quarter = q.quarter
        ORDER BY c.sent + c.hard_bounces + 100 * c.complaints DESC, c.mailing OFFSET $3) small);

-- name: mailings_since
-- The sums of the quarters from $2 on, of the mailings $3 from their own $4 on; the $5 that weigh most.
SELECT c.mailing,
       coalesce(sum(c.sent) FILTER (WHERE c.quarter >= coalesce(r.since, $2)), 0)::bigint AS sent,
       coalesce(sum(c.delivered) FILTER (WHERE c.quarter >= coalesce(r.since, $2)), 0)::bigint AS delivered,
       coalesce(sum(c.hard_bounces) FILTER (WHERE c.quarter >= coalesce(r.since, $2)), 0)::bigint AS hard_bounces,
       coalesce(sum(c.complaints) FILTER (WHERE c.quarter >= coalesce(r.since, $2)), 0)::bigint AS complaints
FROM mailing_counts c LEFT JOIN unnest($3::text[], $4::timestamptz[]) AS r (mailing, since) ON r.mailing = c.mailing
WHERE c.workspace_id = $1 AND c.quarter >= $2
GROUP BY c.mailing ORDER BY sum(c.sent + c.hard_bounces + 100 * c.complaints) DESC, c.mailing LIMIT $5;

-- name: drop_mailings
DELETE FROM mailing_counts WHERE workspace_id = $1 AND quarter < $2;

-- name: reputation_since
SELECT pool, sender_domain, provider, sum(sent)::bigint AS sent, sum(delivered)::bigint AS delivered,
       sum(hard_bounces)::bigint AS hard_bounces, sum(complaints)::bigint AS complaints
FROM reputation_counts WHERE workspace_id = $1 AND quarter >= $2
GROUP BY pool, sender_domain, provider ORDER BY pool, sender_domain, provider;

-- name: drop_reputation
DELETE FROM reputation_counts WHERE workspace_id = $1 AND quarter < $2;

-- name: bulk_senders
SELECT domain, provider, mails, since FROM bulk_senders WHERE workspace_id = $1 ORDER BY domain, provider;

-- name: note_bulk_sender
-- Once a bulk sender, always one; a row comes back for a new one.
INSERT INTO bulk_senders (workspace_id, domain, provider, mails, since) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (workspace_id, domain, provider) DO NOTHING RETURNING domain;

-- name: counts_by_day
-- How often what happened to mail of the class $4 (null: of any) on each day of the zone $3 since $2: what is counted, and the few
-- events since the cursor.
SELECT day, kind, sum(times)::bigint AS times FROM (
    SELECT (quarter AT TIME ZONE $3)::date AS day, kind, times FROM event_counts
    WHERE workspace_id = $1 AND quarter >= $2 AND ($4::text IS NULL OR mail_class = $4)
    UNION ALL
    SELECT (e.occurred_at AT TIME ZONE $3)::date, e.kind, 1 FROM events e
    WHERE e.workspace_id = $1 AND e.occurred_at >= $2
      AND e.event_id >= coalesce((SELECT next FROM event_cursors WHERE workspace_id = $1 AND reader = 'counts'), uuid_floor($2))
      AND ($4::text IS NULL
           OR $4 = (SELECT m.mail_class FROM messages m WHERE m.workspace_id = $1 AND m.message_id = e.message_id))
) happened
GROUP BY day, kind;

-- name: suppressions_of
-- For one address or a million. The workspace is looked at only when there is an entry at all.
SELECT s.address, s.scope, s.reason, s.expires_at,
       (SELECT w.strict_optout FROM workspaces w WHERE w.workspace_id = $1) AS strict
FROM suppressions s WHERE s.workspace_id = $1 AND s.address = ANY($2::text[]);

-- name: add_suppressions
-- What is there already is the evidence and stays, unless the new entry lasts longer: then it is a new entry, listed anew.
INSERT INTO suppressions AS known (workspace_id, address, scope, reason, message_id, note, expires_at, added_by, created_at)
SELECT $1, address, scope, reason, message_id, note, expires_at, $8, $9
FROM unnest($2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::timestamptz[])
     AS e (address, scope, reason, message_id, note, expires_at)
ON CONFLICT (workspace_id, address, scope, reason) DO UPDATE
SET message_id = EXCLUDED.message_id, note = EXCLUDED.note, expires_at = EXCLUDED.expires_at, added_by = EXCLUDED.added_by,
    created_at = EXCLUDED.created_at, listed = NULL, replaced_by = NULL
WHERE known.expires_at < coalesce(EXCLUDED.expires_at, 'infinity')
RETURNING address;

-- name: plan_anew
-- For this transaction: which index is the right one depends on what is asked for.
SELECT set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: list_suppressions
-- Addresses up to, not including, $2 in byte order, after the row ($3, $4, $5).
SELECT address, scope, reason, expires_at, message_id, added_by, note, created_at FROM suppressions
WHERE workspace_id = $1 AND address < $2 AND (address, scope, reason) > ($3, $4, $5)
  AND ($6::text IS NULL OR scope = $6) AND ($7::text IS NULL OR reason = $7) AND ($8::timestamptz IS NULL OR created_at >= $8)
ORDER BY address, scope, reason LIMIT $9;

-- name: remove_suppressions
-- What readers asked for by themselves stays.
DELETE FROM suppressions
WHERE workspace_id = $1 AND address = $2 AND ($3::text IS NULL OR scope = $3)
  AND NOT (reason = 'unsubscribe' AND added_by = 'recipient')
RETURNING address, scope, reason, expires_at, message_id, added_by, note, created_at;

-- name: own_opt_outs
SELECT EXISTS (
    SELECT FROM suppressions
    WHERE workspace_id = $1 AND address = ANY($2::text[]) AND ($3::text IS NULL OR scope = $3)
      AND reason = 'unsubscribe' AND added_by = 'recipient');

-- name: take_back_opt_out
DELETE FROM suppressions WHERE workspace_id = $1 AND address = $2 AND scope = $3 AND reason = 'unsubscribe'
RETURNING address, scope, reason, expires_at, message_id, added_by, note, created_at;

-- name: lock_invalid
-- Places are given by one at a time, each after what the one before gave can be seen.
SELECT pg_advisory_xact_lock(hashtextextended('invalid ' || ($1::uuid)::text, 0));

-- name: place_invalid
-- Gives the invalid addresses that have none yet their place in the list.
UPDATE suppressions SET listed = nextval('invalid_places')
WHERE workspace_id = $1 AND (address, scope, reason) IN (
    SELECT address, scope, reason FROM suppressions
    WHERE workspace_id = $1 AND listed IS NULL AND reason IN ('hard_bounce', 'invalid') LIMIT $2 FOR UPDATE SKIP LOCKED);

-- name: invalid_after
-- The list after place $2, with what the message that showed it knows of the person.
SELECT s.listed, s.address, s.reason, s.created_at, s.added_by, s.note, s.message_id, m.metadata ->> 'external_id' AS external_id
FROM suppressions s LEFT JOIN messages m ON m.workspace_id = s.workspace_id AND m.message_id = s.message_id
WHERE s.workspace_id = $1 AND s.listed > $2 AND s.reason IN ('hard_bounce', 'invalid') AND s.replaced_by IS NULL
  AND ($3::timestamptz IS NULL OR s.created_at >= $3)
ORDER BY s.listed LIMIT $4;

-- name: invalid_before
-- The same, newest first before place $2; addresses from $3 up to, not including, $4.
SELECT s.listed, s.address, s.reason, s.created_at, s.added_by, s.note, s.message_id, m.metadata ->> 'external_id' AS external_id
FROM suppressions s LEFT JOIN messages m ON m.workspace_id = s.workspace_id AND m.message_id = s.message_id
WHERE s.workspace_id = $1 AND s.listed < $2 AND s.address >= $3 AND s.address < $4 AND s.reason IN ('hard_bounce', 'invalid')
  AND s.replaced_by IS NULL
ORDER BY s.listed DESC LIMIT $5;

-- name: lift_invalid
DELETE FROM suppressions WHERE workspace_id = $1 AND address = $2 AND reason IN ('hard_bounce', 'invalid')
RETURNING reason, created_at;

-- name: replace_invalid
-- Nobody can read mail there, so it stays blocked; whoever works the list off is done with it.
UPDATE suppressions SET replaced_by = $3
WHERE workspace_id = $1 AND address = $2 AND reason IN ('hard_bounce', 'invalid') AND replaced_by IS NULL
RETURNING reason, created_at;

-- name: soft_bounces_of
SELECT address, messages, first_at, last_at FROM soft_bounces
WHERE workspace_id = $1 AND address = ANY($2::text[]) ORDER BY address FOR UPDATE;

-- name: note_soft_bounces
INSERT INTO soft_bounces (workspace_id, address, messages, first_at, last_at, message_id)
SELECT $1, address, messages, first_at, last_at, message_id
FROM unnest($2::text[], $3::integer[], $4::timestamptz[], $5::timestamptz[], $6::uuid[])
     AS e (address, messages, first_at, last_at, message_id)
ON CONFLICT (workspace_id, address) DO UPDATE
SET messages = EXCLUDED.messages, first_at = EXCLUDED.first_at, last_at = EXCLUDED.last_at, message_id = EXCLUDED.message_id;

-- name: cursor
SELECT next FROM event_cursors WHERE workspace_id = $1 AND reader = $2;

-- name: failures
-- Mail that will not arrive, from $2 up to, not including, $3, in order.
SELECT event_id, occurred_at, message_id, recipient_id, kind, data FROM events
WHERE workspace_id = $1 AND event_id >= $2 AND event_id < $3 AND kind IN ('bounced', 'late_bounce', 'expired')
ORDER BY event_id LIMIT $4;

-- name: first_event
-- Where the workspace's history begins.
SELECT event_id FROM events WHERE workspace_id = $1 ORDER BY event_id LIMIT 1;

-- name: note_bounces
-- The last bounce of each address, with how many there were. One that is told late changes only the count.
INSERT INTO bounced_addresses AS known (workspace_id, address, blocked, type, first_at, last_at, bounces, reason, code, enhanced, said,
                                        message_id)
SELECT $1, address, type = 'blocked', type, first_at, last_at, bounces, reason, code, enhanced, said, message_id
FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::bigint[], $7::text[], $8::smallint[], $9::text[],
            $10::text[], $11::uuid[])
     AS e (address, type, first_at, last_at, bounces, reason, code, enhanced, said, message_id)
ON CONFLICT (workspace_id, address, blocked) DO UPDATE
SET bounces = known.bounces + EXCLUDED.bounces, first_at = least(known.first_at, EXCLUDED.first_at),
    last_at = greatest(known.last_at, EXCLUDED.last_at),
    type = CASE WHEN EXCLUDED.last_at >= known.last_at THEN EXCLUDED.type ELSE known.type END,
    reason = CASE WHEN EXCLUDED.last_at >= known.last_at THEN EXCLUDED.reason ELSE known.reason END,
    code = CASE WHEN EXCLUDED.last_at >= known.last_at THEN EXCLUDED.code ELSE known.code END,
    enhanced = CASE WHEN EXCLUDED.last_at >= known.last_at THEN EXCLUDED.enhanced ELSE known.enhanced END,
    said = CASE WHEN EXCLUDED.last_at >= known.last_at THEN EXCLUDED.said ELSE known.said END,
    message_id = CASE WHEN EXCLUDED.last_at >= known.last_at THEN EXCLUDED.message_id ELSE known.message_id END;

-- name: bounced_before
-- Newest first before ($6, $7): of the type $3 (null: hard and soft), last bounced from $4 up to, not including, $5, or, where $8, at any
-- other time; addresses from $9 up to, not including, $10.
SELECT b.address, b.type, b.first_at, b.last_at, b.bounces, b.reason, b.code, b.enhanced, b.said, b.message_id,
       (SELECT m.metadata ->> 'external_id' FROM messages m WHERE m.workspace_id = $1 AND m.message_id = b.message_id) AS external_id
FROM bounced_addresses b
WHERE b.workspace_id = $1 AND b.blocked = $2 AND ($3::text IS NULL OR b.type = $3)
  AND CASE WHEN $8 THEN b.last_at < $4 OR b.last_at >= $5 ELSE b.last_at >= $4 AND b.last_at < $5 END
  AND (b.last_at, b.address) < ($6::timestamptz, $7::text) AND b.address >= $9 AND b.address < $10
ORDER BY b.last_at DESC, b.address DESC LIMIT $11 OFFSET $12;

-- name: count_bounced
SELECT count(*) FROM bounced_addresses b
WHERE b.workspace_id = $1 AND b.blocked = $2 AND ($3::text IS NULL OR b.type = $3)
  AND CASE WHEN $6 THEN b.last_at < $4 OR b.last_at >= $5 ELSE b.last_at >= $4 AND b.last_at < $5 END
  AND b.address >= $7 AND b.address < $8;

-- name: share_sightings
-- Adds what one process saw to what the others told. More than proves a mass is never kept.
INSERT INTO mass_sightings AS known (workspace_id, text, minute, recipients)
SELECT $1, text, minute, string_to_array(recipients, ',')::bigint[]
FROM unnest($2::bigint[], $3::timestamptz[], $4::text[]) AS seen (text, minute, recipients)
ON CONFLICT (workspace_id, text, minute) DO UPDATE
SET recipients = ARRAY(SELECT DISTINCT r FROM unnest(known.recipients || EXCLUDED.recipients) AS r LIMIT $5);

-- name: recent_sightings
SELECT text, minute, recipients FROM mass_sightings WHERE workspace_id = $1 AND text = ANY($2::bigint[]) AND minute > $3;

-- name: drop_sightings
DELETE FROM mass_sightings WHERE workspace_id = $1 AND minute < $2;

-- name: note_mass_mailing
-- A row comes back for a mass that is new, or was last found before $3: then somebody should be told.
INSERT INTO mass_mailings AS known (workspace_id, text, found_at, action, message_id, sender, subject, reason)
VALUES ($1, $2, $4, $5, $6, $7, $8, $9)
ON CONFLICT (workspace_id, text) DO UPDATE
SET found_at = EXCLUDED.found_at, action = EXCLUDED.action, message_id = EXCLUDED.message_id, sender = EXCLUDED.sender,
    subject = EXCLUDED.subject, reason = EXCLUDED.reason
WHERE known.found_at < $3
RETURNING text;

-- name: mass_mailings
SELECT found_at, action, message_id, sender, subject, reason FROM mass_mailings
WHERE workspace_id = $1 AND found_at >= $2 ORDER BY found_at DESC LIMIT $3;

-- name: lock_cursor
-- Where a reader's cursor stands, for the one that may move it now; no row while another is at it.
SELECT next FROM event_cursors WHERE workspace_id = $1 AND reader = $2 FOR UPDATE SKIP LOCKED;

-- name: events_from
-- What happened from $2 up to, not including, $3, in order.
SELECT event_id, occurred_at, message_id, recipient_id, kind FROM events
WHERE workspace_id = $1 AND event_id >= $2 AND event_id < $3 ORDER BY event_id LIMIT $4;

-- name: events_by_id
-- $3 and $4 bound the ids, so that other partitions are not opened.
SELECT event_id, occurred_at, message_id, recipient_id, kind, data FROM events
WHERE workspace_id = $1 AND event_id = ANY($2::uuid[]) AND event_id >= $3 AND event_id <= $4;

-- name: events_of_kinds
-- What happened of these kinds after $2 and before $3, in order.
SELECT event_id, occurred_at, message_id, recipient_id, kind, data FROM events
WHERE workspace_id = $1 AND event_id > $2 AND event_id < $3 AND kind = ANY($4::text[]) ORDER BY event_id LIMIT $5;

-- name: count_events_of_kinds
SELECT count(*) FROM events WHERE workspace_id = $1 AND event_id > $2 AND event_id < $3 AND kind = ANY($4::text[]);

-- name: count_suppressions
SELECT count(*) FROM suppressions WHERE workspace_id = $1 AND created_at >= $2;

-- name: count_invalid
SELECT count(*) FROM suppressions
WHERE workspace_id = $1 AND created_at >= $2 AND reason IN ('hard_bounce', 'invalid') AND replaced_by IS NULL;

-- name: has_events_from
SELECT EXISTS (SELECT FROM events WHERE workspace_id = $1 AND event_id >= $2);

-- name: add_dmarc_report
-- No row comes back when the report is here already.
INSERT INTO dmarc_reports (workspace_id, report_id, domain, about, organisation, external_id, contact, begins_at, ends_at, policy, rows,
                           messages, passed, received_at, source, proven_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (workspace_id, organisation, external_id, about) DO NOTHING RETURNING report_id;

-- name: add_dmarc_rows
INSERT INTO dmarc_rows (workspace_id, report_id, number, source_ip, messages, disposition, dkim_aligned, spf_aligned, header_from,
                        envelope_from, envelope_to, dkim, spf, overrides)
SELECT $1, $2, r.*
FROM unnest($3::integer[], $4::text[], $5::bigint[], $6::text[], $7::boolean[], $8::boolean[], $9::text[], $10::text[], $11::text[],
            $12::text[], $13::text[], $14::text[]) AS r;

-- name: add_dmarc_failure
INSERT INTO dmarc_failures (workspace_id, report_id, domain, about, fingerprint, reporter, arrived_at, source_ip, failure, delivery,
                            mail_from, dkim_domain, dkim_selector, message_id, received_at, source, proven_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT (workspace_id, fingerprint) DO NOTHING RETURNING report_id;

-- name: reported_domains
-- Each domain reports tell of since $2, with what they say in all.
SELECT domain, sum(messages)::bigint AS messages, sum(passed)::bigint AS passed, sum(sessions)::bigint AS sessions,
       sum(failed)::bigint AS failed
FROM (
    SELECT domain, messages, passed, 0 AS sessions, 0 AS failed FROM dmarc_reports WHERE workspace_id = $1 AND begins_at >= $2
    UNION ALL
    SELECT domain, 0, 0, successful + failed, failed FROM tls_report_policies WHERE workspace_id = $1 AND begins_at >= $2
) told
GROUP BY domain ORDER BY domain;

-- name: dmarc_totals
SELECT count(*) AS reports, coalesce(sum(messages), 0)::bigint AS messages, coalesce(sum(passed), 0)::bigint AS passed,
       count(DISTINCT organisation) AS organisations
FROM dmarc_reports WHERE workspace_id = $1 AND domain = $2 AND begins_at >= $3;

-- name: dmarc_days
-- A report counts for the day it begins on, as its sender's days are not ours.
SELECT (begins_at AT TIME ZONE 'UTC')::date AS day, sum(passed)::bigint AS passed, sum(messages - passed)::bigint AS failed
FROM dmarc_reports WHERE workspace_id = $1 AND domain = $2 AND begins_at >= $3 GROUP BY day ORDER BY day;

-- name: dmarc_sources
-- Who sent mail in the domain's name, the most first.
SELECT r.source_ip, sum(r.messages)::bigint AS messages,
       coalesce(sum(r.messages) FILTER (WHERE r.dkim_aligned), 0)::bigint AS dkim_aligned,
       coalesce(sum(r.messages) FILTER (WHERE r.spf_aligned), 0)::bigint AS spf_aligned,
       coalesce(sum(r.messages) FILTER (WHERE r.dkim_aligned OR r.spf_aligned), 0)::bigint AS passed,
       coalesce(sum(r.messages) FILTER (WHERE r.disposition = 'quarantine'), 0)::bigint AS quarantined,
       coalesce(sum(r.messages) FILTER (WHERE r.disposition = 'reject'), 0)::bigint AS rejected,
       (array_agg(DISTINCT p.organisation ORDER BY p.organisation))[1:$5] AS organisations,
       count(DISTINCT p.organisation) AS reporters, count(*) OVER () AS sources
FROM dmarc_reports p JOIN dmarc_rows r ON r.workspace_id = p.workspace_id AND r.report_id = p.report_id
WHERE p.workspace_id = $1 AND p.domain = $2 AND p.begins_at >= $3
GROUP BY r.source_ip ORDER BY messages DESC, r.source_ip LIMIT $4;

-- name: dmarc_rows_of_source
-- What reports say about one source, summed over reports that say the same.
SELECT sum(r.messages)::bigint AS messages, r.disposition, r.dkim_aligned, r.spf_aligned, r.header_from, r.envelope_from, r.dkim, r.spf,
       r.overrides, (array_agg(DISTINCT p.organisation ORDER BY p.organisation))[1:$6] AS organisations
FROM dmarc_reports p JOIN dmarc_rows r ON r.workspace_id = p.workspace_id AND r.report_id = p.report_id
WHERE p.workspace_id = $1 AND p.domain = $2 AND p.begins_at >= $3 AND r.source_ip = $4
GROUP BY r.disposition, r.dkim_aligned, r.spf_aligned, r.header_from, r.envelope_from, r.dkim, r.spf, r.overrides
ORDER BY messages DESC LIMIT $5;

-- name: dmarc_failures
SELECT about, reporter, arrived_at, source_ip, failure, delivery, mail_from, dkim_domain, dkim_selector, message_id
FROM dmarc_failures WHERE workspace_id = $1 AND domain = $2 AND arrived_at >= $3 ORDER BY arrived_at DESC, report_id LIMIT $4;

-- name: add_tls_report
INSERT INTO tls_reports (workspace_id, report_id, organisation, external_id, contact, begins_at, ends_at, received_at, source, proven_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (workspace_id, organisation, external_id) DO NOTHING RETURNING report_id;

-- name: add_tls_policies
INSERT INTO tls_report_policies (workspace_id, report_id, begins_at, number, domain, about, policy, strings, hosts, successful, failed)
SELECT $1, $2, $3, r.*
FROM unnest($4::integer[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::bigint[]) AS r;

-- name: add_tls_failures
INSERT INTO tls_report_failures (workspace_id, report_id, policy_number, number, result, sessions, sending_ip, receiving_host,
                                 receiving_ip, reason, information)
SELECT $1, $2, r.*
FROM unnest($3::integer[], $4::integer[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[]) AS r;

-- name: tls_policies_reported
SELECT c.policy, sum(c.successful)::bigint AS successful, sum(c.failed)::bigint AS failed, count(*) AS reports,
       (array_agg(DISTINCT t.organisation ORDER BY t.organisation))[1:$4] AS organisations
FROM tls_report_policies c JOIN tls_reports t ON t.workspace_id = c.workspace_id AND t.report_id = c.report_id
WHERE c.workspace_id = $1 AND c.domain = $2 AND c.begins_at >= $3
GROUP BY c.policy ORDER BY c.policy;

-- name: tls_failures_reported
SELECT c.policy, f.result, f.receiving_host, sum(f.sessions)::bigint AS sessions, max(f.reason) AS reason,
       (array_agg(DISTINCT f.sending_ip ORDER BY f.sending_ip) FILTER (WHERE f.sending_ip <> ''))[1:$5] AS sending_ips
FROM tls_report_policies c
JOIN tls_report_failures f
     ON f.workspace_id = c.workspace_id AND f.report_id = c.report_id AND f.policy_number = c.number
WHERE c.workspace_id = $1 AND c.domain = $2 AND c.begins_at >= $3
GROUP BY c.policy, f.result, f.receiving_host ORDER BY sessions DESC, f.result, f.receiving_host LIMIT $4;

-- name: reporters
-- Who reports about a domain, the most first: a line for each name, kind of report, way it came and proof of who sent it.
SELECT organisation, kind, source, proven_by, count(*) AS reports, max(received_at) AS last_at
FROM (
    SELECT organisation, 'dmarc' AS kind, source, proven_by, received_at
    FROM dmarc_reports WHERE workspace_id = $1 AND domain = $2 AND begins_at >= $3
    UNION ALL
    SELECT reporter, 'dmarc_failure', source, proven_by, received_at
    FROM dmarc_failures WHERE workspace_id = $1 AND domain = $2 AND arrived_at >= $3
    UNION ALL
    SELECT t.organisation, 'tls', t.source, t.proven_by, t.received_at
    FROM tls_reports t WHERE t.workspace_id = $1 AND t.begins_at >= $3 AND EXISTS (
        SELECT FROM tls_report_policies c WHERE c.workspace_id = t.workspace_id AND c.report_id = t.report_id AND c.domain = $2)
) told
GROUP BY organisation, kind, source, proven_by ORDER BY reports DESC, organisation, kind, source, proven_by LIMIT $4;

-- name: reported_lately
-- Reports and their rows that came by mail since $2, where anybody may send them.
SELECT count(*) AS reports, coalesce(sum(rows), 0)::bigint AS rows FROM (
    SELECT rows FROM dmarc_reports WHERE workspace_id = $1 AND received_at >= $2 AND source = 'mail'
    UNION ALL SELECT 1 FROM dmarc_failures WHERE workspace_id = $1 AND received_at >= $2 AND source = 'mail'
    UNION ALL SELECT 1 FROM tls_reports WHERE workspace_id = $1 AND received_at >= $2 AND source = 'mail'
) came;

-- name: forget_dmarc_reports
DELETE FROM dmarc_reports WHERE workspace_id = $1 AND received_at < $2;

-- name: forget_dmarc_failures
DELETE FROM dmarc_failures WHERE workspace_id = $1 AND received_at < $2;

-- name: forget_tls_reports
DELETE FROM tls_reports WHERE workspace_id = $1 AND received_at < $2;

-- name: bounce_policy
SELECT policy FROM bounce_policies WHERE workspace_id = $1;

-- name: choose_bounce_policy
INSERT INTO bounce_policies (workspace_id, policy, changed_at) VALUES ($1, $2, $3)
ON CONFLICT (workspace_id) DO UPDATE SET policy = EXCLUDED.policy, changed_at = EXCLUDED.changed_at;
