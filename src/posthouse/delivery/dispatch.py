"""Finds ready mail this process owns, claims as much as its site may hold, and has the sites carry it.

One dispatcher per pool. A round reads which destinations have ready mail and with what priority, best first, and fills their sites;
rounds follow a notification of new mail, a freed session, or a short tick, and are spaced so that looking never costs more than a
fraction of the time.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final
from uuid import UUID

from posthouse.delivery import ownership, settle
from posthouse.delivery.courier import Courier, Envelope, NoRoute, SitePolicy
from posthouse.delivery.hands import Hands
from posthouse.delivery.lease import Lease
from posthouse.delivery.prepare import Preparer
from posthouse.delivery.retry import RetrySchedule
from posthouse.delivery.routes import Routes
from posthouse.delivery.settle import Ended, Settler, Tried
from posthouse.delivery.site import Held, Site, SiteLimits
from posthouse.ledger import suppression
from posthouse.model import limits
from posthouse.model.words import Pool, State
from posthouse.outbox import claims
from posthouse.outbox.claims import Claimed
from posthouse.runtime.postgres import DATABASE_GONE, transaction
from posthouse.runtime.process import Process

TICK_S: Final = 0.25
ROUND_S: Final = 0.1
SPACING_S: Final = 0.005  # between rounds while notifications pour in
DOMAINS_PER_ROUND: Final = 1_000
DRAIN_S: Final = 25.0
_GONE_S: Final = 0.5
_NO_ROUTE_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Destination:
    """One workspace's mail for one domain, and the best priority ready there."""

    workspace_id: UUID
    domain: str
    priority: int


class Dispatcher:
    """The dispatcher of one pool in one process; also the desk its sites work at."""

    def __init__(
        self,
        process: Process,
        pool: Pool,
        courier: Courier,
        preparer: Preparer,
        settler: Settler,
        hands: Hands,
        lease: Lease,
        policy: SitePolicy,
        random: Random,
    ) -> None:
        delivery = process.settings.pool(pool)
        self.courier = courier
        self._process = process
        self._pool = pool
        self._preparer = preparer
        self._settler = settler
        self._hands = hands
        self._lease = lease
        self._policy = policy
        self._random = random
        self._limits = SiteLimits(delivery.connections_per_site, delivery.mails_per_connection)
        self._schedule = RetrySchedule(delivery.retry_first_s, delivery.retry_factor, delivery.retry_cap_s)
        self._sessions_left = delivery.concurrency
        self._sites: dict[str, Site] = {}
        self._wake = asyncio.Event()
        self._routes = Routes(courier, process.clock, self.wake)
        self._after: dict[UUID, str] = defaultdict(str)  # where the walk through a workspace's destinations goes on
        self.peers: Collection[UUID] = (lease.worker_id,)

    def wake(self, pools: str = "") -> None:
        """There may be something to do, for these pools (comma separated) or for any."""
        if not pools or self._pool in pools.split(","):
            self._wake.set()

    async def run(self) -> None:
        """Works until the process stops, then drains."""
        while not self._process.stopping.is_set():
            self._wake.clear()
            try:
                again = await self._round()
            except DATABASE_GONE as error:
                self._process.log.warning("dispatch.waits", pool=self._pool, error=str(error))
                await asyncio.sleep(_GONE_S)
                continue
            await asyncio.sleep(SPACING_S)
            if not again:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), TICK_S)
        await self._drain()

    async def _round(self) -> bool:
        """Fills every site once; True when there was more than a round can look at."""
        if not self._lease.valid():
            return False
        destinations, more = await self._destinations()
        until = self.monotonic() + ROUND_S
        for destination in sorted(destinations, key=lambda d: -d.priority):
            await self._fill(destination)
            if self.monotonic() > until:
                more = True  # look again first: something more urgent may have come
                break
        for name, site in list(self._sites.items()):
            site.scale()
            if site.quiet and site.suspended_until < self.monotonic():
                del self._sites[name]
        return more

    async def _destinations(self) -> tuple[list[Destination], bool]:
        found: list[Destination] = []
        more = False
        async with self._process.pool.acquire() as connection:
            for workspace_id in await claims.workspaces_with_mail(connection, self._pool):
                after = self._after.pop(workspace_id, "")
                domains = await claims.ready_domains(connection, workspace_id, self._pool, after, DOMAINS_PER_ROUND)
                if len(domains) == DOMAINS_PER_ROUND:
                    self._after[workspace_id] = domains[-1][0]
                more |= bool(after) or len(domains) == DOMAINS_PER_ROUND
                found += [Destination(workspace_id, domain, priority) for domain, priority in domains]
        return [d for d in found if self._owns(d.domain)], more

    def _owns(self, domain: str) -> bool:
        return ownership.owner(domain, {*self.peers, self._lease.worker_id}) == self._lease.worker_id

    async def _fill(self, destination: Destination) -> None:
        route = self._routes.known(destination.domain)
        if route is None:
            return  # being looked up; the dispatcher is woken when it is known
        if isinstance(route, NoRoute):
            await self._no_route(destination, route)
            return
        site = self._sites.get(route.site)
        if site is None:
            site = self._sites[route.site] = Site(self, route, self._policy, self._limits)
        room = min(site.room(destination.priority), limits.HELD_MAILS - len(self._hands))
        if room > 0:
            site.add(await self._claim(destination, room))

    async def _claim(self, destination: Destination, most: int) -> list[Held]:
        """Claims mail and sets aside what has been suppressed since it was accepted."""
        worker_id, workspace_id = self._lease.worker_id, destination.workspace_id
        async with transaction(self._process.pool) as connection:
            mails = await claims.claim(
                connection, workspace_id, self._pool, destination.domain, most, worker_id, self.now()
            )
            found = await suppression.entries_of(connection, workspace_id, {mail.address for mail in mails})
        self._hands.take(mails)
        held = []
        for mail in mails:
            entries = found.get(suppression.folded(mail.address), ())
            if reason := suppression.blocking(entries, mail.message.mail_class):
                await self._end(Held(mail, worker_id), State.SUPPRESSED, reason)
            else:
                held.append(Held(mail, worker_id))
        return held

    async def _no_route(self, destination: Destination, route: NoRoute) -> None:
        for held in await self._claim(destination, _NO_ROUTE_BATCH):
            now = self.now()
            await self.tried(held, Tried(route.outcome, route.reply, route.stage, now, now))

    async def _drain(self) -> None:
        """Gives back what nobody has begun with and lets the rest end."""
        for site in self._sites.values():
            await self._give_back(site.empty())
        await asyncio.gather(*(site.finish(DRAIN_S) for site in self._sites.values()))
        await self._settler.drain()

    async def _give_back(self, held: list[Held]) -> None:
        groups: dict[tuple[UUID, UUID], list[UUID]] = defaultdict(list)
        for one in held:
            groups[one.mail.workspace_id, one.worker_id].append(one.mail.recipient_id)
        with contextlib.suppress(*DATABASE_GONE):  # then the end of the lease gives it back
            async with self._process.pool.acquire() as connection:
                for (workspace_id, worker_id), ids in groups.items():
                    await claims.give_back(connection, workspace_id, ids, worker_id)
        self._hands.drop(one.mail.recipient_id for one in held)

    async def _end(self, held: Held, state: State, reason: str) -> None:
        judgement = settle.unsent(held.mail, state, reason, self.now())
        await self._settler.end(Ended(held.mail, held.worker_id, judgement, None, self._process.ids.new()))

    # --- What sites ask for (site.Desk)

    def now(self) -> datetime:
        """The time, UTC."""
        return self._process.clock.now()

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        return self._process.clock.monotonic()

    def still_ours(self, held: Held) -> bool:
        """Whether this mail may be dialled: its lease lives. If not, it is out of our hands."""
        if held.worker_id == self._lease.worker_id and self._lease.valid():
            return True
        self._hands.drop([held.mail.recipient_id])
        return False

    async def prepare(self, mail: Claimed) -> tuple[Envelope, bytes]:
        """The envelope and the signature in it."""
        return await self._preparer.prepare(mail)

    async def tried(self, held: Held, tried: Tried) -> None:
        """Hands an attempt over to be written down."""
        judgement = settle.judge(held.mail, tried, self._schedule, self._random.random())
        await self._settler.end(Ended(held.mail, held.worker_id, judgement, tried, self._process.ids.new()))

    async def too_late(self, held: Held) -> None:
        """Ends a mail that expired while it waited its turn."""
        await self._end(held, State.EXPIRED, "Expired before it could be delivered.")

    def take_session(self) -> bool:
        """One more session, if the process may have it."""
        if self._sessions_left == 0:
            return False
        self._sessions_left -= 1
        return True

    def give_session(self) -> None:
        """A session ended."""
        self._sessions_left += 1
        self.wake()

    def failed(self, site: str, error: BaseException) -> None:
        """Something of ours broke while carrying a mail; its bug goes to the log."""
        self._process.log.error("delivery.failed", site=site, error=repr(error), exc_info=error)
