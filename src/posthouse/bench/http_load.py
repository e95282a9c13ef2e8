"""Brings mail by POST /v1/messages: kept-alive connections, written and read raw so that the client costs little.

`Client.post` takes an idle connection or opens another, so a load that does not wait for answers opens as many as it needs.
"""

import asyncio
from typing import Final, cast

from posthouse.bench.failure import BenchError
from posthouse.bench.installation import Installation

ACCEPTED: Final = 202
_SHOWN_OCTETS: Final = 300
_ANSWER_S: Final = 60.0


class Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._length = -1  # of head and body together, once the head is there
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way to write."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one by its methods only

    def connection_lost(self, exc: Exception | None) -> None:
        """An answer that was still to come will not."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BenchError("the API closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Collects one answer; ours have a Content-Length (RFC 9112 6.2)."""
        self._buffer += data
        if self._length < 0:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            self._length = head + 4 + content_length(bytes(self._buffer[:head]))
        if len(self._buffer) >= self._length and self._answer is not None and not self._answer.done():
            self._answer.set_result(bytes(self._buffer))

    async def ask(self, request: bytes) -> bytes:
        """Sends a request and waits for the whole answer, head and body. Raises BenchError."""
        assert self._transport is not None
        self._buffer.clear()
        self._length = -1
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await self._answer
        except TimeoutError as error:
            raise BenchError(f"the API did not answer within {_ANSWER_S:g} s") from error

    def close(self) -> None:
        """The end."""
        if self._transport is not None:
            self._transport.close()


class Client:
    """The connections to one installation's API."""

    def __init__(self, installation: Installation) -> None:
        self._address = installation.web
        self._head = (
            f"POST /v1/messages HTTP/1.1\r\nHost: {self._address[0]}\r\nAuthorization: Bearer {installation.said.api_key}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode()
        self._idle: list[Connection] = []
        self._all: list[Connection] = []

    @property
    def connections(self) -> int:
        """How many were opened."""
        return len(self._all)

    async def post(self, body: bytes) -> None:
        """Hands over one message or a list. Raises BenchError when the answer is not 202."""
        connection = self._idle.pop() if self._idle else await self._open()
        answer = await connection.ask(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        self._idle.append(connection)
        if status(answer) != ACCEPTED:
            raise BenchError(f"the API answered {answer[-_SHOWN_OCTETS:].decode(errors='replace')}")

    def close(self) -> None:
        """Ends every connection."""
        for connection in self._all:
            connection.close()

    async def _open(self) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(Connection, *self._address)
        self._all.append(connection)
        return connection


def status(answer: bytes) -> int:
    """The status code of an answer (RFC 9112 4)."""
    return int(answer[9:12])


def content_length(head: bytes) -> int:
    """The length a head announces; 0 when it says nothing."""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0
