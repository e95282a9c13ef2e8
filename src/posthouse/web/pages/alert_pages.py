"""Alerts: what is wrong now and what was, each with the page where it is mended; an administrator dismisses one that was seen."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from posthouse.accounts import alerts, changes
from posthouse.accounts.alerts import Alert, Level
from posthouse.model import limits
from posthouse.model.words import Role
from posthouse.web.pages import words
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech
from posthouse.web.pages.settings_pages import tabs
from posthouse.web.pages.suppression_pages import said_by
from posthouse.web.pages.view import page, see
from posthouse.web.pages.words import N_, Word
from posthouse.web.text import Speech

LEVELS: Final = {
    Level.CRITICAL: Word(N_("Critical"), "bad", "stop", N_("Mail is stopped or refused, or soon will be.")),
    Level.WARNING: Word(N_("Warning"), "wait", "warning", N_("Look at it when you can.")),
}


@get("/alerts", include_in_schema=False)
async def alert_list(request: Page, person: Person) -> Response[str]:
    """The open ones, and below them the last ones that ended."""
    workspace_id, spoken = person.workspace.workspace_id, speech(request, person)
    async with rooms(request).process.pool.acquire() as connection:
        found = await alerts.in_force(connection, workspace_id)
        known = await alerts.latest(connection, workspace_id, limits.ALERTS_LISTED)
    return page(
        request,
        person,
        "alerts.html",
        "settings",
        open=[_line(each, spoken) for each in found[: limits.ALERTS_LISTED]],
        ended=[_line(each, spoken) for each in known if each.ended_at is not None],
        settings_tabs=tabs(person),
        tab_here="alerts",
        banner=None,  # the page itself says it all
    )


@post("/alerts/{alert_id:uuid}/dismiss", include_in_schema=False)
async def alert_dismiss(request: Page, person: Person, alert_id: FromPath[UUID]) -> Redirect:
    """Ends one that somebody has seen."""
    need(person, Role.ADMIN)
    await form(request, person)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        done = await alerts.dismiss(change.connection, change.workspace_id, alert_id, change.actor, change.now)
    return see(f"/alerts?said={'dismissed' if done else 'nothing'}")


def _line(alert: Alert, spoken: Speech) -> dict[str, Any]:
    trouble = alert.trouble
    return {
        "id": alert.alert_id,
        "level": LEVELS[trouble.level],
        "subject": trouble.subject,
        "sentence": words.alert(trouble, spoken),
        "path": trouble.path,
        "since": alert.raised_at,
        "mailed_at": alert.told_at,
        "ended_at": alert.ended_at,
        "ended_by": said_by(alert.ended_by, spoken) if alert.ended_by else "",
    }
