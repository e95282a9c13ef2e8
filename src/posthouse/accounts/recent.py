"""Answers of the last few seconds: a bounded cache that loads a missing one once, whoever else is waiting for it."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from posthouse.model import limits
from posthouse.runtime.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """What `load` answered, for `DIRECTORY_TTL_S` seconds; None ("there is none") for `DIRECTORY_MISS_TTL_S`.

    Misses have a room of their own, so that somebody who guesses cannot push out the answers in use. After `forget`, an answer
    whose loading had begun before is handed to those who waited for it but not kept.
    """

    def __init__(self, clock: Clock, load: Callable[[K], Awaitable[V | None]]) -> None:
        self._clock = clock
        self._load = load
        self._found: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._missing: OrderedDict[K, float] = OrderedDict()
        self._loading: dict[K, asyncio.Task[V | None]] = {}

    async def get(self, key: K) -> V | None:
        """The answer, fresh enough. Raises what `load` raises."""
        now = self._clock.monotonic()
        if (entry := self._found.get(key)) is not None and now < entry[0]:
            return entry[1]
        if (until := self._missing.get(key)) is not None and now < until:
            return None
        return await asyncio.shield(self._loading.get(key) or self._start(key))

    def at_hand(self, key: K) -> V | None:
        """The answer if it is in memory and fresh; None also when it would have to be looked up."""
        entry = self._found.get(key)
        return entry[1] if entry is not None and self._clock.monotonic() < entry[0] else None

    def forget(self) -> None:
        """Drop every answer, those on their way included."""
        self._found.clear()
        self._missing.clear()
        self._loading.clear()

    def _start(self, key: K) -> asyncio.Task[V | None]:
        task = asyncio.ensure_future(self._run(key))
        self._loading[key] = task
        task.add_done_callback(_retrieve)
        return task

    async def _run(self, key: K) -> V | None:
        task = asyncio.current_task()
        try:
            value = await self._load(key)
            if self._loading.get(key) is task:
                self._keep(key, value)
            return value
        finally:
            if self._loading.get(key) is task:
                del self._loading[key]

    def _keep(self, key: K, value: V | None) -> None:
        now = self._clock.monotonic()
        self._found.pop(key, None)
        self._missing.pop(key, None)
        if value is None:
            self._missing[key] = now + limits.DIRECTORY_MISS_TTL_S
        else:
            self._found[key] = (now + limits.DIRECTORY_TTL_S, value)
        while len(self._found) > limits.DIRECTORY_ENTRIES:
            self._found.popitem(last=False)
        while len(self._missing) > limits.DIRECTORY_MISSES:
            self._missing.popitem(last=False)


def _retrieve(task: "asyncio.Task[V | None]") -> None:
    # Everybody who waited may have been cancelled; the failure then has no one left to tell.
    if not task.cancelled():
        task.exception()
