"""Tells senders of mail that was not delivered: reports as RFC 3464 wants them, through our own door like any mail.

`advance` reads the ledger's failures after a cursor of its own, `report` (pure) writes what a sender is told. Mail that came by API is
not answered by mail: its program asks, or is told, in its own language.

A notice leaves with the null return path, says that a program wrote it, and goes to an address at a verified domain of the workspace
only: it can be neither bounced nor answered into a loop, and no stranger whose address was borrowed is troubled (RFC 3834 2, 5).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from posthouse.accounts.directory import Directory
from posthouse.accounts.workspaces import Workspace
from posthouse.intake import contents
from posthouse.intake.accept import Door, Idempotency
from posthouse.intake.scan import ScannerError
from posthouse.ledger import failures, timeline
from posthouse.ledger.failures import Failure
from posthouse.model import limits
from posthouse.model.mail import Receipt, Recipient, Refused, Submission, Submitter
from posthouse.model.words import EventKind, Kind, MailClass, Pool, Scope, Source
from posthouse.outbox import messages
from posthouse.outbox.messages import MessageRow, RecipientRow
from posthouse.runtime.process import Process
from posthouse.wire import dsn, headers
from posthouse.wire.addresses import is_ascii
from posthouse.wire.dsn import RecipientReport, Report

READER: Final = "notices"
AUTHOR: Final = "mailer-daemon"
PRIORITY: Final = 5  # before newsletters and reports, after what people wait for
_ANSWERED: Final = frozenset({Source.SMTP, Source.MANUAL})
_CLASSES: Final = frozenset({MailClass.BUSINESS, MailClass.TRANSACTIONAL})


@dataclass(frozen=True, slots=True)
class Undelivered:
    """One message with those of its recipients it will not reach, each with what went wrong, and its header as it was sent."""

    message: MessageRow
    failed: tuple[tuple[RecipientRow, Failure], ...]
    header: bytes


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: the host's name, and the address of its pages without a slash at the end, "" when there is no public one."""

    hostname: str
    pages: str


async def advance(process: Process, directory: Directory, door: Door, workspace_id: UUID) -> None:
    """Tells the senders of all mail of a workspace that has failed since the last time."""
    workspace = await directory.workspace(workspace_id)
    last = False
    while not last:
        async with process.pool.acquire() as connection:
            page = await failures.page(connection, workspace_id, READER, process.clock.now(), limits.NOTICES_PER_ROUND)
        try:
            if workspace.failure_notices:
                await _tell(process, directory, door, workspace, page.failures)
        except ScannerError as problem:
            process.log.warning("notices.wait", problem=str(problem))
            return
        async with process.pool.acquire() as connection:
            await failures.passed(connection, workspace_id, READER, page)
        last = page.last


async def _tell(
    process: Process, directory: Directory, door: Door, workspace: Workspace, found: Sequence[Failure]
) -> None:
    by_message: dict[UUID, list[Failure]] = {}
    for failure in found:
        by_message.setdefault(failure.message_id, []).append(failure)
    async with process.pool.acquire() as connection:
        rows = await messages.several(connection, workspace.workspace_id, list(by_message))
    submitter = submitter_of(workspace)
    for message in rows:
        if not is_answered(message) or not await directory.may_send_as(submitter, _domain(message)):
            continue
        undelivered = await _undelivered(process, directory, workspace.workspace_id, message, by_message)
        if undelivered is not None:
            await _send(process, door, submitter, undelivered)


async def _undelivered(
    process: Process,
    directory: Directory,
    workspace_id: UUID,
    message: MessageRow,
    by_message: dict[UUID, list[Failure]],
) -> Undelivered | None:
    """What there is to tell; None when the message was itself an answer, or wanted none."""
    failed = {failure.recipient_id: failure for failure in by_message[message.message_id]}
    async with process.pool.acquire() as connection:
        happened = await timeline.events(connection, workspace_id, message.message_id)
        recipients = await messages.recipients(connection, workspace_id, message.message_id)
    content = await contents.content(process, directory, workspace_id, message.message_id)
    block = headers.split(content)[0] if content else b""
    null_sender = any(e.kind is EventKind.ACCEPTED and e.data.get("return_path") == "<>" for e in happened)
    if null_sender or is_reply(block):
        return None
    pairs = tuple((row, failed[row.recipient_id]) for row in recipients if row.recipient_id in failed)
    return Undelivered(message, pairs, block)


async def _send(process: Process, door: Door, submitter: Submitter, undelivered: Undelivered) -> None:
    writer = Writer(process.settings.server.hostname, process.settings.web.public_url.rstrip("/"))
    submission = notice(undelivered, writer, process.ids.new(), process.clock.now())
    # Two processes may have read the same page, or one may have died before it said so: each failure is told once.
    told = sha256(b"".join(failure.event_id.bytes for _, failure in undelivered.failed)).digest()
    once = Idempotency(f"notice {told.hex()}", told, lambda receipts: (202, _result(receipts)))
    answer = await door.accept(submitter, [submission], once)
    if isinstance(answer, list) and isinstance(answer[0], Refused):
        process.log.warning("notice.refused", problem=answer[0].problems[0].detail)


def notice(undelivered: Undelivered, writer: Writer, message_id: UUID, now: datetime) -> Submission:
    """The mail to the sender. Pure."""
    message = undelivered.message
    sender = f"{AUTHOR}@{_domain(message)}"
    said = Report(
        reporting_mta=writer.hostname,
        envelope_id=str(message.message_id),
        recipients=tuple(_report(row, failure) for row, failure in undelivered.failed),
        original_header=undelivered.header,
    )
    text = letter(undelivered, writer)
    return Submission(
        source=Source.NOTICE,
        sender=sender,
        recipients=(Recipient(message.sender, Kind.TO),),
        subject=dsn.SUBJECT,
        message_id_header=f"<{message_id.hex}@{_domain(message)}>",
        content=dsn.write(said, sender, message.sender, now, message_id.bytes, text),
        priority=PRIORITY,
        pool=Pool.TRANSACTIONAL,
        smtputf8=not is_ascii(message.sender),
        message_id=message_id,
    )


def letter(undelivered: Undelivered, writer: Writer) -> str:
    """What a person reads. Pure."""
    message = undelivered.message
    lines = [
        f"This is the mail system at {writer.hostname}.",
        "",
        "Your message could not be delivered, and no further attempt is made:",
        "",
        f"  Subject: {message.subject}",
        f"  Sent:    {message.accepted_at:%Y-%m-%d %H:%M} UTC",
        "",
    ]
    for row, failure in undelivered.failed:
        lines += [f"  {row.address}", f"    {row.reason or failure.said or 'No reason was given.'}", ""]
    if writer.pages:
        lines += [f"All about it: {writer.pages}/messages/{message.message_id}", ""]
    return "\n".join([*lines, "The header of your message is attached.", ""])


def is_answered(message: MessageRow) -> bool:
    """Whether the sender of such mail is told by mail. Pure."""
    return message.source in _ANSWERED and message.mail_class in _CLASSES


def is_reply(block: bytes) -> bool:
    """Whether a message answers another by itself; an alarm that a program sent of its own accord does not. Pure."""
    submitted = headers.decode(headers.first(block, "Auto-Submitted") or b"").strip().lower()
    content_type = headers.decode(headers.first(block, "Content-Type") or b"").strip().lower()
    return submitted.startswith("auto-replied") or content_type.startswith("multipart/report")


def _report(row: RecipientRow, failure: Failure) -> RecipientReport:
    return RecipientReport(
        original_recipient=row.address,
        final_recipient=row.address,
        action="failed",
        status=failure.status,
        diagnostic=failure.said,
        remote_mta=(row.remote or "").partition(" ")[0],
    )


def submitter_of(workspace: Workspace) -> Submitter:
    """Posthouse itself, as it writes in a workspace."""
    return Submitter(
        workspace_id=workspace.workspace_id,
        workspace_number=workspace.number,
        credential_id=workspace.workspace_id,
        credential_kind="posthouse",
        name="Posthouse",
        scopes=frozenset({Scope.SEND}),
    )


def _domain(message: MessageRow) -> str:
    return message.sender.rpartition("@")[2]


def _result(receipts: Iterable[Receipt]) -> bytes:
    return b"refused" if any(isinstance(each, Refused) for each in receipts) else b"accepted"
