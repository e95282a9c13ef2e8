-- Every statement of accounts. $1 is the workspace wherever a statement touches tenant rows. The exceptions: people belong to no
-- workspace, and what a client shows before it is known (a key, a cookie, its network) names none.

-- name: workspace
SELECT w.*, EXISTS (SELECT FROM credentials c WHERE c.workspace_id = w.workspace_id AND c.any_domain AND c.revoked_at IS NULL) AS any_domain
FROM workspaces w WHERE w.workspace_id = $1;

-- name: workspace_by_number
SELECT w.*, EXISTS (SELECT FROM credentials c WHERE c.workspace_id = w.workspace_id AND c.any_domain AND c.revoked_at IS NULL) AS any_domain
FROM workspaces w WHERE w.number = $1;

-- name: workspaces
SELECT w.*, EXISTS (SELECT FROM credentials c WHERE c.workspace_id = w.workspace_id AND c.any_domain AND c.revoked_at IS NULL) AS any_domain
FROM workspaces w ORDER BY w.number;

-- name: workspaces_of_user
SELECT w.*, EXISTS (SELECT FROM credentials c WHERE c.workspace_id = w.workspace_id AND c.any_domain AND c.revoked_at IS NULL) AS any_domain,
       m.role
FROM memberships m JOIN workspaces w USING (workspace_id) WHERE m.user_id = $1 ORDER BY w.number;

-- name: workspace_number
SELECT number FROM workspaces WHERE workspace_id = $1;

-- name: insert_workspace
INSERT INTO workspaces (workspace_id, name, created_at) VALUES ($1, $2, $3);

-- name: update_workspace
UPDATE workspaces SET name = $2, default_priority = $3, priority_enabled = $4, encrypt_bodies = $5, support_contact = $6,
                      class_policy = $7, mass_policy = $8, failure_notices = $9, allow_lists = $10, strict_optout = $11,
                      domain_policy = $12, postal_address = $13
WHERE workspace_id = $1;

-- name: members
SELECT u.user_id, u.email, u.name, u.locale, u.created_at, u.disabled_at, u.password_hash IS NOT NULL AS has_password, m.role
FROM memberships m JOIN users u USING (user_id) WHERE m.workspace_id = $1 ORDER BY u.email;

-- name: member
SELECT u.user_id, u.email, u.name, u.locale, u.created_at, u.disabled_at, u.password_hash IS NOT NULL AS has_password, m.role
FROM memberships m JOIN users u USING (user_id) WHERE m.workspace_id = $1 AND u.user_id = $2;

-- name: member_by_email
SELECT u.user_id, u.email, u.name, u.locale, u.created_at, u.disabled_at, u.password_hash IS NOT NULL AS has_password, m.role
FROM memberships m JOIN users u USING (user_id) WHERE m.workspace_id = $1 AND u.email = $2;

-- name: belongs_elsewhere
-- Whether a person is also a member of another workspace, whose admins then have a say too.
SELECT EXISTS (SELECT FROM memberships WHERE user_id = $2 AND workspace_id <> $1);

-- name: keep_user
-- The person with this address: a new row, or the one other workspaces know already.
INSERT INTO users (user_id, email, name, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (email) DO UPDATE SET email = excluded.email RETURNING user_id;

-- name: insert_member
INSERT INTO memberships (workspace_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (workspace_id, user_id) DO NOTHING RETURNING user_id;

-- name: set_disabled
UPDATE users SET disabled_at = $2 WHERE user_id = $1;

-- name: set_password
UPDATE users SET password_hash = $2 WHERE user_id = $1;

-- name: set_locale
UPDATE users SET locale = $2 WHERE user_id = $1;

-- name: password_of
-- Who signs in with a password; a disabled person cannot.
SELECT user_id, password_hash FROM users WHERE email = $1 AND disabled_at IS NULL;

-- name: insert_link
INSERT INTO sign_in_links (token_hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4);

-- name: use_link
-- unused -> used: of two who redeem the same link at once, the second finds it used.
UPDATE sign_in_links l SET used_at = $2 FROM users u
WHERE l.token_hash = $1 AND l.used_at IS NULL AND l.expires_at > $2 AND u.user_id = l.user_id AND u.disabled_at IS NULL
RETURNING l.user_id;

-- name: forget_links
DELETE FROM sign_in_links WHERE user_id = $1 AND (expires_at <= $2 OR used_at IS NOT NULL);

-- name: end_links
DELETE FROM sign_in_links WHERE user_id = $1;

-- name: insert_session
INSERT INTO sessions (session_hash, user_id, workspace_id, created_at, seen_at, expires_at) VALUES ($1, $2, $3, $4, $4, $5);

-- name: session
-- Who a cookie belongs to, as long as the session lives and the person is still a member and not disabled.
SELECT s.session_hash, s.seen_at, s.expires_at, s.workspace_id, m.role,
       u.user_id, u.email, u.name, u.locale, u.created_at, u.disabled_at, u.password_hash IS NOT NULL AS has_password
FROM sessions s JOIN users u USING (user_id) JOIN memberships m ON m.workspace_id = s.workspace_id AND m.user_id = s.user_id
WHERE s.session_hash = $1 AND s.expires_at > $2 AND u.disabled_at IS NULL;

-- name: slide_session
UPDATE sessions SET seen_at = $2, expires_at = $3 WHERE session_hash = $1;

-- name: switch_session
UPDATE sessions s SET workspace_id = $2 FROM memberships m
WHERE s.session_hash = $1 AND s.expires_at > $3 AND m.user_id = s.user_id AND m.workspace_id = $2 RETURNING s.user_id;

-- name: end_session
DELETE FROM sessions WHERE session_hash = $1;

-- name: end_sessions
-- Every session of a person but one (none is spared when it is null).
DELETE FROM sessions WHERE user_id = $1 AND session_hash IS DISTINCT FROM $2;

-- name: forget_sessions
DELETE FROM sessions WHERE user_id = $1 AND expires_at <= $2;

-- name: insert_data_key
INSERT INTO data_keys (workspace_id, key_id, wrapped_key, kek_id, created_at) VALUES ($1, $2, $3, $4, $5);

-- name: current_data_key
SELECT key_id, kek_id, wrapped_key FROM data_keys WHERE workspace_id = $1 ORDER BY created_at DESC, key_id DESC LIMIT 1;

-- name: data_key
SELECT key_id, kek_id, wrapped_key FROM data_keys WHERE workspace_id = $1 AND key_id = $2;

-- name: data_keys
SELECT key_id, kek_id, wrapped_key FROM data_keys WHERE workspace_id = $1;

-- name: rewrap_data_key
UPDATE data_keys SET wrapped_key = $3, kek_id = $4 WHERE workspace_id = $1 AND key_id = $2;

-- name: grant_by_secret
-- A live credential by what its owner showed. The caller still compares hash, user name and network.
SELECT c.workspace_id, w.number, c.credential_id, c.kind, c.name, c.hint, c.secret_hash, c.scopes, c.domains, c.networks,
       c.any_domain, c.mail_class, w.priority_enabled, w.default_priority, w.postal_address
FROM workspaces w JOIN credentials c USING (workspace_id)
WHERE w.number = $1 AND c.kind = $2 AND c.secret_hash = $3 AND c.revoked_at IS NULL AND NOT c.without_auth;

-- name: grants_by_network
-- Cross-workspace read: every live credential that stands for a network, oldest first.
SELECT c.workspace_id, w.number, c.credential_id, c.kind, c.name, c.hint, c.secret_hash, c.scopes, c.domains, c.networks,
       c.any_domain, c.mail_class, w.priority_enabled, w.default_priority, w.postal_address
FROM workspaces w JOIN credentials c USING (workspace_id)
WHERE c.without_auth AND c.revoked_at IS NULL ORDER BY c.credential_id;

-- name: network_taken
-- Whether another workspace already submits without AUTH from one of these networks: whose mail would it be?
SELECT EXISTS (SELECT FROM credentials c, unnest(c.networks) AS theirs, unnest($2::cidr[]) AS ours
               WHERE c.workspace_id <> $1 AND c.without_auth AND c.revoked_at IS NULL AND theirs && ours);

-- name: credentials
SELECT c.*, u.used_at FROM credentials c LEFT JOIN credential_use u USING (workspace_id, credential_id)
WHERE c.workspace_id = $1 AND ($2::text IS NULL OR c.kind = $2) ORDER BY c.credential_id DESC;

-- name: credential
SELECT c.*, u.used_at FROM credentials c LEFT JOIN credential_use u USING (workspace_id, credential_id)
WHERE c.workspace_id = $1 AND c.credential_id = $2;

-- name: live_credentials
SELECT count(*) FROM credentials WHERE workspace_id = $1 AND revoked_at IS NULL;

-- name: any_domain_credentials
-- Cross-workspace read: what the lab left behind.
SELECT workspace_id, credential_id FROM credentials WHERE any_domain AND revoked_at IS NULL;

-- name: insert_credential
INSERT INTO credentials (workspace_id, credential_id, kind, name, hint, secret_hash, scopes, domains, networks, without_auth,
                         any_domain, mail_class, created_at, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);

-- name: revoke_credential
-- live -> revoked, once and for ever.
UPDATE credentials SET revoked_at = $3 WHERE workspace_id = $1 AND credential_id = $2 AND revoked_at IS NULL RETURNING hint;

-- name: note_use
INSERT INTO credential_use (workspace_id, credential_id, used_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[])
ON CONFLICT (workspace_id, credential_id) DO UPDATE SET used_at = greatest(credential_use.used_at, excluded.used_at);

-- name: domains
SELECT d.*, w.number FROM sending_domains d JOIN workspaces w USING (workspace_id) WHERE d.workspace_id = $1 ORDER BY d.name;

-- name: domain
SELECT d.*, w.number FROM sending_domains d JOIN workspaces w USING (workspace_id)
WHERE d.workspace_id = $1 AND d.domain_id = $2;

-- name: domain_by_name
SELECT d.*, w.number FROM sending_domains d JOIN workspaces w USING (workspace_id)
WHERE d.workspace_id = $1 AND d.name = $2;

-- name: domain_count
SELECT count(*) FROM sending_domains WHERE workspace_id = $1;

-- name: classes_of_verified
-- What a domain that may be sent from is for; no row for any other. Missing records count as the workspace has chosen.
SELECT d.mail_classes FROM sending_domains d JOIN workspaces w USING (workspace_id)
WHERE d.workspace_id = $1 AND d.name = $2 AND d.verified_at IS NOT NULL
  AND (w.domain_policy = 'warn' OR d.incomplete IS NULL OR (w.domain_policy = 'refuse' AND d.incomplete = 'recommended'));

-- name: domain_policy
SELECT domain_policy FROM workspaces WHERE workspace_id = $1;

-- name: verified_among
-- The longest of these names that is a verified domain.
SELECT name FROM sending_domains
WHERE workspace_id = $1 AND name = ANY ($2::text[]) AND verified_at IS NOT NULL ORDER BY length(name) DESC LIMIT 1;

-- name: insert_domain
INSERT INTO sending_domains (workspace_id, domain_id, name, ownership_token, created_at, mail_classes)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (workspace_id, name) DO NOTHING RETURNING domain_id;

-- name: settle_checks
-- What the DNS said; verified_at set (may be sent from, by policy while something is missing) or null (is refused).
UPDATE sending_domains SET verified_at = $3, checked_at = $4, checks = $5, incomplete = $6
WHERE workspace_id = $1 AND domain_id = $2;

-- name: assign_classes
UPDATE sending_domains SET mail_classes = $3 WHERE workspace_id = $1 AND domain_id = $2;

-- name: delete_domain
DELETE FROM sending_domains WHERE workspace_id = $1 AND domain_id = $2 RETURNING name;

-- name: published_keys
SELECT domain_id, selector, algorithm, public_key, created_at, replacing, retired_at FROM dkim_keys
WHERE workspace_id = $1 AND domain_id = ANY ($2::uuid[])
ORDER BY retired_at IS NOT NULL, replacing, algorithm DESC, selector;

-- name: insert_dkim_key
INSERT INTO dkim_keys (workspace_id, domain_id, selector, algorithm, sealed_private_key, public_key, created_at, replacing)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: take_over
-- Replacing -> signing.
UPDATE dkim_keys SET replacing = false WHERE workspace_id = $1 AND domain_id = $2 AND selector = ANY ($3::text[]) AND replacing;

-- name: retire_keys
-- Signing -> retired: published for a while, used no more.
UPDATE dkim_keys SET retired_at = $4
WHERE workspace_id = $1 AND domain_id = $2 AND selector = ANY ($3::text[]) AND retired_at IS NULL AND NOT replacing;

-- name: delete_key
-- Replacing, or retired before $4 -> gone with its private half. A key that signs stays.
DELETE FROM dkim_keys WHERE workspace_id = $1 AND domain_id = $2 AND selector = $3 AND (replacing OR retired_at <= $4)
RETURNING selector;

-- name: signing_keys
-- The keys of a verified domain, with what the DNS said about them.
SELECT d.name, d.checks, k.domain_id, k.selector, k.sealed_private_key
FROM sending_domains d JOIN dkim_keys k USING (workspace_id, domain_id)
WHERE d.workspace_id = $1 AND d.name = $2 AND d.verified_at IS NOT NULL AND k.retired_at IS NULL AND NOT k.replacing
ORDER BY k.algorithm DESC, k.selector;

-- name: lab_keys
-- Cross-workspace read: the published halves of the keys that stand in for every domain in the lab.
SELECT k.selector, k.public_key FROM sending_domains d JOIN dkim_keys k USING (workspace_id, domain_id)
WHERE d.name = $1 AND EXISTS (SELECT FROM credentials c WHERE c.workspace_id = d.workspace_id AND c.any_domain AND c.revoked_at IS NULL)
ORDER BY d.created_at DESC, k.selector;

-- name: lock_audit
-- One writer at a time per workspace, until commit: each entry names the one before it.
SELECT pg_advisory_xact_lock(hashtextextended('audit ' || $1::text, 0));

-- name: lock_bootstrap
SELECT pg_advisory_xact_lock(hashtextextended('bootstrap', 0));

-- name: last_audit_entry
SELECT sequence, hash FROM audit_log WHERE workspace_id = $1 ORDER BY sequence DESC LIMIT 1;

-- name: insert_audit_entry
INSERT INTO audit_log (workspace_id, sequence, occurred_at, actor, action, subject, detail, previous_hash, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: audit_entries
SELECT * FROM audit_log WHERE workspace_id = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3;

-- name: audit_after
SELECT * FROM audit_log WHERE workspace_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3;

-- name: audit_chain
SELECT * FROM audit_log WHERE workspace_id = $1 ORDER BY sequence;

-- name: announce
-- Wakes every Directory; delivered at commit, so what they then read is the new state.
SELECT pg_notify('accounts', $1::text);

-- Bounce domains.

-- name: bounce_domains
SELECT * FROM bounce_domains WHERE workspace_id = $1 ORDER BY name;

-- name: insert_bounce_domain
-- Nothing comes back when the name is there already.
INSERT INTO bounce_domains (workspace_id, bounce_domain_id, name, created_at, checked_at) VALUES ($1, $2, $3, $4, $4)
ON CONFLICT (workspace_id, name) DO NOTHING RETURNING *;

-- name: settle_bounce_domain
UPDATE bounce_domains SET checked_at = $3, broken_at = $4, problem = $5 WHERE workspace_id = $1 AND bounce_domain_id = $2;

-- name: delete_bounce_domain
DELETE FROM bounce_domains WHERE workspace_id = $1 AND bounce_domain_id = $2 RETURNING name;

-- name: overdue_bounce_domains
SELECT bounce_domain_id FROM bounce_domains WHERE workspace_id = $1 AND checked_at < $2 ORDER BY checked_at LIMIT $3;

-- Link hosts.

-- name: link_hosts
SELECT h.*, d.name AS domain FROM link_hosts h JOIN sending_domains d USING (workspace_id, domain_id)
WHERE h.workspace_id = $1 ORDER BY d.name;

-- name: link_host
SELECT h.*, d.name AS domain FROM link_hosts h JOIN sending_domains d USING (workspace_id, domain_id)
WHERE h.workspace_id = $1 AND h.domain_id = $2;

-- name: lock_link_host
-- One at a time may take a name, until commit: no constraint may reach over all workspaces.
SELECT pg_advisory_xact_lock(hashtextextended('link host ' || $1::text, 0));

-- name: link_host_taken
-- Whether it is another domain's, of any workspace: whoever follows a link names the host alone.
SELECT EXISTS (SELECT FROM link_hosts WHERE name = $3 AND (workspace_id, domain_id) <> ($1, $2));

-- name: set_link_host
-- Instead of any the domain has. Nothing comes back when there is no such verified domain.
INSERT INTO link_hosts (workspace_id, domain_id, name, created_at, checked_at)
SELECT workspace_id, domain_id, $3, $4, $4 FROM sending_domains
WHERE workspace_id = $1 AND domain_id = $2 AND verified_at IS NOT NULL
ON CONFLICT (workspace_id, domain_id) DO UPDATE
SET name = excluded.name, created_at = excluded.created_at, checked_at = excluded.checked_at, broken_at = NULL, problem = ''
RETURNING domain_id;

-- name: settle_link_host
UPDATE link_hosts SET checked_at = $4, broken_at = $5, problem = $6
WHERE workspace_id = $1 AND domain_id = $2 AND name = $3 RETURNING domain_id;

-- name: delete_link_host
DELETE FROM link_hosts WHERE workspace_id = $1 AND domain_id = $2 RETURNING name;

-- name: link_host_in_use
-- A proxy that asks for a certificate names the host alone.
SELECT EXISTS (SELECT FROM link_hosts WHERE name = $1 AND broken_at IS NULL);

-- Looking again.

-- name: overdue_domains
-- Sending domains that were verified once and whose turn it is; the lab's own is in no DNS.
SELECT domain_id FROM sending_domains
WHERE workspace_id = $1 AND verified_at IS NOT NULL AND checked_at < $2 AND name <> $4 ORDER BY checked_at LIMIT $3;

-- name: switch_bounce_processing
UPDATE workspaces SET bounce_processing = $2 WHERE workspace_id = $1 AND bounce_processing <> $2 RETURNING workspace_id;

-- name: raise_alert
-- The open alert of a trouble, made or brought up to date; `is_news` when it is new or became worse. Administrators are then told again.
WITH before AS (
    SELECT level FROM alerts WHERE workspace_id = $1 AND kind = $3 AND subject = $4 AND ended_at IS NULL
)
INSERT INTO alerts AS a (workspace_id, alert_id, kind, subject, level, sentence, path, raised_at, clauses)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (workspace_id, kind, subject) WHERE ended_at IS NULL DO UPDATE SET
    level = excluded.level, sentence = excluded.sentence, path = excluded.path, clauses = excluded.clauses,
    told_at = CASE WHEN a.level = 'warning' AND excluded.level = 'critical' THEN NULL ELSE a.told_at END
RETURNING alert_id, NOT EXISTS (SELECT FROM before WHERE level IN ($5, 'critical')) AS is_news;

-- name: end_alert
UPDATE alerts SET ended_at = $5, ended_by = $4 WHERE workspace_id = $1 AND kind = $2 AND subject = $3 AND ended_at IS NULL
RETURNING alert_id, kind, subject;

-- name: dismiss_alert
UPDATE alerts SET ended_at = $4, ended_by = $3 WHERE workspace_id = $1 AND alert_id = $2 AND ended_at IS NULL
RETURNING alert_id, kind, subject;

-- name: open_alerts
SELECT * FROM alerts WHERE workspace_id = $1 AND ended_at IS NULL ORDER BY level, raised_at DESC;

-- name: latest_alerts
SELECT * FROM alerts WHERE workspace_id = $1 ORDER BY ended_at IS NULL DESC, raised_at DESC LIMIT $2;

-- name: worst_alert
-- The first of the open ones and how many there are: what every page of an administrator asks.
SELECT *, count(*) OVER () AS many FROM alerts WHERE workspace_id = $1 AND ended_at IS NULL ORDER BY level, raised_at DESC LIMIT 1;

-- name: take_alert_turn
-- The right to write to administrators, once in $3 seconds; no row while there is nothing to tell.
INSERT INTO alert_turns AS t (workspace_id, told_at)
SELECT $1, $2::timestamptz WHERE EXISTS (SELECT FROM alerts WHERE workspace_id = $1 AND ended_at IS NULL AND told_at IS NULL)
ON CONFLICT (workspace_id) DO UPDATE SET told_at = excluded.told_at
WHERE t.told_at <= excluded.told_at - make_interval(secs => $3)
RETURNING workspace_id;

-- name: untold_alerts
SELECT * FROM alerts WHERE workspace_id = $1 AND ended_at IS NULL AND told_at IS NULL ORDER BY level, raised_at DESC;

-- name: tell_alerts
-- What became worse since it was read is still to be told.
UPDATE alerts a SET told_at = $2 FROM unnest($3::uuid[], $4::text[]) AS t (alert_id, level)
WHERE a.workspace_id = $1 AND a.alert_id = t.alert_id AND a.level = t.level AND a.told_at IS NULL;

-- Login failures.

-- name: people_turned_away
-- Cross-workspace read: whom an address typed at sign-in may mean: it names no workspace, and each of the person's is told.
SELECT m.workspace_id, u.email, u.disabled_at IS NOT NULL AS disabled
FROM users u JOIN memberships m USING (user_id) WHERE u.email = ANY ($1::text[]);

-- name: links_turned_away
-- Cross-workspace read: the same for links that were used already or are too old.
SELECT m.workspace_id, u.email, u.disabled_at IS NOT NULL AS disabled, l.token_hash
FROM sign_in_links l JOIN users u USING (user_id) JOIN memberships m USING (user_id) WHERE l.token_hash = ANY ($1::bytea[]);

-- name: credentials_turned_away
-- Cross-workspace read: what a user name or the beginning of a key may mean; the short number in it is the workspace's.
SELECT c.workspace_id, c.hint, c.secret_hash, c.networks, c.revoked_at IS NOT NULL AS revoked
FROM workspaces w JOIN credentials c USING (workspace_id)
WHERE w.number = ANY ($1::int[]) AND c.hint = ANY ($2::text[]) AND NOT c.without_auth;

-- name: keep_login_failures
-- Each is added to its row. A new row only while the day, whose ids begin at $10, has room for one among $11.
INSERT INTO login_failures AS f (workspace_id, failure_id, door, account, source, reason, attempts, first_at, last_at)
SELECT $1, n.failure_id, n.door, n.account, n.source, n.reason, n.attempts, n.first_at, n.last_at
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::timestamptz[], $9::timestamptz[])
     WITH ORDINALITY AS n (failure_id, door, account, source, reason, attempts, first_at, last_at, place)
WHERE n.place <= $11 - (SELECT count(*) FROM login_failures d WHERE d.workspace_id = $1 AND d.failure_id >= $10)
   OR EXISTS (SELECT FROM login_failures k WHERE k.workspace_id = $1 AND k.failure_id = n.failure_id)
ON CONFLICT (workspace_id, failure_id) DO UPDATE SET
    attempts = least(f.attempts::bigint + excluded.attempts, 2147483647), first_at = least(f.first_at, excluded.first_at),
    last_at = greatest(f.last_at, excluded.last_at)
RETURNING failure_id;

-- name: login_failures
-- The newest quarter of an hour first, from $2 and before $3.
SELECT failure_id, door, account, source, reason, attempts, first_at, last_at FROM login_failures
WHERE workspace_id = $1 AND failure_id >= $2 AND failure_id < $3 AND ($4::text IS NULL OR door = $4)
ORDER BY failure_id DESC LIMIT $5;

-- name: login_failures_after
-- The oldest first, after $2 and before $3.
SELECT failure_id, door, account, source, reason, attempts, first_at, last_at FROM login_failures
WHERE workspace_id = $1 AND failure_id > $2 AND failure_id < $3 ORDER BY failure_id LIMIT $4;

-- name: count_login_failures
SELECT count(*) FROM login_failures WHERE workspace_id = $1 AND failure_id > $2 AND failure_id < $3;

-- name: drop_old_login_failures
DELETE FROM login_failures WHERE workspace_id = $1 AND failure_id < $2;

-- name: guessed_accounts
-- Accounts whose logins failed $3 times or more since $2.
SELECT account, sum(attempts) AS attempts, count(DISTINCT source) AS sources FROM login_failures
WHERE workspace_id = $1 AND failure_id >= $2 GROUP BY account HAVING sum(attempts) >= $3 ORDER BY attempts DESC, account LIMIT $4;
