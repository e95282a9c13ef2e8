"""From an SMTP transaction to a Submission, or the reply that refuses it. Pure.

The envelope decides who gets the mail; the header only tells how each was addressed. The MIME stays as the client sent it.
"""

import re
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from posthouse.content.stamp import Stamp, mailing_of, stamp
from posthouse.content.submitted import Prepared, Trace, prepare
from posthouse.intake import checks, separation, submission_options
from posthouse.intake.answers import No
from posthouse.intake.request_attachments import blocked_extension
from posthouse.intake.submission_options import Options
from posthouse.model.errors import FieldProblem
from posthouse.model.mail import Recipient, Refused, Submission, Submitter
from posthouse.model.values import dataclass
from posthouse.model.words import Kind, Source
from posthouse.wire.addresses import Mailbox, is_ascii, to_a_label
from posthouse.wire.parts import walk
from posthouse.wire.smtp_server_events import MessageReceived

# Walking the parts of a large mail costs; a part without a name cannot have a forbidden one. No two neighbours in this pattern
# match the same octet: megabytes of blank lines behind a "name" would be tried in every division otherwise.
_NAMED_PART: Final = re.compile(rb"name\s*(?:\*\d*\*?\s*)?=", re.IGNORECASE)
_ENHANCED: Final = {
    "mail_loop": "5.4.6",
    "blocked_attachment": "5.7.1",
    "malware_found": "5.7.1",
    "invalid_address": "5.1.7",
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a message came from: `helo` and `peer` (an IP address) are the client's, `host` is ours."""

    submitter: Submitter
    helo: str
    peer: str
    host: str
    message_id: UUID
    now: datetime


def recipient_address(address: str) -> str | No:
    """An address of RCPT TO with its domain as a lower-case A-label, or the refusal."""
    local, _, domain = address.rpartition("@")
    if not local:
        return No(550, "5.1.3", "Give the recipient's address with its domain")
    label = to_a_label(domain)
    if label is None or label.rpartition(".")[2].isdigit():  # the latter is an IP address that nobody put in brackets
        return No(550, "5.1.2", f"Mail cannot be sent to {domain}: it is not a domain name")
    return f"{local}@{label}"


def read(mail: MessageReceived, arrival: Arrival) -> Submission | No:
    """The message as the door takes it. Its recipients have passed `recipient_address` one by one."""
    prepared = prepare(mail.data, lambda sender, found: _stamp(sender, found, arrival), _trace(mail, arrival))
    if not isinstance(prepared, Prepared):
        return refusal(prepared)
    options = submission_options.read(prepared.options)
    if not isinstance(options, Options):
        return refusal(options)
    if problem := _forbidden_part(mail.data):
        return refusal((problem,))
    recipients = [address for address in map(recipient_address, mail.recipients) if isinstance(address, str)]
    return _submission(prepared, options, recipients, arrival, null_sender=not mail.mail_from)


def refusal(problems: tuple[FieldProblem, ...]) -> No:
    """The reply that names the first problem; SMTP has room for one."""
    first = problems[0]
    where = f"{first.pointer}: " if first.pointer and not first.pointer.startswith("/") else ""
    return No(554, _ENHANCED.get(first.code, "5.6.0"), where + first.detail)


def refused(receipt: Refused) -> No:
    """The reply for what the door did not take: 550 5.7.1 when it may not be, 451 when later perhaps, else 554."""
    first = receipt.problems[0]
    if receipt.status == 403 or first.code in (separation.CROSSED, checks.ADDRESS_MISSING):
        return No(550, "5.7.1", first.detail)
    if receipt.status == 429:
        return No(451, "4.7.1", first.detail)
    return refusal(receipt.problems)


def _submission(
    prepared: Prepared, options: Options, recipients: list[str], arrival: Arrival, *, null_sender: bool
) -> Submission:
    addressed = _kinds(recipients, prepared)
    lasts_s = options.expires_in_s
    return Submission(
        source=Source.SMTP,
        sender=prepared.sender.address,
        recipients=addressed,
        subject=prepared.subject,
        message_id_header=prepared.message_id,
        content=prepared.content,
        expires_at=arrival.now + timedelta(seconds=lasts_s) if lasts_s else None,
        mailing_type=options.mailing_type,
        tags=options.tags,
        metadata=options.metadata,
        smtputf8=prepared.smtputf8 or not all(map(is_ascii, recipients)),
        notes=prepared.notes,
        verified_tls=options.verified_tls,
        null_sender=null_sender,
        message_id=arrival.message_id,
    )


def _kinds(recipients: list[str], prepared: Prepared) -> tuple[Recipient, ...]:
    """Each recipient once, with the kind the header gives it; whom the header does not name got a blind copy."""
    to = {mailbox.address.casefold() for mailbox in prepared.to}
    cc = {mailbox.address.casefold() for mailbox in prepared.cc}

    def kind(address: str) -> Kind:
        folded = address.casefold()
        return Kind.TO if folded in to else Kind.CC if folded in cc else Kind.BCC

    return tuple(Recipient(address, kind(address)) for address in dict.fromkeys(recipients))


def _forbidden_part(content: bytes) -> FieldProblem | None:
    if b"name" not in content.lower() or _NAMED_PART.search(content) is None:
        return None
    for part in walk(content):
        if extension := blocked_extension(part.filename):
            detail = f"An attached file is of type .{extension}, which can run programs and is not mailed."
            return FieldProblem("", "blocked_attachment", detail)
    return None


def _stamp(sender: Mailbox, found: dict[str, str], arrival: Arrival) -> Stamp:
    submitter, options = arrival.submitter, submission_options.read(found)
    mailing = mailing_of(options.mailing_type, options.tags) if isinstance(options, Options) else ""
    return stamp(arrival.message_id, sender, submitter.default_class, submitter.workspace_number, arrival.now, mailing)


def _trace(mail: MessageReceived, arrival: Arrival) -> Trace:
    return Trace(arrival.helo, arrival.peer, arrival.host, mail.protocol, str(arrival.message_id))
