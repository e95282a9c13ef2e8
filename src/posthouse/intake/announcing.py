"""Telling the delivery processes that there is new mail: at once when it is quiet, for many commits together when it is not.

Every notice wakes every process that listens, which costs more than a mail does. A notice that is owed is given `SPACING_S` after the
last one; one that gets lost costs the mail a tick of the dispatcher.
"""

import asyncio
from collections.abc import Set
from typing import Final

from posthouse.model.words import Pool
from posthouse.outbox import enqueue
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.runtime.process import Process

SPACING_S: Final = 0.02


class Announcer:
    """One per door."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._last = float("-inf")
        self._owed: set[Pool] = set()
        self._owed_domains: set[str] = set()
        self._telling: asyncio.Task[None] | None = None

    def is_quiet(self) -> bool:
        """Whether the next commit is to carry its notice itself; who asks takes the turn."""
        now = self._process.clock.monotonic()
        if now - self._last < SPACING_S or self._telling is not None:
            return False
        self._last = now
        return True

    def owe(self, pools: Set[Pool], domains: Set[str]) -> None:
        """Mail of these pools for these domains has been committed without a notice."""
        self._owed |= pools
        self._owed_domains |= domains
        if self._owed and self._telling is None:
            self._telling = asyncio.create_task(self._tell(), name="announce")

    async def close(self) -> None:
        """Returns when nothing is owed."""
        if self._telling is not None:
            await asyncio.wait([self._telling])

    async def _tell(self) -> None:
        try:
            while self._owed:
                await asyncio.sleep(max(0.0, self._last + SPACING_S - self._process.clock.monotonic()))
                pools, self._owed = self._owed, set()
                domains, self._owed_domains = self._owed_domains, set()
                self._last = self._process.clock.monotonic()
                async with self._process.pool.acquire() as connection:
                    await enqueue.announce(connection, pools, domains)
        except DATABASE_GONE as error:
            self._process.log.warning("announce.lost", error=str(error))
        finally:
            self._telling = None
