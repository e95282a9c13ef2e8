"""From the ledger to deliveries: every event to every endpoint that wants it, once, and soon.

A workspace is read in two ways. Ahead: from a little before where the last look ended, several times a second, so that an event is
on its way within a second. And from the cursor, which stays where late commits can still fill gaps (`ledger.feed`), every few
seconds: what was committed late is found then. A delivery has the event's id in its key, so reading a stretch twice adds nothing;
what this process has handed on already it remembers as long as the stretch is read.

What is no mail's (`news`) is read beside it, every few seconds and only once: its sources have no gaps.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from posthouse.ledger import feed
from posthouse.ledger.feed import Happened
from posthouse.model import limits
from posthouse.runtime.ids import uuid7_floor
from posthouse.runtime.postgres import Connection, transaction
from posthouse.runtime.process import Process
from posthouse.webhooks import deliveries, news
from posthouse.webhooks.endpoints import READER, InService

_LATE_S: Final = 3.0  # how far behind the newest event each look begins: most commits come in within it
SWEEP_S: Final = 10.0
NEWS_S: Final = 2.0
_PAGES: Final = 10  # of one workspace in one look: nobody else waits for somebody's long backlog
_FIRST: Final = UUID(int=0)


def wanted(endpoints: Iterable[InService], events: Iterable[Happened]) -> list[tuple[UUID, Happened]]:
    """Who is to be told of what, in the order of the events."""
    hearers = list(endpoints)
    return [(each.endpoint_id, event) for event in events for each in hearers if each.wants(event.event_id, event.kind)]


class Reading:
    """One workspace as this process reads it."""

    def __init__(self, process: Process, workspace_id: UUID, endpoints: Sequence[InService]) -> None:
        self._process = process
        self._workspace_id = workspace_id
        self._endpoints = tuple(endpoints)
        self._known: dict[UUID, None] = {}  # handed on already, in the order they came in
        self._ahead: UUID | None = None  # behind what was read last; None until the first sweep is over
        self._sweep: UUID | None = None  # how far the sweep under way has come
        self._sweep_at = 0.0
        self._news_at = 0.0

    def serve(self, endpoints: Sequence[InService]) -> None:
        """Who is to be told from now on. Somebody new wants what others have been told already."""
        if _wishes(endpoints) != _wishes(self._endpoints):
            self._known.clear()
            self._sweep, self._sweep_at = None, 0.0
        self._endpoints = tuple(endpoints)

    async def look(self) -> set[UUID]:
        """Makes deliveries of what is new; the endpoints they are for."""
        told: set[UUID] = set()
        if self._process.clock.monotonic() >= self._news_at:
            await self._read_news(told)
            self._news_at = self._process.clock.monotonic() + NEWS_S
        if self._ahead is not None:
            self._ahead, _ = await self._read(_before(self._ahead, _LATE_S), told, sweeping=False)
        if self._sweep is None and self._process.clock.monotonic() >= self._sweep_at:
            self._sweep = _FIRST
        if self._sweep is not None:
            reached, complete = await self._read(self._sweep, told, sweeping=True)
            self._sweep = None if complete else reached
            if complete:
                self._ahead = _latest(self._ahead or _FIRST, reached)
                self._sweep_at = self._process.clock.monotonic() + SWEEP_S
        return told

    async def _read(self, at: UUID, told: set[UUID], *, sweeping: bool) -> tuple[UUID, bool]:
        """Some pages from `at` on: how far it came, and whether there is no more. Only a sweep moves the cursor."""
        if not sweeping and not await self._has_news(at):
            return _latest(at, self._ahead or _FIRST), True
        for _ in range(_PAGES):
            now = self._process.clock.now()  # before reading: the cursor must not pass what is committed after it
            async with transaction(self._process.pool) as connection:
                cursor = await feed.taken(connection, self._workspace_id, READER)
                if cursor is None:  # another process is at it
                    return at, True
                at = _latest(at, cursor, min((each.since for each in self._endpoints), key=_number))
                page = await feed.page(connection, self._workspace_id, at, limits.WEBHOOK_READ)
                fresh = [each for each in page if each.event_id not in self._known]
                told.update(
                    await deliveries.enqueue(connection, self._workspace_id, wanted(self._endpoints, fresh), now)
                )
                complete = len(page) < limits.WEBHOOK_READ
                at = _after(page[-1].event_id) if page else at
                if sweeping:
                    reached = uuid7_floor(now) if complete else at
                    cursor = await feed.passed(connection, self._workspace_id, READER, reached, now)
            self._known.update(dict.fromkeys(each.event_id for each in fresh))  # only now it is committed
            if complete:
                self._forget(cursor)
                return at, True
        return at, False

    async def _read_news(self, told: set[UUID]) -> None:
        """What is no mail's: every piece read once, and kept for all endpoints in the commit that hands it on."""
        earliest = min((each.since for each in self._endpoints), key=_number)
        for _ in range(_PAGES):
            now = self._process.clock.now()
            async with transaction(self._process.pool) as connection:
                fresh, complete = await news.gather(connection, self._workspace_id, earliest)
                told.update(
                    await deliveries.enqueue(connection, self._workspace_id, wanted(self._endpoints, fresh), now)
                )
            if complete:
                return

    async def _has_news(self, since: UUID) -> bool:
        async with self._process.pool.acquire() as connection:
            return await feed.has_news(connection, self._workspace_id, since)

    def _forget(self, cursor: UUID) -> None:
        """What is behind the cursor nobody reads again."""
        for event_id in [each for each in self._known if each.int < cursor.int]:
            del self._known[event_id]


async def replay(
    connection: Connection,
    workspace_id: UUID,
    endpoint_id: UUID,
    kinds: Collection[str],
    since: datetime,
    now: datetime,
) -> tuple[int, UUID | None]:
    """Sends once more, in the caller's transaction, what has happened from `since` on and is of these kinds (of any, when there are none).

    How many events that were, and where the next replay begins when there are too many for one.
    """
    earliest = now - timedelta(seconds=limits.WEBHOOK_KEPT_S)
    at, end = uuid7_floor(max(since, earliest)), uuid7_floor(now + timedelta(milliseconds=1))
    count = read = 0
    while True:
        page = await feed.page(connection, workspace_id, at, limits.WEBHOOK_READ, end)
        upto = _after(page[-1].event_id) if len(page) == limits.WEBHOOK_READ else end
        page += await news.between(connection, workspace_id, at, upto)
        meant = [(endpoint_id, each) for each in page if not kinds or each.kind in kinds]
        count += len(await deliveries.enqueue(connection, workspace_id, meant, now, again=True))
        if upto == end:
            return count, None
        at, read = upto, read + len(page)
        if count >= limits.WEBHOOK_REPLAYED or read >= limits.WEBHOOK_REPLAY_READ:
            return count, at


def _wishes(endpoints: Iterable[InService]) -> set[tuple[UUID, frozenset[str], UUID]]:
    return {(each.endpoint_id, each.kinds, each.since) for each in endpoints}


def _before(event_id: UUID, seconds: float) -> UUID:
    return UUID(int=max(0, event_id.int - (int(seconds * 1000) << 80)))


def _after(event_id: UUID) -> UUID:
    return UUID(int=event_id.int + 1)


def _latest(*ids: UUID) -> UUID:
    return max(ids, key=_number)


def _number(each: UUID) -> int:
    return each.int
