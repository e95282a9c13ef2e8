"""Everything that happened, in order, for a reader that wants to hear of it at once and must not miss anything.

Events are numbered when they are written and seen when they are committed, so what is read at once may have gaps that fill later.
The reader's cursor therefore stays SETTLED_S behind, where no gap can fill any more. Who reads ahead of it reads that stretch again,
and keeps what it has already done apart by the event's id.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from posthouse.ledger.counting import SETTLED_S
from posthouse.ledger.sql import SQL
from posthouse.runtime.ids import uuid7_floor
from posthouse.runtime.postgres import Connection, Record

_END: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Happened:
    """One event without its data. `kind` is text: a reader passes on what it does not know."""

    event_id: UUID
    occurred_at: datetime
    message_id: UUID
    recipient_id: UUID
    kind: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One event with its data."""

    happened: Happened
    data: dict[str, Any]


async def begin(connection: Connection, workspace_id: UUID, reader: str, at: datetime) -> None:
    """A new reader begins with what happens from `at` on; one that has begun stays where it is."""
    await connection.execute(SQL.start_cursor, workspace_id, reader, uuid7_floor(at))


async def taken(connection: Connection, workspace_id: UUID, reader: str) -> UUID | None:
    """Where the reader's cursor stands, its until the transaction's end; None while another process has it."""
    at: UUID | None = await connection.fetchval(SQL.lock_cursor, workspace_id, reader)
    return at


async def number(connection: Connection, workspace_id: UUID, reader: str) -> int | None:
    """As `taken`, for a reader of what is numbered without gaps; it begins behind 0 by itself."""
    await connection.execute(SQL.start_cursor, workspace_id, reader, UUID(int=0))
    at = await taken(connection, workspace_id, reader)
    return None if at is None else at.int


async def number_passed(connection: Connection, workspace_id: UUID, reader: str, reached: int) -> None:
    """Moves such a reader's cursor to `reached`."""
    await connection.fetchrow(SQL.advance_cursor, workspace_id, reader, UUID(int=reached))


async def page(
    connection: Connection, workspace_id: UUID, since: UUID, most: int, until: UUID = _END
) -> list[Happened]:
    """What is committed from `since` up to, not including, `until`, in order."""
    rows = await connection.fetch(SQL.events_from, workspace_id, since, until, most)
    return [Happened(r["event_id"], r["occurred_at"], r["message_id"], r["recipient_id"], r["kind"]) for r in rows]


async def several(connection: Connection, workspace_id: UUID, event_ids: Collection[UUID]) -> list[Fact]:
    """These events, as far as there are such in the workspace."""
    if not event_ids:
        return []
    ids: Sequence[UUID] = sorted(event_ids, key=lambda each: each.int)
    rows = await connection.fetch(SQL.events_by_id, workspace_id, ids, ids[0], ids[-1])
    return [_fact(row) for row in rows]


async def of_kinds(
    connection: Connection, workspace_id: UUID, after: UUID, before: UUID, kinds: Collection[str], most: int
) -> list[Fact]:
    """What happened of these kinds between two ids, in order."""
    rows = await connection.fetch(SQL.events_of_kinds, workspace_id, after, before, list(kinds), most)
    return [_fact(row) for row in rows]


async def count_of_kinds(
    connection: Connection, workspace_id: UUID, after: UUID, before: UUID, kinds: Collection[str]
) -> int:
    """How often."""
    found: int = await connection.fetchval(SQL.count_events_of_kinds, workspace_id, after, before, list(kinds))
    return found


async def has_news(connection: Connection, workspace_id: UUID, since: UUID) -> bool:
    """Whether anything is committed from `since` on: one look into an index."""
    found: bool = await connection.fetchval(SQL.has_events_from, workspace_id, since)
    return found


async def passed(connection: Connection, workspace_id: UUID, reader: str, reached: UUID, now: datetime) -> UUID:
    """Moves the cursor to `reached`, or to where gaps may still fill if that comes first; where it stands then."""
    settled = uuid7_floor(now - timedelta(seconds=SETTLED_S))
    at = min(reached, settled, key=lambda each: each.int)
    await connection.fetchrow(SQL.advance_cursor, workspace_id, reader, at)
    return at


def _fact(r: Record) -> Fact:
    return Fact(Happened(r["event_id"], r["occurred_at"], r["message_id"], r["recipient_id"], r["kind"]), r["data"])
