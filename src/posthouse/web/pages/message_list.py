"""The list of messages: newest first, searched and filtered by its address, refreshing itself while it shows the newest."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from litestar import Response, get

from posthouse.model.words import State
from posthouse.outbox import messages
from posthouse.outbox.messages import Filters, Listed
from posthouse.runtime.postgres import Connection
from posthouse.web.pages import query, words
from posthouse.web.pages.query import UNSETTLED, UNSETTLED_STATES, Asked
from posthouse.web.pages.session import Page, Person, rooms, speech
from posthouse.web.pages.view import page, part
from posthouse.web.pages.words import CLASSES, N_, SOURCES

_PER_PAGE: Final = 50
_TABS: Final = (
    ("", N_("All")),
    (UNSETTLED, N_("In the queue")),
    (State.DELIVERED, N_("Delivered")),
    (State.WAITING, N_("Waiting")),
    (State.BOUNCED, N_("Bounced")),
    (State.EXPIRED, N_("Expired")),
    (State.HELD, N_("Held")),
    (State.SUPPRESSED, N_("Suppressed")),
    (State.CANCELLED, N_("Cancelled")),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the list."""

    id: UUID
    to: str
    others: int
    several: bool
    states: list[tuple[State, int]]
    subject: str
    tags: tuple[str, ...]
    accepted_at: datetime


@get("/messages", include_in_schema=False)
async def message_list(request: Page, person: Person) -> Response[str]:
    """The page, or its rows alone for the refresh."""
    asked = query.read(request.query_params, speech(request, person).zone)
    async with rooms(request).process.pool.acquire() as connection:
        found = await search(connection, person.workspace.workspace_id, asked, _PER_PAGE + 1)
    shown = found[:_PER_PAGE]
    context: dict[str, Any] = {
        "listed": [_line(listed) for listed in shown],
        "older": asked.link(after=str(shown[-1].message.message_id)) if len(found) > _PER_PAGE else "",
        "newer": asked.link() if asked.after else "",
        "filters": asked.filters,
        "narrowed": asked.narrowed or asked.unsettled,
    }
    if "hx-request" in request.headers and asked.after is None:
        return part(request, person, "messages_rows.html", **context)
    return page(request, person, "messages.html", "messages", **context, **_frame(asked))


def _frame(asked: Asked) -> dict[str, Any]:
    """What stands around the rows."""
    current = asked.kept.get("state", "")
    tabs = [{"label": label, "href": asked.link(state=state), "current": current == state} for state, label in _TABS]
    return {
        "tabs": tabs,
        "kept": asked.kept,
        "query": asked.filters.query,
        "sources": SOURCES,
        "classes": CLASSES,
        "live": asked.after is None,
        "here_url": asked.link(),
    }


async def search(connection: Connection, workspace_id: UUID, asked: Asked, limit: int) -> list[Listed]:
    """At most `limit` messages. "In the queue" is four states, each looked up through its own index, then merged."""
    if not asked.unsettled:
        return await messages.search(connection, workspace_id, asked.filters, asked.after, limit)
    found: dict[UUID, Listed] = {}
    for state in UNSETTLED_STATES:
        filters = _with_state(asked.filters, state)
        for listed in await messages.search(connection, workspace_id, filters, asked.after, limit):
            found[listed.message.message_id] = listed
    return [found[key] for key in sorted(found, reverse=True)[:limit]]


def _with_state(filters: Filters, state: State) -> Filters:
    return replace(filters, state=state)


def _line(listed: Listed) -> Line:
    message = listed.message
    return Line(
        id=message.message_id,
        to=listed.recipients[0].address if listed.recipients else "",
        others=message.recipient_count - 1,
        several=message.recipient_count > 1,
        states=words.in_order(listed.states)[:3],
        subject=message.subject,
        tags=message.tags[:3],
        accepted_at=message.accepted_at,
    )
