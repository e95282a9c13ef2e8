"""An installation of the product in a temporary folder, started and ended as a user would."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Final

import msgspec

from posthouse.bench.failure import BenchError
from posthouse.runtime.child import Child
from posthouse.runtime.embedded import Server
from posthouse.runtime.log import Logger, configure
from posthouse.runtime.process import Process, open_process
from posthouse.runtime.settings import Settings
from posthouse.runtime.settings_source import PREFIX

_PORTS: Final = 48  # what one installation counts from its base, with room for a process a pool a core
_FIRST_PORT: Final = 20_000
_LAST_PORT: Final = 31_000  # below what the kernel hands out to clients
_START_S: Final = 120.0
_DRAIN_S: Final = 45.0
_POLL_S: Final = 0.05
_LOG_CHARS: Final = 2_000


class Announced(msgspec.Struct, frozen=True):
    """What a benchmark needs of the line of JSON that `posthouse up --json` prints."""

    web: str
    submission: str
    api_key: str
    pids: dict[str, int]


@dataclass(frozen=True, slots=True)
class Installation:
    """A running installation."""

    folder: Path
    said: Announced

    @property
    def submission(self) -> tuple[str, int]:
        """Where mail is handed in by SMTP."""
        host, _, port = self.said.submission.rpartition(":")
        return host, int(port)

    @property
    def web(self) -> tuple[str, int]:
        """Where mail is handed in by HTTP."""
        host, _, port = self.said.web.removeprefix("http://").rpartition(":")
        return host, int(port)

    @contextlib.asynccontextmanager
    async def beside(self) -> AsyncIterator[Process]:
        """A process of ours on its database, with the rights of its roles."""
        settings = Settings().with_("server", data_dir=_data(self.folder), log_level="warning")
        dsn = Server(_data(self.folder), _log()).app_dsn
        async with open_process(settings, "bench", dsn) as process:
            yield process


@contextlib.asynccontextmanager
async def running(routes: Mapping[str, str], parent: Path | None) -> AsyncIterator[Installation]:
    """A fresh installation with these fixed routes while the block runs; `parent` is on the disk that is to be measured."""
    folder = Path(tempfile.mkdtemp(prefix="posthouse-bench-", dir=parent))
    child: Child | None = None
    try:
        child = _start(folder, routes)
        yield Installation(folder, await _announced(child, folder))
    finally:
        if child is not None:
            await _end(child)
        shutil.rmtree(folder, ignore_errors=True)


def _data(folder: Path) -> Path:
    return folder / "data"


def _log() -> Logger:
    return configure("bench", "warning")


def _start(folder: Path, routes: Mapping[str, str]) -> Child:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environ[f"{PREFIX}DELIVERY_ROUTES"] = msgspec.json.encode(dict(routes)).decode()
    command = [sys.executable, "-m", "posthouse.cli.main", "up", "--lab", "--json"]
    command += ["--data", str(_data(folder)), "--port-base", str(_free_ports())]
    with (folder / "said").open("wb") as said, (folder / "log").open("wb") as log:
        return Child.start(command, environ=environ, output=said, errors=log, when_orphaned=signal.SIGTERM)


async def _announced(child: Child, folder: Path) -> Announced:
    end = time.monotonic() + _START_S
    while not (line := (folder / "said").read_bytes()).endswith(b"\n"):
        if child.ended or time.monotonic() > end:
            log = (folder / "log").read_text(errors="replace").strip()
            raise BenchError(f"the installation did not start: {log[-_LOG_CHARS:]}")
        await asyncio.sleep(_POLL_S)
    return msgspec.json.decode(line, type=Announced)


async def _end(child: Child) -> None:
    """Drain; hurry; and if even that does not help, kill: its children end with their supervisor."""
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        child.send(number)
        if await child.ends_within(_DRAIN_S):
            return


def _free_ports() -> int:
    """The first of _PORTS ports nobody listens on."""
    bases = list(range(_FIRST_PORT, _LAST_PORT, _PORTS))
    SystemRandom().shuffle(bases)
    for base in bases:
        if all(_is_free(port) for port in range(base, base + _PORTS)):
            return base
    raise BenchError(f"there are no {_PORTS} free ports in a row between {_FIRST_PORT} and {_LAST_PORT}")


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
