"""A receiver that only counts: which mails arrived how often, by a header of the test's own."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

ID_FIELD = b"X-Storm-Id:"
_EHLO = b"250-recorder.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
_END = b"\r\n.\r\n"


@dataclass
class Recorder:
    """`arrived` counts whole mails by id at the moment they are taken, before the sender hears of it.

    `message_ids` are the product's own ids of them, from its Received field.
    """

    port: int = 0
    arrived: Counter[str] = field(default_factory=Counter)
    message_ids: dict[str, str] = field(default_factory=dict)

    def take(self, content: bytes) -> None:
        """Counts one mail."""
        head = content.split(b"\r\n\r\n", 1)[0]
        received, _, rest = head.partition(ID_FIELD)
        identity = rest.split(b"\r\n", 1)[0].strip().decode()
        self.arrived[identity] += 1
        self.message_ids[identity] = received.rpartition(b" id ")[2].split(b";", 1)[0].decode()


class _Visit(asyncio.Protocol):
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._buffer = b""
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 recorder.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._step():
            pass

    def _step(self) -> bool:
        end = _END if self._in_data else b"\r\n"
        piece, found, rest = self._buffer.partition(end)
        if not found:
            return False
        self._buffer = rest
        self._transport.write(self._message(piece) if self._in_data else self._command(piece[:4].upper()))
        return True

    def _message(self, content: bytes) -> bytes:
        self._in_data = False
        self._recorder.take(content)
        return b"250 2.0.0 counted\r\n"

    def _command(self, verb: bytes) -> bytes:
        self._in_data = verb == b"DATA"
        replies = {b"EHLO": _EHLO, b"DATA": b"354 go on\r\n", b"QUIT": b"221 2.0.0 bye\r\n"}
        return replies.get(verb, b"250 2.0.0 ok\r\n")


@contextlib.asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    """A recorder on a port of its own."""
    recorder = Recorder()
    server = await asyncio.get_running_loop().create_server(lambda: _Visit(recorder), "127.0.0.1", 0)
    recorder.port = server.sockets[0].getsockname()[1]
    try:
        yield recorder
    finally:
        server.close()
