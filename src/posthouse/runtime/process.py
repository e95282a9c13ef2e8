"""One process of a role: what it is handed, and how it begins and ends.

`run_role` is the whole life of a daemon: settings -> pool -> health port -> the role's own `main` -> ready -> stopping -> out.
The supervisor holds the other end of a lifeline, a socket whose number is in the environment: "ready" is written to it, and its
end of file means that the supervisor is gone, which stops the role as SIGTERM does. Without a supervisor systemd is told the same
by its notification protocol.
"""

import asyncio
import contextlib
import gc
import importlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast
from uuid import UUID

from posthouse.model import limits
from posthouse.runtime import health, log, migrate, network, queries, systemd
from posthouse.runtime.clock import Clock, SystemClock
from posthouse.runtime.ids import Ids
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.postgres import Listener, Pool, connect, open_pool
from posthouse.runtime.seats import ROLES, Seat
from posthouse.runtime.settings import Settings
from posthouse.runtime.vault import Vault, open_vault

LIFELINE: Final = "POSTHOUSE_LIFELINE"
READY_LINE: Final = b"ready\n"

RoleMain: TypeAlias = Callable[["Process"], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Process:
    """What a role is handed: the world, already opened."""

    role: str
    index: int
    worker_id: UUID
    settings: Settings
    clock: Clock
    ids: Ids
    pool: Pool
    dsn: str
    log: log.Logger
    metrics: Metrics
    vault: Vault
    owner_dsn: str | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    on_ready: Callable[[], None] = lambda: None
    on_change: list[Callable[[], None]] = field(default_factory=list)
    is_ready: bool = False

    def ready(self) -> None:
        """Say once that the listeners are bound and work would be done."""
        if not self.is_ready:
            self.is_ready = True
            self.log.info("process.ready")
            self.on_ready()

    @property
    def health(self) -> health.Health:
        """What /readyz answers from."""
        return health.Health(self.pool, self.state)

    def state(self) -> str:
        """ready, starting or stopping."""
        if self.stopping.is_set():
            return "stopping"
        return "ready" if self.is_ready else "starting"

    def changed(self) -> None:
        """Tell who remembers accounts in this process that it has committed a change of them.

        The NOTIFY tells every other process, and would tell this one after its answer: who changes something and looks sees it.
        """
        for forget in self.on_change:
            forget()

    def listener(self, channel: str, callback: Callable[[str], None]) -> Listener:
        """A subscription to a NOTIFY channel, to be entered with `async with`."""
        return Listener(self.dsn, channel, callback, self.log)


@contextlib.asynccontextmanager
async def open_process(
    settings: Settings, role: str, dsn: str, *, index: int = 1, owner_dsn: str | None = None
) -> AsyncIterator[Process]:
    """A process of a role on a database that answers or is about to. `dsn` is that of the least privileged role."""
    clock = SystemClock()
    ids = Ids(clock)
    logger = log.configure(role, settings.server.log_level, settings.server.log_format, index)
    pool = await open_pool(dsn, size=settings.postgres.pool_size, name=f"posthouse {role}")
    try:
        yield Process(
            role=role, index=index, worker_id=ids.new(), settings=settings, clock=clock, ids=ids, pool=pool, dsn=dsn,
            log=logger, metrics=Metrics(role), vault=open_vault(settings), owner_dsn=owner_dsn,
        )  # fmt: skip
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.DATABASE_PROBE_S):
                await pool.close()
        pool.terminate()


async def run_role(settings: Settings, seat: Seat) -> None:
    """Be one process of a role until asked to stop. `settings.postgres.dsn` must name a database."""
    main = role_main(seat.role)
    dsn = await migrate.app_dsn(settings.postgres.dsn)
    await _wait_for_schema(dsn)
    async with open_process(settings, seat.role, dsn, index=seat.index) as process, _probes(process, seat.metrics_port):
        async with process.pool.acquire() as connection:
            await queries.prepare_all(connection)
        _leave_the_old_alone()
        try:
            async with _watched(process):
                await _until_drained(process, main)
        except Exception:
            process.log.exception("process.failed")
            raise SystemExit(1) from None
        process.log.info("process.stopped")


def _leave_the_old_alone() -> None:
    """What was loaded stays to the end, and mail makes hardly any cycles: the collector need not walk over all of it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(limits.COLLECT_AFTER, 10, 10)


def role_main(role: str) -> RoleMain:
    """The function of a role."""
    module, _, function = ROLES[role].partition(":")
    return cast("RoleMain", getattr(importlib.import_module(module), function))


async def _wait_for_schema(dsn: str) -> None:
    """A role never migrates: it waits until somebody did. Raises MigrationError when nobody does."""
    connection = await connect(dsn, name="posthouse")
    try:
        async with asyncio.timeout(limits.MIGRATION_WAIT_S):
            while await migrate.outstanding(connection):  # noqa: ASYNC110 - another host may be the one that migrates
                await asyncio.sleep(limits.DATABASE_RETRY_S)
    except TimeoutError as error:
        raise migrate.MigrationError(
            "the database is not migrated: run `posthouse up` or `posthouse migrate`"
        ) from error
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _probes(process: Process, port: int) -> AsyncIterator[None]:
    """The health port, while the block runs; port 0 is none."""
    if not port:
        yield
        return
    listener = network.bind(process.settings.metrics.host, port, "metrics.port")
    server = await health.serve(listener, process.health, process.metrics)
    try:
        yield
    finally:
        server.close()


@contextlib.asynccontextmanager
async def _watched(process: Process) -> AsyncIterator[None]:
    """Whoever started this process hears that it is ready and alive, and can make it stop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stopping.set)
    lifeline = _take_lifeline()
    if lifeline is None:
        process.on_ready = lambda: systemd.notify("READY=1")
    else:
        process.on_ready = lambda: lifeline.sendall(READY_LINE)
        loop.add_reader(lifeline, _lifeline_cut, process, lifeline)
    beating = asyncio.create_task(systemd.beat())
    try:
        yield
    finally:
        beating.cancel()
        if lifeline is not None:
            loop.remove_reader(lifeline)
            lifeline.close()


def _take_lifeline() -> socket.socket | None:
    """Our end of the supervisor's lifeline; children of ours do not get it."""
    number = os.environ.pop(LIFELINE, None)
    if number is None:
        return None
    lifeline = socket.socket(fileno=int(number))
    lifeline.set_inheritable(False)
    lifeline.setblocking(False)
    return lifeline


def _lifeline_cut(process: Process, lifeline: socket.socket) -> None:
    """Nothing is ever sent to us: a readable lifeline is one whose other end died."""
    asyncio.get_running_loop().remove_reader(lifeline)
    process.log.warning("supervisor.gone")
    process.stopping.set()


async def _until_drained(process: Process, main: RoleMain) -> None:
    """Run a role until it is asked to stop and has drained. Raises what it raised; a role that just returns is our bug."""
    role = asyncio.ensure_future(main(process))
    stop = asyncio.ensure_future(process.stopping.wait())
    await asyncio.wait({role, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not role.done():
        await asyncio.wait({role}, timeout=limits.DRAIN_S)
    if not role.done():
        process.log.warning("process.drain_too_slow", limit_s=limits.DRAIN_S)
        role.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await role
    assert process.stopping.is_set(), f"the role {process.role} returned without being asked to stop"
