"""Is this process well? A small HTTP port of its own answers /healthz, /readyz and /metrics.

/healthz is 200 while the event loop turns. /readyz is 200 when the role said it is ready, the database answers and nobody asked
it to stop, else 503 with the reason. Only GET of these three; one request per connection.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from posthouse.model import limits
from posthouse.runtime.metrics import CONTENT_TYPE, Metrics
from posthouse.runtime.postgres import DATABASE_GONE, Executor

_PLAIN: Final = "text/plain; charset=utf-8"


class Health:
    """What a process knows about its own readiness."""

    def __init__(self, database: Executor, role_state: Callable[[], str]) -> None:
        """`role_state` is "ready", or why the role is not."""
        self._database = database
        self._role_state = role_state

    async def state(self) -> tuple[bool, str]:
        """Whether work may be sent here, and "ready" or the reason why not."""
        if (state := self._role_state()) != "ready":
            return False, state
        try:
            async with asyncio.timeout(limits.DATABASE_PROBE_S):
                await self._database.fetchval("SELECT 1")
        except DATABASE_GONE as error:
            return False, f"the database does not answer: {type(error).__name__}"
        return True, "ready"


async def serve(listener: socket.socket, health: Health, metrics: Metrics) -> asyncio.Server:
    """Answer probes on a bound socket until the server is closed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(limits.PROBE_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(await respond(request, health, metrics))
                await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, sock=listener, limit=limits.PROBE_REQUEST_OCTETS)


async def respond(request: bytes, health: Health, metrics: Metrics) -> bytes:
    """The whole HTTP/1.1 response to a whole request."""
    method, _, rest = request.partition(b" ")
    path = rest.split(b" ", 1)[0].partition(b"?")[0]
    if method != b"GET":
        return _response(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET\n")
    if path == b"/healthz":
        return _response(HTTPStatus.OK, b"alive\n")
    if path == b"/metrics":
        return _response(HTTPStatus.OK, metrics.render(), CONTENT_TYPE)
    if path == b"/readyz":
        ready, reason = await health.state()
        return _response(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, reason.encode() + b"\n")
    return _response(HTTPStatus.NOT_FOUND, b"there are /healthz, /readyz and /metrics\n")


def _response(status: HTTPStatus, body: bytes, kind: str = _PLAIN) -> bytes:
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body
