"""Long exports made in the background: asked for or on a schedule, written part by part, kept for a week, fetched or posted.

    jobs.submit         a row in state submitted, audited
    running.main        a task of the worker role: `schedules.start_due` -> claim what waits longest -> count -> part after part
    sources             what can be exported: columns, how many, and the rows after a place (reads of the rooms that own them)
    writing (pure)      rows -> CSV or JSON lines -> gzip
    uploads             exports on their way to a webhook: claimed and settled by the role webhooks
    files               what is kept as it was asked for, and links to it (`links`, pure)
    schedule (pure)     when a schedule is due next

The room owns `exports`, `export_parts` and `export_schedules`. An export's states:

    submitted   promised; waits until its period is over and can change no more
    preparing   its rows are counted
    running     part after part is written     we die: the lease ends and another goes on after the last part that was committed
    uploading   complete here; the role webhooks posts its parts to the webhook it names
    complete    final                           failed   final; `problem` says why. What was made can be downloaded all the same

A part, the place where the next begins and the count of rows are one commit, made only by who holds the claim and only on top of the part
before: no row comes twice and none is left out, whoever dies. Deleting the row ends the work.
"""
