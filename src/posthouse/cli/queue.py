"""`posthouse queue`: what waits, where and why; what an operator can do about it is beside it, in `queue_actions` and `queue_stops`."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from posthouse.cli import console, message_text, queue_actions, queue_stops
from posthouse.cli.console import HERE, Installation, Json, Number, Refused, Room
from posthouse.cli.world import Where
from posthouse.model.limits import PAGE_ROWS, PAGE_ROWS_DEFAULT
from posthouse.model.words import State
from posthouse.outbox import messages, shape, situations
from posthouse.outbox.messages import Filters, RecipientRow
from posthouse.outbox.shape import AGES_MINUTES, ShapeRow
from posthouse.outbox.situations import Situations
from posthouse.outbox.waiting import explain
from posthouse.runtime.postgres import Connection
from posthouse.wire.addresses import AddressProblem, parse_address

app: Final = App(name="queue", help="See what waits and why; retry, hold, suspend, move, bounce.")

UNSETTLED: Final = (State.CLAIMED, State.READY, State.WAITING, State.HELD)
_EMPTY: Final = "The queue is empty: everything accepted has been settled."
_NONE_SUCH: Final = "No unsettled mail is like that; `posthouse queue show` lists all there is."


@dataclass(frozen=True, slots=True)
class Waiting:
    """Unsettled mail as listed: some of it, and how much there is in each state."""

    recipients: list[RecipientRow]
    counts: dict[State, int]
    situations: Situations
    now: datetime

    def reason(self, row: RecipientRow) -> str:
        """Where this one is and why."""
        return explain(row, self.now, self.situations[row.recipient_id])


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
def why(
    what: str,
    /,
    *,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Say of a message (by its id), or of the newest mail to an address, where it is, why, and until when.

    Exit status: 0 done, 1 there is no such mail, 2 wrong usage, 3 no database.

    For example:

        posthouse queue why 019ae3d2-7c00-7000-8000-000000000001

        posthouse queue why anna@example.com
    """
    found = console.run(_why(where, workspace, what.strip()))
    console.show(_recipient_views(found), lambda: _waiting_table(found, _NONE_SUCH), as_json=as_json)


for verb in queue_actions.VERBS:
    app.command(verb)
for name, stop in queue_stops.VERBS.items():
    app.command(stop, name=name)


async def _shape(where: Where, number: int | None) -> list[ShapeRow]:
    async with console.opened(where, number) as room, room.process.pool.acquire() as connection:
        return await shape.shape(connection, room.workspace.workspace_id, room.process.clock.now())


async def _show(where: Where, number: int | None, domain: str, states: Sequence[State], limit: int) -> Waiting:
    async with console.opened(where, number) as room, room.process.pool.acquire() as connection:
        counts = await shape.counts(connection, room.workspace.workspace_id)
        found = [row for state in states for row in await _in_state(connection, room, state, domain, limit)]
        return await _explained(connection, room, found, counts)


async def _why(where: Where, number: int | None, what: str) -> Waiting:
    async with console.opened(where, number) as room, room.process.pool.acquire() as connection:
        found = await _named(connection, room, what)
        if not found:
            raise Refused(f"There is no mail {what}: give the id of a message or the address of a recipient.")
        return await _explained(connection, room, found, {})


async def _named(connection: Connection, room: Room, what: str) -> list[RecipientRow]:
    """The recipients of a message, or an address as the recipient of the newest messages to it."""
    workspace_id = room.workspace.workspace_id
    with contextlib.suppress(ValueError):
        return await messages.recipients(connection, workspace_id, UUID(what))
    mailbox = parse_address(what)
    if isinstance(mailbox, AddressProblem):
        return []
    filters = Filters(query=mailbox.address)
    listed = await messages.search(connection, workspace_id, filters, None, PAGE_ROWS_DEFAULT)
    rows = await messages.recipients_of(connection, workspace_id, [each.message.message_id for each in listed])
    found = [row for row in rows if row.address == mailbox.address]
    return sorted(found, key=lambda row: row.message_id, reverse=True)


async def _explained(
    connection: Connection, room: Room, found: list[RecipientRow], counts: dict[State, int]
) -> Waiting:
    now = room.process.clock.now()
    return Waiting(found, counts, await situations.read(connection, room.workspace.workspace_id, found, now), now)


async def _in_state(connection: Connection, room: Room, state: State, domain: str, limit: int) -> list[RecipientRow]:
    """Recipients in this state of the newest messages that have any."""
    workspace_id = room.workspace.workspace_id
    listed = await messages.search(connection, workspace_id, Filters(state=state, domain=domain), None, limit)
    rows = await messages.recipients_of(connection, workspace_id, [each.message.message_id for each in listed])
    found = [row for row in rows if row.state is state and (not domain or row.domain == domain)]
    return sorted(found, key=lambda row: row.message_id, reverse=True)


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
        "recipients": _recipient_views(waiting),
    }


def _recipient_views(waiting: Waiting) -> list[dict[str, Any]]:
    return [
        {
            "id": row.recipient_id,
            "message_id": row.message_id,
            "address": row.address,
            "status": row.state,
            "reason": waiting.reason(row),
            "pool": row.pool,
            "attempts": row.attempts,
            "priority": row.priority,
            "not_before": row.not_before,
            "expires_at": row.expires_at,
        }
        for row in waiting.recipients
    ]


def _waiting_table(waiting: Waiting, empty: str) -> Table | Text:
    rows = [
        (row.message_id, row.address, message_text.state(row.state), waiting.reason(row)) for row in waiting.recipients
    ]
    return console.table(("MESSAGE", "RECIPIENT", "STATE", "WHY"), rows, empty)
