"""One simulated world from beginning to end: `Stage` is built once, `Stage.play(seed)` plays one seed on it.

`play` sets everything up as `scenario` drew it, lets clients, operators and the weather do their part while the product's own
processes work, heals everything, waits until nothing is left to do, and says what was broken and what happened.
"""

import asyncio
import contextlib
import gc
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random, SystemRandom
from typing import Any, Final

import dns.asyncquery

from posthouse.delivery import dispatch, host, shaping, worker
from posthouse.runtime.clock import SystemClock
from posthouse.runtime.seats import ROLES
from posthouse.runtime.settings import Settings
from tests.sim import processes
from tests.sim.database import Database, connected
from tests.sim.locks import LockWatch
from tests.sim.loop import SimLoop, StalledError
from tests.sim.names import Zone
from tests.sim.network import Network
from tests.sim.people import WORKSPACES, People
from tests.sim.processes import START, Environment, Seat, SimClock, base_settings, bury
from tests.sim.promises import Mail, Promises
from tests.sim.receivers import Receiver
from tests.sim.scenario import SETTLE_S, WEATHER_S, Scenario, drawn
from tests.sim.weather import Weather

_DELIVERY: Final = "posthouse.delivery.host:main"
_WORKER: Final = "posthouse.delivery.worker:main"
_MONTH: Final = timedelta(days=31)
# The clockwork of the product ticks so often that it would do nothing else in a simulated minute; slower ticks change no decision.
_SLOWER: Final = {
    (worker, "PROMOTE_S"): 1.0,
    (worker, "EXPIRE_S"): 3.0,
    (worker, "COUNT_S"): 30.0,
    (dispatch, "TICK_S"): 1.0,
}


@dataclass(frozen=True, slots=True)
class Result:
    """How a seed went: broken promises, what happened in order, the final states, and how long it all took."""

    seed: int
    broken: tuple[str, ...]
    trace: tuple[str, ...]
    states: dict[str, int]
    copies: int
    checks: int
    lasted_s: float

    @property
    def digest(self) -> str:
        """The same for the same history."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()

    def told(self, lines: int = 60) -> str:
        """For a person: what is broken, how to see it again, and the end of the story."""
        head = [f"seed {self.seed}: {sentence}" for sentence in self.broken]
        again = f"replay with: python -m tests.sim {self.seed}"
        return "\n".join((*head, again, *self.trace[-lines:]))


class Stage:
    """The loop and the database, shared by all seeds of a run."""

    def __init__(self, app_dsn: str, owner_dsn: str) -> None:
        self._loop = SimLoop()
        self._watch = LockWatch(owner_dsn)
        self._database = Database(self._loop, self._watch)
        self._owner: Any = None
        self._loop.run_until_complete(self._open(app_dsn, owner_dsn))

    async def _open(self, app_dsn: str, owner_dsn: str) -> None:
        await self._database.open(app_dsn)
        self._loop.outstanding += 1
        self._owner = await connected(owner_dsn)
        await self._owner.execute("SELECT add_partitions($1, $2)", START - _MONTH, START + 5 * _MONTH)
        for table in await self._tables():
            await self._owner.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        for number, identity in enumerate(WORKSPACES):
            await self._owner.execute(
                "INSERT INTO workspaces (workspace_id, name, created_at) VALUES ($1, $2, $3)",
                identity, f"workspace {number}", START,
            )  # fmt: skip
        self._loop.outstanding -= 1

    async def _tables(self) -> list[str]:
        """Every table that keeps rows itself."""
        found = await self._owner.fetch(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
        )
        return [row["relname"] for row in found]

    async def _empty(self) -> None:
        """As if nothing had ever been: only files are exchanged, so that rows lie in the same order every time."""
        self._loop.outstanding += 1
        await self._database.rest()
        kept = {"workspaces", "data_keys", "users", "memberships", "credentials", "schema_migrations", "migrations"}
        filled = []
        for table in await self._tables():
            if table not in kept and await self._owner.fetchval(f"SELECT EXISTS (SELECT FROM {table})"):
                filled.append(table)
        if filled:
            await self._owner.execute(f"TRUNCATE {', '.join(filled)}")
        self._loop.outstanding -= 1

    def play(self, seed: int, *, scenario: Scenario | None = None) -> Result:
        """One seed from beginning to end."""
        play = _Play(self._loop, self._database, self._owner, seed, scenario or drawn(seed))
        self._loop.restart()
        gc.disable()  # when it runs depends on what ran before, and tasks of dead processes are garbage of a kind
        try:
            with _edges(self._loop, play):
                self._loop.run_until_complete(self._empty())
                self._loop.now = 0.0
                return self._loop.run_until_complete(play.run())
        finally:
            gc.enable()

    def close(self) -> None:
        """Gives everything back."""
        self._loop.outstanding += 1
        self._owner.terminate()
        self._loop.run_until_complete(self._database.close())
        self._watch.close()
        self._loop.close()


@contextlib.contextmanager
def _edges(loop: SimLoop, play: "_Play") -> Iterator[None]:
    """Where the product meets the world: the system's clock, its randomness, and the DNS. Nothing of the product is replaced."""
    luck = Random(f"system {play.seed}")
    with contextlib.ExitStack() as stack:
        for place, name, value in (
            (SystemClock, "now", lambda _: play.clock.now()),
            (SystemClock, "monotonic", lambda _: play.clock.monotonic()),
            (SystemRandom, "random", lambda _: luck.random()),
            (SystemRandom, "getrandbits", lambda _, bits: luck.getrandbits(bits)),
            (dns.asyncquery, "udp_with_fallback", lambda *args, **kw: play.zone.udp_with_fallback(*args, **kw)),
            (shaping, "HOLD_LEAST", play.scenario.hold_least),
            (shaping, "RESERVED", play.scenario.reserved),
            *((module, name, value) for (module, name), value in _SLOWER.items()),
        ):
            stack.callback(setattr, place, name, getattr(place, name))
            setattr(place, name, value)
        loop.network = play.network
        loop.set_exception_handler(play.on_exception)
        yield
        loop.network = None
        play.network.close()


class _Play:
    """One seed."""

    def __init__(self, loop: SimLoop, database: Database, owner: Any, seed: int, scenario: Scenario) -> None:
        self.seed = seed
        self.scenario = scenario
        self.clock = SimClock(loop)
        self._loop = loop
        self._database = database
        self._lines: list[str] = []
        self._muted = False
        self._random = Random(f"world {seed}")
        self.network = Network(loop, Random(f"network {seed}"), self.trace)
        self.zone = Zone(Random(f"names {seed}"), self.trace)
        database.begin(Random(f"database {seed}"), self.trace)
        database.latency_s = scenario.latency_s
        self.promises = Promises(loop, self.trace, owner, self._limit)
        database.after_commit = self.promises.after_commit
        self.environment = Environment(loop, database, self.network, self._random, self.trace, self.promises.fail)
        self.environment.adopt(self._settings())
        self._receivers: list[Receiver] = []
        self._seats: list[Seat] = []
        self._people = People(self.environment, scenario, self.promises, self.trace)

    def trace(self, line: str) -> None:
        """One thing that happened."""
        if not self._muted:
            self._lines.append(f"{self._loop.now:9.4f} {line}")

    def on_exception(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What nobody caught is a bug."""
        if not self._muted:
            self.promises.fail(f"{context['message']}: {context.get('exception')!r}")

    def _limit(self, _: str) -> int:
        return self.scenario.connections

    def _settings(self) -> Settings:
        delivery = {
            "connections_per_site": self.scenario.connections,
            "mails_per_connection": self.scenario.mails_per_connection,
            "retry_first_s": 1.0,
            "retry_cap_s": 10.0,
            "lifetime_s": 600.0,
            "allow_private_mx": True,
            "resolvers": (processes.RESOLVER,),
        }
        return base_settings().with_("delivery", **delivery)

    # --- the whole story

    async def run(self) -> Result:
        """Sets up, plays, heals, waits, and looks at what is left."""
        self._build()
        try:
            async with asyncio.timeout(WEATHER_S + SETTLE_S):
                await self._story()
        except TimeoutError:
            pass
        except StalledError:
            self.promises.fail("nothing moves any more")
        if not self.promises.broken:
            self.promises.check_end()
        return await self._end()

    async def _story(self) -> None:
        """The first broken promise ends it."""
        parts = [asyncio.create_task(each) for each in self._parts()]
        healed = False
        while not self.promises.broken and not (healed and self._is_over(parts)):
            await asyncio.sleep(0.25)
            if not healed and self._loop.now >= WEATHER_S:
                healed = True
                self._heal()
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)

    def _is_over(self, parts: Sequence[asyncio.Task[None]]) -> bool:
        return all(part.done() for part in parts) and not self.promises.busy

    def _parts(self) -> list[Any]:
        weather = Weather(self._seats, self._random)
        return [*self._people.parts(), *(weather.strike(trouble) for trouble in self.scenario.troubles)]

    async def _end(self) -> Result:
        lasted_s = self._loop.now
        result = Result(
            self.seed,
            tuple(self.promises.broken),
            tuple(self._lines),
            self.promises.states(),
            sum(len(mail.copies) for mail in self.promises.mails.values()),
            self.promises.checks,
            lasted_s,
        )
        self._muted = True
        self._database.after_commit = _nothing
        await bury(self.environment)
        return result

    # --- what there is

    def _build(self) -> None:
        scenario, address = self.scenario, 0
        for site, hosts in scenario.sites.items():
            for exchange in hosts:
                address += 1
                receiver = Receiver(
                    self._loop, exchange, Random(f"{exchange} {self.seed}"), self.promises, self.trace, site=site
                )
                receiver.mood = scenario.moods[exchange]
                self._receivers.append(receiver)
                self.network.places[f"10.0.0.{address}"] = receiver
                self.zone.add(exchange, "A", f"10.0.0.{address}")
        for domain, site in scenario.domains.items():
            self.zone.add(domain, "MX", *(f"10 {exchange}." for exchange in scenario.sites[site]))
        self.zone.failing = scenario.dns_failing
        self.environment.lose_commits, self.environment.deaf = scenario.lose_commits, scenario.deaf
        for number, roles in enumerate(scenario.machines):
            for role in roles:
                self._seats.append(self._seat(f"{role}{number}", role, scenario.skews[number]))
        self._seats.append(self._people.seat)
        for plan in scenario.plans:
            for recipient in plan.recipients:
                self.promises.mails[recipient] = Mail(recipient, scenario.domains[plan.domain])
        for seat in self._seats:
            seat.start()

    def _seat(self, name: str, role: str, skew_s: float) -> Seat:
        main = {_DELIVERY: host.main, _WORKER: worker.main}[ROLES[role]]
        return Seat(self.environment, name, role, main, skew_s)

    def _heal(self) -> None:
        self.trace("all is well")
        self.zone.failing = 0.0
        self.environment.lose_commits = self.environment.deaf = 0.0
        for receiver in self._receivers:
            receiver.heal()
        for seat in self._seats:
            seat.link.lose_commits = 0.0


async def _nothing(_: set[str]) -> None:
    pass
