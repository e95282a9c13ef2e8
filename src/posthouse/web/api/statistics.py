"""What happened by day: all mail, or the mail of one class."""

from datetime import date
from typing import Annotated, Any, cast
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from msgspec import Meta

from posthouse.ledger import timeline
from posthouse.model.errors import FieldProblem
from posthouse.model.limits import STATISTICS_DAYS_DEFAULT
from posthouse.model.words import EventKind, MailClass
from posthouse.web.api.exchange import Answer, Exchange, answer
from posthouse.web.api.problems import invalid, refusal


class DayCounts(msgspec.Struct, frozen=True):
    """One day."""

    day: date
    events: Annotated[dict[EventKind, int], Meta(description="how often what happened; what did not is left out")]


class Statistics(msgspec.Struct, frozen=True, rename={"mail_class": "class"}):
    """Days in order, today last; a day on which nothing happened is there too."""

    mail_class: Annotated[MailClass | None, Meta(description="null: mail of every class")]
    zone: Annotated[str, Meta(description="the time zone in which days begin")]
    days: tuple[DayCounts, ...]


async def statistics(exchange: Exchange) -> Answer:
    """Events by day."""
    query = cast("dict[str, Any]", exchange.query)
    zone, mail_class = query.get("zone", "UTC"), query.get("class")
    if zone not in available_timezones():
        detail = "This is not the name of a time zone such as Europe/Copenhagen."
        return refusal(invalid([FieldProblem("?zone", "unknown_zone", detail)]))
    process, days = exchange.rooms.process, query.get("days", STATISTICS_DAYS_DEFAULT)
    wanted = MailClass(mail_class) if mail_class else None
    async with process.pool.acquire() as connection:
        counted = await timeline.by_day(
            connection, exchange.submitter.workspace_id, process.clock.now(), days, ZoneInfo(zone), wanted
        )
    return answer(Statistics(wanted, zone, tuple(DayCounts(day, events) for day, events in counted.items())))
