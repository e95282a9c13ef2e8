"""Connections between simulated processes and simulated receivers: bytes that take their time, and may be cut."""

import asyncio
import contextvars
import os
import ssl
from collections.abc import Callable
from contextvars import Context
from random import Random
from typing import Any, Protocol

from tests.sim.loop import OWNER, Owner, SimLoop

_APART_S = 1e-6  # between two things on one connection: timers of the same moment have no order
_CONNECT_S = 130.0  # the patience of a kernel with an address that never answers


class Server(Protocol):
    """The far end of one connection."""

    def opened(self, line: "Line") -> None: ...
    def received(self, data: bytes) -> None: ...
    def closed(self) -> None: ...


class Place(Protocol):
    """Something at an address."""

    def door(self, owner: Owner, source: str) -> str:
        """open, refuse, or silent."""
        ...

    def serve(self, owner: Owner, source: str) -> Server: ...


class Network:
    """All addresses and who is there."""

    def __init__(self, loop: SimLoop, random: Random, trace: Callable[[str], None]) -> None:
        self.loop = loop
        self.random = random
        self.trace = trace
        self.places: dict[str, Place] = {}
        self.lines: list[Line] = []
        self.never_readable = os.eventfd(0)

    def close(self) -> None:
        """Gives the file descriptor back."""
        os.close(self.never_readable)

    def delay_s(self) -> float:
        """How long a packet travels."""
        return self.random.uniform(0.0005, 0.01)

    async def connect(self, factory: Any, host: str, port: int, *, local_addr: Any = None, **_: object) -> Any:
        """What `loop.create_connection` does."""
        owner = OWNER.get()
        assert owner is not None
        place = self.places.get(host)
        source = local_addr[0] if local_addr else "10.9.9.9"
        await asyncio.sleep(self.delay_s())
        door = place.door(owner, source) if place else "refuse"
        if door == "silent":
            self.trace(f"net {owner.name} -> {host}: silence")
            await asyncio.sleep(_CONNECT_S)
            raise TimeoutError("connection timed out")
        if door == "refuse" or place is None:
            self.trace(f"net {owner.name} -> {host}: refused")
            raise ConnectionRefusedError(111, "Connection refused")
        self.trace(f"net {owner.name} -> {host}: connected")
        protocol = factory()
        line = Line(self, owner, place.serve(owner, source), protocol)
        self.lines.append(line)
        protocol.connection_made(line.near)
        line.server.opened(line)
        return line.near, protocol

    def died(self, owner: Owner) -> None:
        """The kernel closes what a dead process had open."""
        for line in self.lines:
            if line.owner is owner:
                line.near.vanish()

    async def start_tls(self, transport: "NearEnd", protocol: Any, context: Any, **_: object) -> Any:
        """A handshake that works, or does not."""
        await asyncio.sleep(self.delay_s() * 3)
        if transport.is_closing():
            return None
        if not transport.line.tls_works:
            transport.abort()
            raise ssl.SSLError(1, "tlsv1 alert internal error")
        transport.encrypt()
        return transport


class Line:
    """One connection. The server writes with `say`, ends it with `close`, and sees the client's end of it in order."""

    def __init__(self, network: Network, owner: Owner, server: Server, protocol: Any) -> None:
        self.network = network
        self.owner = owner
        self.server = server
        self.protocol = protocol
        self.tls_works = True
        self.near = NearEnd(self, contextvars.copy_context())
        self._says_until = 0.0  # when the last byte we sent arrives: bytes never overtake each other
        self._hears_until = 0.0
        self.over = False  # for the server
        self.is_broken = False  # the server's end of it has reached the client
        self.is_encrypted = False

    def say(self, data: bytes) -> None:
        """To the client."""
        self._to_client(self.near.arrive, data)

    def close(self, *, reset: bool = False) -> None:
        """The server ends the connection."""
        if not self.over:
            self.over = True
            self._to_client(self.near.lose, ConnectionResetError(104, "Connection reset by peer") if reset else None)

    def to_server(self, callback: Callable[..., None], *args: object) -> None:
        """From the client, in order."""
        loop = self.network.loop
        self._hears_until = max(self._hears_until + _APART_S, loop.now + self.network.delay_s())
        loop.world_later(self._hears_until - loop.now, callback, *args)

    def _to_client(self, callback: Callable[..., None], *args: object) -> None:
        loop = self.network.loop
        self._says_until = max(self._says_until + _APART_S, loop.now + self.network.delay_s())
        loop.call_at(self._says_until, callback, *args, context=self.near.context)

    def client_gone(self) -> None:
        """What the server is told when the client closed or died."""
        if not self.over:
            self.over = True
            self.server.closed()


class NearEnd(asyncio.Transport):
    """The client's transport."""

    def __init__(self, line: Line, context: Context) -> None:
        super().__init__()
        self.line = line
        self.context = context
        self._closing = False
        self._paused = False
        self._held: list[bytes] = []
        self._infos: dict[str, object] = {"socket": self}

    def fileno(self) -> int:
        """Of a socket at which nothing is ever waiting: what arrives is handed over at once."""
        return self.line.network.never_readable

    def encrypt(self) -> None:
        """From here on it looks encrypted."""
        self.line.is_encrypted = True
        self.resume_reading()
        self._infos |= {"ssl_object": self, "cipher": ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128), "peercert": {}}

    def version(self) -> str:
        """As an SSLObject says it."""
        return "TLSv1.3"

    def arrive(self, data: bytes) -> None:
        """Bytes from the server."""
        if self._paused:
            self._held.append(data)
        elif not self._closing:
            self.line.protocol.data_received(data)

    def lose(self, error: Exception | None) -> None:
        """The server closed, orderly or not."""
        self.line.is_broken = True
        if self._closing:
            return
        if error is None and self.line.protocol.eof_received():
            return
        self._finish(error)

    def _finish(self, error: Exception | None) -> None:
        if not self._closing:
            self._closing = True
            self.line.network.loop.call_soon(self.line.protocol.connection_lost, error, context=self.context)

    def write(self, data: Any) -> None:
        if not self._closing:
            self.line.to_server(self._deliver, bytes(data))

    def _deliver(self, data: bytes) -> None:
        if not self.line.over:
            self.line.server.received(data)

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self._closing:
            self.line.to_server(self.line.client_gone)
        self._finish(None)

    def vanish(self) -> None:
        """The process at this end is gone; nobody here hears anything any more."""
        if not self._closing:
            self._closing = True
            self.line.to_server(self.line.client_gone)

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return not self._paused

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        held, self._held = self._held, []
        for data in held:
            self.arrive(data)

    def get_extra_info(self, name: str, default: object = None) -> Any:
        return self._infos.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def set_protocol(self, protocol: Any) -> None:
        self.line.protocol = protocol

    def get_protocol(self) -> Any:
        return self.line.protocol
