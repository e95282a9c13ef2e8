"""Addresses nobody can be written to: read on from where one stopped, as JSON or CSV, and cleared."""

from datetime import datetime
from typing import Annotated, Any, Final, cast
from uuid import UUID

import msgspec
from msgspec import Meta

from posthouse.intake import suppressing, suppression_csv
from posthouse.ledger import invalid as invalid_list
from posthouse.ledger.invalid import Invalid
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.web.api.bodies import read_object
from posthouse.web.api.exchange import CSV, Answer, Exchange, answer
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.web.api.suppressions import ADDRESS, WHY

CLEAR_BODY: Final[Schema] = {
    "type": "object",
    "properties": {
        "address": ADDRESS,
        "new_address": {
            **ADDRESS,
            "description": "where its owner is written to instead; the old address stays blocked. Left out: it was found to exist"
            " and is written to again",
        },
        "reason": {**WHY, "description": "kept in the audit log"},
    },
    "required": ["address", "reason"],
    "additionalProperties": False,
}
COLUMNS: Final = ("address", "reason", "date", "message_id", "external_id", "said_by", "note")


class InvalidView(msgspec.Struct, frozen=True):
    """One invalid address."""

    address: str
    reason: Annotated[str, Meta(description="hard_bounce: a receiver said so; invalid: a person or a program did")]
    date: datetime
    message_id: Annotated[UUID | None, Meta(description="the last message to it, which showed that it is invalid")]
    external_id: Annotated[str, Meta(description="`external_id` in that message's metadata, else empty")]
    said_by: str
    note: str


class InvalidPage(msgspec.Struct, frozen=True):
    """The next invalid addresses."""

    addresses: tuple[InvalidView, ...]
    next: Annotated[str, Meta(description="`cursor` to go on with, now or when there may be new ones")]
    more: Annotated[bool, Meta(description="whether there are more already")]


class Cleared(msgspec.Struct, frozen=True):
    """The address is off the list."""

    address: str
    new_address: str


async def list_invalid(exchange: Exchange) -> Answer:
    """What has become invalid after the cursor, in the order in which it became known here."""
    page = await _page(exchange)
    return page if isinstance(page, Answer) else answer(page)


async def export_invalid(exchange: Exchange) -> Answer:
    """The same as CSV; where to go on is in the headers."""
    page = await _page(exchange)
    if isinstance(page, Answer):
        return page
    headers = (
        ("next-cursor", page.next),
        ("more", "true" if page.more else "false"),
        ("content-disposition", 'attachment; filename="invalid-addresses.csv"'),
    )
    body = suppression_csv.write([COLUMNS, *map(cells, page.addresses)])
    return Answer(200, body, f"{CSV}; charset=utf-8", headers)


async def _page(exchange: Exchange) -> InvalidPage | Answer:
    query = cast("dict[str, Any]", exchange.query)
    cursor, limit = query.get("cursor") or "0", query.get("limit", limits.SUPPRESSIONS_PAGE)
    if not (cursor.isascii() and cursor.isdigit()):
        return refusal(invalid([FieldProblem("?cursor", "invalid_cursor", "This is no cursor of this list.")]))
    async with exchange.rooms.process.pool.acquire() as connection:
        found = await invalid_list.after(
            connection, exchange.submitter.workspace_id, int(cursor), limit + 1, query.get("since")
        )
    shown = found[:limit]
    following = str(shown[-1].place) if shown else cursor
    return InvalidPage(tuple(map(view, shown)), following, more=len(found) > limit)


async def clear(exchange: Exchange) -> Answer:
    """Take an address from the list."""
    body = read_object(exchange.body, CLEAR_BODY)
    if isinstance(body, Answer):
        return body
    address, new_address = body["address"], body.get("new_address", "")
    process, workspace_id = exchange.rooms.process, exchange.submitter.workspace_id
    cleared = await suppressing.clear(process, workspace_id, exchange.actor, address, new_address, body["reason"])
    if isinstance(cleared, tuple):
        return refusal(invalid(cleared))
    if not cleared:
        return refuse(404, "This address is not on the list of invalid ones.")
    return answer(Cleared(suppressing.canonical(address), suppressing.canonical(new_address) if new_address else ""))


def view(each: Invalid) -> InvalidView:
    """A row as the API shows it."""
    return InvalidView(
        each.address, each.reason, each.since, each.message_id, each.external_id, each.said_by, each.note
    )


def cells(each: InvalidView) -> list[str]:
    """A row as the file has it, in the order of COLUMNS."""
    return [
        each.address,
        each.reason,
        suppression_csv.time(each.date),
        str(each.message_id or ""),
        each.external_id,
        each.said_by,
        each.note,
    ]
