"""The one door in: whatever way mail comes, it becomes a Submission, is decided on, and is committed before anybody says yes.

The flow, the same for every source: a host parses (`request.parse` for JSON, `submission.read` for SMTP) -> `accept.Door.accept`
-> `checks.refusal` (may this credential send so?) -> `classify.classify` -> `route.choose` -> `scan.Scanner.find` (malware? where
a scanner is set) -> suppressed? -> rows ->
`group.Committer` writes the rows of all requests of these milliseconds in one transaction -> COMMIT -> only now 202 or 250.

`resend.compose` makes a submission of a message that was accepted before, and the door takes it as any other.

`smtp` is the host of the submission role, `inbound` that of the role that takes reports, complaints and unsubscribes;
`listener` is the socket side both share. `reports.apply` turns what came back into facts.

It owns no table: it composes the outbox's rows and the ledger's events in one transaction. It never talks to a receiver, and
nothing it refuses leaves a trace.
"""
