"""Several hosts behind one PostgreSQL, each in a network of its own: killed, cut off, brought back, and counted."""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final
from uuid import UUID

import pytest
import structlog
from tests.e2e.load import BODY, Load, Wire, judge
from tests.e2e.namespaces import DATABASE, SINK, Cable, Namespace, Network, network, skip_reason
from tests.e2e.recorder import Manners, Recorder, recording

from posthouse.accounts import bootstrap
from posthouse.accounts.bootstrap import Bootstrap
from posthouse.accounts.directory import Directory
from posthouse.delivery.lease import LEASE_S
from posthouse.intake.accept import Door
from posthouse.model.mail import Recipient, Submission
from posthouse.model.words import Kind, Source
from posthouse.runtime import embedded_runner, migrate, process, vault
from posthouse.runtime.clock import SystemClock
from posthouse.runtime.embedded import Server
from posthouse.runtime.embedded_runner import Runner
from posthouse.runtime.ids import Ids
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.postgres import Pool, open_pool
from posthouse.runtime.settings import Server as ServerSettings
from posthouse.runtime.settings import Settings

_REASON: Final = skip_reason()
pytestmark = [pytest.mark.skipif(bool(_REASON), reason=_REASON), pytest.mark.timeout(600)]

DELIVERY: Final = "transactional"  # the role that delivers what these tests send
ROLES: Final = ("submission", DELIVERY, "worker")
PATIENCE_S: Final = 60.0
NEARBY: Final = Manners(delay_s=0.02)
TAKE_OVER_S: Final = LEASE_S + 10.0  # the lease, the rounds of those who look, and a machine busy with other tests
SUBMISSION: Final = 587


@dataclass(slots=True)
class Host:
    """One machine: its network and what runs on it."""

    namespace: Namespace
    processes: dict[str, Process] = field(default_factory=dict)

    def kill(self) -> None:
        """Power off."""
        for each in self.processes.values():
            if each.returncode is None:
                each.kill()


@dataclass(slots=True)
class World:
    """The hosts, what they share, and the receivers all of them deliver to."""

    network: Network
    pool: Pool
    recorder: Recorder
    office: process.Process
    keys: Bootstrap
    environ: Mapping[str, str]
    log: IO[bytes]
    hosts: list[Host]

    async def start(self, host: Host, *roles: str) -> None:
        """Starts these roles there; returns when each of them works."""
        for role in roles:
            command = host.namespace.command(
                sys.executable, "-m", "posthouse.cli.main", "run", role, "--metrics-port", "0"
            )
            started = await asyncio.create_subprocess_exec(
                *command, env=self.environ, stdin=DEVNULL, stdout=DEVNULL, stderr=self.log
            )
            host.processes[role] = started
        if DELIVERY in roles:
            await until(lambda: self.workers(host), "no lease was taken")

    async def workers(self, host: Host) -> list[UUID]:
        """Under which ids this host's delivery process has been known, oldest first."""
        query = "SELECT worker_id FROM workers WHERE pid = $1 AND role = $2 ORDER BY started_at"
        rows = await self.pool.fetch(query, host.processes[DELIVERY].pid, DELIVERY)
        return [row[0] for row in rows]

    async def lease_until(self, host: Host) -> float:
        """When the newest lease of this host ends, in seconds since the epoch."""
        ends = await self.pool.fetchval(
            "SELECT max(lease_until) FROM workers WHERE pid = $1", host.processes[DELIVERY].pid
        )
        return float(ends.timestamp())

    def served_by(self, host: Host, since: float = 0.0) -> dict[int, float]:
        """The receivers' ports this host delivered to, with the time of the last mail."""
        mine = [a for a in self.recorder.arrivals if a.sender == host.namespace.address and a.at > since]
        return {arrival.port: arrival.at for arrival in mine}

    async def drained(self) -> None:
        """Returns when nothing is on its way any more."""
        open_ = "SELECT count(*) = 0 FROM outbox WHERE state IN ('waiting', 'ready', 'claimed')"
        await until(lambda: self.pool.fetchval(open_), "mail is left in the queue")

    async def unexplained(self) -> list[str]:
        """Mails that arrived more than once although nobody said that this may happen."""
        said = "SELECT EXISTS (SELECT FROM events WHERE message_id = $1 AND kind = 'unknown')"
        twice = [identity for identity, times in self.recorder.arrived.items() if times > 1]
        return [each for each in twice if not await self.pool.fetchval(said, UUID(self.recorder.message_ids[each]))]

    def load(self, *hosts: Host) -> Load:
        """Clients of these hosts' submission, in turn."""
        turn = itertools.cycle(hosts)
        login = self.keys.smtp_user, self.keys.smtp_password
        return Load(lambda: self._dial(next(turn)), destinations=len(self.recorder.ports), login=login)

    async def _dial(self, host: Host) -> Wire:
        link = self.network.centre.tcp_socket()
        link.setblocking(False)
        try:
            async with asyncio.timeout(2):
                await asyncio.get_running_loop().sock_connect(link, (host.namespace.address, SUBMISSION))
            return await asyncio.open_connection(sock=link)
        except BaseException:
            link.close()
            raise


async def until(check: Callable[[], object], otherwise: str, patience_s: float = PATIENCE_S) -> float:
    """Seconds until `check` is true; it may be asynchronous."""
    began = time.monotonic()
    while True:
        found = check()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return time.monotonic() - began
        assert time.monotonic() - began < patience_s, otherwise
        await asyncio.sleep(0.05)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A data folder that is swept away."""
    made = Path(tempfile.mkdtemp(prefix="posthouse-hosts-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextlib.asynccontextmanager
async def database(data: Path, centre: Namespace) -> AsyncIterator[Server]:
    """A migrated PostgreSQL that listens inside the centre's network."""

    def inside(where: Path) -> Runner:
        runner = embedded_runner.choose(where)
        return dataclasses.replace(runner, prefix=centre.command(*runner.prefix))

    server = Server(data, structlog.get_logger(), port=5432, durable=False, choose=inside)
    await server.start()
    (server.cluster / "custom.conf").write_text("listen_addresses = '*'\n")
    with (server.cluster / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 10.203.0.0/16 scram-sha-256\n")
    await server.stop()
    try:
        await server.start()
        await migrate.migrate(server.owner_dsn, app_password=server.app_password)
        yield server
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def world(*, receivers: int = 10, manners: Manners = NEARBY, **settings: str) -> AsyncIterator[World]:
    """Two hosts without processes, and everything else."""
    async with contextlib.AsyncExitStack() as stack:
        wires, data = stack.enter_context(network(2)), stack.enter_context(folder())
        log = stack.enter_context((data / "hosts.log").open("wb"))
        server = await stack.enter_async_context(database(data, wires.centre))
        recorder = await stack.enter_async_context(
            recording([wires.centre.listener(SINK) for _ in range(receivers)], manners=manners)
        )
        pool = await open_pool(server.app_dsn, size=5, name="test")
        stack.callback(pool.terminate)
        office = _office(data, server, pool)
        keys = await bootstrap.ensure(office)
        environ = _environ(data, server, recorder, settings)
        made = World(wires, pool, recorder, office, keys, environ, log, [Host(each) for each in wires.hosts])
        try:
            yield made
        except BaseException:
            print((data / "hosts.log").read_text()[-6000:])
            raise
        finally:
            for host in made.hosts:
                host.kill()
                await asyncio.gather(*(each.wait() for each in host.processes.values()))


def _office(data: Path, server: Server, pool: Pool) -> process.Process:
    """A process of the test's own beside those of the hosts."""
    vault.ensure_kek(data / "kek")
    settings = Settings(server=ServerSettings(hostname="mail.test", data_dir=data)).with_("lab", enabled=True)
    clock = SystemClock()
    ids = Ids(clock)
    return process.Process(
        role="test", index=1, worker_id=ids.new(), settings=settings, clock=clock, ids=ids, pool=pool, dsn=server.app_dsn,
        log=structlog.get_logger(), metrics=Metrics("test"), vault=vault.open_vault(settings), owner_dsn=server.owner_dsn,
    )  # fmt: skip


def _environ(data: Path, server: Server, recorder: Recorder, settings: Mapping[str, str]) -> dict[str, str]:
    routes = {f"there{number}.test": f"{SINK}:{port}" for number, port in enumerate(recorder.ports)}
    given = {
        "DATA": str(data),
        "POSTGRES_DSN": f"postgresql://posthouse_app:{server.app_password}@{DATABASE}:5432/posthouse",
        "SERVER_HOSTNAME": "mail.test",
        "SUBMISSION_PORT": str(SUBMISSION),
        "SUBMISSION_AUTH_WITHOUT_TLS": "true",
        "DELIVERY_ROUTES": json.dumps(routes),
        "DELIVERY_RETRY_FIRST_S": "1",
        **settings,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POSTHOUSE_")}
    return inherited | {f"POSTHOUSE_{name}": value for name, value in given.items()}


async def _both_deliver(running: World) -> None:
    for host in running.hosts:
        await until(lambda host=host: running.served_by(host), "a host delivers nothing")
    await asyncio.sleep(3)  # both know of each other, and each has the destinations that are its own


async def _taken_over(running: World, lost: Host, other: Host, since: float) -> float:
    """Seconds until the other host had delivered to every destination that was the lost one's."""
    orphaned = running.served_by(lost, since - 2.0).keys()
    assert orphaned, "the host had nothing to hand over"
    await until(lambda: orphaned <= running.served_by(other, since).keys(), "nobody took over")
    return time.time() - since


async def test_when_a_host_is_killed_another_takes_over_within_its_lease_and_nothing_is_lost() -> None:
    async with world() as running:
        one, two = running.hosts
        for host in running.hosts:
            await running.start(host, *ROLES)
        load = running.load(one, two)
        async with load.flowing():
            await _both_deliver(running)
            struck = time.time()
            one.kill()
            taken_over_s = await _taken_over(running, one, two, struck)
        await running.drained()
        print(f"killed: all destinations served again after {taken_over_s:.1f} s")
        judge(load.acknowledged, running.recorder, await running.unexplained())
        assert taken_over_s < TAKE_OVER_S


async def _reborn(running: World, host: Host) -> bool:
    return len(await running.workers(host)) > 1


@pytest.mark.slow
@pytest.mark.parametrize("cables", [("db",), ("db", "out")], ids=["from the database", "from everything"])
async def test_a_host_that_is_cut_off_stops_in_time_and_comes_back_as_somebody_else(cables: tuple[Cable, ...]) -> None:
    async with world() as running:
        one, two = running.hosts
        await running.start(one, DELIVERY)
        await running.start(two, *ROLES)
        load = running.load(two)
        async with load.flowing():
            await _both_deliver(running)
            cut = time.time()
            running.network.pull(one.namespace, *cables)
            lease_until = await running.lease_until(one)
            taken_over_s = await _taken_over(running, one, two, cut)
            await asyncio.sleep(max(0.0, lease_until + 3 - time.time()))
            last = max(running.served_by(one).values())
            print(
                f"cut off: last mail after {last - cut:.1f} s, lease over after {lease_until - cut:.1f} s, "
                f"all destinations served again after {taken_over_s:.1f} s"
            )
            assert last < lease_until
            assert len(await running.workers(one)) == 1
            healed = time.time()
            running.network.plug(one.namespace, *cables)
            back_s = await until(lambda: _reborn(running, one), "the host did not come back")
            await until(lambda: running.served_by(one, healed + back_s), "the host delivers nothing any more")
            print(f"healed: somebody else after {back_s:.1f} s, delivers again after {time.time() - healed:.1f} s")
        await running.drained()
        judge(load.acknowledged, running.recorder, await running.unexplained())
        assert taken_over_s < TAKE_OVER_S


# Receivers, so that any share of them is more than one host can serve at a time. With fewer of them than sessions a host
# keeps a fifth of its sessions for those without a connection: a host alone would have these in use, two hosts would not.
MANY: Final = 48
SESSIONS: Final = 15  # of one host: it waits for receivers, not for a processor
WINDOW_S: Final = 8.0
SETTLING_S: Final = 14.0  # whoever joins gets its share once connections of the other to it have ended


async def _preload(running: World, mails: int) -> None:
    """Promises this many mails, spread over the receivers."""
    async with Directory.open(running.office) as directory:
        submitter = await directory.by_api_key(running.keys.api_key, "127.0.0.1")
        assert submitter is not None
        door = Door.open(running.office, directory)
        for first in range(0, mails, 500):
            await door.accept(submitter, [_mail(number) for number in range(first, min(first + 500, mails))])
        await door.close()


def _mail(number: int) -> Submission:
    address = f"far-{number}@there{number % MANY}.test"
    fields = {
        "From": "ann@example.test",
        "To": address,
        "Message-ID": f"<{number}@example.test>",
        "X-Storm-Id": str(number),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
    return Submission(
        source=Source.API, sender="ann@example.test", recipients=(Recipient(address, Kind.TO),), subject="far",
        message_id_header=fields["Message-ID"], content=head + b"\r\n" + BODY,
    )  # fmt: skip


async def _rate(running: World) -> float:
    """Mails a second that arrive, over a window."""
    before, began = len(running.recorder.arrivals), time.monotonic()
    await asyncio.sleep(WINDOW_S)
    return (len(running.recorder.arrivals) - before) / (time.monotonic() - began)


@pytest.mark.slow
async def test_two_hosts_deliver_nearly_twice_what_one_does_to_receivers_far_away() -> None:
    far = Manners(delay_s=0.05, connections=5, mails_per_connection=20)
    limits = {
        "DELIVERY_CONCURRENCY": str(SESSIONS),
        "DELIVERY_CONNECTIONS_PER_SITE": str(far.connections),
        "DELIVERY_MAILS_PER_CONNECTION": str(far.mails_per_connection),
    }
    async with world(receivers=MANY, manners=far, **limits) as running:
        await _preload(running, 26_000)  # none of them may run dry
        rates = []
        for host in running.hosts:
            await running.start(host, DELIVERY)
            await until(lambda host=host: running.served_by(host), "a host delivers nothing")
            await asyncio.sleep(SETTLING_S)
            rates.append(await _rate(running))
        one, both = rates
        shares: dict[str, int] = defaultdict(int)
        for arrival in running.recorder.arrivals:
            shares[arrival.sender] += 1
        print(f"one host {one:.0f}/s, two hosts {both:.0f}/s: {both / one:.2f} times; {dict(shares)}")
        assert running.recorder.most_open <= far.connections
        assert set(running.recorder.arrived.values()) == {1}
        assert both >= 1.8 * one
