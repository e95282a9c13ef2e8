"""The real PostgreSQL behind simulated connections.

Statements go to the server one at a time, in an order the seed decides by drawing how long each is on its way, so that
transactions of different processes interleave statement by statement and still the same way every time. A statement that has to
wait for a lock another simulated connection holds is set aside until that one commits.
"""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final, Protocol

import asyncpg

from posthouse.runtime import postgres, queries
from tests.sim.locks import LockWatch
from tests.sim.loop import WORLD, SimLoop

BACKENDS: Final = 24
LOCKED_S: Final = 0.001
CUT_S: Final = 0.05  # until a process learns that its connection is gone
_PROMISE: Final = "promise_mail("  # the function in which the door writes; its inserts stand in the schema
_WRITES: Final = re.compile(r"\b(INSERT INTO|DELETE FROM|(?<!FOR )UPDATE) (\w+)")
_NOTICE: Final = re.compile(r"pg_notify\('(\w+)'")


class Asker(Protocol):
    """A simulated connection, as the database sees it (connections.Session)."""

    owner: str
    notices: list[tuple[str, str]]
    changed: set[str]

    @property
    def backend(self) -> "Backend": ...
    def answered(self, request: "Request", result: object, error: Exception | None) -> None: ...


class Listener(Protocol):
    """Somebody who hears what is announced (connections.Subscription)."""

    def hear(self, channel: str, payload: str) -> None: ...


class Request:
    """One statement on its way."""

    __slots__ = ("answer", "args", "backend", "method", "session", "sql")

    def __init__(self, session: "Asker", method: str, sql: str, args: tuple[Any, ...], answer: asyncio.Future[Any]):
        self.session = session
        self.backend = session.backend
        self.method = method
        self.sql = sql
        self.args = args
        self.answer = answer


class Backend:
    """One real connection."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.pid: int = connection.get_server_pid()
        self.in_transaction = False
        self.pending = 0  # statements on their way or being answered


async def connected(dsn: str) -> Any:
    """A connection as the product makes it, but without timers of its own in a time that is not its own."""
    connection = await asyncpg.connect(
        dsn, max_cached_statement_lifetime=0, server_settings={"application_name": "simulation"}
    )
    await postgres._prepare(connection)
    return connection


class Database:
    """All connections of all processes of one simulation after the other."""

    def __init__(self, loop: SimLoop, watch: LockWatch) -> None:
        self.loop = loop
        self._watch = watch
        self._backends: list[Backend] = []
        self._free: list[Backend] = []
        self._queue: deque[Request] = deque()
        self._active: dict[asyncio.Task[None], Request] = {}
        self._blocked: set[asyncio.Task[None]] = set()  # set aside: the next statement may go
        self._waited: set[asyncio.Task[None]] = set()  # for a lock
        self._listeners: list[Listener] = []
        self._names: dict[str, str] = {}
        self.random = Random(0)
        self.latency_s = (0.0002, 0.002)
        self.trace: Callable[[str], None] = lambda _: None
        self.after_commit: Callable[[set[str]], Awaitable[None]] = _nothing
        loop.on_silence = self._on_silence

    async def open(self, dsn: str) -> None:
        """Makes the real connections, once for all simulations."""
        self.loop.outstanding += 1
        for _ in range(BACKENDS):
            self._backends.append(Backend(await connected(dsn)))
        self.loop.outstanding -= 1

    def state(self) -> str:
        """Who is at what, for somebody who looks for a mistake."""
        active = [
            f"{request.session.owner} {request.backend.pid} {request.sql[:60]!r}" for request in self._active.values()
        ]
        held = [backend.pid for backend in self._backends if backend.in_transaction]
        return f"active {active}, {len(self._blocked)} set aside, {len(self._queue)} queued, in transaction {held}"

    async def rest(self) -> None:
        """Rolls back what the last simulation left open."""
        for backend in self._backends:
            if backend.in_transaction:
                await backend.connection.execute("ROLLBACK")
            backend.in_transaction, backend.pending = False, 0

    async def close(self) -> None:
        """Closes the real connections."""
        self.loop.outstanding += 1
        for backend in self._backends:
            backend.connection.terminate()
        await asyncio.sleep(0)
        self.loop.outstanding -= 1

    def begin(self, random: Random, trace: Callable[[str], None]) -> None:
        """A new simulation with luck of its own."""
        assert not self._active
        self._queue.clear()
        self._free = list(self._backends)
        self._listeners.clear()
        self.random = random
        self.trace = trace
        self._names = {
            query.sql: f"{package.rpartition('.')[2]}.{query.name}"
            for package, loaded in queries._loaded.items()
            for query in loaded
        }

    # --- statements

    def submit(self, request: Request) -> None:
        """Sends a statement off; it arrives a little later."""
        request.backend.pending += 1
        self.loop.world_later(self.random.uniform(*self.latency_s), self._arrive, request)

    def _arrive(self, request: Request) -> None:
        self._queue.append(request)
        self._next()

    def _next(self) -> None:
        if self._queue and len(self._active) == len(self._blocked):
            request = self._queue.popleft()
            self.loop.outstanding += 1
            task = self.loop.create_task(self._perform(request), context=WORLD)
            self._active[task] = request
            task.add_done_callback(self._performed, context=WORLD)

    async def _perform(self, request: Request) -> None:
        result, error = None, None
        try:
            result = await getattr(request.backend.connection, request.method)(request.sql, *request.args)
        except Exception as raised:  # noqa: BLE001 - the answer of the database, whatever it is
            error = raised
        await self._in_turn()
        ended = request.sql in {"COMMIT", "ROLLBACK"}
        if ended:
            self._release_blocked()
        self._note(request, result, error)
        if error is None and (request.sql == "COMMIT" or not request.backend.in_transaction):
            await self._committed(request)
        if request.sql == "BEGIN":
            request.backend.in_transaction = True
        elif ended:
            request.backend.in_transaction = False
        request.backend.pending -= 1
        request.session.answered(request, result, error)

    async def _in_turn(self) -> None:
        """A statement that waited for a lock ends at the same moment as the one that let it: in simulated time it comes after."""
        task = asyncio.current_task()
        if task in self._waited:
            self._waited.discard(task)
            if task not in self._blocked:
                self._blocked.add(task)
                self.loop.outstanding -= 1
            await asyncio.sleep(LOCKED_S)

    def _performed(self, task: asyncio.Task[None]) -> None:
        del self._active[task]
        if task in self._blocked:
            self._blocked.discard(task)
        else:
            self.loop.outstanding -= 1
        task.result()
        self._next()

    def _note(self, request: Request, result: object, error: Exception | None) -> None:
        session = request.session
        if found := _NOTICE.search(request.sql):
            session.notices.append((found[1], str(request.args[0])))
        if _changed(request, result):
            session.changed.update(_written(request.sql))
        name = self._names.get(request.sql, request.sql[:40])
        if error is not None:
            self.trace(f"db {session.owner} {name}: {type(error).__name__}")
        elif session.changed and (request.sql == "COMMIT" or _changed(request, result)):
            size = len(result) if isinstance(result, list) else str(result or "")
            self.trace(f"db {session.owner} {name} {size}")

    async def _committed(self, request: Request) -> None:
        session = request.session
        notices, session.notices = session.notices, []
        changed, session.changed = session.changed, set()
        for channel, payload in dict.fromkeys(notices):
            for listener in self._listeners:
                listener.hear(channel, payload)
        if changed:
            await self.after_commit(changed)

    # --- statements that wait for a lock

    def _on_silence(self) -> None:
        """Nothing has come for a while: sets aside what waits for another of our own connections."""
        waiting = {task: request.backend.pid for task, request in self._active.items() if task not in self._blocked}
        stuck = self._watch.blocked(set(waiting.values()), {backend.pid for backend in self._backends})
        for task, pid in waiting.items():
            if pid in stuck:
                self.trace(f"db {self._active[task].session.owner} waits for a lock")
                self._blocked.add(task)
                self._waited.add(task)
                self.loop.outstanding -= 1
        if stuck:
            self._next()

    def _release_blocked(self) -> None:
        """A transaction ended: who waited for a lock may have it now, or shows again that it waits."""
        waiting = self._blocked & self._waited
        self.loop.outstanding += len(waiting)
        self._blocked -= waiting

    # --- connections

    def lend(self) -> Backend:
        """A real connection for a session."""
        return self._free.pop()

    def take_back(self, backend: Backend, linger_s: float = 0.0) -> None:
        """A session ended. What it left open is rolled back after `linger_s`: until then its locks stand."""
        if linger_s:
            self.loop.world_later(linger_s, self.take_back, backend)
        elif backend.pending:
            self.loop.world_later(CUT_S, self.take_back, backend)
        elif backend.in_transaction:
            self.submit(Request(_Server(self, backend), "execute", "ROLLBACK", (), self.loop.create_future()))
        else:
            self._free.append(backend)

    def subscribe(self, subscription: "Listener") -> None:
        """From now on it hears what is announced."""
        self._listeners.append(subscription)

    def unsubscribe(self, subscription: "Listener") -> None:
        """It hears nothing any more."""
        with contextlib.suppress(ValueError):
            self._listeners.remove(subscription)


class _Server:
    """The server itself, which rolls back what a lost client left open."""

    def __init__(self, database: Database, backend: Backend) -> None:
        self.owner = "server"
        self.notices: list[tuple[str, str]] = []
        self.changed: set[str] = set()
        self.backend = backend
        self._database = database

    def answered(self, request: Request, result: object, error: Exception | None) -> None:
        self._database.take_back(self.backend)


async def _nothing(_: set[str]) -> None:
    pass


def _written(sql: str) -> set[str]:
    return {"messages", "outbox", "events"} if _PROMISE in sql else {table for _, table in _WRITES.findall(sql)}


def _changed(request: Request, result: object) -> bool:
    if not _written(request.sql):
        return False
    return not result.endswith(" 0") if isinstance(result, str) else bool(result)
