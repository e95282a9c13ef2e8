"""The recipient world in a box: real SMTP on both sides, and nothing of it leaves this machine.

`posthouse up --lab` adds this role. Every mail whose domain has no other route ends at the lab's MX, is kept in memory and can
be read on a page, as JSON, or with `posthouse lab`. Addresses that misbehave do so by their local part, at any domain
(`behaviours` is the whole list), so a person, a script and our own tests ask for trouble in the same words.

The flow of one mail:

    mx.LabMx.recipient        the address decides: taken, refused, greylisted
    mx.LabMx.message          the mail is kept (mailbox.Mailbox.add), then answered, slowly or not at all where asked
    reports.Postman.after     what some receivers do later: a report or a complaint, sent to the product's own port 25
    verdict.judge             DKIM, SPF and DMARC in words, worked out when somebody looks and never while mail comes in
    site.app                  the pages and the JSON

`published` is the lab's DNS: the keys it makes up itself and the records the workspaces' sending domains should have.

The lab owns no table and writes to none; it reads sending domains and their public keys. Its mail is gone when it stops. It
never runs unless the settings say `lab`, and it binds only to the address they name.
"""
