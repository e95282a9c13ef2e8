"""When a schedule is due: each day, or one day of the week or month, at an hour of a time zone. Pure."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

LAST_DAY: Final = 28  # every month has it


class Every(StrEnum):
    """How often."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`on_day`: of the week from Monday as 1, or of the month up to LAST_DAY; 0 for every day."""

    every: Every
    on_day: int
    hour: int
    zone: str

    def is_sound(self) -> bool:
        """Whether there is such a time."""
        days = {Every.DAY: range(1), Every.WEEK: range(1, 8), Every.MONTH: range(1, LAST_DAY + 1)}
        return self.on_day in days[self.every] and self.hour in range(24)


def next_after(rhythm: Rhythm, moment: datetime) -> datetime:
    """The first time it is due after `moment`, in UTC. An hour that the clocks leave out comes an hour later."""
    zone = ZoneInfo(rhythm.zone)
    day = moment.astimezone(zone).date()
    while True:
        due = _at(day, rhythm.hour, zone)
        if due > moment and _fits(rhythm, day):
            return due
        day += timedelta(days=1)


def latest(rhythm: Rhythm, first: datetime, now: datetime) -> datetime:
    """The last time it was due up to `now`, `first` at least: what was missed while nobody worked is made up for in one."""
    due = first
    while (following := next_after(rhythm, due)) <= now:
        due = following
    return due


def _at(day: date, hour: int, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=zone).astimezone(UTC)


def _fits(rhythm: Rhythm, day: date) -> bool:
    match rhythm.every:
        case Every.DAY:
            return True
        case Every.WEEK:
            return day.isoweekday() == rhythm.on_day
        case Every.MONTH:
            return day.day == rhythm.on_day
