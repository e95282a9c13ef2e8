"""Tells programs elsewhere what happened: every event of the ledger, signed, in order for each message, again and again for a day.

A reaction, not a road: it pulls events after a cursor of its own, and nothing on the way of a mail knows of it. The role `webhooks` is
`host.main`, a process of its own, so that whoever is told can be as slow as he likes without a mail noticing. One event's way:

    fanout.Reading.look     reads the ledger (`ledger.feed`) ahead and once more behind -> `wanted` (pure) -> pending deliveries
                            and beside it what is no mail's (`news`): addresses invalid or cleared, alerts raised or ended
    lane.Lane               one for each endpoint: claims what is due and first in its message (a short transaction; try counted,
                            next time written), `bodies.of` reads what to say, `payload` (pure) says it
    signature (pure)        webhook-id, webhook-timestamp, webhook-signature as Standard Webhooks has them
    runtime.http_post       posts it, only to addresses that `runtime.reach` (pure) allows
    schedule.judge (pure)   delivered, failed, or pending until when; settled together with the next claim

The room owns `webhook_endpoints`, `webhook_deliveries`, `webhook_attempts` and `webhook_news`. A delivery is one event for one endpoint:

    no row      the event is committed and the cursor not past it   we die: the stretch is read again, its id keeps it single
    pending     due at `due_at`; while a try is under way that is the end of its claim
                                                                    we die: due again after WEBHOOK_LEASE_S, told twice at worst
    delivered   2xx                                                 final, until somebody replays it
    failed      tried for 24 hours, 410, or the endpoint was off    final, until somebody replays it

The next event of a message is not claimed while one before it is pending at the same endpoint; messages do not wait for each other. News
of one address, or of one trouble, keep their order the same way. An endpoint that says Retry-After is left alone for that long.
An endpoint that fails again and again is only probed (`schedule.probe_pause_s`), one that fails for days or says 410 is switched off
with an audit entry. `endpoints` adds, changes, rotates and deletes them within an `accounts` change; `replay` sends once more;
`retention` ends what has no hope and deletes what is old.

`uploads` posts exports that name a webhook, part after part, with the same signature, patience and schedule; their state is the room exports'.

It never follows a redirect, never holds a transaction while somebody answers, never keeps a copy of what the ledger has, and never promises
that something is told only once: consumers know it again by its webhook-id.
"""
