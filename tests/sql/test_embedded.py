"""The embedded server for real: first start, crash, orphans, every kind of user."""

import asyncio
import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import pytest
import structlog

import posthouse
from posthouse.runtime import data_folder, embedded_runner
from posthouse.runtime.data_folder import FolderError
from posthouse.runtime.embedded import Server, running_postmaster, socket_folder
from posthouse.runtime.embedded_runner import EmbeddedError, Runner
from posthouse.runtime.postgres import connect

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
WITHOUT_NAMESPACES = {"can": lambda runner: not runner.prefix and embedded_runner.works(runner)}


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder in a public place, as pytest's own is closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="posthouse-embedded-"))
    folder.chmod(0o755)
    (folder / "data").mkdir(mode=0o700)
    yield folder / "data"
    shutil.rmtree(folder)


@contextlib.asynccontextmanager
async def running(server: Server) -> AsyncIterator[Server]:
    await server.start()
    keeping = asyncio.create_task(server.keep())
    try:
        yield server
    finally:
        await server.stop()
        await keeping


def server_at(data: Path, **choice: object) -> Server:
    chosen = (lambda folder: embedded_runner.choose(folder, **choice)) if choice else embedded_runner.choose  # type: ignore[arg-type]
    return Server(data, structlog.get_logger(), durable=False, choose=chosen)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def access(paths: Iterable[Path]) -> dict[Path, tuple[int, int, int]]:
    return {path: (mode(path), path.stat().st_uid, path.stat().st_gid) for path in paths}


async def answer(server: Server) -> int:
    connection = await connect(server.owner_dsn)
    try:
        return int(await connection.fetchval("SELECT 42"))
    finally:
        await connection.close()


async def test_a_killed_postmaster_is_back_with_its_data_and_a_stopped_one_too(data: Path) -> None:
    async with running(Server(data, structlog.get_logger())) as server, asyncio.timeout(60):
        connection = await connect(server.owner_dsn)
        await connection.execute("CREATE TABLE kept (n integer)")
        await connection.execute("INSERT INTO kept VALUES (1)")
        os.kill(server.pid, signal.SIGKILL)
        connection.terminate()
        connection = await connect(server.owner_dsn)
        assert await connection.fetchval("SELECT n FROM kept") == 1
        await connection.close()
    assert running_postmaster(server.cluster) == 0
    async with running(server_at(data)) as again:
        assert await answer(again) == 42


async def test_a_killed_postmaster_is_back_within_two_seconds(data: Path) -> None:
    async with running(server_at(data)) as server:
        os.kill(server.pid, signal.SIGKILL)
        async with asyncio.timeout(4):  # twice the promise: the machine runs other tests
            assert await answer(server) == 42


async def test_the_cluster_is_private_has_checksums_and_no_tcp(data: Path) -> None:
    async with running(server_at(data)) as server:
        connection = await connect(server.owner_dsn)
        asked = {
            name: await connection.fetchval(f"SHOW {name}")
            for name in ("data_checksums", "listen_addresses", "server_encoding")
        }
        await connection.close()
    assert asked == {"data_checksums": "on", "listen_addresses": "", "server_encoding": "UTF8"}
    assert [mode(path) for path in (data, server.cluster, server.sockets)] == [0o700] * 3
    assert mode(data / "postgres-owner.password") == 0o600


async def test_a_wrong_password_is_refused(data: Path) -> None:
    async with running(server_at(data)) as server:
        with pytest.raises(Exception, match="password authentication failed"):
            await connect(server.dsn("posthouse", "wrong"))


async def test_a_postmaster_left_behind_is_replaced(data: Path) -> None:
    first = server_at(data)
    await first.start()
    left = first.pid
    async with running(server_at(data)) as second:
        assert second.pid != left
        assert await answer(second) == 42
    await first.stop()


async def test_an_initdb_that_was_killed_half_way_leaves_nothing_that_matters(data: Path) -> None:
    (data / "postgres.new" / "base").mkdir(parents=True)
    async with running(server_at(data)) as server:
        assert await answer(server) == 42


@NEEDS_ROOT
async def test_root_without_namespaces_runs_it_as_nobody_and_touches_nothing_outside(data: Path) -> None:
    programs = embedded_runner.installed()
    outside = (programs, *programs.parents, *data.parents)
    before = access(outside)
    async with running(server_at(data, **WITHOUT_NAMESPACES)) as server:
        assert await answer(server) == 42
        assert access([data / "postgres"])[data / "postgres"] == (0o700, 65534, 65534)
    assert access(outside) == before
    async with running(server_at(data)) as back_in_a_namespace:
        assert await answer(back_in_a_namespace) == 42


@NEEDS_ROOT
def test_a_data_folder_that_nobody_can_reach_is_explained(data: Path) -> None:
    data.parent.chmod(0o700)
    with pytest.raises(EmbeddedError, match=r"refuses user namespaces.*--data"):
        embedded_runner.choose(data, can=lambda runner: not runner.prefix and embedded_runner.works(runner))


@NEEDS_ROOT
def test_an_ordinary_user_runs_it_with_a_fresh_home(data: Path) -> None:
    script = (
        "import asyncio, pathlib, structlog\n"
        "from posthouse.runtime.embedded import Server\n"
        "async def main():\n"
        f"    server = Server(pathlib.Path({str(data)!r}), structlog.get_logger(), durable=False)\n"
        "    await server.start()\n"
        "    print('up as', pathlib.Path(f'/proc/{server.pid}').stat().st_uid)\n"
        "    await server.stop()\n"
        "asyncio.run(main())\n"
    )
    os.chown(data, 65534, 65534)
    environ = {"HOME": str(data), "PATH": os.environ["PATH"], "PYTHONPATH": str(Path(posthouse.__file__).parents[1])}
    ordinary = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c"]
    if subprocess.run(
        [*ordinary, "import posthouse"], env=environ, cwd="/", capture_output=True, check=False
    ).returncode:
        pytest.skip("the sources or Python lie where only root may read")
    done = subprocess.run([*ordinary, script], env=environ, cwd="/", capture_output=True, text=True, check=False)
    assert "up as 65534" in done.stdout, done.stderr


def test_the_way_to_run_it_is_ours_when_we_are_nobody_special(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    assert embedded_runner.choose(tmp_path) == Runner(embedded_runner.installed())


async def test_a_second_supervisor_is_refused_while_the_first_holds_the_data_folder(data: Path) -> None:
    async with data_folder.locked(data):
        with pytest.raises(FolderError, match=f"process {os.getpid()} already uses the data folder"):
            async with data_folder.locked(data, patience_s=0):
                pass
    async with data_folder.locked(data, patience_s=0):
        pass


def test_a_socket_has_a_short_path_however_long_that_of_the_data_folder_is() -> None:
    short, long = Path("/srv/mail"), Path("/srv") / ("m" * 100)
    assert socket_folder(short) == short / "run"
    assert len(str(socket_folder(long))) < 90
    assert socket_folder(long) == socket_folder(long) != socket_folder(long / "x")
