"""The way to PostgreSQL: pool, transactions and notifications that outlive the server.

The server may be killed and started again at any moment. Whoever is in the middle of a statement then sees one of
DATABASE_GONE and decides to wait and try again; the pool itself needs no help, it replaces broken connections as they are asked
for, and a Listener subscribes again.
"""

import asyncio
import contextlib
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

import asyncpg
import asyncpg.exceptions
import asyncpg.protocol.protocol
import msgspec

from posthouse.model import limits
from posthouse.runtime.log import Logger

_Made = TypeVar("_Made")

PostgresError: Final[type[Exception]] = asyncpg.exceptions.PostgresError
UniqueViolation: Final[type[Exception]] = asyncpg.exceptions.UniqueViolationError

DATABASE_GONE: Final[tuple[type[Exception], ...]] = (
    OSError,  # refused, reset, timed out, no route, no such name, no socket file: whatever the network can say
    asyncpg.exceptions.PostgresConnectionError,  # lost in the middle of a statement, among others
    asyncpg.exceptions.CannotConnectNowError,  # starting up, shutting down, in recovery
    asyncpg.exceptions.AdminShutdownError,
    asyncpg.exceptions.CrashShutdownError,
    asyncpg.exceptions.InsufficientResourcesError,  # its disk is full, its memory, or its connections are all taken
    asyncpg.exceptions.PostgresIOError,  # its disk does not write
    asyncpg.exceptions.ReadOnlySQLTransactionError,  # it has become the standby of another, or is not promoted yet
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,  # we stood still in the middle of a transaction
)
"""Every exception that means: the server is away or full, the statement may or may not have happened, try again later."""

# Of every element of an array asyncpg asks abstract base classes whether it is an array itself: of fifty elements a mail, that is a
# twentieth of what a mail costs the door. These are what can be handed over as one.
_ARRAYS: Final[tuple[type, ...]] = (list, tuple, set, frozenset, deque, type({}.keys()), type({}.values()))
asyncpg.protocol.protocol.IterableABC = asyncpg.protocol.protocol.SizedABC = _ARRAYS
asyncpg.protocol.protocol.MappingABC = dict

_PATIENCE_MS: Final = int(limits.DATABASE_SILENCE_S * 1000)
_FORGET_THE_CUT_OFF: Final = f"""
    SET idle_in_transaction_session_timeout = {_PATIENCE_MS};
    SET tcp_user_timeout = {_PATIENCE_MS};
    SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;
"""  # or the locks of a host without a network would stand for hours, and what it was claiming with them
_JSONB_VERSION: Final = b"\x01"  # the first octet of jsonb on the wire
_json_encode: Final = msgspec.json.Encoder().encode
_json_decode: Final = msgspec.json.Decoder().decode


class Record(Protocol):
    """One row; columns by name or position."""

    def __getitem__(self, key: str | int) -> Any: ...  # noqa: ANN401 - the column decides
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def get(self, key: str, default: object = None) -> Any: ...  # noqa: ANN401
    def keys(self) -> Iterator[str]: ...
    def values(self) -> Iterator[Any]: ...
    def items(self) -> Iterator[tuple[str, Any]]: ...


class Executor(Protocol):
    """What runs statements: a connection, or the pool for a single statement of its own."""

    async def execute(self, query: str, *args: object) -> str: ...
    async def executemany(self, command: str, args: Iterable[Sequence[object]]) -> None: ...
    async def fetch(self, query: str, *args: object) -> list[Record]: ...
    async def fetchrow(self, query: str, *args: object) -> Record | None: ...
    async def fetchval(self, query: str, *args: object, column: int = 0) -> Any: ...  # noqa: ANN401
    async def copy_records_to_table(
        self,
        table_name: str,
        *,
        records: Iterable[Sequence[object]],
        columns: Sequence[str] | None = None,
        schema_name: str | None = None,
    ) -> str: ...


class Connection(Executor, Protocol):
    """One connection to PostgreSQL, as asyncpg makes it."""

    def transaction(
        self, *, isolation: str | None = None, readonly: bool = False
    ) -> contextlib.AbstractAsyncContextManager[None]: ...
    def cursor(self, query: str, *args: object, prefetch: int | None = None) -> AsyncIterator[Record]: ...
    async def prepare(self, query: str) -> Any: ...  # noqa: ANN401
    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None: ...
    def add_termination_listener(self, callback: Callable[..., None]) -> None: ...
    def is_closed(self) -> bool: ...
    async def close(self) -> None: ...
    def terminate(self) -> None: ...


class Pool(Executor, Protocol):
    """Several connections, lent out one at a time."""

    def acquire(self) -> contextlib.AbstractAsyncContextManager[Connection]: ...
    async def close(self) -> None: ...
    def terminate(self) -> None: ...
    def get_size(self) -> int: ...
    def get_idle_size(self) -> int: ...


class ConnectionLostError(ConnectionError):
    """The connection went away while it was lent out; asyncpg says that with its error for programming mistakes."""


class _Pool(asyncpg.Pool):  # type: ignore[misc]  # asyncpg has no types
    def acquire(self, *, timeout: float | None = None) -> "_Lent":
        return _Lent(super().acquire(timeout=timeout))


class _Lent:
    """A connection lent out by the pool for a block; leaving the block tells a lost connection from a mistake of ours."""

    __slots__ = ("_acquiring", "_connection")

    def __init__(self, acquiring: contextlib.AbstractAsyncContextManager[Connection]) -> None:
        self._acquiring = acquiring

    async def __aenter__(self) -> Connection:
        self._connection = await self._acquiring.__aenter__()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # InternalClientError is what asyncpg's state machine says when the server's farewell and a statement of ours cross.
        lost = isinstance(error, asyncpg.exceptions.InternalClientError) or (
            isinstance(error, asyncpg.exceptions.InterfaceError) and self._is_lost()
        )
        await self._acquiring.__aexit__(kind, error, trace)
        if lost:
            raise ConnectionLostError("the connection to PostgreSQL was lost") from error

    def _is_lost(self) -> bool:
        try:
            return self._connection.is_closed()
        except asyncpg.exceptions.InterfaceError:  # the pool already took a broken one back
            return True


async def open_pool(
    dsn: str, *, size: int, name: str = "posthouse", patience_s: float = limits.DATABASE_PATIENCE_S
) -> Pool:
    """A pool of at most `size` connections called `name` in pg_stat_activity.

    Keeps trying for `patience_s` while the server starts; raises the last of DATABASE_GONE after that, other errors at once.
    """
    return await _patiently(lambda: _open_pool(dsn, size, name), patience_s)


async def connect(dsn: str, *, name: str = "posthouse", patience_s: float = limits.DATABASE_PATIENCE_S) -> Connection:
    """One connection with the same habits as those of a pool; the caller closes it."""
    return await _patiently(lambda: _connect(dsn, name), patience_s)


async def _open_pool(dsn: str, size: int, name: str) -> Pool:
    """Connections are made when they are needed and kept: an idle one costs a server process, a new one costs a mail its time."""
    pool: Pool = await _Pool(
        dsn,
        min_size=0,
        max_size=size,
        max_queries=1_000_000,
        max_inactive_connection_lifetime=0,
        connect=None,
        setup=None,
        init=_prepare,
        reset=_keep_session,
        loop=None,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        timeout=limits.DATABASE_CONNECT_S,
        server_settings={"application_name": name},
    )
    try:
        await pool.fetchval("SELECT 1")
    except BaseException:
        pool.terminate()
        raise
    return pool


async def _connect(dsn: str, name: str) -> Connection:
    connection: Connection = await asyncpg.connect(
        dsn, timeout=limits.DATABASE_CONNECT_S, server_settings={"application_name": name}
    )
    try:
        await _prepare(connection)
    except BaseException:  # cancelled, maybe: nobody else knows of it
        connection.terminate()
        raise
    return connection


async def _prepare(connection: Any) -> None:  # noqa: ANN401 - asyncpg's own
    _give_up_on_silence(connection)
    await connection.execute(_FORGET_THE_CUT_OFF)
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: _JSONB_VERSION + _json_encode(value),
        decoder=lambda octets: _json_decode(octets[1:]),
    )


def _give_up_on_silence(connection: Any) -> None:  # noqa: ANN401 - asyncpg's own
    """Over TCP: a server that nothing comes from is lost within seconds, not after the quarter of an hour the kernel would wait."""
    link = connection._transport.get_extra_info("socket")
    if link.family == socket.AF_UNIX:
        return
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, 5),
        (socket.TCP_KEEPINTVL, 2),
        (socket.TCP_KEEPCNT, 3),
        (socket.TCP_USER_TIMEOUT, _PATIENCE_MS),
    ):
        link.setsockopt(socket.IPPROTO_TCP, option, value)


async def _keep_session(_: object) -> None:
    """Nothing to reset: no statement of ours changes session state, so giving a connection back costs no round trip.

    asyncpg itself still rolls back a transaction that was left open.
    """


async def _patiently(attempt: Callable[[], Awaitable[_Made]], patience_s: float) -> _Made:
    end = time.monotonic() + patience_s
    while True:
        try:
            return await attempt()
        except DATABASE_GONE:
            if time.monotonic() >= end:
                raise
        await asyncio.sleep(limits.DATABASE_RETRY_S)


@contextlib.asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection inside a transaction: committed at the end of the block, rolled back when an exception leaves it."""
    async with pool.acquire() as connection, connection.transaction():
        yield connection


class Listener:
    """A subscription to a NOTIFY channel that survives the loss of its connection. Use as `async with`.

    `callback(payload)` is called for each notification, and `callback("")` after every subscription, the first included: what was
    said while nobody listened is lost, so the callback must make its owner look at the table.
    """

    def __init__(self, dsn: str, channel: str, callback: Callable[[str], None], log: Logger) -> None:
        self._dsn = dsn
        self._channel = channel
        self._callback = callback
        self._log = log
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen_for_ever(), name=f"listen {self._channel}")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                await self._listen_until_lost()
            except (*DATABASE_GONE, asyncpg.exceptions.InterfaceError) as error:
                self._log.warning("listener.lost", channel=self._channel, error=str(error))
            await asyncio.sleep(limits.DATABASE_RETRY_S)

    async def _listen_until_lost(self) -> None:
        connection = await connect(self._dsn, name=f"posthouse listen {self._channel}")
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(self._channel, lambda *heard: self._callback(heard[3]))
            self._callback("")
            await lost.wait()
        finally:
            connection.terminate()
