"""Finds ready mail whose sites this process owns, claims as much as they may hold, and has their paths carry it.

One dispatcher per pool. A round reads which destinations have ready mail and with what priority, best first, and fills their sites;
rounds follow a notification of new mail, a freed session, or a short tick, and are spaced so that looking never costs more than a
fraction of the time.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from math import ceil
from random import Random
from typing import Final
from uuid import UUID

from posthouse.delivery import settle, shaping
from posthouse.delivery.board import Board
from posthouse.delivery.courier import Courier, Envelope, NoRoute
from posthouse.delivery.destinations import Destination, Destinations, Way
from posthouse.delivery.hands import Hands
from posthouse.delivery.holding import Held
from posthouse.delivery.lease import Lease
from posthouse.delivery.line import Line
from posthouse.delivery.ownership import Owned
from posthouse.delivery.prepare import Preparer, Soon
from posthouse.delivery.retry import RetrySchedule
from posthouse.delivery.routes import Routes
from posthouse.delivery.settle import Ended, Settler, Tried
from posthouse.delivery.shaping_file import ShapingFile
from posthouse.delivery.site import Site
from posthouse.ledger import events, suppression
from posthouse.ledger.events import Event
from posthouse.model import limits
from posthouse.model.words import EventKind, Pool, State
from posthouse.outbox import claims, suspensions
from posthouse.outbox.announcements import Announcement
from posthouse.outbox.claims import Claimed
from posthouse.outbox.suspensions import Active, Suspension
from posthouse.runtime.postgres import DATABASE_GONE, Connection, transaction
from posthouse.runtime.process import Process

TICK_S: Final = 1.0  # the longest time between two looks, should every notification be lost
ROUND_S: Final = 0.1
SPACING_S: Final = 0.005  # between rounds while notifications pour in, at least
SPACING_MOST_S: Final = 0.02
# ... and so many times as long as the last round took: behind a long queue, or on a busy machine, looking is dear
SPACING: Final = 2
# ... and when the last rounds claimed nothing: sites are full, or the mail is for other processes
VAIN_SPACING_S: Final = 0.05
_VAIN_ROUNDS: Final = 3  # in a row; a new destination takes two, one to ask the DNS and one to claim
DRAIN_S: Final = 25.0
SESSIONS_KEPT: Final = 0.2  # of the connections of a process, for paths that have none
_GONE_S: Final = 0.1  # before it is asked again when one answer did not come; longer each time, up to
_GONE_MOST_S: Final = 0.5
_NO_ROUTE_BATCH: Final = 100


class Dispatcher:
    """The dispatcher of one pool in one process; also the desk its paths work at."""

    def __init__(
        self,
        process: Process,
        pool: Pool,
        courier: Courier,
        preparer: Preparer,
        lease: Lease,
        shaping: ShapingFile,
        random: Random,
    ) -> None:
        own = process.settings.pool(pool)
        self.courier = courier
        self.line = Line()
        self.hands = Hands()
        self.owned = Owned(process, pool, lease)
        self._suspended = suspensions.NONE
        self.shares: Mapping[UUID, int] = {}
        self._process = process
        self._pool = pool
        self._preparer = preparer
        self._settler = Settler(process, self.hands)
        self._lease = lease
        self._random = random
        self._shaping = shaping
        self._schedule = RetrySchedule(own.retry_first_s, own.retry_factor, own.retry_cap_s)
        self._sessions_left = own.concurrency
        self._sessions_kept = ceil(own.concurrency * SESSIONS_KEPT)
        self._wake = asyncio.Event()
        self._new_groups: set[str] = set()  # owned, and what their receivers told others is not read yet
        self._destinations = Destinations(process, pool, Routes(courier, process.clock, self.wake), shaping)
        self.board = Board(process, pool, self, shaping)

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def hear(self, said: Announcement) -> None:
        """There is mail; it is no reason to look if it is another pool's, or all of it goes where others send."""
        if said.pools and self._pool not in said.pools:
            return
        if not said.domains or any(self._may_be_ours(domain) for domain in said.domains):
            self.wake()

    def _may_be_ours(self, domain: str) -> bool:
        group = self._destinations.group_of(domain)
        return group is None or self.owned.should(group)

    async def suspend(self, active: Active) -> None:
        """What people have stopped; mail in hand that no session has begun with goes back, unless it may drain."""
        self._suspended = active
        if active:
            now = self.now()
            for site in self.board.sites:
                await self.give_back(site.take_out(lambda held: self._is_stopped(held.mail, now)))
        self.wake()

    def _is_stopped(self, mail: Claimed, now: datetime) -> bool:
        found = self._suspended.of(mail.workspace_id, self._pool, mail.domain, now)
        own = self._stop_of(mail, now)
        return any(each is not None and not each.drain for each in (found, own))

    def _stop_of(self, mail: Claimed, now: datetime) -> Suspension | None:
        """What stops mail from its From domain or of its mailing."""
        message = mail.message
        return self._suspended.of_mail(mail.workspace_id, self._pool, message.sender, message.mailing, now)

    async def run(self) -> None:
        """Works until the process stops, then drains."""
        vain = gone = 0
        while not self._process.stopping.is_set():
            self._wake.clear()
            began = self.monotonic()
            try:
                again, claimed = await self._round()
                vain, gone = 0 if claimed else vain + 1, 0
            except DATABASE_GONE as error:
                self._process.log.warning("dispatch.waits", pool=self._pool, error=str(error))
                gone += 1
                await asyncio.sleep(min(_GONE_S * gone, _GONE_MOST_S))
                continue
            await asyncio.sleep(_spacing(self.monotonic() - began) if vain < _VAIN_ROUNDS else VAIN_SPACING_S)
            if not again:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._wake.wait()
        await self._drain()

    async def _round(self) -> tuple[bool, int]:
        """Fills every site once: whether there is more than a round can look at, and how many mails it claimed."""
        if not self._lease.valid():
            return False, 0
        if self._shaping.maybe_reload(self.monotonic()):
            self.board.renew()
        destinations, more = await self._destinations.ready()
        ways = self._ways(destinations)
        groups = {way.group(domain) for domain, way in ways.items()}
        sites = await self._sort(destinations, ways, groups)
        claimed = 0
        until = self.monotonic() + ROUND_S
        for site, wanted in sites:
            claimed += await self._fill(site, wanted)
            if self.monotonic() > until:
                more = True  # look again first: something more urgent may have come
                break
        await self._tidy(groups)
        return more, claimed

    async def _sort(
        self, destinations: Sequence[Destination], ways: Mapping[str, Way], groups: Collection[str]
    ) -> list[tuple[Site, list[Destination]]]:
        """The sites of these destinations that are ours, in the order of their best priorities; ends mail that leads nowhere."""
        self._new_groups |= await self.owned.take(group for group in groups if self.owned.should(group))
        if self._new_groups:
            await self.board.inherit(self._new_groups)  # before anybody is dialled, and again if this fails
            self._new_groups = set()
        found: dict[int, tuple[Site, list[Destination]]] = {}
        for each in destinations:
            way = ways.get(each.domain)
            if way is None or not self._is_ours(way.group(each.domain)):
                continue
            if isinstance(way.plan, NoRoute):
                await self._no_route(each, way.plan)
            elif way.limits is not None:
                site = self.board.site(way.plan, way.limits, each.domain)
                found.setdefault(id(site), (site, []))[1].append(each)
        return list(found.values())

    def _ways(self, destinations: Sequence[Destination]) -> dict[str, Way]:
        """The ways to those domains that may be sent to, as far as they are known; the dispatcher is woken when more are."""
        now = self.now()
        free = {
            each.domain
            for each in destinations
            if self._suspended.of(each.workspace_id, self._pool, each.domain, now) is None
        }
        found = {domain: self._destinations.way(domain) for domain in free}
        return {domain: way for domain, way in found.items() if way is not None}

    def _is_ours(self, group: str) -> bool:
        return self.owned.has(group) and self.owned.should(group)

    async def _fill(self, site: Site, wanted: Sequence[Destination]) -> int:
        """Claims for one site, priority by priority, shared out fairly among the workspaces that want the same."""
        claimed = 0
        for priority, found in groupby(wanted, key=lambda destination: destination.priority):
            same = list(found)
            room = min(site.room(priority), self._places(priority))
            again = room <= 0
            if again:
                room = min(site.room_for_retries(priority), self._places(priority))
            if room <= 0:
                continue
            shares = {each.workspace_id: self.shares.get(each.workspace_id, 1) for each in same}
            allotted = dict(site.allot(shares, priority, room))
            for each in same:
                if (most := allotted[each.workspace_id]) > 0 and self._may_go(each):
                    held = await self._claim(each, most, again=again)
                    allotted[each.workspace_id] -= len(held)
                    claimed += len(held)
                    site.add(held)
        return claimed

    def _places(self, priority: int) -> int:
        """How many more mails the process may hold; what is held for receivers that stall leaves some to the more urgent."""
        return limits.HELD_MAILS + shaping.RESERVED * priority - len(self.hands)

    def _may_go(self, destination: Destination) -> bool:
        return self._suspended.of(destination.workspace_id, self._pool, destination.domain, self.now()) is None

    async def _claim(self, destination: Destination, most: int, *, again: bool = False) -> list[Held]:
        """Claims mail (`again`: only such as was tried before) and sets aside what has been suppressed since it was accepted."""
        worker_id, workspace_id = self._lease.worker_id, destination.workspace_id
        share, asked_at = self.shares.get(workspace_id, 1), self.monotonic()
        async with transaction(self._process.pool) as connection:
            mails = await claims.claim(
                connection, workspace_id, self._pool, destination.domain, most, worker_id, self.now(), again=again
            )
            if self._suspended.looks_at_mail:
                mails = await self._set_aside(connection, mails)
            held = [Held(mail, worker_id, share, asked_at) for mail in mails]
            reasons = await self._reasons(connection, held)
        self.hands.take(mails)
        await self._end_suppressed(reasons)
        return [one for one in held if one not in reasons] if reasons else held

    async def _set_aside(self, connection: Connection, mails: Sequence[Claimed]) -> list[Claimed]:
        """Holds those of these mails of one workspace that are from a suspended domain or of a suspended mailing, with an event each; the others."""
        now = self.now()
        stops = {mail.recipient_id: self._stop_of(mail, now) for mail in mails}
        for stop in {each.suspension_id: each for each in stops.values() if each is not None}.values():
            found = [mail for mail in mails if stops[mail.recipient_id] is stop]
            aside = await suspensions.set_aside(connection, stop, found, self._lease.worker_id, self._pool)
            said: dict[str, object] = {"by": stop.created_by, "reason": stop.reason}
            new = self._process.ids.new
            await events.append(
                connection,
                [
                    Event(stop.workspace_id, new(), now, message_id, recipient_id, EventKind.HELD, said)
                    for recipient_id, message_id in aside
                ],
            )
            self.wake()  # what stands behind it in line is not to wait for the next tick
        return [mail for mail in mails if stops[mail.recipient_id] is None]

    async def _reasons(self, connection: Connection, held: Sequence[Held]) -> dict[Held, str]:
        """Why which of these mails of one workspace may not be sent."""
        if not held:
            return {}
        addresses = {one.mail.address for one in held}
        found = await suppression.entries_of(connection, held[0].mail.workspace_id, addresses)
        if not found:
            return {}
        now = self.now()
        reasons = {
            one: suppression.blocking(
                found.get(suppression.folded(one.mail.address), ()),
                one.mail.message.mail_class,
                now,
                one.mail.message.mailing_type,
            )
            for one in held
        }
        return {one: reason for one, reason in reasons.items() if reason}

    async def _end_suppressed(self, reasons: Mapping[Held, str]) -> None:
        for one, reason in reasons.items():
            await self._end(one, State.SUPPRESSED, reason)

    async def _no_route(self, destination: Destination, route: NoRoute) -> None:
        for held in await self._claim(destination, _NO_ROUTE_BATCH):
            now = self.now()
            await self.tried(held, Tried(route.outcome, route.reply, route.stage, now, now))

    async def _tidy(self, wanted: Collection[str]) -> None:
        """Lets sites open what they need, gives up those that are another's, forgets those with nothing to do."""
        for site in self.board.retiring():
            await self.give_back(site.empty())
        self.board.scale()
        kept = self.board.forget_idle(wanted)
        if idle := {group for group in self.owned.groups - kept if group not in wanted or not self.owned.should(group)}:
            await self._let_go(idle)

    async def _drain(self) -> None:
        """Gives back what nobody has begun with and lets the rest end."""
        sites = self.board.sites
        for site in sites:
            await self.give_back(site.empty())
        await asyncio.gather(*(site.finish(DRAIN_S) for site in sites))
        await self._settler.drain()
        with contextlib.suppress(*DATABASE_GONE):
            await self._let_go(self.owned.groups)

    async def _let_go(self, groups: Collection[str]) -> None:
        """Others may have these, with all that is known of them."""
        await self.board.note()
        await self.owned.let_go(groups)

    async def _end(self, held: Held, state: State, reason: str) -> None:
        judgement = settle.unsent(held.mail, state, reason, self.now())
        await self._settler.end(Ended(held.mail, held.worker_id, judgement, None, self._process.ids.new()))

    # --- What paths ask for (path.Desk)

    def now(self) -> datetime:
        """The time, UTC."""
        return self._process.clock.now()

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        return self._process.clock.monotonic()

    def random(self) -> float:
        """A number in [0, 1), to spread what would otherwise happen at once."""
        return self._random.random()

    def still_ours(self, held: Held) -> bool:
        """Whether this mail may be dialled: its lease lives and nobody has claimed it since. If not, it is out of our hands."""
        if held.worker_id == self._lease.worker_id and self._lease.valid() and self.hands.has(held.mail):
            return True
        self.hands.drop([held.mail])
        return False

    async def suppressed(self, held: Sequence[Held]) -> list[Held]:
        """Those of these mails of one workspace that have been suppressed since they were claimed; they are ended."""
        async with self._process.pool.acquire() as connection:
            reasons = await self._reasons(connection, held)
        await self._end_suppressed(reasons)
        return list(reasons)

    async def prepare(self, mail: Claimed, soon: Soon) -> tuple[Envelope, bytes]:
        """The envelope and the signature in it."""
        return await self._preparer.prepare(mail, self._pool, soon)

    async def tried(self, held: Held, tried: Tried) -> None:
        """Hands an attempt over to be written down."""
        judgement = settle.judge(held.mail, tried, self._schedule, self._random.random())
        await self._settler.end(Ended(held.mail, held.worker_id, judgement, tried, self._process.ids.new()))

    async def too_late(self, held: Held) -> None:
        """Ends a mail that expired while it waited its turn."""
        await self._end(held, State.EXPIRED, "Expired before it could be delivered.")

    async def give_back(self, held: Sequence[Held]) -> None:
        """Mail that never met the wire is ready again, for others or for later."""
        groups: dict[tuple[UUID, UUID], list[UUID]] = defaultdict(list)
        for one in held:
            groups[one.mail.workspace_id, one.worker_id].append(one.mail.recipient_id)
        with contextlib.suppress(*DATABASE_GONE):  # then the end of the lease gives it back
            async with self._process.pool.acquire() as connection:
                for (workspace_id, worker_id), ids in groups.items():
                    await claims.give_back(connection, workspace_id, ids, worker_id)
        self.hands.drop(one.mail for one in held)
        self.board.warming.put_back(held)

    def source_missing(self, address: str) -> None:
        """This host does not have the address a path wanted to send from."""
        self._process.log.error("source.missing", pool=self._pool, source=address)
        self.board.source_missing(address)

    def take_session(self, *, first: bool) -> bool:
        """One more session, if the process may have it; a fifth is kept for paths that have none, or a few that stall take all."""
        if self._sessions_left == 0 or (not first and self._sessions_left <= self._sessions_kept):
            return False
        self._sessions_left -= 1
        return True

    @property
    def exhausted(self) -> bool:
        """Whether every session the process may have is at work."""
        return self._sessions_left == 0

    def give_session(self) -> None:
        """A session ended."""
        self._sessions_left += 1
        self.wake()

    def failed(self, site: str, error: BaseException) -> None:
        """Something of ours broke while carrying a mail; its bug goes to the log."""
        self._process.log.error("delivery.failed", site=site, error=repr(error), exc_info=error)


def _spacing(round_s: float) -> float:
    """The pause after a round of this length; mail that comes meanwhile goes together."""
    return min(max(SPACING_S, SPACING * round_s), SPACING_MOST_S)
