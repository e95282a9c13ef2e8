"""What happens in one simulation, drawn from its seed before it begins: machines, receivers, mail, and the weather."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.sim.receivers import FATES, Mood

LOAD_S: Final = 15.0  # mail comes in
WEATHER_S: Final = 30.0  # things go wrong
SETTLE_S: Final = 400.0  # then everything must come to an end
POOLS: Final = ("transactional", "notification", "marketing")


@dataclass(frozen=True, slots=True)
class Plan:
    """One message to be submitted."""

    at: float
    workspace: int
    domain: str
    recipients: tuple[str, ...]
    priority: int
    mail_class: str
    send_after_s: float | None
    lifetime_s: float | None
    retries: int  # how often the client repeats it with the same idempotency key


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that happens to one seat (by number) or to all, and how long it lasts."""

    at: float
    kind: str
    victim: int
    lasts_s: float


@dataclass(slots=True)
class Scenario:
    """Everything a seed decides beforehand."""

    machines: list[tuple[str, ...]] = field(default_factory=list)  # roles on each
    skews: list[float] = field(default_factory=list)
    sites: dict[str, list[str]] = field(default_factory=dict)  # site -> its hosts
    domains: dict[str, str] = field(default_factory=dict)  # domain -> site
    moods: dict[str, Mood] = field(default_factory=dict)  # host -> mood
    plans: list[Plan] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    suppressions: list[tuple[float, str]] = field(default_factory=list)
    actions: list[tuple[float, str, str]] = field(default_factory=list)  # when, what an operator does, domain
    connections: int = 2
    hold_least: int = 20  # mails in memory for a site, whatever its rate: with few, the order of claims decides
    reserved: int = 10  # ... and places for more urgent mail
    mails_per_connection: int = 100
    lose_commits: float = 0.0
    deaf: float = 0.0
    dns_failing: float = 0.0
    latency_s: tuple[float, float] = (0.0002, 0.002)


def drawn(seed: int) -> Scenario:
    """The scenario of a seed."""
    random = Random(f"scenario {seed}")
    scenario = Scenario()
    scenario.connections = random.choice((1, 2, 3))
    scenario.mails_per_connection = random.choice((2, 5, 100))
    scenario.hold_least, scenario.reserved = random.choice(((2, 4), (4, 4), (20, 10)))
    _machines(scenario, random)
    _receivers(scenario, random)
    _mail(scenario, random)
    _weather(scenario, random)
    return scenario


def _machines(scenario: Scenario, random: Random) -> None:
    pools = random.sample(POOLS, random.choice((1, 1, 2)))
    if "transactional" not in pools:
        pools[0] = "transactional"
    roles: tuple[str, ...] = ("delivery",) if random.random() < 0.15 else tuple(sorted(pools))
    count = random.choice((1, 2, 2, 3))
    for number in range(count):
        housekeeping = ("worker",) if number == 0 or random.random() < 0.3 else ()
        scenario.machines.append((*roles, *housekeeping))
    skewed = random.random() < 0.3
    scenario.skews = [random.uniform(-0.35, 0.35) if skewed else 0.0 for _ in range(count + 1)]


def _receivers(scenario: Scenario, random: Random) -> None:
    for number in range(random.choice((1, 2, 3))):
        site = f"mx.site{number}.test"
        hosts = [site] if random.random() < 0.7 else [f"mx1.site{number}.test", f"mx2.site{number}.test"]
        scenario.sites[site] = hosts
        for letter in "ab"[: random.choice((1, 1, 2))]:
            scenario.domains[f"{letter}{number}.test"] = site
        for host in hosts:
            scenario.moods[host] = _mood(random)


def _mood(random: Random) -> Mood:
    mood = Mood()
    if random.random() < 0.25:
        return mood
    for trouble in ("refuse", "greet_421", "greet_drop", "broken_tls"):
        if random.random() < 0.2:
            setattr(mood, trouble, random.choice((0.1, 0.3, 1.0)))
    for trouble in ("silent", "tarpit"):
        if random.random() < 0.06:
            setattr(mood, trouble, random.choice((0.1, 0.3)))
    for fate in random.sample(FATES, random.choice((0, 1, 2, 3))):
        mood.mails[fate] = random.choice((0.05, 0.1, 0.3)) / (4 if fate == "dot_slow" else 1)
    if random.random() < 0.4:
        mood.pace_s = (0.05, random.choice((0.2, 0.6)))
    return mood


def _mail(scenario: Scenario, random: Random) -> None:
    classes = ("transactional", "marketing") if _serves(scenario, "marketing") else ("transactional",)
    number = 0
    for burst in range(random.choice((2, 3, 4))):
        at = random.uniform(0.5, LOAD_S) if burst else 0.5
        domain = random.choice(sorted(scenario.domains))
        for _ in range(random.choice((3, 3, 8, 8, 15, 50))):
            number += 1
            plan = _plan(scenario, random, number, at + random.expovariate(5.0), domain, random.choice(classes))
            scenario.plans.append(plan)
    addresses = [address for plan in scenario.plans for address in plan.recipients]
    for address in random.sample(addresses, min(len(addresses), random.choice((0, 0, 2, 5)))):
        scenario.suppressions.append((random.uniform(1.0, WEATHER_S), address))
    for _ in range(random.choice((0, 0, 0, 2))):
        action = random.choice(("cancel", "hold", "retry"))
        scenario.actions.append((random.uniform(1.0, WEATHER_S), action, random.choice(sorted(scenario.domains))))


def _serves(scenario: Scenario, pool: str) -> bool:
    return any(pool in roles or "delivery" in roles for roles in scenario.machines)


def _plan(scenario: Scenario, random: Random, number: int, at: float, domain: str, mail_class: str) -> Plan:
    if random.random() < 0.2:
        domain = random.choice(sorted(scenario.domains))
    name = "gone" if random.random() < 0.04 else "r"
    count = random.choice((1, 1, 1, 2, 3))
    return Plan(
        at=at,
        workspace=random.choice((0, 0, 1)),
        domain=domain,
        recipients=tuple(f"{name}{number}-{index}@{domain}" for index in range(count)),
        priority=random.choice((0, 1, 1, 1, 4, 4, 9)),
        mail_class=mail_class,
        send_after_s=random.uniform(0.5, 10.0) if random.random() < 0.15 else None,
        lifetime_s=random.uniform(3.0, 40.0) if random.random() < 0.1 else None,
        retries=random.choice((0, 0, 3)),
    )


_TROUBLES: Final[dict[str, Callable[[Random], float]]] = {
    "crash": lambda random: random.uniform(0.5, 14.0),
    "freeze": lambda random: random.choice((1.0, 5.0, 14.0, 25.0)),
    "cut": lambda random: random.uniform(1.0, 20.0),
    "hang": lambda random: random.uniform(1.0, 20.0),
    "stop": lambda random: random.uniform(0.5, 6.0),
    "postgres": lambda random: random.uniform(0.5, 8.0),
}


def _weather(scenario: Scenario, random: Random) -> None:
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        kind = random.choice(("crash", *sorted(_TROUBLES)))
        at = 1.0 + (WEATHER_S - 1.0) * random.random() ** 2  # sooner rather than later: there is most mail on its way
        scenario.troubles.append(Trouble(at, kind, random.randrange(100), _TROUBLES[kind](random)))
    scenario.lose_commits = random.choice((0.0, 0.0, 0.0, 0.02, 0.1))
    scenario.deaf = random.choice((0.0, 0.0, 0.3))
    scenario.dns_failing = random.choice((0.0, 0.0, 0.0, 0.2))
    scenario.latency_s = random.choice(((0.0002, 0.002), (0.0002, 0.002), (0.001, 0.05)))
