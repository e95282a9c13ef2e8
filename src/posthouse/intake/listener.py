"""The sockets of an SMTP role: who is let in, who has been here too long, and how all leave when the process stops.

listen      bind each port (several processes may share one), accept connections
admit       too many in all, or from one address: 421 and close
run         sweep every second until asked to stop, then drain
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from posthouse.intake.answers import Session
from posthouse.intake.connection import Connection
from posthouse.model.limits import (
    CONNECTIONS_PER_ADDRESS,
    LISTENER_OCTETS,
    SMTP_DRAIN_S,
    SMTP_HANDSHAKE_S,
    SMTP_SWEEP_S,
)
from posthouse.runtime.log import Logger
from posthouse.wire.smtp_server_events import ServerConfig
from posthouse.wire.smtp_server_replies import SHUTDOWN, Reply, reply

TOO_MANY: Final = reply(421, "4.7.0", "Too many connections, please try again later")
TOO_MANY_OF_YOURS: Final = reply(421, "4.7.0", "Too many connections from your address, please close some")
_BACKLOG: Final = 1_024


class Listener:
    """All connections of one process; every port of the role shares its limits.

    `source_of` maps a client's IP address to what is counted as one source.
    """

    def __init__(
        self,
        open_session: Callable[[Connection], Session],
        *,
        log: Logger,
        tls: ssl.SSLContext | None,
        most: int,
        source_of: Callable[[str], str],
        most_of_one: int = CONNECTIONS_PER_ADDRESS,
    ) -> None:
        self.log, self.tls, self.open_session = log, tls, open_session
        self.now = asyncio.get_running_loop().time()
        self._most, self._most_of_one, self._source_of = most, most_of_one, source_of
        self._connections: set[Connection] = set()
        self._from: Counter[str] = Counter()
        self._servers: list[asyncio.Server] = []
        self._stopping = False

    def __len__(self) -> int:
        return len(self._connections)

    async def listen(self, bound: socket.socket, config: ServerConfig) -> None:
        """Accept connections on a bound socket, inside TLS from the start where the configuration says so."""
        server = await asyncio.get_running_loop().create_server(
            partial(Connection, self, config),
            sock=bound,
            backlog=_BACKLOG,
            ssl=self.tls if config.implicit_tls else None,
            ssl_handshake_timeout=SMTP_HANDSHAKE_S if config.implicit_tls else None,
        )
        self._servers.append(server)

    async def run(self, stopping: asyncio.Event) -> None:
        """Watch over the connections until `stopping` is set; then let open transactions end, SMTP_DRAIN_S at most."""
        while not stopping.is_set():
            self._sweep()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SMTP_SWEEP_S):
                    await stopping.wait()
        await self._drain()

    def admit(self, connection: Connection) -> Reply | None:
        """Count the connection in, or say why not."""
        source = self._source_of(connection.peer)
        if self._stopping:
            return SHUTDOWN
        if len(self._connections) >= self._most:
            return TOO_MANY
        if self._from[source] >= self._most_of_one:
            return TOO_MANY_OF_YOURS
        self._connections.add(connection)
        self._from[source] += 1
        return None

    def forget(self, connection: Connection) -> None:
        """Count it out; those that were not admitted never counted."""
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        source = self._source_of(connection.peer)
        self._from[source] -= 1
        if not self._from[source]:
            del self._from[source]

    def _sweep(self) -> None:
        self.now = asyncio.get_running_loop().time()
        for connection in tuple(self._connections):
            connection.check(self.now)
        for connection in self._too_heavy():
            connection.send_away(421, "4.3.1", "Too much mail at once, please try again later")

    def _too_heavy(self) -> Iterator[Connection]:
        held = sum(connection.buffered for connection in self._connections)
        if held <= LISTENER_OCTETS:
            return
        for connection in sorted(self._connections, key=lambda one: one.buffered, reverse=True):
            if held <= LISTENER_OCTETS:
                return
            held -= connection.buffered
            yield connection

    async def _drain(self) -> None:
        self._stopping = True
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.stop()
        last = self.now + SMTP_DRAIN_S
        while self._connections and self.now < last:
            await asyncio.sleep(0.05)
            self._sweep()
        for connection in tuple(self._connections):
            connection.send_away(*_GOING)
            connection.hang_up()


_GOING: Final = (421, "4.3.2", "Going down, please try again")
