"""The one door out: takes ready mail from the outbox and learns what the receiver says.

The flow of one mail: `dispatch.Dispatcher` finds destinations with ready mail that this process owns (`ownership.owner`, pure),
asks `site.Site` how much it may hold (`shaping`, pure) and claims that much (short transaction; attempt counted and worker
written) -> suppressed? -> a session of the site takes the mail in priority order -> `prepare.Preparer` unpacks, signs and addresses
it -> `courier_mx` talks SMTP -> `settle.judge` (pure) turns what was said into state, event and attempt, `retry.next_attempt` (pure)
says when to try again -> `settle.Settler` writes many of them in one transaction.

`lease.Lease` is a worker's right to hold claims: without it nothing is dialled. `housekeeping` is the worker role: it promotes what is
due, expires what is late, gives back what dead workers held, and keeps partitions ahead of time.

It owns no table. It never holds a transaction while talking to a receiver, never dials what is suppressed or expired, and never
forgets a reply: while the database is away, settlements wait in memory.
"""
