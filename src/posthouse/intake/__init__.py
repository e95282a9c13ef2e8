"""The one door in: whatever way mail comes, it becomes a Submission, is decided on, and is committed before anybody says yes.

The flow, the same for every source: a host parses (`request.parse` for JSON, `submission.read` for SMTP) -> `accept.Door.accept`
-> `checks.refusal` (may this credential send so?) -> `classify.classify` -> `separation` (does its class go with its pool and its
domain?) -> `route.choose` -> `scan.Scanner.find` (malware? where a scanner is set) -> `mass_watch.MassWatch.look` (one text to a
hundred people among single messages? then flagged, held or refused, as the workspace says) -> suppressed? -> rows ->
`commit.Commit` writes the rows of all requests of these milliseconds in one statement (`promise`) -> COMMIT -> only now 202 or 250.

A dry run takes the same decisions and adds what may harm the mail: `alignment.warning`, and `links.LinkLists` for links to domains on
block lists. Mail that is accepted waits for no name server.

`resend.compose` makes a submission of a message that was accepted before, and the door takes it as any other.

`notices.advance` tells senders by mail when theirs was not delivered: it reads the ledger's failures after a cursor of its own and
hands reports (RFC 3464) to the same door. `alert_mail.advance` writes to administrators about alerts, one mail a minute for all that is
new. The worker role calls both.

`smtp` is the host of the submission role, `inbound` that of the role that takes reports, complaints and unsubscribes;
`listener` is the socket side both share. `reports.apply` turns what came back into facts. `opt_out` is what marketing carries so that
its reader can end it: `fields` for delivery, `named`, `look`, `stop` and `take_back` for the page its link opens.

`receiver_reports.ReportDesk` takes what receivers report about a workspace's domains (DMARC, TLS), as a file or as a mail to the
address it signs for each workspace: each report is read on a thread, belongs to a verified domain or is left, and is kept in a
transaction of its own. A mail counts only where `report_senders.judge` (pure) finds that SPF or DKIM proves the domain in From.

`operate` is what people do to queued mail by hand, with events and audit: actions on a selection, suspensions, draining.

`suppressing` is what people do to the suppression list and the list of invalid addresses, with audit; `suppression_csv` (pure) reads and
writes lists as files. `soft_bounces.count` notes marketing that was given up at an address, in the transaction that gives it up.
`bounced.advance` lists the addresses mail bounced at, reading the ledger after a cursor of its own; the worker role calls it.

`reputation.judge` pauses mail of which too much bounces or is complained about, with alerts, and `reputation.read` tells how it stands;
`bulk_senders.watch` notes who has to keep a provider's rules for bulk senders. The worker role calls both.
`bounce_policies` changes what a workspace does about bounces; `blocked_alerts` tells administrators who refuses its mail.

It owns no table: it composes the outbox's rows and the ledger's events, which one statement writes. It never talks to a receiver, and
nothing it refuses leaves a trace.
"""
