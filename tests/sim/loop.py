"""An event loop whose time is imagined, and which runs the callbacks of many simulated processes.

Time stands still while there is anything to do, and jumps to the next timer when there is not. The one thing that is real is
PostgreSQL: while an answer of the database is outstanding the loop waits for it, whatever the hour, and nothing else can come in
meanwhile. So the order in which callbacks run follows from the program and the seed alone.
"""

import asyncio
import contextvars
import selectors
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any

SILENCE_S = 0.004  # real seconds without an answer before the database is asked whether a statement waits for a lock
_TIE_S = 1e-12  # a million timers make a microsecond; two of the same moment would have no order in a heap
PATIENCE_S = 60.0  # real seconds after which it never will


class StalledError(Exception):
    """Nothing is left to do and nothing will ever come: some task waits for what nobody does."""


class Owner:
    """One simulated process as the loop sees it: its callbacks run, and wait while it is frozen; of the dead they wait for ever."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.frozen = False
        self._parked: list[tuple[Callable[..., object], tuple[Any, ...], Context]] = []

    def __str__(self) -> str:
        return self.name

    def run(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context) -> None:
        """Runs a callback of this process, if it is in a state to run anything."""
        if self.frozen or not self.alive:
            self._parked.append((callback, args, context))
        else:
            callback(*args)

    def thaw(self, loop: asyncio.AbstractEventLoop) -> None:
        """Goes on where it was stopped."""
        self.frozen = False
        parked, self._parked = self._parked, []
        for callback, args, context in parked:
            loop.call_soon(callback, *args, context=context)


OWNER: ContextVar[Owner | None] = ContextVar("owner", default=None)
WORLD: Context = contextvars.copy_context()
"""The context of what belongs to no process: network, database, weather."""


def context_of(owner: Owner) -> Context:
    """A context in which everything belongs to `owner`."""
    context = WORLD.copy()
    context.run(OWNER.set, owner)
    return context


class SimLoop(asyncio.SelectorEventLoop):
    """See above. `outstanding` counts the answers the real world owes us; `on_silence` is called when none comes."""

    def __init__(self) -> None:
        self.selector = _Selector()
        self.now = 0.0
        self._timers = 0
        self.outstanding = 0
        self.on_silence: Callable[[], None] = lambda: None
        self.network: Any = None
        super().__init__(self.selector)
        self.selector.loop = self

    def restart(self) -> None:
        """Time begins anew; what the world still had to do is forgotten."""
        self._scheduled: list[asyncio.TimerHandle]
        self._scheduled.clear()
        self._timer_cancelled_count = 0
        self._timers = 0
        self.now = 0.0

    def time(self) -> float:
        """Imagined seconds since the beginning."""
        return self.now

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> asyncio.Handle:
        """As every loop does, but in the name of the process whose context it is."""
        context = context or contextvars.copy_context()
        owner = context.get(OWNER)
        if owner is None:
            return super().call_soon(callback, *args, context=context)
        return super().call_soon(owner.run, callback, args, context, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> asyncio.TimerHandle:
        """As every loop does, but in the name of the process whose context it is, and timers of one moment in order."""
        self._timers += 1
        when += self._timers * _TIE_S
        context = context or contextvars.copy_context()
        owner = context.get(OWNER)
        if owner is None:
            return super().call_at(when, callback, *args, context=context)
        return super().call_at(when, owner.run, callback, args, context, context=context)

    def world_later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """A timer of nobody's: it fires whatever becomes of the process that caused it."""
        return self.call_at(self.now + delay_s, callback, *args, context=WORLD)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Threads would answer when they like; here the work is done on the spot."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the future
            future.set_exception(error)
        return future

    async def create_connection(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        """Out to the simulated network; the database's own connections are real."""
        if self.network is None or OWNER.get() is None:
            return await super().create_connection(protocol_factory, *args, **options)
        return await self.network.connect(protocol_factory, *args, **options)

    async def start_tls(self, transport: Any, protocol: Any, sslcontext: Any, **options: Any) -> Any:
        """The handshake over a simulated connection."""
        return await self.network.start_tls(transport, protocol, sslcontext, **options)


class _Selector(selectors.DefaultSelector):
    """Waits for the database, else lets time pass."""

    loop: SimLoop

    def select(self, timeout: float | None = None) -> Any:
        loop = self.loop
        if timeout is not None and timeout <= 0:
            return []
        patience_s = SILENCE_S
        while loop.outstanding > 0:
            if found := super().select(patience_s):
                return found
            loop.on_silence()
            patience_s *= 2
            if patience_s > PATIENCE_S:
                raise StalledError("the database does not answer")
        if timeout is None:
            raise StalledError
        loop.now += timeout
        return []
