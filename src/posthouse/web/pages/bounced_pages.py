"""Bounced addresses: the list by type and time, counted, and as a file."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from litestar import Response, get
from litestar.response import Stream

from posthouse.ledger import bounced
from posthouse.ledger.bounced import Bounced, BounceType, Wanted
from posthouse.web.api.bounced import csv_of, cursor_of, place_of
from posthouse.web.pages import query
from posthouse.web.pages.session import Page, Person, rooms, speech
from posthouse.web.pages.suppression_files import csv_file
from posthouse.web.pages.suppression_pages import TABS
from posthouse.web.pages.view import page
from posthouse.web.pages.words import BOUNCE_TYPES, CAUSES, N_
from posthouse.web.text import Speech

_PER_PAGE: Final = 50
_TYPES: Final = (
    ("", N_("Hard and soft")),
    (BounceType.HARD, N_("Hard")),
    (BounceType.SOFT, N_("Soft")),
    (BounceType.BLOCKED, N_("Blocked")),
)
_TIMES: Final = (
    ("", N_("At any time")),
    ("after", N_("Since")),
    ("before", N_("Before")),
    ("between", N_("From … to …")),
    ("on", N_("On the day")),
    ("not", N_("Not on the day")),
)


@get("/suppressions/bounced", include_in_schema=False)
async def bounced_list(request: Page, person: Person) -> Response[str]:
    """A page of the list, the last bounced first."""
    spoken, workspace_id = speech(request, person), person.workspace.workspace_id
    kept, wanted = _read(request.query_params, spoken)
    before = place_of(request.query_params.get("after", ""))
    async with rooms(request).process.pool.acquire() as connection:
        found = await bounced.listing(connection, workspace_id, wanted, before, _PER_PAGE + 1)
        total = await bounced.count(connection, workspace_id, wanted)
        blocked = await bounced.count(connection, workspace_id, replace(wanted, type=BounceType.BLOCKED))
    shown = found[:_PER_PAGE]
    older = cursor_of(shown[-1]) if len(found) > _PER_PAGE else ""
    return page(
        request,
        person,
        "bounced.html",
        "suppressions",
        listed=[_line(each, spoken) for each in shown],
        older=_link(kept | {"after": older}) if older else "",
        newer=_link(kept) if before else "",
        total=total,
        blocked="" if wanted.type is BounceType.BLOCKED or not blocked else _link(kept | {"type": BounceType.BLOCKED}),
        blocked_total=blocked,
        export="/suppressions/bounced/export?" + query.encoded(kept),
        kept=dict.fromkeys(("address", "type", "when", "day", "to"), "") | kept,
        narrowed=bool(kept),
        types=_TYPES,
        times=_TIMES,
        tabs=TABS,
        tab_here="bounced",
    )


@get("/suppressions/bounced/export", include_in_schema=False)
async def bounced_export(request: Page, person: Person) -> Stream:
    """The list as the page's filters narrow it."""
    _, wanted = _read(request.query_params, speech(request, person))
    pieces = csv_of(rooms(request).process, person.workspace.workspace_id, wanted)
    return csv_file(pieces, "bounced-addresses.csv")


def _read(params: Any, spoken: Speech) -> tuple[dict[str, str], Wanted]:  # noqa: ANN401 - a mapping of texts
    """The filters of an address as they were written, and understood; what cannot be read is as if it were not there."""
    kept = {name: query.text(params, name) for name in ("address", "type", "when", "day", "to")}
    bounce_type = query.word(BounceType, kept["type"])
    first, past = (query.moment_of(kept["day"], spoken.zone, days) for days in (0, 1))
    last = query.moment_of(kept["to"], spoken.zone, 1)
    span = {
        "after": (first, None),
        "before": (None, first),
        "between": (first, last),
        "on": (first, past),
        "not": (first, past),
    }.get(kept["when"], (None, None))
    if span == (None, None):
        kept["when"] = kept["day"] = ""
    if kept["when"] != "between":
        kept["to"] = ""
    kept["type"] = bounce_type or ""
    wanted = Wanted(bounce_type, *span, outside=kept["when"] == "not", beginning=kept["address"])
    return {name: value for name, value in kept.items() if value}, wanted


def _line(row: Bounced, spoken: Speech) -> dict[str, Any]:
    cause = CAUSES.get(row.reason)
    return {
        "address": row.address,
        "type": BOUNCE_TYPES[row.type],
        "cause": spoken.say(cause) if cause else "",
        "said": row.said,
        "bounces": row.bounces,
        "last": row.last_at,
        "again": row.last_at - row.first_at > timedelta(0),
        "first": row.first_at,
        "message_id": row.message_id,
        "external_id": row.external_id,
    }


def _link(values: dict[str, str]) -> str:
    said = query.encoded(values)
    return "/suppressions/bounced" + (f"?{said}" if said else "")
