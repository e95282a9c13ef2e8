"""Group commit: what arrives while one commit is under way shares the next.

No timer: an idle door commits a single request at once, a busy one finds a queue when its commit returns and takes all of it, with
those who are just arriving. Answers go out together, so what comes next comes together too, and its first would make the others wait
for a commit of its own: twenty clients by one and nineteen cost a tenth more than by twenty.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from posthouse.runtime.postgres import DATABASE_GONE

_PASSES: Final = 8  # of the event loop without anybody new: everybody who was arriving is here
_ARRIVING_S: Final = 0.02  # ... or there is no end to them

Item = TypeVar("Item")
Result = TypeVar("Result")


class Group(Generic[Item, Result]):
    """Runs `commit(items) -> results` (same order and length) for items given one at a time, one commit at a time.

    When a commit fails for another reason than the database being gone, each of its items is tried alone, so that one that
    cannot be written takes no other with it.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], most: int) -> None:
        self._commit = commit
        self._most = most
        self._queue: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Result:
        """The item's result once its commit has returned; raises what the commit raised. Cancelled in line, it is withdrawn."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        entry = item, future
        self._queue.append(entry)
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="group commit")
        try:
            return await future
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):  # its commit is under way
                self._queue.remove(entry)
            raise

    async def close(self) -> None:
        """Returns when nothing is left to commit."""
        while self._running is not None:
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        try:
            while self._queue:
                await self._let_arrive()
                batch = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
                await self._commit_all([(item, future) for item, future in batch if not future.cancelled()])
        finally:
            self._running = None

    async def _let_arrive(self) -> None:
        """Returns when what has already reached this process stands in line: passes of the loop, in which nobody is waited for."""
        loop = asyncio.get_running_loop()
        until, there = loop.time() + _ARRIVING_S, 0
        while there < len(self._queue) < self._most and loop.time() < until:
            there = len(self._queue)
            for _ in range(_PASSES):
                await asyncio.sleep(0)

    async def _commit_all(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        if not batch:
            return
        try:
            results = await self._commit([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait for this commit
            await self._after_failure(batch, error)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)

    async def _after_failure(self, batch: list[tuple[Item, asyncio.Future[Result]]], error: Exception) -> None:
        if len(batch) > 1 and not isinstance(error, DATABASE_GONE):
            for single in batch:
                await self._commit_all([single])
            return
        for _, future in batch:
            if not future.done():
                future.set_exception(error)
