"""Which MTA-STS policy of a domain is in force (RFC 8461 5.1): kept in memory and in the table `sts_policies`, fetched when announced.

A policy that was fetched once stays in force until its max_age ends, whatever becomes of the DNS record or the file: else whoever
can suppress those could take the protection away. So all policies are read when the process starts, what other processes fetch is
read every minute, and a lookup never asks the database. Mail for a domain that was never met waits `STS_FIRST_S` for its policy at
most; a policy that changes or gets old is fetched in the background while the one before is in force.
"""

import asyncio
import contextlib
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from posthouse.delivery import sts_fetch
from posthouse.delivery.courier_mx import Tally
from posthouse.delivery.sql import SQL
from posthouse.delivery.sts_fetch import NoPolicy
from posthouse.model import limits
from posthouse.model.values import dataclass
from posthouse.runtime.clock import Clock
from posthouse.runtime.https import HttpsClient
from posthouse.runtime.log import Logger
from posthouse.runtime.postgres import DATABASE_GONE, Pool, Record
from posthouse.wire.mta_sts import Mode, StsPolicy
from posthouse.wire.tlsrpt import PolicyType

_ROUND_S: Final = 60.0
_OVERLAP: Final = timedelta(seconds=300)  # what others commit late, and clocks that differ


@dataclass(frozen=True, slots=True)
class Kept:
    """A policy as fetched for one id of the TXT record."""

    id: str
    policy: StsPolicy
    fetched_at: datetime

    @property
    def ends_at(self) -> datetime:
        """When it stops being in force unless it is fetched again."""
        return self.fetched_at + timedelta(seconds=self.policy.max_age_s)


class StsStore:
    """A `courier_mx.Policies`. `load` first; `run` for as long as the process lives."""

    def __init__(
        self, pool: Pool, texts: sts_fetch.Texts, https: HttpsClient, clock: Clock, log: Logger, tally: Tally
    ) -> None:
        self._pool = pool
        self._texts = texts
        self._https = https
        self._clock = clock
        self._log = log
        self._tally = tally
        self._known: OrderedDict[str, Kept] = OrderedDict()
        self._read_at = clock.now()
        self._used: set[str] = set()  # since they were fetched
        # (domain, id) -> asked again then, monotonic
        self._refused: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[None]] = {}

    async def load(self) -> None:
        """Takes in what is in the table. Raises DATABASE_GONE."""
        self._read_at = self._clock.now()
        self._take(await self._pool.fetch(SQL.sts_policies, self._read_at, limits.STS_POLICIES))

    async def find(self, domain: str) -> StsPolicy | None:
        """The policy of a domain in force, within STS_FIRST_S."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.STS_FIRST_S):
                await self._look(domain)
        kept = self.kept(domain)
        if kept is None:
            return None
        self._used.add(domain)
        return kept.policy

    def kept(self, domain: str) -> Kept | None:
        """What is in force as far as is known here."""
        found = self._known.get(domain)
        return found if found is not None and found.ends_at > self._clock.now() else None

    async def _look(self, domain: str) -> None:
        """Sees whether there is a policy to fetch, and waits for it if none is in force."""
        announced = await sts_fetch.announced(self._texts, domain)
        kept = self.kept(domain)
        if announced is None or (kept is not None and kept.id == announced):
            return
        if self._refused.get((domain, announced), 0.0) > self._clock.monotonic():
            return
        fetching = self._fetching.get(domain) or self._begin(domain, announced)
        if kept is None:
            await asyncio.shield(fetching)

    def _begin(self, domain: str, announced: str) -> asyncio.Task[None]:
        task = asyncio.create_task(self._fetch(domain, announced), name=f"policy of {domain}")
        self._fetching[domain] = task
        task.add_done_callback(lambda _: self._fetching.pop(domain, None))
        return task

    async def _fetch(self, domain: str, announced: str) -> None:
        try:
            policy = await sts_fetch.fetched(self._https, domain)
        except NoPolicy as trouble:
            self._log.info("sts.not_fetched", domain=domain, result=trouble.result, reason=str(trouble))
            self._tally.ended(domain, PolicyType.STS, "", trouble.result)
            self._refuse(domain, announced)
            return
        kept = Kept(announced, policy, self._clock.now())
        self._remember(domain, kept)
        self._log.info("sts.fetched", domain=domain, mode=policy.mode, mx=policy.mx, max_age_s=policy.max_age_s)
        await self._write(domain, kept)

    def _refuse(self, domain: str, announced: str) -> None:
        self._refused[domain, announced] = self._clock.monotonic() + limits.STS_REFUSED_S
        if len(self._refused) > limits.STS_POLICIES:
            self._refused.popitem(last=False)

    def _remember(self, domain: str, kept: Kept) -> None:
        self._known[domain] = kept
        self._known.move_to_end(domain)
        if len(self._known) > limits.STS_POLICIES:
            self._known.popitem(last=False)

    async def _write(self, domain: str, kept: Kept) -> None:
        policy = kept.policy
        values = domain, kept.id, policy.mode, list(policy.mx), policy.max_age_s, kept.fetched_at
        try:
            await self._pool.execute(SQL.keep_sts_policy, *values)
        except DATABASE_GONE as error:  # it is in force here; the next refresh writes it
            self._log.warning("sts.not_written", domain=domain, error=str(error))

    async def run(self) -> None:
        """Every minute: reads what other processes fetched, fetches anew what is getting old, forgets what has ended."""
        try:
            while True:
                await asyncio.sleep(_ROUND_S)
                with contextlib.suppress(*DATABASE_GONE):
                    await self.round()
        finally:
            for task in list(self._fetching.values()):
                task.cancel()
            await asyncio.gather(*self._fetching.values(), return_exceptions=True)

    async def round(self) -> None:
        """Once. Raises DATABASE_GONE."""
        now = self._clock.now()
        since, self._read_at = self._read_at - _OVERLAP, now
        self._take(await self._pool.fetch(SQL.sts_policies_since, since, limits.STS_POLICIES))
        await self._pool.execute(SQL.forget_sts_policies, now)
        asked = now, limits.STS_REFRESH_S, list(self._used), limits.STS_REFRESHED_AT_ONCE
        due = await self._pool.fetch(SQL.claim_sts_refresh, *asked)
        self._used -= {row["domain"] for row in due}
        fetching = [self._fetching.get(row["domain"]) or self._begin(row["domain"], row["id"]) for row in due]
        if fetching:
            await asyncio.wait(fetching)

    def _take(self, rows: list[Record]) -> None:
        for row in reversed(rows):
            kept = Kept(row["id"], StsPolicy(Mode(row["mode"]), tuple(row["mx"]), row["max_age"]), row["fetched_at"])
            known = self._known.get(row["domain"])
            if known is None or known.fetched_at < kept.fetched_at:
                self._remember(row["domain"], kept)
