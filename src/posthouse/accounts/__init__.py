"""Who may send, and as whom: workspaces, people, credentials, sending domains and their keys, and the audit log.

The room owns `workspaces`, `users`, `memberships`, `sessions`, `sign_in_links`, `data_keys`, `credentials`, `credential_use`,
`sending_domains`, `dkim_keys`, `bounce_domains`, `link_hosts`, `alerts`, `login_failures` and `audit_log`. A workspace is the tenant:
everything but a person belongs to exactly one.

Asking. The doors and the delivery ask `directory.Directory`, one per process: `by_api_key`, `by_smtp_login` and `by_network` turn
what a client showed into a `Submitter`, `may_send_as` says whether that submitter may put a domain into From, `signing_keys` gives
the loaded DKIM keys of the domain, `workspace` and `data_key` the rest of what a mail needs. Its answers are a few seconds old at
most (`recent`), unknown secrets included, and every change announces itself (NOTIFY accounts), so a revoked key stops working
at once. When a credential was last used is noted at most once a minute (`last_use`).

Changing. `changes.making` opens a `Change`: one transaction, one workspace, one author. Every function that changes something
takes it as its first argument and ends with `Change.record`, which appends to the hash-chained `audit` log and announces; so
nothing is changed without an entry, and no entry tells of a change that did not happen. The nouns are `workspaces`, `users`,
`credentials` (their rules are pure, in `terms`) and `domains`. A refusal is a tuple of FieldProblems, never an exception.

Secrets. Keys and passwords of machines are 160 random bits made by `tokens`, shown once, kept as SHA-256: there is nothing to
stretch. Passwords of people are argon2id (`passwords`), cookies and sign-in links 256 random bits kept as SHA-256. Private
DKIM keys are sealed under the workspace's data key (`data_keys`), which is wrapped by the key-encryption key outside this database.

A domain. `domains.add` makes an RSA and an Ed25519 key; `dns_records.records_for` lists what to publish; `domains.verify` asks the
DNS and `dns_records.judge` compares. Ownership and one DKIM key seen make it verified; only then may it be sent from, and it
is signed only with keys that were seen. Two workspaces may both add a name: each needs its own token published. `domains.assign`
says what mail it is for, which the door asks by `Directory.domain_classes`. Daily `rechecking` asks again: a domain stays verified,
what it lost raises an alert (`domain_troubles`) and stops its mail only where the workspace's `domain_policy` says so.
`domains.rotate` makes keys that relieve the present ones once their records are seen (`rotation`). `domains.add_keys` makes further keys; a pool whose
settings name selectors signs with those keys alone (`selectors.Selectors.choose`), and gets them made when a domain is added or verified.

Names of ours in its DNS. A workspace's `bounce_domains` and a sending domain's link host (`link_hosts`) are aliases of names of this
installation (`aliases.follow`), taken only where they lead here and left out while they do not: `Directory.bounce_domain` and
`Directory.link_host` name what mail shall use. A link host is one domain's over all workspaces.

A person. `sign_in.Gate` takes a password or a one-time link, spends from `attempts` before it looks anything up, and opens a
session; `sign_in.person` says on each request who that is.

Turned away. Who is refused at the pages, by SMTP or by the API is noted in `turned_away.TurnedAway` after the decision and counted in memory;
only then, away from the answer, `login_failures.named` looks up whom it may have meant and `login_attempts.sort_out` (pure) says whose
failure it is. What names nobody is in no table, so strangers fill none. `guessing.watch` raises an alert where one account fails very often.

Alerts. Whoever finds a trouble says so by `alerts.report` each time, and `alerts.end` when it is over; the audit log gets both. What
is said is kept in English for programs and mails, and as clauses that a page says in its reader's language. Writing to
administrators is somebody else's: `take_turn`, `untold` and `told` say who may, of what, and that it was done.

A first start. `bootstrap.ensure` makes the first workspace, its admin and, in the lab only, credentials that may send from any domain.

It never sends anything, never keeps a secret in the clear, never logs one, and never lets one workspace see or touch another's.
"""
