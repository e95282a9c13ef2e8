"""The suppression list by JSON and CSV: who is not written to, why, since when and until when."""

import asyncio
import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Final, cast
from uuid import UUID

import msgspec
from msgspec import Meta

from posthouse.intake import suppressing
from posthouse.intake.request_problems import Problems
from posthouse.intake.suppressing import Asked
from posthouse.intake.suppression_csv import HeaderError
from posthouse.ledger import suppression
from posthouse.ledger.suppression import REASONS, New, Place, Suppressed, Wanted
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.web.api.bodies import read_object
from posthouse.web.api.exchange import CSV, Answer, Exchange, answer
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse

ADDRESS: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 2 * limits.ADDRESS_OCTETS}
SCOPE: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": limits.MAILING_TYPE_CHARS + 20}
REASON: Final[Schema] = {"type": "string", "enum": [*REASONS]}
WHY: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": limits.OPERATOR_REASON_CHARS}
_ENTRY: Final[Schema] = {
    "type": "object",
    "properties": {
        "address": ADDRESS,
        "scope": {
            **SCOPE,
            "description": "everything, channel:email, marketing, or mailing_type: and the name of one; left out, marketing for"
            " complaint, unsubscribe and soft_bounces, everything for the others",
        },
        "reason": {**REASON, "default": "manual"},
        "note": {"type": "string", "maxLength": limits.SUPPRESSION_NOTE_CHARS, "default": ""},
        "expires_at": {
            "type": "string",
            "format": "date-time",
            "maxLength": 64,
            "description": "when it ends by itself; never when left out",
        },
    },
    "required": ["address"],
    "additionalProperties": False,
}
ADD_BODY: Final[Schema] = {
    "type": "object",
    "properties": {
        "suppressions": {"type": "array", "items": _ENTRY, "minItems": 1, "maxItems": limits.SUPPRESSIONS_ADDED}
    },
    "required": ["suppressions"],
    "additionalProperties": False,
}
REMOVE_BODY: Final[Schema] = {
    "type": "object",
    "properties": {
        "addresses": {"type": "array", "items": ADDRESS, "minItems": 1, "maxItems": limits.SUPPRESSIONS_REMOVED},
        "scope": {**SCOPE, "description": "lift this scope alone; all that stands against them when left out"},
        "reason": {**WHY, "description": "why they are written to again; kept in the audit log"},
    },
    "required": ["addresses", "reason"],
    "additionalProperties": False,
}
CSV_BODY: Final[Schema] = {"type": "string", "description": "columns address, scope, reason, note, expires_at"}


class SuppressionView(msgspec.Struct, frozen=True):
    """One entry of the list."""

    address: str
    scope: str
    reason: str
    message_id: Annotated[UUID | None, Meta(description="the message that was the cause")]
    added_by: str
    note: str
    created_at: datetime
    expires_at: Annotated[datetime | None, Meta(description="null: it stays")]
    active: Annotated[bool, Meta(description="false once it has expired")]


class SuppressionPage(msgspec.Struct, frozen=True):
    """Entries in order of address, scope and reason."""

    suppressions: tuple[SuppressionView, ...]
    next: Annotated[str | None, Meta(description="`cursor` of the next page; null on the last")]


class Added(msgspec.Struct, frozen=True):
    """What an addition did."""

    added: Annotated[int, Meta(description="entries that are new, or last longer than before")]
    known: Annotated[int, Meta(description="entries that were there already; they keep their first cause and date")]


class Removed(msgspec.Struct, frozen=True):
    """What was lifted."""

    removed: tuple[SuppressionView, ...]


class BadLine(msgspec.Struct, frozen=True):
    """A line that was passed over."""

    line: Annotated[int, Meta(description="its number in the file, from 1")]
    detail: str


class ImportResult(msgspec.Struct, frozen=True):
    """What an import did."""

    lines: Annotated[int, Meta(description="lines read, without the one that names the columns")]
    added: int
    known: int
    refused: int
    problems: Annotated[tuple[BadLine, ...], Meta(description=f"the first {limits.CSV_PROBLEMS} lines refused")]


async def list_suppressions(exchange: Exchange) -> Answer:
    """A page of the list."""
    query = cast("dict[str, Any]", exchange.query)
    limit, cursor = query.get("limit", limits.PAGE_ROWS), query.get("cursor", "")
    after = place_of(cursor)
    if cursor and after is None:
        return refusal(invalid([FieldProblem("?cursor", "invalid_cursor", "This is no cursor of this list.")]))
    process = exchange.rooms.process
    async with process.pool.acquire() as connection:
        found = await suppression.listing(
            connection, exchange.submitter.workspace_id, _wanted(exchange), after, limit + 1
        )
    shown, now = found[:limit], process.clock.now()
    following = cursor_of(suppressing.place_of(shown[-1])) if len(found) > limit else None
    return answer(SuppressionPage(tuple(view(each, now) for each in shown), following))


async def add(exchange: Exchange) -> Answer:
    """Suppress addresses: all of them, or none when one cannot be."""
    now = exchange.rooms.process.clock.now()
    aside = len(exchange.body) > limits.PARSE_ASIDE_OCTETS
    new = await asyncio.to_thread(_read, exchange.body, now) if aside else _read(exchange.body, now)
    if isinstance(new, Answer):
        return new
    added = await suppressing.add(exchange.rooms.process, exchange.submitter.workspace_id, exchange.actor, new)
    return answer(Added(added, len(new) - added), 201)


async def remove(exchange: Exchange) -> Answer:
    """Write to addresses again."""
    body = read_object(exchange.body, REMOVE_BODY)
    if isinstance(body, Answer):
        return body
    return await _remove(exchange, body["addresses"], body.get("scope"), body["reason"], "/reason")


async def remove_one(exchange: Exchange) -> Answer:
    """Write to one address again."""
    query = cast("dict[str, Any]", exchange.query)
    return await _remove(exchange, [exchange.path["address"]], query.get("scope"), query.get("reason", ""), "?reason")


async def import_csv(exchange: Exchange) -> Answer:
    """Add the addresses of a CSV file as it arrives."""
    assert exchange.arriving is not None
    query = cast("dict[str, Any]", exchange.query)
    default = Asked("", query.get("scope", ""), query.get("reason", "imported"))
    process, workspace_id = exchange.rooms.process, exchange.submitter.workspace_id
    try:
        done = await suppressing.import_csv(process, workspace_id, exchange.actor, exchange.arriving, default)
    except HeaderError as error:
        return refusal(invalid([FieldProblem("", "no_addresses", str(error))]))
    problems = tuple(BadLine(each.number, each.detail) for each in done.problems)
    known = done.lines - done.added - done.refused
    return answer(ImportResult(done.lines, done.added, known, done.refused, problems))


async def export_csv(exchange: Exchange) -> Answer:
    """The list as CSV, sent as it is read."""
    pieces = suppressing.export_csv(exchange.rooms.process, exchange.submitter.workspace_id, _wanted(exchange))
    headers = (("content-disposition", 'attachment; filename="suppressions.csv"'),)
    return Answer(200, b"", f"{CSV}; charset=utf-8", headers, pieces)


def view(row: Suppressed, now: datetime) -> SuppressionView:
    """A row as the API shows it."""
    return SuppressionView(
        address=row.address,
        scope=row.entry.scope,
        reason=row.entry.reason,
        message_id=row.message_id,
        added_by=row.added_by,
        note=row.note,
        created_at=row.created_at,
        expires_at=row.entry.expires_at,
        active=row.lasts(now),
    )


async def _remove(exchange: Exchange, addresses: list[str], scope: str | None, why: str, at: str) -> Answer:
    if not why.strip():
        return refusal(invalid([FieldProblem(at, "required", "Say why: the audit log keeps it.")]))
    process, workspace_id = exchange.rooms.process, exchange.submitter.workspace_id
    removed = await suppressing.remove(process, workspace_id, exchange.actor, addresses, scope, why.strip())
    if not removed and await suppressing.only_readers_can(process, workspace_id, addresses, scope):
        return refuse(409, suppressing.OWN_WISH)
    if not removed:
        return refuse(404, "Nothing of this kind stands against any of these addresses.")
    return answer(Removed(tuple(view(each, process.clock.now()) for each in removed)))


def _read(body: bytes, now: datetime) -> list[New] | Answer:
    value = read_object(body, ADD_BODY)
    if isinstance(value, Answer):
        return value
    problems, new = Problems(), []
    for index, item in enumerate(value["suppressions"]):
        own = Problems()
        one = suppressing.read(Asked(**item), now, f"/suppressions/{index}", own)
        for each in own.found():
            problems.add(each.pointer, each.code, each.detail)
        if one is not None:
            new.append(one)
    return refusal(invalid(problems.found())) if problems else new


def _wanted(exchange: Exchange) -> Wanted:
    query = cast("dict[str, Any]", exchange.query)
    return Wanted(query.get("address", ""), query.get("scope"), query.get("reason"), query.get("since"))


def cursor_of(place: Place) -> str:
    """A place in the list, for addresses and programs."""
    return base64.urlsafe_b64encode(msgspec.json.encode([place.address, place.scope, place.reason])).decode()


def place_of(cursor: str) -> Place | None:
    """The place a cursor stands for, None when it is none of ours."""
    try:
        place = Place(*msgspec.json.decode(base64.urlsafe_b64decode(cursor.encode()), type=tuple[str, str, str]))
    except (binascii.Error, msgspec.MsgspecError, UnicodeError, ValueError):
        return None
    return None if "\0" in place.address + place.scope + place.reason else place
