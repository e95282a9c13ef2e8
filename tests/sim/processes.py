"""Simulated machines and the product's real processes on them: they start, crash, freeze, are cut off, and are started again."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from posthouse.runtime.clock import Clock
from posthouse.runtime.ids import Ids
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.runtime.process import Process
from posthouse.runtime.settings import Server as ServerSettings
from posthouse.runtime.settings import Settings
from posthouse.runtime.vault import Vault, open_vault
from tests.sim.connections import Link, SimPool, Subscription
from tests.sim.database import Database
from tests.sim.loop import SimLoop, context_of
from tests.sim.network import Network
from tests.sim.promises import Actor

START: Final = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LEASE_TAIL_S: Final = 16.0  # after trouble: until a lost lease is noticed, taken anew and everybody knows
RESTART_S: Final = 1.0  # the supervisor's pause
DRAIN_S: Final = 40.0
POOL_SIZE: Final = 3
RESOLVER: Final = "10.8.8.8"


class SimClock:
    """The time of the simulation as one machine sees it: its wall clock may be a little off."""

    def __init__(self, loop: SimLoop, skew_s: float = 0.0) -> None:
        self._loop = loop
        self._start = START + timedelta(seconds=skew_s)

    def now(self) -> datetime:
        return self._start + timedelta(microseconds=round(self._loop.now * 1e6))

    def monotonic(self) -> float:
        return 1000.0 + self._loop.now


class Log:
    """Takes the place of structlog: events go into the trace, and an error is a bug."""

    def __init__(self, name: str, trace: Callable[[str], None], on_error: Callable[[str], None]) -> None:
        self._name = name
        self._trace = trace
        self._on_error = on_error

    def _write(self, event: str, fields: dict[str, Any]) -> None:
        told = " ".join(f"{key}={value}" for key, value in fields.items() if key not in {"exc_info", "worker_id"})
        self._trace(f"log {self._name} {event} {told}")

    def debug(self, event: str, **_: Any) -> None:
        pass

    def info(self, event: str, **fields: Any) -> None:
        self._write(event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write(event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._write(event, fields)
        self._on_error(f"{self._name} logs {event}: {fields.get('error', '')}")

    exception = error

    def bind(self, **_: Any) -> "Log":
        return self


class SimProcess(Process):
    """A process whose ears are simulated as well."""

    __slots__ = ("deaf", "link")

    link: Link
    deaf: float

    def listener(self, channel: str, callback: Callable[[str], None]) -> Any:
        return Subscription(self.link, channel, callback, self.deaf)


class Environment:
    """What all processes of one simulation share."""

    def __init__(
        self,
        loop: SimLoop,
        database: Database,
        network: Network,
        random: Random,
        trace: Callable[[str], None],
        on_error: Callable[[str], None],
    ) -> None:
        self.loop = loop
        self.database = database
        self.network = network
        self.random = random
        self.trace = trace
        self.on_error = on_error
        self.settings = Settings()
        self.vault: Vault = open_vault(base_settings())
        self.lose_commits = 0.0
        self.deaf = 0.0
        self.everybody: list[Seat] = []

    def adopt(self, settings: Settings) -> None:
        """The settings of all processes started from now on."""
        self.settings = settings


def base_settings() -> Settings:
    """Settings that need no file."""
    kek = base64.b64encode(bytes(range(32))).decode()
    return Settings(server=ServerSettings(hostname="mail.test", data_dir=Path("/nonexistent"), kek=kek))


class Seat:
    """A place for one process of a role on a machine: whoever sits there dies and is replaced."""

    def __init__(
        self, environment: Environment, name: str, role: str, main: Callable[[Process], Awaitable[None]], skew_s: float
    ) -> None:
        self.name = name
        self.role = role
        self._environment = environment
        self._main = main
        self._skew_s = skew_s
        self._lives = 0
        self.wanted = False
        self.process: SimProcess | None = None
        self.actor = Actor(name)
        self.link = Link(environment.database, name)
        self.clock: Clock = SimClock(environment.loop, skew_s)
        self.actors: list[Actor] = []
        self.links: list[Link] = []
        environment.everybody.append(self)

    @property
    def is_up(self) -> bool:
        """Whether a process sits here and is not stopping."""
        return self.process is not None and self.actor.alive and not self.process.stopping.is_set()

    def start(self) -> None:
        """A new process."""
        environment, loop = self._environment, self._environment.loop
        self.wanted = True
        self._lives += 1
        self.actor = Actor(f"{self.name}#{self._lives}")
        self.actor.begun_at = loop.now
        self.link = Link(environment.database, self.actor.name)
        self.link.lose_commits = environment.lose_commits
        self.actors.append(self.actor)
        self.links.append(self.link)
        self.process = self._process()
        environment.trace(f"start {self.actor}")
        loop.create_task(self._live(self.process, self.actor), context=context_of(self.actor))

    def _process(self) -> SimProcess:
        environment = self._environment
        clock = SimClock(environment.loop, self._skew_s)
        ids = Ids(clock, Random(environment.random.getrandbits(64)).getrandbits)
        process = SimProcess(
            role=self.role, index=1, worker_id=ids.new(), settings=environment.settings, clock=clock, ids=ids,
            pool=SimPool(self.link, POOL_SIZE), dsn="", metrics=Metrics(self.role), vault=environment.vault,
            log=Log(self.actor.name, environment.trace, environment.on_error),  # type: ignore[arg-type]
        )  # fmt: skip
        process.link, process.deaf = self.link, environment.deaf
        return process

    async def _live(self, process: SimProcess, actor: Actor) -> None:
        """The process and the supervisor that starts another one when it fails."""
        try:
            await self._main(process)
        except asyncio.CancelledError:
            raise
        except DATABASE_GONE as error:
            self._environment.trace(f"end {actor} {type(error).__name__}")
        except Exception as error:  # noqa: BLE001 - whatever it is, a process must not die of it
            self._environment.on_error(f"{actor} died of {error!r}")
        else:
            self._environment.trace(f"end {actor}")
        actor.alive = False
        self._environment.network.died(actor)
        self.link.cut()
        if self.wanted:
            self._environment.loop.world_later(RESTART_S, self._again, actor)

    def _again(self, actor: Actor) -> None:
        if self.wanted and self.actor is actor:
            self.start()

    # --- what happens to it

    def crash(self, linger_s: float) -> None:
        """kill -9, or the power is gone: not another instruction runs. The database notices `linger_s` later."""
        self.wanted = False
        if not self.actor.alive:
            return
        self._environment.trace(f"crash {self.actor}")
        self.actor.alive = False
        self._environment.network.died(self.actor)
        self.link.cut(hangs=True, linger_s=linger_s)

    def stop(self) -> None:
        """SIGTERM: it drains; after a while it is killed."""
        self.wanted = False
        if self.process is None or not self.actor.alive:
            return
        self._environment.trace(f"stop {self.actor}")
        self.process.stopping.set()
        self._environment.loop.world_later(DRAIN_S, self._kill_late, self.actor)

    def _kill_late(self, actor: Actor) -> None:
        if self.actor is actor and actor.alive:
            self.crash(0.0)

    def freeze(self) -> None:
        """SIGSTOP, or a machine that swaps: time goes on without it."""
        if self.actor.alive and not self.actor.frozen:
            self._environment.trace(f"freeze {self.actor}")
            self.actor.frozen = True

    def thaw(self) -> None:
        """It goes on as if nothing had been."""
        if self.actor.frozen:
            self._environment.trace(f"thaw {self.actor}")
            self._trouble()
            self.actor.thaw(self._environment.loop)

    def cut_off(self, *, hangs: bool, linger_s: float) -> None:
        """The way to the database is gone."""
        if self.actor.alive and self.link.is_up:
            self._environment.trace(f"cut {self.actor}{' hanging' if hangs else ''}")
            self.actor.troubled_until = float("inf")
            self.link.cut(hangs=hangs, linger_s=linger_s)

    def heal(self) -> None:
        """It is back."""
        if not self.link.is_up and self.actor.alive:
            self._environment.trace(f"heal {self.actor}")
            self._trouble()
            self.link.heal()

    def _trouble(self) -> None:
        self.actor.troubled_until = self._environment.loop.now + LEASE_TAIL_S


async def bury(environment: Environment) -> None:
    """After the end: lets the tasks of all processes, the dead ones too, run out without touching anything."""
    for seat in environment.everybody:
        seat.wanted = False
        for link in seat.links:
            link.cut()
        for actor in seat.actors:
            environment.network.died(actor)
            actor.alive = True
            actor.thaw(environment.loop)
    me = asyncio.current_task()
    for _ in range(100):
        left = [task for task in asyncio.all_tasks() if task is not me]
        if not left:
            return
        for task in left:
            if task.get_coro().__qualname__ != "Database._perform":  # the server always answers
                task.cancel()
        await asyncio.wait(left, timeout=5.0)
    raise AssertionError(f"{len(left)} tasks cannot be ended: {left[:3]}; {environment.database.state()}")


def in_name_of(seat: Seat, coroutine: Any) -> asyncio.Task[Any]:
    """Runs a coroutine as part of the process that sits there."""
    return seat._environment.loop.create_task(coroutine, context=context_of(seat.actor))
