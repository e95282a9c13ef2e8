"""`posthouse queue`: what waits, where and why; and the four things an operator can do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from posthouse.cli import acting, console, message_text
from posthouse.cli.console import HERE, Installation, Json, Number, Room, Yes
from posthouse.cli.world import EXIT_SETTINGS, Where
from posthouse.model.limits import PAGE_ROWS, PAGE_ROWS_DEFAULT
from posthouse.model.words import State
from posthouse.outbox import messages, shape
from posthouse.outbox.messages import Filters, RecipientRow
from posthouse.outbox.operator import CANCEL, HOLD, RELEASE, RETRY, Action, Selection
from posthouse.outbox.shape import AGES_MINUTES, ShapeRow
from posthouse.outbox.waiting import explain
from posthouse.runtime.postgres import Connection

app: Final = App(name="queue", help="See what waits and why; retry, hold, release, cancel.")

UNSETTLED: Final = (State.CLAIMED, State.READY, State.WAITING, State.HELD)
_EMPTY: Final = "The queue is empty: everything accepted has been settled."
_NONE_SUCH: Final = "No unsettled mail is like that; `posthouse queue show` lists all there is."


@dataclass(frozen=True, slots=True)
class Which:
    """What the action is about; at least one is given."""

    domain: Annotated[str, Parameter(help="All mail for this destination.", show_default=False)] = ""
    message: Annotated[UUID | None, Parameter(help="All recipients of this message.")] = None
    recipient: Annotated[
        tuple[UUID, ...],
        Parameter(help="This recipient's mail; may be given several times.", negative="", show_default=False),
    ] = ()

    def selection(self) -> Selection:
        """For the outbox. Ends the command when nothing is named."""
        if not (self.domain or self.message or self.recipient):
            console.leave("Say which mail: --domain, --message or --recipient.", status=EXIT_SETTINGS)
        return Selection(self.message, list(self.recipient) or None, self.domain.lower() or None)


NOTHING: Final = Which()


@dataclass(frozen=True, slots=True)
class Waiting:
    """Unsettled mail as listed: some of it, and how much there is in each state."""

    recipients: list[RecipientRow]
    counts: dict[State, int]
    now: datetime


@app.command(name="shape")
def show_shape(*, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """Count unsettled mail by destination and age: a column holds mail as old as its minutes, and older than the column before.

    Mail that piles up on the right is not getting through.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse queue shape

        posthouse queue shape --json
    """
    rows = console.run(_shape(where, workspace))
    console.show(_shape_view(rows), lambda: _shape_table(rows), as_json=as_json)


@app.command
def show(
    domain: Annotated[str, Parameter(help="Only mail for this destination.", show_default=False)] = "",
    *,
    state: Annotated[
        Literal["claimed", "ready", "waiting", "held"] | None, Parameter(help="Only in this state.")
    ] = None,
    limit: Annotated[int, Parameter(help=f"Most messages of each state, up to {PAGE_ROWS}.")] = PAGE_ROWS_DEFAULT,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """List unsettled mail, newest first, with the reason each one is still here and when that ends.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse queue show

        posthouse queue show gmail.com --state waiting
    """
    states = (State(state),) if state else UNSETTLED
    waiting = console.run(_show(where, workspace, domain.lower(), states, max(1, min(limit, PAGE_ROWS))))
    console.show(
        _waiting_view(waiting),
        lambda: _waiting_table(waiting, _NONE_SUCH if domain or state else _EMPTY),
        as_json=as_json,
    )


@app.command
def retry(
    *,
    which: Annotated[Which, Parameter(name="*")] = NOTHING,
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Try waiting mail at once instead of at its next time.

    Exit status: 0 done (also when there was none), 1 not confirmed, 2 wrong usage, 3 no database.

    For example:

        posthouse queue retry --domain gmail.com
    """
    _act(RETRY, which, where, workspace, yes=yes, as_json=as_json)


@app.command
def hold(
    *,
    which: Annotated[Which, Parameter(name="*")] = NOTHING,
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Stop mail from leaving until it is released, or expires.

    Exit status: 0 done (also when there was none), 1 not confirmed, 2 wrong usage, 3 no database.

    For example:

        posthouse queue hold --domain gmail.com --yes
    """
    _act(HOLD, which, where, workspace, yes=yes, as_json=as_json)


@app.command
def release(
    *,
    which: Annotated[Which, Parameter(name="*")] = NOTHING,
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Let held mail go, each at its own time.

    Exit status: 0 done (also when there was none), 1 not confirmed, 2 wrong usage, 3 no database.

    For example:

        posthouse queue release --domain gmail.com --yes
    """
    _act(RELEASE, which, where, workspace, yes=yes, as_json=as_json)


@app.command
def cancel(
    *,
    which: Annotated[Which, Parameter(name="*")] = NOTHING,
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Take back mail that has not left. It cannot be undone.

    Exit status: 0 done (also when there was none), 1 not confirmed, 2 wrong usage, 3 no database.

    For example:

        posthouse queue cancel --message 019ae3d2-7c00-7000-8000-000000000001
    """
    _act(CANCEL, which, where, workspace, yes=yes, as_json=as_json)


def _act(action: Action, which: Which, where: Where, number: int | None, *, yes: bool, as_json: bool) -> None:
    acting.act(where, number, action, which.selection(), yes=yes, as_json=as_json)


async def _shape(where: Where, number: int | None) -> list[ShapeRow]:
    async with console.opened(where, number) as room, room.process.pool.acquire() as connection:
        return await shape.shape(connection, room.workspace.workspace_id, room.process.clock.now())


async def _show(where: Where, number: int | None, domain: str, states: Sequence[State], limit: int) -> Waiting:
    async with console.opened(where, number) as room, room.process.pool.acquire() as connection:
        counts = await shape.counts(connection, room.workspace.workspace_id)
        found = [row for state in states for row in await _in_state(connection, room, state, domain, limit)]
    return Waiting(found, counts, room.process.clock.now())


async def _in_state(connection: Connection, room: Room, state: State, domain: str, limit: int) -> list[RecipientRow]:
    """Recipients in this state of the newest messages that have any."""
    workspace_id = room.workspace.workspace_id
    listed = await messages.search(connection, workspace_id, Filters(state=state, domain=domain), None, limit)
    rows = [
        recipient
        for each in listed
        for recipient in await messages.recipients(connection, workspace_id, each.message.message_id)
    ]
    return [row for row in rows if row.state is state and (not domain or row.domain == domain)]


def _shape_view(rows: Sequence[ShapeRow]) -> dict[str, Any]:
    return {
        "ages_minutes": AGES_MINUTES,
        "total": sum(row.total for row in rows),
        "destinations": [{"domain": row.domain, "total": row.total, "buckets": row.buckets} for row in rows],
    }


def _shape_table(rows: Sequence[ShapeRow]) -> Table | Text:
    if not rows:
        return Text(_EMPTY)
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("DESTINATION")
    for heading in ("TOTAL", *(f"≤{minutes}" for minutes in AGES_MINUTES), f">{AGES_MINUTES[-1]} min"):
        drawn.add_column(heading, justify="right")
    sums = tuple(map(sum, zip(*(row.buckets for row in rows), strict=True)))
    drawn.add_row("TOTAL", str(sum(sums)), *map(str, sums), style="bold")
    for row in rows:
        drawn.add_row(Text(row.domain), str(row.total), *map(str, row.buckets))
    return drawn


def _waiting_view(waiting: Waiting) -> dict[str, Any]:
    return {
        "counts": {state: waiting.counts.get(state, 0) for state in UNSETTLED},
        "recipients": [
            {
                "id": row.recipient_id,
                "message_id": row.message_id,
                "address": row.address,
                "status": row.state,
                "reason": explain(row, waiting.now),
                "attempts": row.attempts,
                "priority": row.priority,
                "not_before": row.not_before,
                "expires_at": row.expires_at,
            }
            for row in waiting.recipients
        ],
    }


def _waiting_table(waiting: Waiting, empty: str) -> Table | Text:
    rows = [
        (row.message_id, row.address, message_text.state(row.state), explain(row, waiting.now))
        for row in waiting.recipients
    ]
    return console.table(("MESSAGE", "RECIPIENT", "STATE", "WHY"), rows, empty)
