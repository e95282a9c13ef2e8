"""A whole installation in one process for a file of tests, and what receivers it delivers to may do to it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import SystemRandom
from typing import Any

import structlog
from tests.corridor import Corridor
from tests.lab_servers import Act, Reaction, Sink, Zone, name_server, sink

from posthouse.delivery import host, internet, worker
from posthouse.delivery.courier import ConnectFailure, Connection, Courier, NoRoute, Plan, SitePolicy, Timeouts
from posthouse.delivery.internet import World
from posthouse.intake import operate
from posthouse.ledger import timeline
from posthouse.ledger.timeline import AttemptRow
from posthouse.model.mail import Accepted
from posthouse.model.outcome import Outcome
from posthouse.model.words import FINAL_STATES, Pool
from posthouse.outbox import enqueue, operator
from posthouse.outbox.messages import RecipientRow
from posthouse.runtime.ids import Ids
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.postgres import Pool as Database
from posthouse.runtime.process import Process
from posthouse.runtime.settings import Settings
from posthouse.runtime.vault import open_vault

QUICK = Timeouts(connect_s=2, banner_s=0.5, command_s=0.5, data_s=0.5, dot_s=1.5, write_s=1, quit_s=0.2)
NOWHERE = "127.0.0.1:1"


class MovableClock:
    """The real time and whatever was added to it."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._ahead_s)

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_s

    def move_to(self, moment: datetime) -> None:
        """Never back."""
        self._ahead_s += max(0.0, (moment - self.now()).total_seconds())


@dataclass(frozen=True, slots=True)
class Hasty:
    """A courier with less patience than ours, so that a test needs none."""

    courier: Courier
    timeouts: Timeouts

    async def route(self, domain: str) -> Plan | NoRoute:
        return await self.courier.route(domain)

    async def connect(self, plan: Plan, policy: SitePolicy) -> Connection | ConnectFailure:
        return await self.courier.connect(plan, replace(policy, timeouts=self.timeouts))


@dataclass(frozen=True, slots=True)
class Yard:
    """A database and settings, and the processes made of them."""

    database: Database
    dsn: str
    owner_dsn: str
    settings: Settings
    clock: MovableClock

    def process(self, role: str = "test", /, **sections: dict[str, Any]) -> Process:
        chosen = self.settings
        for section, fields in sections.items():
            chosen = chosen.with_(section, **fields)
        ids = Ids(self.clock)
        return Process(
            role=role, index=1, worker_id=ids.new(), settings=chosen, clock=self.clock, ids=ids, pool=self.database,
            dsn=self.dsn, log=structlog.get_logger().bind(role=role), metrics=Metrics(role), vault=open_vault(chosen),
            owner_dsn=self.owner_dsn,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Delivery:
    """One way to run the delivery: which roles and how often, where mail goes, and how much patience there is."""

    routes: Mapping[str, str] = field(default_factory=dict)
    zone: Zone | None = None
    smtp_port: int = 25
    ca_file: Path | None = None
    timeouts: Timeouts = QUICK
    roles: Sequence[str] = ("delivery", "worker")
    settings: Mapping[str, Any] = field(default_factory=dict)  # of [delivery]
    sections: Mapping[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class House:
    """The installation of one file of tests."""

    yard: Yard
    corridor: Corridor

    @contextlib.asynccontextmanager
    async def running(self, delivery: Delivery, *, keep: bool = False) -> AsyncIterator[None]:
        """Delivers while the block runs; what is left over then is cancelled, unless it is to be kept."""
        async with name_server(dict(delivery.zone or {})) as names:
            common = {
                "routes": dict(delivery.routes) if delivery.zone is not None else {"*": NOWHERE, **delivery.routes},
                "resolvers": (names.address,),
                "retry_first_s": 0.1,
                **delivery.settings,
            }
            sections = {"delivery": common, "inbound": {"port": 0}, **delivery.sections}
            processes = [self.yard.process(role, **sections) for role in delivery.roles]
            tasks = [asyncio.create_task(_main(each, delivery)) for each in processes]
            try:
                yield
            finally:
                for process in processes:
                    process.stopping.set()
                async with self.yard.database.acquire() as connection:
                    await enqueue.announce(connection, set(Pool))  # so that dispatchers look up and see it
                await asyncio.gather(*tasks)
                if not keep:
                    await self._clear()

    @contextlib.asynccontextmanager
    async def receiver(
        self, reactions: Mapping[str, Reaction] | None = None, *, timeouts: Timeouts = QUICK, **settings: Any
    ) -> AsyncIterator[Sink]:
        """One receiver that takes all mail, and the delivery to it with these settings."""
        async with sink(reactions) as receiver:
            route = {"*": f"127.0.0.1:{receiver.port}"}
            async with self.running(Delivery(route, timeouts=timeouts, settings=settings)):
                yield receiver

    async def send_many(self, addresses: Sequence[str], **changes: Any) -> list[Accepted]:
        """One mail to each of these, in one call."""
        corridor = self.corridor
        wanted = [corridor.submission(address, **changes) for address in addresses]
        answer = await corridor.door.accept(corridor.submitter, wanted)
        assert isinstance(answer, list)
        accepted = [each for each in answer if isinstance(each, Accepted)]
        assert len(accepted) == len(wanted)
        return accepted

    async def tried(self, accepted: Accepted, attempts: int) -> list[AttemptRow]:
        """The attempts at a mail, once there are so many."""
        ids = [each.recipient_id for each in accepted.recipients]
        workspace_id = self.corridor.submitter.workspace_id
        async with asyncio.timeout(30):
            while True:
                async with self.yard.database.acquire() as connection:
                    found = await timeline.attempts(connection, workspace_id, accepted.message_id, ids)
                if len(found) >= attempts:
                    return found
                await asyncio.sleep(0.02)

    async def row(self, accepted: Accepted, check: Callable[[RecipientRow], bool] | None = None) -> RecipientRow:
        """The row of a mail to one recipient, once it is final, or as `check` wants it."""
        check = check or (lambda row: row.state in FINAL_STATES)
        async with asyncio.timeout(30):
            while True:
                (row,) = await self.corridor.recipients(accepted.message_id)
                if check(row):
                    return row
                await asyncio.sleep(0.02)

    async def delivered_after(self, address: str, outcomes: Sequence[Outcome]) -> list[AttemptRow]:
        """Sends one mail and sees that its attempts end so, and it is delivered at last."""
        accepted = await self.corridor.send(address)
        await self.row(accepted)
        found = await self.tried(accepted, len(outcomes) + 1)
        assert [attempt.outcome for attempt in found] == [*outcomes, Outcome.DELIVERED], found
        return found

    async def _clear(self) -> None:
        everything = operator.Selection(priority_least=0)
        await operate.apply(
            self.yard.process(), self.corridor.submitter.workspace_id, operator.CANCEL, everything, "user:test"
        )


async def _main(process: Process, delivery: Delivery) -> None:
    if process.role == "worker":
        await worker.main(process)
        return
    world = World(delivery.smtp_port, ca_file=str(delivery.ca_file) if delivery.ca_file else None)
    async with internet.opened(process, world) as road:
        await host.serve(process, Hasty(road.courier, delivery.timeouts), SystemRandom())


def in_turn(*acts: Act | list[Act]) -> Callable[[int], Act | list[Act]]:
    """The first act the first time, and so on; the last one stays."""
    return lambda time: acts[min(time, len(acts) - 1)]


async def eventually(check: Callable[[], Awaitable[Any]], patience_s: float = 30.0) -> Any:
    """What `check` says, once it is true."""
    async with asyncio.timeout(patience_s):
        while not (found := await check()):  # noqa: ASYNC110 - receivers and rows know no event of ours
            await asyncio.sleep(0.02)
    return found
