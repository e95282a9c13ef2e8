"""From the options of `posthouse message send` and `resend` to a message handed to the door: the same reader and door as the API's."""

import base64
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

from cyclopts import Parameter

from posthouse.accounts import domains
from posthouse.accounts.directory import Directory
from posthouse.cli import console
from posthouse.cli.console import Room
from posthouse.intake.accept import Door
from posthouse.intake.request import Context, parse_message
from posthouse.intake.resend import compose
from posthouse.intake.scan import ScannerError
from posthouse.model.mail import Accepted, Receipt, Refused, Submission, Submitter
from posthouse.model.words import MailClass, Scope, Source
from posthouse.outbox.messages import MessageRow

_NOBODY: Final = UUID(int=0)  # the person at the machine has no credential
_STANDARD_INPUT: Final = Path("-")

Addresses: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mail:
    """The message. Options that take several values are given several times."""

    to: Annotated[
        Addresses,
        Parameter(help="Recipient: anna@example.com or 'Anna <anna@example.com>'.", negative="", show_default=False),
    ] = ()
    cc: Annotated[Addresses, Parameter(help="Recipient of a copy.", negative="", show_default=False)] = ()
    bcc: Annotated[Addresses, Parameter(help="Recipient nobody else sees.", negative="", show_default=False)] = ()
    sender: Annotated[
        str,
        Parameter(
            name="--from", help="Sender. Left out: hello@ the workspace's only verified domain.", show_default=False
        ),
    ] = ""
    reply_to: Annotated[Addresses, Parameter(help="Where answers go.", negative="", show_default=False)] = ()
    subject: Annotated[str, Parameter(help="Subject.", show_default=False)] = ""
    text: Annotated[str | None, Parameter(help="Plain text.")] = None
    html: Annotated[str | None, Parameter(help="HTML.")] = None
    text_file: Annotated[
        Path | None, Parameter(help="File with the plain text; - is standard input.", allow_leading_hyphen=True)
    ] = None
    html_file: Annotated[
        Path | None, Parameter(help="File with the HTML; - is standard input.", allow_leading_hyphen=True)
    ] = None
    raw: Annotated[
        Path | None,
        Parameter(help="File with a whole MIME message instead; - is standard input.", allow_leading_hyphen=True),
    ] = None
    attach: Annotated[tuple[Path, ...], Parameter(help="File to attach.", negative="", show_default=False)] = ()
    tag: Annotated[tuple[str, ...], Parameter(help="Tag to find it by.", negative="", show_default=False)] = ()
    metadata: Annotated[
        tuple[str, ...], Parameter(help="Data of your own, as order=17.", negative="", show_default=False)
    ] = ()
    mail_class: Annotated[MailClass | None, Parameter(name="--class", help="What it is for.")] = None
    mailing_type: Annotated[str, Parameter(help="Of marketing: which, say Newsletter.", show_default=False)] = ""
    priority: Annotated[int | None, Parameter(help="0 to 9; 9 goes first.")] = None
    send_at: Annotated[datetime | None, Parameter(help="Not before this time (local unless it says).")] = None
    expires_in: Annotated[int | None, Parameter(help="Seconds after which nobody wants it any more.")] = None


EMPTY: Final = Mail()


async def hand_over(room: Room, directory: Directory, mail: Mail, *, dry_run: bool) -> tuple[Submission, Accepted]:
    """The submission and its receipt. Raises console.Refused with every problem."""
    submitter = _submitter(room)
    sender = "" if mail.raw else mail.sender or await _only_sender(room)
    process = room.process
    context = Context(submitter, process.clock.now(), process.ids.new, Source.MANUAL)
    submission = _taken(parse_message(_as_json(mail, sender), context))
    return submission, await _accepted(room, directory, submitter, submission, dry_run=dry_run)


async def hand_over_again(
    room: Room, directory: Directory, original: MessageRow, to: Addresses
) -> tuple[Submission, Accepted]:
    """The same for a message that was sent before, to all its recipients unless `to` names some of them."""
    submitter = _submitter(room)
    outcome = await compose(room.process, directory, submitter, original, to or None)
    if outcome is None:
        raise console.Refused("The content of this message is not kept any more.")
    submission = _taken(outcome)
    return submission, await _accepted(room, directory, submitter, submission, dry_run=False)


async def _accepted(
    room: Room, directory: Directory, submitter: Submitter, submission: Submission, *, dry_run: bool
) -> Accepted:
    door = Door.open(room.process, directory)
    try:
        if dry_run:
            return _kept((await door.dry_run(submitter, [submission]))[0])
        answer = await door.accept(submitter, [submission])
    except ScannerError as error:
        raise console.Refused(str(error)) from error
    finally:
        await door.close()
    assert isinstance(answer, list), "without an idempotency key there is nothing to replay"
    return _kept(answer[0])


def _submitter(room: Room) -> Submitter:
    workspace = room.workspace
    return Submitter(
        workspace_id=workspace.workspace_id,
        workspace_number=workspace.number,
        credential_id=_NOBODY,
        credential_kind="user",
        name=console.actor(),
        scopes=frozenset({Scope.SEND}),
        any_domain=workspace.any_domain,
        priority_allowed=workspace.priority_enabled,
        default_priority=workspace.default_priority,
        postal_address=workspace.postal_address,
    )


async def _only_sender(room: Room) -> str:
    """An address at the only verified domain. Raises console.Refused."""
    found = await domains.listing(room.process.pool, room.workspace.workspace_id)
    verified = [domain.name for domain in found if domain.verified_at]
    if not verified:
        raise console.Refused("No domain is verified, so nothing can be sent: posthouse domain add example.com")
    if len(verified) > 1:
        raise console.Refused(f"Say who sends with --from; verified domains: {', '.join(verified)}.")
    return f"hello@{verified[0]}"


def _as_json(mail: Mail, sender: str) -> dict[str, Any]:
    """The message as the API takes it; what was not given is left out."""
    text = _read(mail.text_file).decode() if mail.text_file else mail.text
    html = _read(mail.html_file).decode() if mail.html_file else mail.html
    given: dict[str, Any] = {
        "from": sender,
        "to": list(mail.to),
        "cc": list(mail.cc),
        "bcc": list(mail.bcc),
        "reply_to": list(mail.reply_to),
        "subject": mail.subject,
        "text": text,
        "html": html,
        "raw": base64.b64encode(_read(mail.raw)).decode() if mail.raw else None,
        "attachments": [_attachment(path) for path in mail.attach],
        "tags": list(mail.tag),
        "metadata": dict(_pair(each) for each in mail.metadata),
        "class": mail.mail_class and mail.mail_class.value,
        "mailing_type": mail.mailing_type,
        "priority": mail.priority,
        "send_at": mail.send_at and mail.send_at.astimezone().isoformat(),
        "expires_in": mail.expires_in,
    }
    return {name: value for name, value in given.items() if value not in (None, "", [], {})}


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise console.Refused(f"--metadata {text}: write it as name=value.")
    return name, value


def _attachment(path: Path) -> dict[str, str]:
    return {"filename": path.name, "content": base64.b64encode(_read(path)).decode()}


def _read(path: Path) -> bytes:
    if path == _STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise console.Refused(f"{path} cannot be read: {error.strerror}.") from error


def _taken(outcome: Submission | Refused) -> Submission:
    if isinstance(outcome, Refused):
        console.accepted(outcome.problems)
    assert isinstance(outcome, Submission)
    return outcome


def _kept(receipt: Receipt) -> Accepted:
    if isinstance(receipt, Refused):
        console.accepted(receipt.problems)
    assert isinstance(receipt, Accepted)
    return receipt
