"""Invalid addresses: the list, newest first, as a file for those who keep the customers' files, and taking one off it."""

from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.response import Redirect, Stream

from posthouse.accounts.sign_in import SignedIn
from posthouse.intake import suppressing, suppression_csv
from posthouse.ledger import invalid
from posthouse.ledger.invalid import Invalid
from posthouse.model import limits
from posthouse.model.words import Role
from posthouse.runtime.process import Process
from posthouse.web.api.invalid_addresses import COLUMNS, cells, view
from posthouse.web.pages import query
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.suppression_files import csv_file
from posthouse.web.pages.suppression_pages import TABS, said_by
from posthouse.web.pages.view import by_field, page, see
from posthouse.web.pages.words import SUPPRESSION_REASONS
from posthouse.web.text import Speech

_PER_PAGE: Final = 50


@get("/suppressions/invalid", include_in_schema=False)
async def invalid_list(request: Page, person: Person) -> Response[str]:
    """A page of the list, newest first."""
    spoken, beginning = speech(request, person), query.text(request.query_params, "address")
    written = request.query_params.get("before", "")
    before = int(written) if written.isascii() and written.isdigit() and len(written) < 19 else None
    async with rooms(request).process.pool.acquire() as connection:
        found = await invalid.newest(connection, person.workspace.workspace_id, before, _PER_PAGE + 1, beginning)
    shown = found[:_PER_PAGE]
    older = {"address": beginning, "before": str(shown[-1].place)} if len(found) > _PER_PAGE else None
    return page(
        request,
        person,
        "invalid.html",
        "suppressions",
        listed=[_line(each, spoken) for each in shown],
        older=_link(older) if older else "",
        newer=_link({"address": beginning}) if before else "",
        address=beginning,
        tabs=TABS,
        tab_here="invalid",
    )


@get("/suppressions/invalid/export", include_in_schema=False)
async def invalid_export(request: Page, person: Person) -> Stream:
    """All of them as CSV."""
    return csv_file(_csv(rooms(request).process, person.workspace.workspace_id), "invalid-addresses.csv")


@get("/suppressions/invalid/clear", include_in_schema=False)
async def invalid_clear_page(request: Page, person: Person) -> Response[str]:
    """Asks what was found out about the address."""
    need(person, Role.ADMIN)
    return _form(request, person, {"address": query.text(request.query_params, "address")})


@post("/suppressions/invalid/clear", status_code=200, include_in_schema=False)
async def invalid_clear(request: Page, person: Person) -> Response[str] | Redirect:
    """Takes it off the list."""
    need(person, Role.ADMIN)
    fields = await form(request, person)
    values = {name: text(fields, name) for name in ("address", "found", "new_address", "reason")}
    spoken = speech(request, person)
    errors: dict[str, list[str]] = {}
    if not values["reason"]:
        errors["reason"] = [spoken.say("Say why: the audit log keeps it.")]
    if values["found"] not in ("new", "exists"):
        errors["found"] = [spoken.say("Choose one of these.")]
    if values["found"] == "new" and not values["new_address"]:
        errors["new_address"] = [spoken.say("Give the new address.")]
    if errors:
        return _form(request, person, values, status=422, errors=errors)
    new_address = values["new_address"] if values["found"] == "new" else ""
    why = values["reason"][: limits.OPERATOR_REASON_CHARS]
    process, workspace_id = rooms(request).process, person.workspace.workspace_id
    cleared = await suppressing.clear(process, workspace_id, person.actor, values["address"], new_address, why)
    if isinstance(cleared, tuple):
        return _form(request, person, values, status=422, errors=by_field(cleared, spoken))
    return see(f"/suppressions/invalid?said={'cleared' if cleared else 'nothing'}")


async def _csv(process: Process, workspace_id: UUID) -> AsyncIterator[bytes]:
    yield suppression_csv.write([COLUMNS])
    place = 0
    while True:
        async with process.pool.acquire() as connection:
            found = await invalid.after(connection, workspace_id, place, limits.CSV_BATCH)
        if not found:
            return
        yield suppression_csv.write(cells(view(each)) for each in found)
        place = found[-1].place


def _form(request: Page, person: SignedIn, values: dict[str, str], **context: Any) -> Response[str]:  # noqa: ANN401
    empty = {"address": "", "found": "new", "new_address": "", "reason": ""}
    return page(request, person, "invalid_clear.html", "suppressions", form=empty | values, **context)


def _line(row: Invalid, spoken: Speech) -> dict[str, Any]:
    return {
        "address": row.address,
        "reason": spoken.say(SUPPRESSION_REASONS[row.reason]),
        "note": row.note,
        "by": said_by(row.said_by, spoken),
        "since": row.since,
        "message_id": row.message_id,
        "external_id": row.external_id,
        "clear": "/suppressions/invalid/clear?" + query.encoded({"address": row.address}),
    }


def _link(values: dict[str, str]) -> str:
    said = query.encoded(values)
    return "/suppressions/invalid" + (f"?{said}" if said else "")
