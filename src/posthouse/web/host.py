"""The role `web`: pages and API on one port, in this process's event loop."""

import asyncio
import contextlib
import gc
import socket
import sys
from collections.abc import AsyncIterator, Generator
from typing import Final

import uvicorn

from posthouse.accounts.directory import Directory
from posthouse.intake.accept import Door
from posthouse.intake.receiver_reports import ReportDesk
from posthouse.model.limits import KEEP_ALIVE_S, WEB_CONNECTIONS, WEB_DRAIN_S
from posthouse.runtime import network
from posthouse.runtime.process import Process
from posthouse.web.app import Front, build
from posthouse.web.connection import Connection
from posthouse.web.rooms import Rooms

_SWITCH_S: Final = 0.0005
"""So long a thread that reads a large call keeps the interpreter while a small one waits; Python's own 5 ms would be met several times
a request."""


async def main(process: Process) -> None:
    """Serve until the process is asked to stop; requests in flight are answered, what was promised is committed."""
    sys.setswitchinterval(_SWITCH_S)
    listener = network.bind(process.settings.web.host, process.settings.web.port, "web.port")
    async with opened(process) as rooms:
        app = build(rooms)
        # What lives as long as the process need not be looked at again: a full collection costs 2 ms then instead of 100.
        gc.collect()
        gc.freeze()
        await serve(process, app, listener)


@contextlib.asynccontextmanager
async def opened(process: Process) -> AsyncIterator[Rooms]:
    """The rooms the web works with, while the block runs."""
    async with Directory.open(process) as directory:
        door = Door.open(process, directory)
        try:
            yield Rooms(process, directory, door, ReportDesk(process))
        finally:
            await door.close()


async def serve(process: Process, app: Front, listener: socket.socket) -> None:
    """Answer on a bound socket until `process.stopping` is set and what was in flight has been answered."""
    server = _Server(_config(app), process)
    stopper = asyncio.create_task(_stop(process, server), name="web stop")
    try:
        await server.serve(sockets=[listener])
    finally:
        stopper.cancel()


class _Server(uvicorn.Server):
    """uvicorn as a guest: the process has its own signal handlers, and is told when the port answers."""

    def __init__(self, config: uvicorn.Config, process: Process) -> None:
        super().__init__(config)
        self._process = process

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._process.ready()


def _config(app: Front) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        loop="none",
        lifespan="on",
        log_config=None,
        log_level="error",  # its warnings are what strangers send: one line for every scanner that says no HTTP
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=WEB_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=WEB_DRAIN_S,
    )


async def _stop(process: Process, server: uvicorn.Server) -> None:
    await process.stopping.wait()
    server.should_exit = True
