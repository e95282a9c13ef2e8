"""Alerts by JSON: what administrators have to know, and that one of them has seen it."""

from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

import msgspec
from msgspec import Meta

from posthouse.accounts import alerts, changes
from posthouse.accounts.alerts import Alert, Level
from posthouse.model import limits
from posthouse.web.api.exchange import Answer, Exchange, answer
from posthouse.web.api.problems import refuse


class AlertView(msgspec.Struct, frozen=True):
    """One alert."""

    id: UUID
    kind: Annotated[str, Meta(description="what is wrong, as in domain.incomplete")]
    subject: Annotated[str, Meta(description="with what: a domain, an address, a pool")]
    level: Annotated[Level, Meta(description="critical: mail is stopped or refused, or soon will be")]
    sentence: Annotated[str, Meta(description="what a person reads")]
    path: Annotated[str, Meta(description="the page where it is seen and mended")]
    raised_at: datetime
    mailed_at: Annotated[datetime | None, Meta(description="when administrators were written to at this level")]
    ended_at: Annotated[datetime | None, Meta(description="null: it is open")]
    ended_by: str | None


class Alerts(msgspec.Struct, frozen=True):
    """Open ones first: critical before warnings, then the newest."""

    alerts: tuple[AlertView, ...]


async def list_alerts(exchange: Exchange) -> Answer:
    """The open ones, or the ended ones too."""
    query, workspace_id = cast("dict[str, Any]", exchange.query), exchange.submitter.workspace_id
    pool = exchange.rooms.process.pool
    if query.get("state", "open") == "open":
        found = (await alerts.in_force(pool, workspace_id))[: limits.ALERTS_LISTED]
    else:
        found = await alerts.latest(pool, workspace_id, limits.ALERTS_LISTED)
    return answer(Alerts(tuple(map(view, found))))


async def dismiss(exchange: Exchange) -> Answer:
    """End an alert that somebody has seen."""
    unknown = refuse(404, "There is no such open alert in the workspace.")
    alert_id = exchange.path_id
    if alert_id is None:
        return unknown
    process, who = exchange.rooms.process, exchange.actor
    async with changes.making(process, exchange.submitter.workspace_id, who) as change:
        done = await alerts.dismiss(change.connection, change.workspace_id, alert_id, who, change.now)
    return Answer(204, b"") if done else unknown


def view(each: Alert) -> AlertView:
    """An alert as the API shows it."""
    trouble = each.trouble
    return AlertView(
        id=each.alert_id,
        kind=trouble.kind,
        subject=trouble.subject,
        level=trouble.level,
        sentence=trouble.sentence,
        path=trouble.path,
        raised_at=each.raised_at,
        mailed_at=each.told_at,
        ended_at=each.ended_at,
        ended_by=each.ended_by,
    )
