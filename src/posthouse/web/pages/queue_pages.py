"""The queue's health: how much waits for which destination and for how long, and what is suspended."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from litestar import Response, get

from posthouse.outbox import shape
from posthouse.outbox.operator import CANCEL, HOLD, RELEASE, RETRY
from posthouse.outbox.shape import AGES_MINUTES, ShapeRow
from posthouse.web.pages import query, suspension_pages
from posthouse.web.pages.query import UNSETTLED, UNSETTLED_STATES
from posthouse.web.pages.queue_acts import LABELS
from posthouse.web.pages.session import Page, Person, rooms, speech
from posthouse.web.pages.view import page, part
from posthouse.web.text import Speech

_SHOWN: Final = 50  # destinations on the page; the fullest come first
_ICONS: Final = {RETRY.name: "retry", HOLD.name: "pause", RELEASE.name: "play", CANCEL.name: "slash"}
_OLD_MINUTES: Final = (20, 160)  # where a cell begins to look worried, and where it looks alarmed


@get("/queue", include_in_schema=False)
async def queue_page(request: Page, person: Person) -> Response[str]:
    """The page, or its changing part alone."""
    process, workspace_id = rooms(request).process, person.workspace.workspace_id
    spoken = speech(request, person)
    async with process.pool.acquire() as connection:
        rows = await shape.shape(connection, workspace_id, spoken.now)
        counts = await shape.counts(connection, workspace_id)
        stopped = await suspension_pages.in_force(connection, person, spoken)
    context: dict[str, Any] = {
        "suspensions": stopped,
        "shape": [_row(row, spoken) for row in rows[:_SHOWN]],
        "more": max(0, len(rows) - _SHOWN),
        "counts": [{"state": state, "mails": counts.get(state, 0)} for state in UNSETTLED_STATES],
        "ages": [{"label": label} for label in _age_labels()],
        "total": _total(rows),
        "acts": [{"name": name, "label": LABELS[name], "icon": icon} for name, icon in _ICONS.items()],
    }
    if "hx-request" in request.headers:
        return part(request, person, "queue_live.html", **context)
    return page(request, person, "queue.html", "queue", **context)


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
