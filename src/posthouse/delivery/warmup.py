"""How much a new address may send: a growing number of mails each day to each provider, until receivers know it. Pure.

Days are dates in UTC. Mail of the transactional pool is never held back for it (requirement LUX-73).
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import date, timedelta

from posthouse.model.values import dataclass
from posthouse.model.words import Pool

OTHERS = ""
"""The provider of all receivers without one: they are counted together."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Most mails on the first day, the second, and so on; after the last day there is no limit any more."""

    name: str
    daily: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Warming:
    """An address that follows a plan since a day (its first)."""

    source: str
    since: date
    plan: str


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a forecast: what may go (None: all), what goes, what is left in the evening."""

    day: date
    cap: int | None
    sent: int
    left: int


def cap(plan: Plan, since: date, today: date) -> int | None:
    """How many mails may go today; None when the address is warm."""
    number = (today - since).days
    if number < 0:
        return 0  # its time has not come
    return plan.daily[number] if number < len(plan.daily) else None


def forecast(plan: Plan, since: date, backlog: int, today: date, days: int) -> list[Day]:
    """How a backlog would leave from today on: until nothing is left, at most for `days`."""
    found: list[Day] = []
    left = backlog
    for day in (today + timedelta(days=number) for number in range(days)):
        most = cap(plan, since, day)
        sent = left if most is None else min(most, left)
        left -= sent
        found.append(Day(day, most, sent, left))
        if left == 0:
            break
    return found


@dataclass(frozen=True, slots=True)
class Warmups:
    """Which addresses are being warmed up, and how: `plans` by name, then by provider, `OTHERS` for all without their own."""

    plans: Mapping[str, Mapping[str, Plan]] = field(default_factory=dict)
    sources: Mapping[str, Warming] = field(default_factory=dict)

    def plan(self, source: str, provider: str) -> tuple[Plan, date] | None:
        """The plan an address follows with a provider, and since when; None for an address that is not being warmed up."""
        warming = self.sources.get(source)
        if warming is None:
            return None
        plans = self.plans[warming.plan]
        return plans.get(provider, plans[OTHERS]), warming.since

    def cap(self, pool: Pool, source: str, provider: str, today: date) -> int | None:
        """How many mails of this pool may go today from an address to a provider; None: no limit."""
        if pool is Pool.TRANSACTIONAL:
            return None
        found = self.plan(source, provider)
        return None if found is None else cap(*found, today)

    def under(self, over: "Warmups") -> "Warmups":
        """These with others laid over them: whole addresses, and plans provider by provider."""
        plans = {
            name: {**self.plans.get(name, {}), **over.plans.get(name, {})}
            for name in (*self.plans, *(name for name in over.plans if name not in self.plans))
        }
        return Warmups(plans, {**self.sources, **over.sources})
