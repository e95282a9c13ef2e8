"""What a process sees of the database: links that fail, pools, connections with the manners of asyncpg's, and subscriptions.

`Link` is what goes wrong between one process and the database: it may be cut, hang, or lose the answer to a commit.
"""

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Self

from posthouse.runtime import postgres
from tests.sim.database import CUT_S, Backend, Database, Request
from tests.sim.loop import OWNER, Owner

_LISTEN_AGAIN_S: Final = 0.5


class Link:
    """The way between one process and the database."""

    def __init__(self, database: Database, owner: str) -> None:
        self.database = database
        self.owner = owner
        self.is_up = True
        self.hangs = False  # while it is down: no error, just no answer
        self.lose_commits = 0.0  # probability that the answer to a COMMIT is lost
        self._sessions: dict[Session, None] = {}  # in the order they were opened

    def cut(self, *, hangs: bool = False, linger_s: float = 0.0) -> None:
        """Nothing gets through any more. The server notices `linger_s` later and rolls back what was open."""
        self.is_up, self.hangs = False, hangs
        for session in list(self._sessions):
            session.break_off(linger_s)

    def heal(self) -> None:
        """Connections may be made again; those that hung learn that they are dead."""
        self.is_up = True
        for session in list(self._sessions):
            session.fail_hanging()

    def opened(self, session: "Session") -> None:
        """A connection over this link."""
        self._sessions[session] = None

    def closed(self, session: "Session") -> None:
        """It was given back."""
        self._sessions.pop(session, None)


class Session:
    """One simulated connection: what asyncpg's Connection is to the product (runtime.postgres.Connection)."""

    def __init__(self, database: Database, backend: Backend, link: Link) -> None:
        self.backend = backend
        self.owner = link.owner
        self.notices: list[tuple[str, str]] = []
        self.changed: set[str] = set()
        self._database = database
        self._link = link
        self._broken = False
        self._waiting: asyncio.Future[Any] | None = None
        self._depth = 0
        link.opened(self)

    # --- for the product

    async def execute(self, query: str, *args: object) -> str:
        return await self._call("execute", query, *args)

    async def executemany(self, command: str, args: Iterable[Sequence[object]]) -> None:
        await self._call("executemany", command, list(args))

    async def fetch(self, query: str, *args: object) -> list[Any]:
        return await self._call("fetch", query, *args)

    async def fetchrow(self, query: str, *args: object) -> Any:
        return await self._call("fetchrow", query, *args)

    async def fetchval(self, query: str, *args: object, column: int = 0) -> Any:
        row = await self.fetchrow(query, *args)
        return None if row is None else row[column]

    async def prepare(self, query: str) -> Any:
        return await self._call("prepare", query)

    def transaction(self, **_: object) -> "_Transaction":
        return _Transaction(self)

    def is_closed(self) -> bool:
        return self._broken

    # --- for its own kind

    async def begin(self) -> None:
        """Opens a transaction, or a savepoint in one."""
        self._depth += 1
        await self._call("execute", "BEGIN" if self._depth == 1 else f"SAVEPOINT s{self._depth}")

    async def end(self, *, well: bool) -> None:
        """Closes the innermost transaction."""
        depth, self._depth = self._depth, self._depth - 1
        if depth == 1:
            await self._call("execute", "COMMIT" if well else "ROLLBACK")
        else:
            await self._call("execute", f"{'RELEASE' if well else 'ROLLBACK TO'} s{depth}")

    async def release(self) -> None:
        """Gives the real connection back; like asyncpg, rolls back what was left open."""
        self._link.closed(self)
        if self._broken:
            return
        self._broken = True
        self._database.take_back(self.backend)

    def break_off(self, linger_s: float) -> None:
        """The connection is gone; the server learns of it later."""
        if not self._broken:
            self._broken = True
            self._database.take_back(self.backend, linger_s)
        if not self._link.hangs:
            self.fail_hanging()

    def fail_hanging(self) -> None:
        """Whoever waits for an answer over a dead connection learns that it is dead."""
        waiting = self._waiting
        if self._broken and waiting is not None:
            self._database.loop.world_later(CUT_S, _fail, waiting)

    def answered(self, request: Request, result: object, error: Exception | None) -> None:
        """The server's answer, which may be lost on the way."""
        answer = request.answer
        if answer.done() or self._broken:
            return  # nobody hears it
        random = self._database.random
        if request.sql == "COMMIT" and self._link.lose_commits and random.random() < self._link.lose_commits:
            self._database.trace(f"db {self.owner} the answer to COMMIT is lost")
            self.break_off(0.0)
            self._database.loop.world_later(CUT_S, _fail, answer)
        elif error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)

    async def _call(self, method: str, sql: str, *args: object) -> Any:
        loop = self._database.loop
        answer = loop.create_future()
        self._waiting = answer
        if self._broken or not self._link.is_up:
            if not self._link.hangs or self._link.is_up:
                loop.world_later(CUT_S, _fail, answer)
        else:
            self._database.submit(Request(self, method, sql, args, answer))
        try:
            return await answer
        finally:
            self._waiting = None


def _fail(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_exception(postgres.ConnectionLostError("the connection to PostgreSQL was lost"))


class _Transaction:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def __aenter__(self) -> None:
        await self._session.begin()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            await self._session.end(well=True)
        elif not issubclass(kind, (postgres.ConnectionLostError, asyncio.CancelledError, GeneratorExit)):
            await self._session.end(well=False)


class SimPool:
    """A `runtime.postgres.Pool` of one process."""

    def __init__(self, link: Link, size: int) -> None:
        self._link = link
        self._places = asyncio.Semaphore(size)
        self._size = size

    @contextlib.asynccontextmanager
    async def _acquire(self) -> AsyncIterator[Session]:
        async with self._places:
            await self._connected()
            database = self._link.database
            session = Session(database, database.lend(), self._link)
            try:
                yield session
            finally:
                await session.release()

    async def _connected(self) -> None:
        """Making a connection fails, at once or after a long silence, while the link is down."""
        while not self._link.is_up:
            hangs = self._link.hangs
            await asyncio.sleep(CUT_S if not hangs else 1.0)
            if not hangs:
                raise postgres.ConnectionLostError("PostgreSQL cannot be reached")

    def acquire(self) -> AbstractAsyncContextManager[Any]:
        return self._acquire()

    async def execute(self, query: str, *args: object) -> str:
        async with self._acquire() as session:
            return await session.execute(query, *args)

    async def executemany(self, command: str, args: Iterable[Sequence[object]]) -> None:
        async with self._acquire() as session:
            await session.executemany(command, args)

    async def fetch(self, query: str, *args: object) -> list[Any]:
        async with self._acquire() as session:
            return await session.fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> Any:
        async with self._acquire() as session:
            return await session.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object, column: int = 0) -> Any:
        async with self._acquire() as session:
            return await session.fetchval(query, *args, column=column)

    async def close(self) -> None:
        pass

    def terminate(self) -> None:
        pass

    def get_size(self) -> int:
        return self._size

    def get_idle_size(self) -> int:
        return self._size


class Subscription:
    """What `Process.listener` gives: hears a channel while the block runs, and is told to look again after every loss."""

    def __init__(self, link: Link, channel: str, callback: Callable[[str], None], deaf: float = 0.0) -> None:
        """`deaf`: probability that a notice is lost with the connection that should have carried it."""
        self._link = link
        self._channel = channel
        self._callback = callback
        self._owner: Owner | None = OWNER.get()
        self._context: Any = None
        self._deaf = deaf

    async def __aenter__(self) -> Self:
        self._context = contextvars.copy_context()
        self._link.database.subscribe(self)
        self._callback("")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._link.database.unsubscribe(self)

    def hear(self, channel: str, payload: str) -> None:
        """Somebody announced something."""
        if channel != self._channel or (self._owner is not None and not self._owner.alive):
            return
        database = self._link.database
        loop = database.loop
        delay = database.random.uniform(*database.latency_s)
        if not self._link.is_up or database.random.random() < self._deaf:
            loop.call_later(_LISTEN_AGAIN_S, self._callback, "", context=self._context)
        else:
            loop.call_later(delay, self._callback, payload, context=self._context)
