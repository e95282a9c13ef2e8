"""What a source that is being warmed up may still send today: grants taken from the database in blocks, before they are used."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from posthouse.delivery.gate import Wait
from posthouse.delivery.holding import Held
from posthouse.delivery.rules import Rulebook
from posthouse.model.words import Pool
from posthouse.outbox import sites
from posthouse.runtime.postgres import DATABASE_GONE, transaction
from posthouse.runtime.process import Process

NO_LIMIT: Final = 1 << 30
_BLOCK: Final = 20  # mails granted at a time; a crash wastes at most as many of the day's
_REFILL: Final = 5
_ASK_AGAIN_S: Final = 5.0

_Pair = tuple[str, str]


class Warming:
    """One per pool and process. `wake` is called when something was granted. The transactional pool is never held back."""

    def __init__(
        self, process: Process, pool: Pool, rulebook: Callable[[], Rulebook], wake: Callable[[], None]
    ) -> None:
        self._process = process
        self._pool = pool
        self._rulebook = rulebook
        self._wake = wake
        self._day: date | None = None
        self._granted: dict[_Pair, int] = {}
        self._spent: dict[_Pair, float] = {}  # nothing more is granted today; asked again then, monotonic
        self._asking: dict[_Pair, asyncio.Task[None]] = {}

    def left(self, source: str, provider: str) -> int:
        """How many mails may be claimed for this source and provider now; asks for more when there is little left."""
        cap = self._cap(source, provider)
        if cap is None:
            return NO_LIMIT
        pair = source, provider
        left = self._granted.get(pair, 0)
        if (
            left < _REFILL
            and pair not in self._asking
            and self._spent.get(pair, 0.0) <= self._process.clock.monotonic()
        ):
            task = asyncio.create_task(self._ask(pair, cap), name=f"warm-up {source}")
            self._asking[pair] = task
            task.add_done_callback(lambda _: self._asking.pop(pair, None))
        return left

    def take(self, source: str, provider: str, held: Sequence[Held]) -> None:
        """These were claimed. Each counts once, on the day of its first attempt: what a receiver sends away comes again."""
        pair = source, provider
        if pair not in self._granted:
            return
        for one in held:
            if one.mail.attempt == 1:
                self._granted[pair] -= 1
                one.grant = pair

    def put_back(self, held: Sequence[Held]) -> None:
        """These met no receiver after all."""
        for one in held:
            if one.grant in self._granted:
                self._granted[one.grant] += 1
            one.grant = None

    def is_spent(self, source: str, provider: str) -> bool:
        """Whether nothing is left for today but for mail that was tried before."""
        return self._granted.get((source, provider), 0) <= 0 and self._cap(source, provider) is not None

    def exhausted(self, sources: Sequence[str], provider: str, now: float) -> Wait | None:
        """Until when nothing more goes, when every one of these sources has sent its share of today."""
        if not sources or any(
            self._granted.get((s, provider), 0) > 0 or (s, provider) not in self._spent for s in sources
        ):
            return None
        if any(self._cap(source, provider) is None for source in sources):
            return None
        wall = self._process.clock.now()
        midnight = datetime.combine(wall.date() + timedelta(days=1), datetime.min.time(), UTC)
        caps = ", ".join(f"{source} may send {self._cap(source, provider)}" for source in sources)
        sentence = f"Warm-up: today {caps} to {provider or 'receivers without a rule of their own'}, and they are sent."
        return Wait(now + (midnight - wall).total_seconds(), "warmup in shaping.toml", sentence)

    def _cap(self, source: str, provider: str) -> int | None:
        today = self._process.clock.now().date()
        if today != self._day:
            self._day = today
            self._granted.clear()
            self._spent.clear()
        return self._rulebook().warmups.cap(self._pool, source, provider, today) if source else None

    async def _ask(self, pair: _Pair, cap: int) -> None:
        source, provider = pair
        day = self._process.clock.now().date()
        try:
            async with transaction(self._process.pool) as connection:
                granted = await sites.grant(connection, source, provider, day, _BLOCK, cap)
        except DATABASE_GONE:
            return  # asked again at the next look
        if day != self._day:
            return
        self._granted[pair] = self._granted.get(pair, 0) + granted
        if granted:
            self._wake()
        else:
            self._spent[pair] = self._process.clock.monotonic() + _ASK_AGAIN_S
