"""Addresses mail bounced at: by type and time of the last bounce, in pages or counted, as JSON or CSV."""

import base64
import binascii
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, cast
from uuid import UUID

import msgspec
from msgspec import Meta

from posthouse.intake import suppression_csv
from posthouse.ledger import bounced
from posthouse.ledger.bounced import Bounced, BounceType, Place, Wanted
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.runtime.process import Process
from posthouse.web.api.exchange import CSV, Answer, Exchange, answer
from posthouse.web.api.problems import invalid, refusal

ANY: Final = "any"
COLUMNS: Final = (
    *("address", "type", "last_at", "reason", "code", "enhanced", "said", "bounces", "first_at", "message_id"),
    "external_id",
)


class BouncedView(msgspec.Struct, frozen=True):
    """One address, by its last bounce."""

    address: str
    type: Annotated[
        BounceType,
        Meta(description="hard: it does not exist. soft: it may. blocked: refused for what we are or send"),
    ]
    last_at: Annotated[datetime, Meta(description="when mail last bounced")]
    reason: Annotated[str, Meta(description="one word, as in events")]
    code: Annotated[int | None, Meta(description="the SMTP code; null when nobody answered")]
    enhanced: Annotated[str, Meta(description="enhanced status code (RFC 3463), or empty")]
    said: Annotated[str, Meta(description="what the receiver said")]
    bounces: Annotated[int, Meta(description="how often mail bounced there")]
    first_at: datetime
    message_id: Annotated[UUID, Meta(description="the last message that bounced")]
    external_id: Annotated[str, Meta(description="`external_id` in that message's metadata, else empty")]


class BouncedPage(msgspec.Struct, frozen=True):
    """Addresses, the last bounced first."""

    addresses: tuple[BouncedView, ...]
    next: Annotated[str | None, Meta(description="`cursor` of the next page; null on the last")]


class BouncedCount(msgspec.Struct, frozen=True):
    """How many addresses there are."""

    count: int


async def list_bounced(exchange: Exchange) -> Answer:
    """A page of the list."""
    query, wanted = cast("dict[str, Any]", exchange.query), _wanted(exchange)
    if isinstance(wanted, Answer):
        return wanted
    limit, cursor = query.get("limit", limits.PAGE_ROWS), query.get("cursor", "")
    before = place_of(cursor)
    if cursor and before is None:
        return refusal(invalid([FieldProblem("?cursor", "invalid_cursor", "This is no cursor of this list.")]))
    workspace_id, offset = exchange.submitter.workspace_id, query.get("offset", 0)
    async with exchange.rooms.process.pool.acquire() as connection:
        found = await bounced.listing(connection, workspace_id, wanted, before, limit + 1, offset)
    shown = found[:limit]
    following = cursor_of(shown[-1]) if len(found) > limit else None
    return answer(BouncedPage(tuple(map(view, shown)), following))


async def count_bounced(exchange: Exchange) -> Answer:
    """How many there are."""
    wanted = _wanted(exchange)
    if isinstance(wanted, Answer):
        return wanted
    async with exchange.rooms.process.pool.acquire() as connection:
        return answer(BouncedCount(await bounced.count(connection, exchange.submitter.workspace_id, wanted)))


async def export_bounced(exchange: Exchange) -> Answer:
    """The list as CSV, sent as it is read."""
    wanted = _wanted(exchange)
    if isinstance(wanted, Answer):
        return wanted
    pieces = csv_of(exchange.rooms.process, exchange.submitter.workspace_id, wanted)
    headers = (("content-disposition", 'attachment; filename="bounced-addresses.csv"'),)
    return Answer(200, b"", f"{CSV}; charset=utf-8", headers, pieces)


async def csv_of(process: Process, workspace_id: UUID, wanted: Wanted) -> AsyncIterator[bytes]:
    """The list as CSV, piece by piece; nothing is held open between them."""
    yield suppression_csv.write([COLUMNS])
    before: Place | None = None
    while True:
        async with process.pool.acquire() as connection:
            found = await bounced.listing(connection, workspace_id, wanted, before, limits.CSV_BATCH)
        if found:
            yield suppression_csv.write(map(cells, found))
        if len(found) < limits.CSV_BATCH:
            return
        before = Place(found[-1].last_at, found[-1].address)


def view(each: Bounced) -> BouncedView:
    """A row as the API shows it."""
    return BouncedView(**{name: getattr(each, name) for name in BouncedView.__struct_fields__})


def cells(each: Bounced) -> list[str]:
    """A row as the file has it, in the order of COLUMNS."""
    return [
        suppression_csv.time(value) if isinstance(value, datetime) else str(value or "")
        for value in (getattr(each, name) for name in COLUMNS)
    ]


def day_of(text: str) -> tuple[datetime, datetime] | None:
    """A day (UTC) as the time from its midnight to the next; None when it is no date."""
    try:
        day = date.fromisoformat(text)
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return start, start + timedelta(days=1)
    except (ValueError, OverflowError):
        return None


def cursor_of(row: Bounced) -> str:
    """Where a page ends that ends with this row, for addresses and programs."""
    return base64.urlsafe_b64encode(msgspec.json.encode([row.last_at, row.address])).decode()


def place_of(cursor: str) -> Place | None:
    """The place a cursor stands for, None when it is none of ours."""
    try:
        place = Place(*msgspec.json.decode(base64.urlsafe_b64decode(cursor.encode()), type=tuple[datetime, str]))
    except (binascii.Error, msgspec.MsgspecError, UnicodeError, ValueError):
        return None
    return None if "\0" in place.address or place.last_at.tzinfo is None else place


def _wanted(exchange: Exchange) -> Wanted | Answer:
    query = cast("dict[str, Any]", exchange.query)
    since, until = query.get("since"), query.get("until")
    if "on" in query:
        day = day_of(query["on"])
        if day is None or since or until:
            detail = "Give a day as 2026-01-31, and neither since nor until beside it."
            return refusal(invalid([FieldProblem("?on", "invalid_date", detail)]))
        since, until = day
    outside = query.get("not", False)
    if outside and not (since or until):
        return refusal(invalid([FieldProblem("?not", "no_time", "Say which time it is to be outside of.")]))
    asked = query.get("type", ANY)
    bounce_type = None if asked == ANY else BounceType(asked)
    return Wanted(bounce_type, since, until, outside, query.get("address", ""))
