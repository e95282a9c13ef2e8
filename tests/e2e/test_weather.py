"""Bad weather: a database that stops, stands still or has no room left, and a receiver that is away for two days."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
import psutil
import pytest
import structlog
from tests.corridor import Corridor, MakeProcess, open_corridor
from tests.e2e.load import Load, await_empty, into, judge, unexplained
from tests.e2e.product import Product
from tests.e2e.recorder import Recorder, recording

from posthouse.model import limits
from posthouse.model.mail import Accepted
from posthouse.model.words import State
from posthouse.outbox.messages import RecipientRow
from posthouse.runtime import postgres
from posthouse.runtime.embedded import Server
from posthouse.runtime.process import Process

DISK_OCTETS: Final = 400 * 2**20
NOTICED_S: Final = 20.0
REPETITIONS: Final = 20
LATER: Final = {421, 451, 454}


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A short-lived folder."""
    made = Path(tempfile.mkdtemp(prefix="posthouse-weather-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextlib.asynccontextmanager
async def database() -> AsyncIterator[Server]:
    """A PostgreSQL that is not the product's own, to be stopped at will."""
    with folder() as data:
        server = Server(data, structlog.get_logger())
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


@dataclass
class Doors:
    """Both ways in: clients that never stop by SMTP, and single mails by JSON."""

    product: Product
    recorder: Recorder
    load: Load
    posted: int = 0

    async def post(self) -> int:
        """The status of one mail handed in by JSON."""
        self.posted += 1
        name = f"api-{self.posted}"
        mail = {"from": "ann@example.test", "to": [f"{name}@there.test"], "subject": "hello", "text": "Hello"}
        headers = {"authorization": f"Bearer {self.product.said['api_key']}"}
        async with httpx.AsyncClient(trust_env=False, timeout=2 * limits.ACCEPT_S) as client:
            answer = await client.post(
                f"{self.product.said['web']}/v1/messages",
                json=mail | {"headers": {"X-Storm-Id": name}},
                headers=headers,
            )
        if answer.status_code == 202:
            self.load.acknowledged.add(name)
            self.recorder.message_ids[name] = answer.json()["id"]
        return answer.status_code

    async def say_later(self) -> None:
        """Until a mail was refused with 4xx by SMTP and one with 503 by the API; nothing else may be said meanwhile."""
        before, end, answer = self.load.refusals.total(), time.monotonic() + NOTICED_S, 0
        while self.load.refusals.total() == before or answer != 503:
            assert time.monotonic() < end, f"the doors do not notice: {self.load.refusals}, {answer}"
            answer = await self.post()
            assert answer in {202, 503}
            await asyncio.sleep(0.1)
        assert set(self.load.refusals) <= LATER, self.load.refusals

    async def work(self) -> float:
        """Seconds until both take mail again."""
        back_s = await self.load.recovers()
        assert await self.post() == 202
        return back_s

    async def judge(self) -> None:
        """The count, once the queue is empty."""
        await asyncio.to_thread(await_empty, self.product)
        judge(self.load.acknowledged, self.recorder, await asyncio.to_thread(unexplained, self.product, self.recorder))


@contextlib.contextmanager
def installed(folder: Path, recorder: Recorder, **settings: str) -> Iterator[Doors]:
    """A product in a folder of its own, delivering to the recorder."""
    routes = f'{{"*": "127.0.0.1:{recorder.port}"}}'
    product = Product(folder, {"DELIVERY_ROUTES": routes, "DELIVERY_RETRY_FIRST_S": "1", **settings})
    product.start()
    try:
        yield Doors(product, recorder, Load(into(product)))
    except BaseException:
        print(product.log.read_text()[-5000:])
        raise
    finally:
        product.stop()


async def test_while_postgresql_is_stopped_both_doors_say_later_and_nothing_acknowledged_is_lost() -> None:
    async with recording() as recorder, database() as server:
        with folder() as data, installed(data, recorder, POSTGRES_DSN=server.owner_dsn) as doors:
            async with doors.load.flowing():
                await doors.work()
                await server.stop()
                await doors.say_later()
                taken = len(doors.load.acknowledged)
                await asyncio.sleep(2)
                assert len(doors.load.acknowledged) == taken
                await server.start()
                print(f"back after {await doors.work():.1f} s")
            await doors.judge()


def _freeze(pid: int, number: signal.Signals) -> None:
    postmaster = psutil.Process(pid)
    for each in (postmaster, *postmaster.children(recursive=True)):
        each.send_signal(number)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_while_postgresql_stands_still_clients_are_told_so_in_time_and_their_repetitions_are_not_all_sent() -> (
    None
):
    async with recording() as recorder, database() as server:
        with folder() as data, installed(data, recorder, POSTGRES_DSN=server.owner_dsn) as doors:
            async with doors.load.flowing():
                await doors.work()
                _freeze(server.pid, signal.SIGSTOP)
                try:
                    began = time.monotonic()
                    first = asyncio.create_task(doors.post())
                    await asyncio.sleep(1)  # its commit is under way; whatever comes now has to wait in line
                    answers = [*await asyncio.gather(*(doors.post() for _ in range(REPETITIONS))), await first]
                    print(f"told after {time.monotonic() - began:.1f} s")
                    assert set(answers) == {503}
                    assert time.monotonic() - began < limits.ACCEPT_S + NOTICED_S
                    assert doors.load.refusals
                    assert set(doors.load.refusals) <= LATER
                finally:
                    _freeze(server.pid, signal.SIGCONT)
                print(f"back after {await doors.work():.1f} s")
            await doors.judge()
            unpromised = {each for each in recorder.arrived if each.startswith("api-")} - doors.load.acknowledged
            assert len(unpromised) <= 1, "more than the commit under way was sent after all"


@contextlib.contextmanager
def small_disk(at: Path) -> Iterator[None]:
    """A disk of DISK_OCTETS at this path; skips the test where that is not permitted."""
    at.mkdir(mode=0o700, parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_OCTETS},mode=0700", "tmpfs", str(at)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs the right to mount one")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def _fill(disk: Path) -> Path:
    """Takes all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (2**20, 4096):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size) == size:
                    pass
    return ballast


async def _ask_for_more_log(disk: Path) -> None:
    """Makes PostgreSQL want a new segment of its log, which it cannot have: the hardest way it can fail."""
    with contextlib.suppress(*postgres.DATABASE_GONE, postgres.PostgresError):
        connection = await postgres.connect(Server(disk, structlog.get_logger()).owner_dsn, patience_s=0)
        try:
            for _ in range(3):
                await connection.execute("SELECT pg_logical_emit_message(false, 'x', repeat('x', 9000000))")
        finally:
            connection.terminate()


async def _given_up(product: Product) -> None:
    """Until the server could not be started for so long that somebody less patient would have ended everything."""
    async with asyncio.timeout(limits.DATABASE_STOP_S + NOTICED_S):
        while "postgres.does_not_start" not in product.log.read_text():  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    "hard", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["for its tables", "for its log"]
)
async def test_when_the_disk_is_full_both_doors_say_later_until_there_is_room_again(hard: bool) -> None:
    with folder() as place, small_disk(place / "data"):
        async with recording() as recorder:
            with installed(place, recorder) as doors:
                async with doors.load.flowing():
                    await doors.work()
                    ballast = _fill(place / "data")
                    await doors.say_later()
                    if hard:
                        await _ask_for_more_log(place / "data")
                        await _given_up(doors.product)
                    await asyncio.sleep(3)
                    print(f"full: {dict(doors.load.refusals)}")
                    ballast.unlink()
                    print(f"back after {await doors.work():.1f} s")
                assert set(doors.load.refusals) <= LATER
                await doors.judge()


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


@pytest.fixture
async def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def corridor(make_process: MakeProcess, clock: MovableClock) -> AsyncIterator[Corridor]:
    def make(role: str = "test", /, **sections: dict[str, object]) -> Process:
        process = make_process(role, **sections)
        process.clock = clock
        return process

    async with open_corridor(make) as opened:
        yield opened


async def _deferred(corridor: Corridor, accepted: Accepted, attempts: int) -> RecipientRow:
    """The row once it waits after more attempts than these."""
    async with asyncio.timeout(NOTICED_S):
        while True:
            (row,) = await corridor.recipients(accepted.message_id)
            if row.state is State.WAITING and row.attempts > attempts:
                return row
            await asyncio.sleep(0.02)


async def test_a_receiver_that_is_down_for_two_days_gets_its_mail_when_it_is_back(
    corridor: Corridor, clock: MovableClock
) -> None:
    down = socket.socket()  # bound and not listening: whoever dials is refused
    down.bind(("127.0.0.1", 0))
    accepted = await corridor.send("bob@there.test")
    back_at, attempts = clock.now() + timedelta(hours=48), 0
    async with corridor.delivering(down.getsockname()[1], retry_first_s=1200, retry_factor=4, retry_cap_s=12 * 3600):
        while clock.now() < back_at:
            row = await _deferred(corridor, accepted, attempts)
            assert "there.test" in row.reason
            attempts = row.attempts
            clock.move_to(row.not_before)
        async with recording([down]) as receiver:
            (row,) = await corridor.settled([accepted], patience_s=NOTICED_S)
    assert row.state is State.DELIVERED
    assert row.settled_at is not None
    assert row.settled_at > back_at
    assert receiver.arrived.total() == 1
    print(f"delivered at attempt {row.attempts}")
