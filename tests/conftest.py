"""The world of the tests: a real PostgreSQL, a clock that only moves when told, and a process made of both.

Each pytest process starts one server from the same binaries the product embeds, without fsync, migrates one template database,
and gives every test that asks a clone of it.
"""

import asyncio
import contextlib
import functools
import inspect
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import hypothesis
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import rsa

from posthouse.runtime import data_folder, migrate, postgres, vault
from posthouse.runtime.clock import SystemClock
from posthouse.runtime.embedded import APP_ROLE, DATABASE, OWNER, Server
from posthouse.runtime.ids import Ids
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.process import Process
from posthouse.runtime.settings import Server as ServerSettings
from posthouse.runtime.settings import Settings
from posthouse.wire import dkim_keys

# How long one example takes says how busy the machine is; a test that hangs is ended by its time limit.
hypothesis.settings.register_profile(
    "posthouse", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("posthouse")

_numbers = itertools.count(1)
_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30
_EARLIER_S = 20.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The simulation first: one process plays it for a third of the run, while the others do all the rest."""
    items.sort(key=lambda item: "sim" not in item.path.parts)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Who awaits too long is told where, by a traceback; the limit of the whole test knows threads only and ends the process."""
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        pyfuncitem.obj = _within(_limit(pyfuncitem) - _EARLIER_S, pyfuncitem.obj)


def _limit(item: pytest.Item) -> float:
    """Seconds a test may take with its fixtures."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0] if marker else item.config.getini("timeout"))


def _within(seconds: float, test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
    @functools.wraps(test)
    async def limited(*args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(seconds):
            await test(*args, **kwargs)

    return limited


def pytest_make_parametrize_id(val: object) -> str | None:
    """Archives carry the second they were made in, and every process of a run has to call a test the same."""
    return "packed" if isinstance(val, bytes) and val.startswith((b"\x1f\x8b", b"PK")) else None


class ManualClock:
    """A clock that stands still until it is told to advance."""

    def __init__(self, start: datetime = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


class TestServer:
    """A migrated template and a way to clone it."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self._server = Server(folder, structlog.get_logger(), durable=False)
        self._password = self._server.app_password
        self._left: list[str] = []
        self._owner_password = data_folder.ensure_password(folder / "postgres-owner.password")

    async def start(self) -> None:
        await self._server.start()
        await migrate.migrate(self._server.owner_dsn, app_password=self._password)
        await self._administer(f"ALTER DATABASE {DATABASE} WITH ALLOW_CONNECTIONS false")

    async def clone(self) -> str:
        return await self._create(f"TEMPLATE {DATABASE} STRATEGY file_copy")

    async def empty(self) -> str:
        return await self._create("")

    def drop(self, name: str) -> None:
        """With the next one that is made: by then nobody is connected, and PostgreSQL has no 100 ms to wait for that."""
        self._left.append(name)

    async def stop(self) -> None:
        await self._server.stop()

    def app_dsn(self, name: str) -> str:
        return self._server.dsn(APP_ROLE, self._password, name)

    def owner_dsn(self, name: str) -> str:
        return self._server.dsn(OWNER, self._owner_password, name)

    async def _create(self, how: str) -> str:
        name = f"test_{next(_numbers)}"
        left, self._left = self._left, []
        await self._administer(
            *(f"DROP DATABASE {each} WITH (FORCE)" for each in left), f"CREATE DATABASE {name} {how}"
        )
        return name

    async def _administer(self, *statements: str) -> None:
        connection = await postgres.connect(self.owner_dsn("postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session", autouse=True)
def few_rsa_keys() -> Iterator[None]:
    """Nearly every test makes a workspace with a key of its own, and 70 ms of prime numbers each: eight keys take turns."""
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(8)]
    turns = itertools.cycle(keys)
    with mock.patch.object(dkim_keys, "generate_private_key", side_effect=lambda *_: next(turns)):
        yield


def _memory() -> Path | None:
    """Where files cost no disk, if there is room: each test's database is hundreds of them, made and removed again."""
    with contextlib.suppress(OSError):
        if shutil.disk_usage(_MEMORY).free >= _ROOM:
            return _MEMORY
    return None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[TestServer]:
    """The server of this pytest process."""
    folder = Path(tempfile.mkdtemp(prefix="posthouse-test-", dir=_memory()))
    server = TestServer(folder)
    asyncio.run(server.start())
    try:
        yield server
    finally:
        asyncio.run(server.stop())
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def database_name(postgres_server: TestServer) -> AsyncIterator[str]:
    """A database of the current schema that nobody else uses."""
    name = await postgres_server.clone()
    yield name
    postgres_server.drop(name)


@pytest.fixture
def database_dsn(postgres_server: TestServer, database_name: str) -> str:
    """The test's database as the processes of the product see it."""
    return postgres_server.app_dsn(database_name)


@pytest.fixture
def owner_dsn(postgres_server: TestServer, database_name: str) -> str:
    """The test's database with every right."""
    return postgres_server.owner_dsn(database_name)


@pytest.fixture
async def database(database_dsn: str) -> AsyncIterator[postgres.Pool]:
    """A pool with the rights of the product's processes."""
    async with _pool(database_dsn) as pool:
        yield pool


@pytest.fixture
async def owner(owner_dsn: str) -> AsyncIterator[postgres.Pool]:
    """A pool on the same database with the rights of its owner."""
    async with _pool(owner_dsn) as pool:
        yield pool


@contextlib.asynccontextmanager
async def _pool(dsn: str) -> AsyncIterator[postgres.Pool]:
    pool = await postgres.open_pool(dsn, size=10, name="test")
    yield pool
    pool.terminate()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ids(clock: ManualClock) -> Ids:
    return Ids(clock)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Defaults with a data folder of the test's own that has a key-encryption key."""
    vault.ensure_kek(tmp_path / "kek")
    return Settings(server=ServerSettings(hostname="mail.test", data_dir=tmp_path))


@pytest.fixture
def make_process(
    settings: Settings, database: postgres.Pool, database_dsn: str, owner_dsn: str
) -> Callable[..., Process]:
    """`make_process("delivery", delivery={"concurrency": 5})`: a process of a role on the test's database."""

    def make(role: str = "test", /, **sections: dict[str, Any]) -> Process:
        chosen = settings
        for section, fields in sections.items():
            chosen = chosen.with_(section, **fields)
        clock = SystemClock()
        ids = Ids(clock)
        return Process(
            role=role, index=1, worker_id=ids.new(), settings=chosen, clock=clock, ids=ids, pool=database, dsn=database_dsn,
            log=structlog.get_logger().bind(role=role), metrics=Metrics(role), vault=vault.open_vault(chosen),
            owner_dsn=owner_dsn,
        )  # fmt: skip

    return make


@pytest.fixture
def process(make_process: Callable[..., Process]) -> Process:
    return make_process()
