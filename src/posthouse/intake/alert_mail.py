"""Writes to a workspace's administrators about its alerts: one mail for all that is new, through our own door like any mail.

`advance` takes the turn (one mail in a minute, whichever process writes it), `mail` (pure) writes it, and only when that is promised
the alerts count as told. What dies in between is told at the next turn; the same alerts then make the same mail, which the door
knows again. It comes from a verified domain of the workspace; without one, or without an administrator, the pages alone tell of alerts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from posthouse.accounts import alerts, domains, users
from posthouse.accounts.alerts import Alert, Level
from posthouse.accounts.directory import Directory
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.users import Member
from posthouse.accounts.workspaces import Workspace
from posthouse.content.stamp import stamp
from posthouse.intake.accept import Door, Idempotency
from posthouse.intake.notices import Writer, submitter_of
from posthouse.intake.scan import ScannerError
from posthouse.model import limits
from posthouse.model.mail import Recipient, Refused, Submission
from posthouse.model.words import Kind, MailClass, Pool, Role, Source
from posthouse.runtime.process import Process
from posthouse.wire import mime
from posthouse.wire.addresses import Mailbox, is_ascii
from posthouse.wire.mime import Draft

AUTHOR: Final = "posthouse"
PRIORITY: Final = 8  # an alert explains what people are waiting for; resets go before it
_SUBJECT_CHARS: Final = 120
_LEVELS: Final = {Level.CRITICAL: "Critical", Level.WARNING: "Warning"}


@dataclass(frozen=True, slots=True)
class News:
    """What there is to tell, to whom and where from."""

    workspace: Workspace
    alerts: tuple[Alert, ...]
    to: tuple[str, ...]
    domain: str


async def advance(process: Process, directory: Directory, door: Door, workspace_id: UUID) -> None:
    """Writes to the administrators of a workspace if there is something new and nobody wrote just now."""
    async with process.pool.acquire() as connection:
        if not await alerts.take_turn(connection, workspace_id, process.clock.now()):
            return
        untold = await alerts.untold(connection, workspace_id)
        people = await users.members(connection, workspace_id)
        known = await domains.listing(connection, workspace_id)
    workspace = await directory.workspace(workspace_id)
    news = News(workspace, tuple(untold), administrators(people), author_domain(known))
    try:
        await _send(process, door, news)
    except ScannerError as problem:
        process.log.warning("alerts.wait", problem=str(problem))
        return
    async with process.pool.acquire() as connection:
        await alerts.told(connection, workspace_id, untold, process.clock.now())


async def _send(process: Process, door: Door, news: News) -> None:
    if not (news.alerts and news.to and news.domain):
        why = "no verified domain" if news.to else "no administrator"
        process.log.warning("alerts.unmailed", workspace_id=str(news.workspace.workspace_id), problem=why)
        return
    writer = Writer(process.settings.server.hostname, process.settings.web.public_url.rstrip("/"))
    submission = mail(news, writer, process.ids.new(), process.clock.now())
    told = sha256(b"".join(each.alert_id.bytes + each.trouble.level.encode() for each in news.alerts)).digest()
    once = Idempotency(f"alerts {told.hex()}", told, lambda _: (202, b"accepted"))
    answer = await door.accept(submitter_of(news.workspace), [submission], once)
    if isinstance(answer, list) and isinstance(answer[0], Refused):
        process.log.warning("alerts.refused", problem=answer[0].problems[0].detail)


def administrators(people: Sequence[Member]) -> tuple[str, ...]:
    """Who is written to. Pure."""
    may = [each.user for each in people if each.role is Role.ADMIN and each.user.disabled_at is None]
    return tuple(each.email for each in may)[: limits.RECIPIENTS_PER_MESSAGE]


def author_domain(known: Sequence[SendingDomain]) -> str:
    """The verified domain to write from, one that is meant for such mail before others; "" without any. Pure."""
    verified = [each for each in known if each.verified_at is not None]
    fit = [each for each in verified if not each.mail_classes or MailClass.TRANSACTIONAL in each.mail_classes]
    return next((each.name for each in fit or verified), "")


def mail(news: News, writer: Writer, message_id: UUID, now: datetime) -> Submission:
    """The mail to the administrators. Pure."""
    sender = Mailbox(f"{AUTHOR}@{news.domain}", "Posthouse")
    stamped = stamp(message_id, sender, MailClass.TRANSACTIONAL, news.workspace.number, now)
    draft = Draft(
        sender=sender,
        to=tuple(map(Mailbox, news.to)),
        subject=subject(news),
        text=letter(news, writer),
        headers=(("Auto-Submitted", "auto-generated"),),
    )
    own = (("Date", stamped.date_text), ("Message-ID", stamped.message_id), ("Feedback-ID", stamped.feedback_id))
    return Submission(
        source=Source.NOTICE,
        sender=sender.address,
        recipients=tuple(Recipient(each, Kind.TO) for each in news.to),
        subject=draft.subject,
        message_id_header=stamped.message_id,
        content=mime.write(draft, own, message_id.bytes),
        mail_class=MailClass.TRANSACTIONAL,
        priority=PRIORITY,
        pool=Pool.NOTIFICATION,
        smtputf8=not all(map(is_ascii, news.to)),
        message_id=message_id,
    )


def subject(news: News) -> str:
    """The worst in one line, and how many more. Pure."""
    worst, *others = news.alerts
    more = f" (and {len(others)} more)" if others else ""
    said = f"{_LEVELS[worst.trouble.level]}: {_line(worst.trouble.sentence)}"
    room = _SUBJECT_CHARS - len(more)
    return (said if len(said) <= room else said[: room - 1].rstrip() + "…") + more


def letter(news: News, writer: Writer) -> str:
    """What a person reads. Pure."""
    count = len(news.alerts)
    what = "an alert" if count == 1 else f"{count} alerts"
    lines = [f"Posthouse at {writer.hostname} raised {what} in the workspace {news.workspace.name}:", ""]
    for each in news.alerts[: limits.ALERT_LINES]:
        lines += [f"{_LEVELS[each.trouble.level]}, since {each.raised_at:%Y-%m-%d %H:%M} UTC"]
        lines += [f"  {_line(each.trouble.sentence)}"]
        lines += [f"  {writer.pages}{each.trouble.path}"] if writer.pages else []
        lines.append("")
    if count > limits.ALERT_LINES:
        lines += [f"And {count - limits.ALERT_LINES} more.", ""]
    lines.append(f"All alerts: {writer.pages}/alerts" if writer.pages else "All alerts: posthouse alert list")
    return "\n".join([*lines, "You get this as an administrator of the workspace, at most once a minute.", ""])


def _line(text: str) -> str:
    """On one line, without what a header field cannot hold."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
