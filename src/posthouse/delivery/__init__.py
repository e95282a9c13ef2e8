"""The one door out: takes ready mail from the outbox and learns what the receiver says.

The flow of one mail: `dispatch.Dispatcher` has `destinations` read what is ready for its pool and where it goes -> `ownership.Owned` says
which groups of sites are this process's -> `site.Site` and `fairness` (pure) say how much each workspace may add -> it claims that
much (short transaction; attempt counted and worker written) -> suppressed? -> a session of a `path.Path` takes the mail in priority
order when the `gate.Gate` lets it -> `prepare.Preparer` unpacks, signs (`signing`: what goes next along with it where eight signatures
cost as much as three, `together`, elsewhere when there is much in a process of its own, `signer`) and addresses it -> `courier_mx` talks SMTP -> `settle.judge`
(pure) turns what was said into state, event and attempt, `retry.next_attempt` (pure) says when to try again, the gate is told of
refusals -> `settle.Settler` writes many of them in one transaction.

Policy is data: `shaping.toml` and an operator's own file over it (`shaping_file`), read by `rules` (pure) into limits for each site, with
`rates`, `backoff` and `warmup` (pure) as its verbs. What a receiver publishes about encryption is found by `sts_store` and the
resolver, weighed by `tls_policy` (pure), and counted by `tls_results`; `internet` puts that road together.

`lease.Lease` is a worker's right to hold claims: without it nothing is dialled. `board` and `standing` write down how sites are doing, so
that "why is this waiting" has an answer. `worker` is the role of that name: it promotes what is due, expires what is late, gives back
what dead workers held, and keeps partitions ahead of time. `block_lists` is its round that looks our addresses up on block lists; one that
is listed leaves rotation (`sources`), and a pool without another is suspended.

It owns the tables `sts_policies`, `tls_results` and `ip_listings`. It never holds a transaction while talking to a receiver, never dials what is
suppressed or expired, never has two processes at one receiver's limits, and never forgets a reply: while the database is away,
settlements wait in memory.
"""
