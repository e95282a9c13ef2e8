"""The web role on a port of this machine, for tests that speak HTTP to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx

from posthouse.accounts import bootstrap
from posthouse.runtime import network
from posthouse.runtime.process import Process
from posthouse.web import host
from posthouse.web.app import build
from posthouse.web.rooms import Rooms


@dataclass(frozen=True, slots=True)
class Web:
    """A running web role of a lab workspace, and a client that has its key."""

    process: Process
    rooms: Rooms
    key: str
    port: int
    client: httpx.AsyncClient

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.asynccontextmanager
async def running(make_process: Callable[..., Process], *, lab: bool = True) -> AsyncIterator[Web]:
    """The role from bind to drained."""
    process = make_process("web", lab={"enabled": lab})
    started = await bootstrap.ensure(process)
    ready = asyncio.Event()
    process.on_ready = ready.set
    async with host.opened(process) as rooms:
        app = build(rooms)
        listener = network.bind("127.0.0.1", 0, "web.port")
        port = listener.getsockname()[1]
        serving = asyncio.create_task(host.serve(process, app, listener))
        await ready.wait()
        headers = {"authorization": f"Bearer {started.api_key}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False) as client:
            try:
                yield Web(process, rooms, started.api_key, port, client)
            finally:
                process.stopping.set()
                await serving
