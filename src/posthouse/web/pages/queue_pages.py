"""The queue's health: how much waits for which destination and for how long, and what an operator can do about it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from posthouse.intake import operate
from posthouse.model.words import Role
from posthouse.outbox import operator, shape
from posthouse.outbox.operator import ACTIONS, CANCEL, HOLD, RELEASE, RETRY, Action, Selection
from posthouse.outbox.shape import AGES_MINUTES, ShapeRow
from posthouse.web.pages import query, story
from posthouse.web.pages.query import UNSETTLED, UNSETTLED_STATES
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.view import page, part, see
from posthouse.web.pages.words import N_
from posthouse.web.text import Speech

_SHOWN: Final = 50  # destinations on the page; the fullest come first
_ACTS: Final = (
    (RETRY, N_("Retry now"), "retry"),
    (HOLD, N_("Hold"), "pause"),
    (RELEASE, N_("Release"), "play"),
    (CANCEL, N_("Cancel"), "slash"),
)
_OLD_MINUTES: Final = (20, 160)  # where a cell begins to look worried, and where it looks alarmed


@get("/queue", include_in_schema=False)
async def queue_page(request: Page, person: Person) -> Response[str]:
    """The page, or its changing part alone."""
    process, workspace_id = rooms(request).process, person.workspace.workspace_id
    spoken = speech(request, person)
    async with process.pool.acquire() as connection:
        rows = await shape.shape(connection, workspace_id, spoken.now)
        counts = await shape.counts(connection, workspace_id)
    context: dict[str, Any] = {
        "shape": [_row(row, spoken) for row in rows[:_SHOWN]],
        "more": max(0, len(rows) - _SHOWN),
        "counts": [{"state": state, "mails": counts.get(state, 0)} for state in UNSETTLED_STATES],
        "ages": [{"label": label} for label in _age_labels()],
        "total": _total(rows),
        "acts": [{"name": action.name, "label": label, "icon": icon} for action, label, icon in _ACTS],
    }
    if "hx-request" in request.headers:
        return part(request, person, "queue_live.html", **context)
    return page(request, person, "queue.html", "queue", **context)


@get("/queue/{name:str}", include_in_schema=False)
async def queue_act_page(request: Page, person: Person, name: FromPath[str]) -> Response[str]:
    """Says what the action would touch, and asks."""
    need(person, Role.SENDER)
    action, label = _action(name)
    domain = query.text(request.query_params, "domain")
    if not domain:
        raise NotFoundException
    spoken = speech(request, person)
    async with rooms(request).process.pool.acquire() as connection:
        touched = await operator.count(connection, person.workspace.workspace_id, action, Selection(domain=domain))
    sentence = story.touches(action, touched, spoken) if touched else spoken.say("There is nothing to do it to.")
    return page(
        request,
        person,
        "sure.html",
        "queue",
        heading=f"{spoken.say(label)}: {domain}",
        back="/queue",
        back_label=spoken.say("Queue"),
        touches=(sentence, spoken.say("Mail that is being sent at this moment is not touched.")),
        tone="bad" if action is CANCEL else "wait",
        action=f"/queue/{name}",
        fields={"domain": domain},
        label=spoken.say(label),
        look="danger sure" if action is CANCEL else "",
        possible=touched > 0,
    )


@post("/queue/{name:str}", include_in_schema=False)
async def queue_act(request: Page, person: Person, name: FromPath[str]) -> Redirect:
    """Does it to everything queued for the destination."""
    need(person, Role.SENDER)
    action, _ = _action(name)
    domain = text(await form(request, person), "domain")
    if not domain:
        raise NotFoundException
    selection = Selection(domain=domain)
    workspace_id = person.workspace.workspace_id
    touched = await operate.apply(rooms(request).process, workspace_id, action, selection, person.actor)
    return see(f"/queue?said={name if touched else 'nothing'}")


def _action(name: str) -> tuple[Action, str]:
    if name not in ACTIONS:
        raise NotFoundException
    return next((action, label) for action, label, _ in _ACTS if action.name == name)


def _age_labels() -> list[str]:
    return [f"≤{AGES_MINUTES[0]}", *(str(age) for age in AGES_MINUTES[1:]), f">{AGES_MINUTES[-1]}"]


def _row(row: ShapeRow, spoken: Speech) -> dict[str, Any]:
    cells = [
        {"mails": mails, "href": _behind(row.domain, bucket, spoken.now), "heat": _heat(bucket) if mails else "zero"}
        for bucket, mails in enumerate(row.buckets)
    ]
    return {
        "domain": row.domain,
        "total": row.total,
        "href": query.link(state=UNSETTLED, domain=row.domain),
        "cells": cells,
    }


def _behind(domain: str, bucket: int, now: datetime) -> str:
    """The list of the messages a cell counts."""
    youngest = AGES_MINUTES[bucket - 1] if bucket else None
    oldest = AGES_MINUTES[bucket] if bucket < len(AGES_MINUTES) else None
    since = (now - timedelta(minutes=oldest)).isoformat(timespec="seconds") if oldest else ""
    until = (now - timedelta(minutes=youngest)).isoformat(timespec="seconds") if youngest else ""
    return query.link(state=UNSETTLED, domain=domain, since=since, until=until)


def _heat(bucket: int) -> str:
    age = AGES_MINUTES[min(bucket, len(AGES_MINUTES) - 1)]
    return "h3" if age > _OLD_MINUTES[1] else "h2" if age > _OLD_MINUTES[0] else ""


def _total(rows: Sequence[ShapeRow]) -> dict[str, Any]:
    cells = [sum(row.buckets[bucket] for row in rows) for bucket in range(len(AGES_MINUTES) + 1)]
    return {"total": sum(cells), "cells": cells}
