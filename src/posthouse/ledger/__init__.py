"""What happened: facts appended, never changed, and what follows from them for an address.

The room owns `events` (one row per thing that happened to one recipient's mail), `attempts` (one row per finished attempt with
what the receiver said and the SMTP transcript), `event_counts` (events by quarter of an hour, kept by `counting.advance`),
`reputation_counts` (how mail fared by pool, From domain and provider, kept by the same reader), `bulk_senders` (who once sent a
provider thousands in a day),
`event_cursors` (how far each reader of the events has come), `suppressions` (addresses that are not to be written to, each with scope,
reason and perhaps an end), `soft_bounces` (marketing given up at an address, message after message), `bounced_addresses` (where mail bounced, by the last time),
`mass_sightings` (which text went to whom in which minute, as processes tell each other) and `mass_mailings` (texts that went to so
many that somebody was told). `bounce_policies` keeps what a workspace does about bounces where it chose otherwise than everybody. `dmarc_reports` with `dmarc_rows`, `dmarc_failures`, and `tls_reports` with `tls_report_policies` and
`tls_report_failures` hold what receivers report about a workspace's domains, each report once.

`events.append` and `attempts.append` are called in the transaction that changes the outbox, so a final state and its event are
one commit. `timeline` reads them for API and pages. `suppression.blocking` (pure) answers "suppressed?", asked in `accept` and
again just before dialling. `bounced` lists the addresses mail bounced at, which a reader of the events (`intake.bounced`) keeps up to
date. `invalid` lists the addresses that do not exist for readers that come back for what is new. `failures.page`
gives those who tell senders what they have not passed yet, `feed` gives everything to those who want it at once. `soft.exhausted` (pure) says when an address has failed too often to be
sent marketing.

What a failure means. `classify.of_reply` judges a reply heard on the wire, `explain.explain` a whole mail that came back: `kind` says what
it is, the wire's `notice` and `dsn` whom it is about, and the same `classify` what that means, by the rules of `bounces.toml`
(`bounce_rules`), after the workspace's own (`bounce_policy`, with what each outcome does). `report.reading` says what of it to record for the one recipient the return path names. All of this is pure.

`reputation` counts, `providers` (pure) says who takes mail for a domain, `breakers` (pure) says when bounces or complaints are too many.

Reports of receivers are added by `dmarc_reports` and `tls_reports` in one transaction each, and read as sums over sources, days,
policies and results; `receiver_reports` is what they share.

It knows nobody who reads it: reactions pull events after their own cursor. It never decides about retries, never touches the
outbox, and never calls upwards.
"""
