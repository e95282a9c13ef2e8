-- name: sts_policies
-- The MTA-STS policies that have not ended, those fetched last first. Policies belong to the installation, not to a workspace.
SELECT domain, id, mode, mx, max_age, fetched_at
FROM sts_policies
WHERE fetched_at + max_age * interval '1 second' > $1
ORDER BY fetched_at DESC
LIMIT $2;

-- name: sts_policies_since
-- What other processes have fetched meanwhile.
SELECT domain, id, mode, mx, max_age, fetched_at
FROM sts_policies
WHERE fetched_at > $1
ORDER BY fetched_at DESC
LIMIT $2;

-- name: keep_sts_policy
-- Puts a policy just fetched in the place of what was known of its domain.
INSERT INTO sts_policies (domain, id, mode, mx, max_age, fetched_at, checked_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT (domain) DO UPDATE SET
    id = excluded.id, mode = excluded.mode, mx = excluded.mx, max_age = excluded.max_age,
    fetched_at = excluded.fetched_at, checked_at = excluded.checked_at
WHERE sts_policies.fetched_at <= excluded.fetched_at;

-- name: claim_sts_refresh
-- Of these domains, the policies nobody has set out to fetch anew for so many seconds, or half their life: whoever asks first does.
UPDATE sts_policies SET checked_at = $1::timestamptz
WHERE domain IN (
    SELECT domain FROM sts_policies
    WHERE domain = ANY($3::text[]) AND checked_at < $1::timestamptz - least($2::float8, max_age / 2) * interval '1 second'
    ORDER BY checked_at LIMIT $4 FOR UPDATE SKIP LOCKED
)
RETURNING domain, id;

-- name: forget_sts_policies
-- Ended policies go.
DELETE FROM sts_policies WHERE fetched_at + max_age * interval '1 second' <= $1;

-- name: add_tls_results
-- Adds to the counters; in one order, so that two processes never wait for each other in a circle.
INSERT INTO tls_results (day, domain, policy, mx, result, sessions)
SELECT day, domain, policy, mx, result, sessions
FROM unnest($1::date[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
    AS counted (day, domain, policy, mx, result, sessions)
ORDER BY day, domain, policy, mx, result
ON CONFLICT (day, domain, policy, mx, result) DO UPDATE SET sessions = tls_results.sessions + excluded.sessions;

-- name: tls_results
-- The counters of one day, failures of each domain first.
SELECT domain, policy, mx, result, sessions
FROM tls_results
WHERE day = $1 AND ($2 = '' OR domain = $2)
ORDER BY domain, policy, result = 'success', result, mx
LIMIT $3;

-- name: forget_tls_results
-- Days long reported go.
DELETE FROM tls_results WHERE day < $1;

-- name: watch_listings
-- Addresses of ours on lists, each to be looked up from $3 on. They belong to the installation, whoever's mail leaves from them.
INSERT INTO ip_listings (address, zone, next_at) SELECT address, zone, $3 FROM unnest($1::text[], $2::text[]) AS p (address, zone)
ON CONFLICT (address, zone) DO NOTHING;

-- name: claim_looks
-- Whose turn it is; whoever asks first looks.
UPDATE ip_listings SET next_at = $4
WHERE (address, zone) IN (
    SELECT address, zone FROM ip_listings WHERE address = ANY($1::text[]) AND zone = ANY($2::text[]) AND next_at <= $3
    ORDER BY next_at LIMIT $5 FOR UPDATE SKIP LOCKED
)
RETURNING address, zone, listed_at, clean_looks;

-- name: note_look
-- What the list said when it last had the address stays.
UPDATE ip_listings SET looked_at = $3, listed_at = $4, clean_looks = $5, trouble = $6, codes = coalesce($7, codes),
    reason = coalesce($8, reason), removal = coalesce($9, removal)
WHERE address = $1 AND zone = $2;

-- name: forget_listings
-- Lists these addresses are no longer looked up on, and addresses nobody looks up any more.
DELETE FROM ip_listings
WHERE (address = ANY($1::text[]) AND NOT zone = ANY($2::text[])) OR coalesce(looked_at, next_at) < $3
RETURNING address, zone, listed_at;

-- name: listings
SELECT address, zone, looked_at, listed_at, codes, reason, removal, trouble FROM ip_listings ORDER BY listed_at, address, zone;

-- name: listed_addresses
-- Those of these addresses that a list has, with since when.
SELECT address, min(listed_at) AS since FROM ip_listings
WHERE address = ANY($1::text[]) AND zone = ANY($2::text[]) AND listed_at IS NOT NULL GROUP BY address;
