"""When bounces or complaints are too many: rates over a day against two marks each. Pure.

What is judged is a pool, the From domain of bulk mail, a mailing, or what one provider says about marketing. At the first mark administrators are
warned, at the second the mail is paused until a person resumes it. Few mails prove nothing: below `least` nothing is said.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

WINDOW_H: Final = 24


class Scope(StrEnum):
    """What kind of thing a breaker watches."""

    POOL = "pool"
    DOMAIN = "domain"  # of From, in every pool but the transactional one
    PROVIDER = "provider"  # of the recipients, marketing only
    MAILING = "mailing"  # marketing under one name, in every pool


class Measure(StrEnum):
    """What is counted against a breaker."""

    BOUNCES = "bounces"  # hard ones, of all that was sent
    COMPLAINTS = "complaints"  # of all that was delivered


class Standing(StrEnum):
    """What a rate means, in rising order."""

    FEW = "few"
    GOOD = "good"
    WARNING = "warning"
    TOO_HIGH = "too_high"


_RISING: Final = tuple(Standing)


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that is judged by itself."""

    scope: Scope
    name: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What happened within a window."""

    sent: int = 0
    delivered: int = 0
    hard_bounces: int = 0
    complaints: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.sent + other.sent,
            self.delivered + other.delivered,
            self.hard_bounces + other.hard_bounces,
            self.complaints + other.complaints,
        )


@dataclass(frozen=True, slots=True)
class Marks:
    """In percent: from here on somebody is told, and from here on mail is paused."""

    warn: float
    pause: float


@dataclass(frozen=True, slots=True)
class Rate:
    """One measure of one subject. Without marks it is shown and never judged."""

    measure: Measure
    times: int
    of: int
    marks: Marks | None
    standing: Standing

    @property
    def percent(self) -> float:
        """0 while there is nothing to divide by."""
        return 100 * self.times / self.of if self.of else 0.0


def rate(measure: Measure, tally: Tally, marks: Marks | None, least: int) -> Rate:
    """The rate of one measure and what it means. A rate that is exactly at a mark has reached it."""
    bounces = measure is Measure.BOUNCES
    times, of = (tally.hard_bounces, tally.sent) if bounces else (tally.complaints, tally.delivered)
    return Rate(measure, times, of, marks, _standing(times, of, marks, tally.sent >= least))


def worst(rates: Iterable[Rate]) -> Standing:
    """The standing of a subject: that of its worst rate."""
    return max((each.standing for each in rates), key=_RISING.index)


def gathered(parts: Iterable[tuple[Subject, Tally]]) -> dict[Subject, Tally]:
    """Parts of the same subject as one."""
    found: dict[Subject, Tally] = defaultdict(Tally)
    for subject, tally in parts:
        found[subject] += tally
    return dict(found)


def _standing(times: int, of: int, marks: Marks | None, enough: bool) -> Standing:
    if not enough:
        return Standing.FEW
    if marks is None or not times:
        return Standing.GOOD
    if _reaches(times, of, marks.pause):
        return Standing.TOO_HIGH
    return Standing.WARNING if _reaches(times, of, marks.warn) else Standing.GOOD


def _reaches(times: int, of: int, percent: float) -> bool:
    # 0.3 % of 1,000 is 3 whatever binary fractions make of it. More complaints than deliveries reach every mark.
    return 100 * times >= round(percent * of, 6)
