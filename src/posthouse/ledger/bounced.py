"""Which addresses mail bounced at, how, when last and why: kept beside the events, so that no list or count walks them.

An address is listed once for bounces that say something of it (hard, or soft), by the last of them, and once more, apart, for refusals of
what we are or send (blocked), which do not. `intake.bounced` reads the events and has them noted here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from posthouse.ledger.bounce_rules import BounceClass
from posthouse.ledger.counting import SETTLED_S
from posthouse.ledger.sql import SQL
from posthouse.ledger.suppression import folded
from posthouse.model import limits
from posthouse.model.words import EventKind
from posthouse.runtime.ids import time_of, uuid7_floor
from posthouse.runtime.postgres import Connection, Record

READER: Final = "bounces"
# of history read with one statement: an installation may come to this with years of it
_STRIDE: Final = timedelta(days=1)
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)  # before and after everything that happens
_LAST: Final = datetime(9000, 1, 1, tzinfo=UTC)
_LAST_ADDRESS: Final = "\U0010ffff"


class BounceType(StrEnum):
    """What a bounce says of the address. Unclear ones count as soft."""

    HARD = "hard"
    SOFT = "soft"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Ended:
    """A mail's event that may be a bounce. `data` is what the event keeps."""

    event_id: UUID
    occurred_at: datetime
    message_id: UUID
    recipient_id: UUID
    kind: EventKind
    data: dict[str, object]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events in order, from the cursor up to, not including, `reached`; `last`: nothing is left that no late commit can come before."""

    ended: tuple[Ended, ...]
    reached: UUID
    last: bool


@dataclass(frozen=True, slots=True)
class Bounced:
    """One address as it is listed. `reason` is a word of bounces.toml, `said` what the receiver said."""

    address: str
    type: BounceType
    first_at: datetime
    last_at: datetime
    bounces: int
    reason: str
    code: int | None
    enhanced: str
    said: str
    message_id: UUID
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is listed: of one type, or hard and soft (None); last bounced from `since` up to, not including, `until`, or, `outside`, at
    any other time; addresses that begin so."""

    type: BounceType | None = None
    since: datetime | None = None
    until: datetime | None = None
    outside: bool = False
    beginning: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends."""

    last_at: datetime
    address: str


def type_of(bounce_class: BounceClass) -> BounceType:
    """How a class of the rules is listed."""
    return BounceType.SOFT if bounce_class is BounceClass.UNKNOWN else BounceType(bounce_class.value)


async def stretch(connection: Connection, workspace_id: UUID, now: datetime) -> Stretch | None:
    """The next events this reader has not passed, its until the transaction's end; None while another process is at it."""
    past = uuid7_floor(now - timedelta(seconds=SETTLED_S))
    if await connection.fetchval(SQL.cursor, workspace_id, READER) is None:
        first = await connection.fetchval(SQL.first_event, workspace_id)
        await connection.execute(SQL.start_cursor, workspace_id, READER, first or past)
    since: UUID | None = await connection.fetchval(SQL.lock_cursor, workspace_id, READER)
    if since is None:
        return None
    until = min(uuid7_floor(time_of(since) + _STRIDE), past, key=_order)
    rows = await connection.fetch(SQL.failures, workspace_id, since, until, limits.BOUNCES_PER_ROUND)
    ended = tuple(map(_ended, rows))
    if len(ended) == limits.BOUNCES_PER_ROUND:
        return Stretch(ended, UUID(int=ended[-1].event_id.int + 1), last=False)
    return Stretch(ended, max(since, until, key=_order), last=until == past)


async def passed(connection: Connection, workspace_id: UUID, stretch: Stretch) -> None:
    """The stretch is done with, from the caller's commit on."""
    await connection.fetchrow(SQL.advance_cursor, workspace_id, READER, stretch.reached)


async def note(connection: Connection, workspace_id: UUID, bounces: Iterable[Bounced]) -> None:
    """Adds bounces, in the order in which they happened."""
    rows = [each for _, each in sorted(_summed(bounces).items())]  # one lock order for all processes
    if rows:
        await connection.execute(
            SQL.note_bounces,
            workspace_id,
            [each.address for each in rows],
            [each.type for each in rows],
            [each.first_at for each in rows],
            [each.last_at for each in rows],
            [each.bounces for each in rows],
            [each.reason for each in rows],
            [each.code for each in rows],
            [each.enhanced for each in rows],
            [each.said for each in rows],
            [each.message_id for each in rows],
        )


async def listing(
    connection: Connection, workspace_id: UUID, wanted: Wanted, before: Place | None, most: int, offset: int = 0
) -> list[Bounced]:
    """Those addresses, the last bounced first, after a page that ended at `before`."""
    beginning = folded(wanted.beginning)
    async with connection.transaction():
        await connection.execute(SQL.plan_anew)
        rows = await connection.fetch(
            SQL.bounced_before,
            *(workspace_id, wanted.type is BounceType.BLOCKED, wanted.type, *_span(wanted)),
            *(before.last_at if before else _LAST, before.address if before else _LAST_ADDRESS, wanted.outside),
            *(beginning, beginning + _LAST_ADDRESS, most, offset),
        )
    return [_bounced(row) for row in rows]


async def count(connection: Connection, workspace_id: UUID, wanted: Wanted) -> int:
    """How many there are."""
    beginning = folded(wanted.beginning)
    async with connection.transaction():
        await connection.execute(SQL.plan_anew)
        found: int = await connection.fetchval(
            SQL.count_bounced,
            *(workspace_id, wanted.type is BounceType.BLOCKED, wanted.type, *_span(wanted)),
            *(wanted.outside, beginning, beginning + _LAST_ADDRESS),
        )
    return found


def _order(event_id: UUID) -> int:
    return event_id.int


def _span(wanted: Wanted) -> tuple[datetime, datetime]:
    return wanted.since or _FIRST, wanted.until or _LAST


def _summed(bounces: Iterable[Bounced]) -> dict[tuple[str, bool], Bounced]:
    """The last bounce of each address and kind with how many there were and when the first was."""
    found: dict[tuple[str, bool], Bounced] = {}
    for each in bounces:
        key = each.address, each.type is BounceType.BLOCKED
        known = found.get(key)
        found[key] = each if known is None else replace(each, first_at=known.first_at, bounces=known.bounces + 1)
    return found


def _ended(row: Record) -> Ended:
    return Ended(
        row["event_id"],
        row["occurred_at"],
        row["message_id"],
        row["recipient_id"],
        EventKind(row["kind"]),
        row["data"],
    )


def _bounced(row: Record) -> Bounced:
    values = dict(row.items())
    values["type"] = BounceType(values["type"])
    values["external_id"] = values["external_id"] or ""
    return Bounced(**values)
