"""What is promised: the durable priority queue between accepting a mail and learning its outcome.

The room owns the tables `messages` (one row per accepted message), `bodies` (its MIME, without the DKIM signatures), `outbox`
(one row per recipient: the promise itself), `workers` (who may hold claims, by lease), `suspensions` (what people or
circuit breakers stopped) with `set_aside` (mail that is held for them),
`sites`, `site_domains`, `site_owners` and `warmup_grants` (what the owners of sites know of them) and `idempotency_keys`.

A recipient's row is in exactly one state. Deferred and scheduled mail is *waiting* with a later `not_before`; `due` moves it to
*ready* when the time has come, so that claiming never reads past mail that may not go yet.

======================  =====================================  =====================================================
row says                meaning                                if we die here
======================  =====================================  =====================================================
no row                  not ours                               the client retries; its idempotency key makes that safe
waiting, not_before     promised, not before that time         nothing lost
ready                   promised, nobody holds it              nothing lost
held                    promised, an operator stopped it       nothing lost
claimed, claimed_by     a worker may be on the wire            its lease ends: the attempt is recorded as `unknown` and
                                                               the row is ready again; at worst delivered twice, and
                                                               shown so
delivered, bounced,     final; the event is in the ledger,     nothing to do
expired, cancelled,     written in the same commit
suppressed
======================  =====================================  =====================================================

The flow: the rows of `enqueue` (written by intake, in its one statement; `announcements` tell those who deliver) ->
`claims.promote` -> `claims.claim` (by priority, first come first served inside one) -> delivery talks to the receiver ->
`claims.settle`. `claims.orphans` and `claims.recover` give back what a
dead worker held. `messages` and `shape` read for API, pages and commands.

By hand: `operator` holds, releases, retries, cancels, bounces and moves what a selection names; `suspensions` stops mail of a pool
or for a destination without touching it, and holds the bulk mail of a From domain or a mailing; `workers` tells delivery processes to hand over. Why a mail has not left yet:
`situations.read` gathers what holds a page of recipients up (what is suspended, who works, what the owners of `sites` say, how many
go first), and `waiting.why` (pure) makes a sentence of it, the same for pages, API and commands.

It never decides when to retry or how a reply is to be read (delivery does), never writes events (ledger does, in the caller's
transaction), and never holds a transaction while anybody talks to a network.
"""
