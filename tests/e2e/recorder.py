"""A receiver that only counts: which mails arrived how often, by a header of the test's own. It may be slow, and strict."""

import asyncio
import contextlib
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import cast

ID_FIELD = b"X-Storm-Id:"
_EHLO = b"250-recorder.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
_END = b"\r\n.\r\n"


@dataclass(frozen=True, slots=True)
class Manners:
    """How it treats its guests: seconds before each answer, and the most connections at once to one of its ports."""

    delay_s: float = 0.0
    connections: int = 10_000
    mails_per_connection: int = 10_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """One whole mail: when (seconds since the epoch), from which address, to which of our ports."""

    at: float
    sender: str
    port: int
    identity: str


@dataclass
class Recorder:
    """`arrived` counts whole mails by id at the moment they are taken, before the sender hears of it.

    `message_ids` are the product's own ids of them, from its Received field where there is one; `most_open` is the most connections one port had.
    """

    manners: Manners = Manners()
    port: int = 0
    ports: list[int] = field(default_factory=list)
    arrived: Counter[str] = field(default_factory=Counter)
    arrivals: list[Arrival] = field(default_factory=list)
    message_ids: dict[str, str] = field(default_factory=dict)
    open: Counter[int] = field(default_factory=Counter)
    most_open: int = 0

    def take(self, content: bytes, sender: str = "", port: int = 0) -> None:
        """Counts one mail."""
        head = content.split(b"\r\n\r\n", 1)[0]
        received, _, rest = head.partition(ID_FIELD)
        identity = rest.split(b"\r\n", 1)[0].strip().decode()
        self.arrived[identity] += 1
        self.arrivals.append(Arrival(time.time(), sender, port, identity))
        _, by_smtp, after = received.rpartition(b" id ")
        if by_smtp:
            self.message_ids[identity] = after.split(b";", 1)[0].decode()


class _Visit(asyncio.Protocol):
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._buffer = b""
        self._in_data = False
        self._mails = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._sender, self._port = transport.get_extra_info("peername")[0], transport.get_extra_info("sockname")[1]
        recorder = self._recorder
        recorder.open[self._port] += 1
        recorder.most_open = max(recorder.most_open, recorder.open[self._port])
        if recorder.open[self._port] > recorder.manners.connections:
            self._transport.write(b"421 4.7.0 too many connections\r\n")
            self._transport.close()
            return
        self._answer(b"220 recorder.test ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._recorder.open[self._port] -= 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        answer = b""
        while (step := self._step()) is not None:
            answer += step
        if answer:
            self._answer(answer)

    def _answer(self, data: bytes) -> None:
        """What came together is answered together, one way and back later: as over a long line."""
        if self._recorder.manners.delay_s:
            asyncio.get_running_loop().call_later(self._recorder.manners.delay_s, self._write, data)
        else:
            self._write(data)

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def _step(self) -> bytes | None:
        end = _END if self._in_data else b"\r\n"
        piece, found, rest = self._buffer.partition(end)
        if not found:
            return None
        self._buffer = rest
        return self._message(piece) if self._in_data else self._command(piece[:4].upper())

    def _message(self, content: bytes) -> bytes:
        self._in_data = False
        self._mails += 1
        self._recorder.take(content, self._sender, self._port)
        return b"250 2.0.0 counted\r\n"

    def _command(self, verb: bytes) -> bytes:
        if verb == b"MAIL" and self._mails >= self._recorder.manners.mails_per_connection:
            return b"421 4.7.0 enough for one connection\r\n"
        self._in_data = verb == b"DATA"
        replies = {b"EHLO": _EHLO, b"DATA": b"354 go on\r\n", b"QUIT": b"221 2.0.0 bye\r\n"}
        return replies.get(verb, b"250 2.0.0 ok\r\n")


@contextlib.asynccontextmanager
async def recording(
    listeners: Sequence[socket.socket] = (), *, manners: Manners = Manners()
) -> AsyncIterator[Recorder]:
    """A recorder on these sockets, or on a port of its own."""
    recorder = Recorder(manners)
    loop = asyncio.get_running_loop()
    bound = listeners or [socket.create_server(("127.0.0.1", 0))]
    servers = [await loop.create_server(lambda: _Visit(recorder), sock=each) for each in bound]
    recorder.ports = [server.sockets[0].getsockname()[1] for server in servers]
    recorder.port = recorder.ports[0]
    try:
        yield recorder
    finally:
        for server in servers:
            server.close()
