"""What receivers told us to keep to outlives the process they told: it is written down, and the next owner of their sites keeps to it.

Told "come back in two hours", a sender that comes back after a restart five minutes later is what gets an address blocked.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from posthouse.delivery import rates
from posthouse.delivery.backoff import Do, Effect
from posthouse.delivery.gate import Gate
from posthouse.model.words import Pool
from posthouse.outbox import sites
from posthouse.outbox.sites import Word
from posthouse.runtime.postgres import Connection
from posthouse.runtime.process import Process

_LAST_S: Final = 2.0  # so long before its end a word is neither written down nor asked about any more


class Words:
    """Those of one pool in one process."""

    def __init__(self, process: Process, pool: Pool) -> None:
        self._process = process
        self._pool = pool
        self._found: dict[tuple[str, str], Word] = {}  # by source and group
        self._kept: dict[tuple[str, str], Effect] = {}

    async def read(self, groups: Collection[str]) -> None:
        """What was written down about these groups."""
        async with self._process.pool.acquire() as connection:
            found = await sites.words_in_force(connection, self._pool, groups, self._process.clock.now())
        self._found.update(((word.source, word.group), word) for word in found)

    def remind(self, gate: Gate, source: str, group: str, now: float) -> None:
        """Tells a gate what was found for it; `now` is monotonic."""
        word = self._found.pop((source, group), None)
        if word is not None:
            left_s = (word.until - self._process.clock.now()).total_seconds()
            effect = _effect(word, now + left_s)
            if left_s > 0 and gate.resume(effect, now):
                self._kept[source, group] = effect

    def news(self, gates: Mapping[tuple[str, str], Gate]) -> dict[tuple[str, str], Effect]:
        """What gates have been told since the last time, by source and group."""
        end = self._process.clock.monotonic() + _LAST_S
        effects = {pair: gate.effect for pair, gate in gates.items() if gate.effect is not None}
        return {p: effect for p, effect in effects.items() if effect.until > end and self._kept.get(p) is not effect}

    async def keep(self, connection: Connection, news: Mapping[tuple[str, str], Effect]) -> None:
        """Writes news down."""
        now, monotonic = self._process.clock.now(), self._process.clock.monotonic()
        words = [_word(*p, effect, now + timedelta(seconds=effect.until - monotonic)) for p, effect in news.items()]
        await sites.keep_words(connection, self._pool, words)
        self._kept.update(news)

    @property
    def remembers(self) -> bool:
        """Whether something that is written down still holds."""
        end = self._process.clock.monotonic() + _LAST_S
        self._kept = {pair: effect for pair, effect in self._kept.items() if effect.until > end}
        return bool(self._kept)

    async def lifted(self, connection: Connection, gates: Mapping[tuple[str, str], Gate]) -> bool:
        """Lets gates forget what somebody has lifted since; whether there was any."""
        groups = {group for _, group in self._kept}
        found = await sites.words_in_force(connection, self._pool, groups, self._process.clock.now())
        gone = self._kept.keys() - {(word.source, word.group) for word in found}
        for pair in gone:
            effect = self._kept.pop(pair)
            if pair in gates and gates[pair].effect is effect:
                gates[pair].forgive(self._process.clock.monotonic())
        return bool(gone)


def _effect(word: Word, until: float) -> Effect:
    return Effect(
        Do.SUSPEND if word.suspends else Do.SLOW,
        word.rule,
        until,
        word.sentence,
        rates.parse(word.rate) if word.rate else None,
        word.connections,
    )


def _word(source: str, group: str, effect: Effect, until: datetime) -> Word:
    rate = str(effect.rate) if effect.rate else ""
    suspends = effect.do is Do.SUSPEND
    return Word(source, group, suspends, effect.rule, effect.sentence, until, rate, effect.connections)
