"""Sending a message once more: its content as it was accepted, under a new identity, to all or some of its recipients.

`compose` makes a submission like any other of it: the door decides on it anew, and a new message with a life of its own comes out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.accounts.directory import Directory
from posthouse.content.stamp import mailing_of, restamp, stamp
from posthouse.intake import contents, request_fields
from posthouse.intake.request_fields import VERIFIED
from posthouse.intake.request_problems import Problems
from posthouse.model.errors import FieldProblem
from posthouse.model.mail import Recipient, Refused, Submission, Submitter
from posthouse.model.words import Pool, Source
from posthouse.outbox import messages
from posthouse.outbox.messages import MessageRow, RecipientRow
from posthouse.runtime.process import Process
from posthouse.wire import headers
from posthouse.wire.addresses import Mailbox, is_ascii

RESENT_FROM: Final = "resent_from"  # metadata entry with the id of the message this one repeats


async def compose(
    process: Process, directory: Directory, submitter: Submitter, original: MessageRow, to: Sequence[str] | None = None
) -> Submission | Refused | None:
    """What says `original` again to all its recipients, or to those in `to`; None when its content is not kept any more.

    Refused, with pointers `/to/n`, when somebody is named who was not a recipient of it.
    """
    async with process.pool.acquire() as connection:
        known = await messages.recipients(connection, submitter.workspace_id, original.message_id)
    recipients = chosen(known, to)
    if isinstance(recipients, Refused):
        return recipients
    stored = await contents.content(process, directory, submitter.workspace_id, original.message_id)
    if stored is None:
        return None
    # Operators may have moved some of it; what was a notification stays one.
    notified = any(each.pool is Pool.NOTIFICATION for each in known)
    repeated = again(original, recipients, stored, submitter, process.ids.new(), process.clock.now())
    return replace(repeated, pool=Pool.NOTIFICATION) if notified else repeated


def chosen(known: Iterable[RecipientRow], to: Sequence[str] | None) -> tuple[Recipient, ...] | Refused:
    """All recipients or those named, in the order of the original. Pure."""
    everybody = {each.address: Recipient(each.address, each.kind) for each in known}
    if to is None:
        return tuple(everybody.values())
    problems = Problems()
    named = {_recipient(text, f"/to/{index}", everybody, problems) for index, text in enumerate(to)}
    if problems:
        return Refused(problems.found())
    if not named:
        return Refused((FieldProblem("/to", "required", "Name at least one recipient of the message."),))
    return tuple(each for each in everybody.values() if each.address in named)


def again(
    original: MessageRow,
    recipients: tuple[Recipient, ...],
    stored: bytes,
    submitter: Submitter,
    message_id: UUID,
    now: datetime,
) -> Submission:
    """The original under the new `message_id`. Its schedule and expiry were about the first time and are not kept. Pure."""
    mailing = mailing_of(original.mailing_type, original.tags)
    marks = stamp(message_id, Mailbox(original.sender), original.mail_class, submitter.workspace_number, now, mailing)
    return Submission(
        source=Source.MANUAL if submitter.credential_kind == "user" else Source.API,
        sender=original.sender,
        recipients=recipients,
        subject=original.subject,
        message_id_header=marks.message_id,
        content=restamp(stored, marks),
        mail_class=original.mail_class,
        mailing_type=original.mailing_type,
        # Where priorities are switched off, naming even the old one would have it refused.
        priority=original.priority if submitter.priority_allowed else None,
        tags=original.tags,
        # Ours comes on top of what a client may give: its own entries are neither dropped nor in the way.
        metadata=original.metadata | {RESENT_FROM: str(original.message_id)},
        verified_tls=original.tls == VERIFIED,
        smtputf8=_needs_smtputf8(original.sender, recipients, stored),
        message_id=message_id,
    )


def _recipient(text: str, at: str, everybody: dict[str, Recipient], problems: Problems) -> str:
    """The address as the original has it; "" together with a problem."""
    if text in everybody:
        return text
    mailbox = request_fields.mailbox(text, at, problems)
    if mailbox is None:
        return ""
    if mailbox.address not in everybody:
        problems.add(at, "not_a_recipient", f"{mailbox.address} is not a recipient of this message.")
    return mailbox.address


def _needs_smtputf8(sender: str, recipients: Iterable[Recipient], stored: bytes) -> bool:
    """Whether an address of the envelope or the header is not ASCII (RFC 6531)."""
    block, _ = headers.split(stored)
    fields = headers.fields(block)
    shown = [mailbox.address for name in ("To", "Cc") for mailbox in headers.mailboxes(fields, name)]
    return not all(map(is_ascii, (sender, *(each.address for each in recipients), *shown)))
