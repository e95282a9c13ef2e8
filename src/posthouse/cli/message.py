"""`posthouse message`: send mail, find it, and read everything that is known about it."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from cyclopts import App, Parameter

from posthouse.accounts.directory import Directory
from posthouse.cli import acting, composing, console, message_text
from posthouse.cli.composing import EMPTY, Addresses, Mail
from posthouse.cli.console import HERE, Installation, Json, Number, Refused, Room, Yes
from posthouse.cli.message_text import Story
from posthouse.cli.world import Where
from posthouse.intake.contents import content
from posthouse.ledger import timeline
from posthouse.ledger.timeline import AttemptRow
from posthouse.model.limits import PAGE_ROWS, PAGE_ROWS_DEFAULT
from posthouse.model.mail import Accepted, Submission
from posthouse.model.words import Source, State
from posthouse.outbox import messages, situations
from posthouse.outbox.messages import Filters, Listed, MessageRow
from posthouse.outbox.operator import CANCEL, Selection
from posthouse.web.api import views

app: Final = App(name="message", help="Send, find and read messages.")

_EMPTY: Final = "No messages. Send one: posthouse message send --to you@example.com --subject Hello --text 'It works.'"
Transcript = Annotated[bool, Parameter(negative="", help="With every line of each SMTP dialogue.")]


@app.command
def send(
    *,
    mail: Annotated[Mail, Parameter(name="*")] = EMPTY,
    dry_run: Annotated[bool, Parameter(negative="", help="Say what would happen and keep nothing.")] = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Send one message, judged as if it had come by the API. It is safe once this returns; `posthouse up` delivers it.

    Exit status: 0 accepted, 1 refused (with the reason), 2 wrong usage, 3 no database.

    For example:

        posthouse message send --to anna@lab.test --subject Hello --text "It works."

        posthouse message send --from news@example.com --to anna@lab.test --raw mail.eml --dry-run
    """
    submission, accepted = console.run(_send(where, workspace, mail, dry_run))
    shown = message_text.receipt(submission, accepted, dry_run)
    console.show(shown, lambda: message_text.receipt_text(accepted, dry_run), as_json=as_json)


@app.command(name="list")
def list_messages(
    *,
    query: Annotated[
        str, Parameter(help="Address or the beginning of one, Message-ID, or words of the subject.", show_default=False)
    ] = "",
    state: Annotated[State | None, Parameter(help="With a recipient in this state.")] = None,
    domain: Annotated[str, Parameter(help="With a recipient at this domain.", show_default=False)] = "",
    tag: Annotated[str, Parameter(help="With this tag.", show_default=False)] = "",
    source: Annotated[Source | None, Parameter(help="Accepted by this door.")] = None,
    since: Annotated[datetime | None, Parameter(help="Accepted at or after this time (UTC unless it says).")] = None,
    until: Annotated[datetime | None, Parameter(help="Accepted before this time.")] = None,
    after: Annotated[UUID | None, Parameter(help="The last id of the page before.")] = None,
    limit: Annotated[int, Parameter(help=f"Most messages, up to {PAGE_ROWS}.")] = PAGE_ROWS_DEFAULT,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """List messages, newest first.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse message list --query anna@

        posthouse message list --state bounced --since 2026-11-01 --json
    """
    filters = Filters(query, state, domain.lower(), tag, source, _utc(since), _utc(until))
    found = console.run(_listing(where, workspace, filters, after, max(1, min(limit, PAGE_ROWS))))
    console.show(list(map(views.summary, found)), lambda: message_text.listing(found, _EMPTY), as_json=as_json)


@app.command
def show(
    message_id: UUID,
    /,
    *,
    transcript: Transcript = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Show where a message is, why it waits and until when, and every attempt at it.

    Exit status: 0 done, 1 no such message, 2 wrong usage, 3 no database.

    For example:

        posthouse message show 019ae3d2-7c00-7000-8000-000000000001

        posthouse message show 019ae3d2-7c00-7000-8000-000000000001 --transcript
    """
    story = console.run(_story(where, workspace, message_id))
    shown = message_text.view(story, transcript=transcript)
    console.show(shown, lambda: message_text.text(story, transcript=transcript), as_json=as_json)


@app.command
def events(message_id: UUID, /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """List everything that happened to a message, oldest first.

    Exit status: 0 done, 1 no such message, 2 wrong usage, 3 no database.

    For example:

        posthouse message events 019ae3d2-7c00-7000-8000-000000000001 --json
    """
    story = console.run(_story(where, workspace, message_id))
    shown = views.timeline(story.events, story.recipients)
    console.show(shown, lambda: message_text.event_table(story), as_json=as_json)


@app.command
def raw(message_id: UUID, /, *, workspace: Number = None, where: Installation = HERE) -> None:
    """Write the message, octet for octet as it was last sent, to standard output.

    Exit status: 0 done, 1 no such message or its content is not kept any more, 2 wrong usage, 3 no database.

    For example:

        posthouse message raw 019ae3d2-7c00-7000-8000-000000000001 > mail.eml
    """
    sys.stdout.buffer.write(console.run(_raw(where, workspace, message_id)))


@app.command
def cancel(
    message_id: UUID,
    /,
    *,
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Take back what has not left yet. What is being sent at this moment cannot be taken back.

    Exit status: 0 done, 1 no such message, 2 wrong usage, 3 no database.

    For example:

        posthouse message cancel 019ae3d2-7c00-7000-8000-000000000001 --yes
    """
    console.run(_existing(where, workspace, message_id))
    acting.act(where, workspace, CANCEL, Selection(message_id=message_id), yes=yes, as_json=as_json)


@app.command
def resend(
    message_id: UUID,
    /,
    *,
    to: Annotated[
        Addresses,
        Parameter(help="Only to this recipient of it; may be given several times.", negative="", show_default=False),
    ] = (),
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Send a message again as it was accepted, as a new message: only Message-ID and Date are new.

    Exit status: 0 accepted, 1 refused (with the reason), no such message or its content is not kept any more, 2 wrong usage,
    3 no database.

    For example:

        posthouse message resend 019ae3d2-7c00-7000-8000-000000000001 --yes

        posthouse message resend 019ae3d2-7c00-7000-8000-000000000001 --to anna@lab.test
    """
    if not yes:
        known = console.run(_existing(where, workspace, message_id)).recipient_count
        count = len(set(to)) or known
        console.confirm(f"Send it again to {count} recipient{'' if count == 1 else 's'}?", yes=False)
    submission, accepted = console.run(_resend(where, workspace, message_id, to))
    shown = message_text.receipt(submission, accepted, dry_run=False)
    console.show(shown, lambda: message_text.receipt_text(accepted, dry_run=False), as_json=as_json)


async def _send(where: Where, number: int | None, mail: Mail, dry_run: bool) -> tuple[Submission, Accepted]:
    async with console.opened(where, number) as room, Directory.open(room.process) as directory:
        return await composing.hand_over(room, directory, mail, dry_run=dry_run)


async def _resend(where: Where, number: int | None, message_id: UUID, to: Addresses) -> tuple[Submission, Accepted]:
    async with console.opened(where, number) as room, Directory.open(room.process) as directory:
        return await composing.hand_over_again(room, directory, await _found(room, message_id), to)


async def _listing(where: Where, number: int | None, filters: Filters, after: UUID | None, limit: int) -> list[Listed]:
    async with console.opened(where, number) as room, room.process.pool.acquire() as connection:
        return await messages.search(connection, room.workspace.workspace_id, filters, after, limit)


async def _story(where: Where, number: int | None, message_id: UUID) -> Story:
    async with console.opened(where, number) as room:
        return await _read(room, message_id)


async def _read(room: Room, message_id: UUID) -> Story:
    workspace_id = room.workspace.workspace_id
    message = await _found(room, message_id)
    async with room.process.pool.acquire() as connection:
        recipients = await messages.recipients(connection, workspace_id, message_id)
        events = await timeline.events(connection, workspace_id, message_id)
        ids = [recipient.recipient_id for recipient in recipients]
        attempts = await timeline.attempts(connection, workspace_id, message_id, ids)
        now = room.process.clock.now()
        held_up = await situations.read(connection, workspace_id, recipients, now)
    return Story(message, recipients, events, attempts, held_up, now)


async def _existing(where: Where, number: int | None, message_id: UUID) -> MessageRow:
    async with console.opened(where, number) as room:
        return await _found(room, message_id)


async def _found(room: Room, message_id: UUID) -> MessageRow:
    async with room.process.pool.acquire() as connection:
        message = await messages.find(connection, room.workspace.workspace_id, message_id)
    if message is None:
        raise Refused(f"There is no message {message_id} in the workspace {room.workspace.name}.")
    return message


async def _raw(where: Where, number: int | None, message_id: UUID) -> bytes:
    async with console.opened(where, number) as room, Directory.open(room.process) as directory:
        story = await _read(room, message_id)
        stored = await content(room.process, directory, room.workspace.workspace_id, message_id)
    if stored is None:
        raise Refused("The content of this message is not kept any more.")
    return _last_signature(story.attempts) + stored


def _last_signature(attempts: Sequence[AttemptRow]) -> bytes:
    return next((attempt.signature for attempt in reversed(attempts) if attempt.signature), b"")


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
