"""One way to a site: from one source address, through one gate, over its own sessions.

Sessions are opened as `shaping` says, carry mail in priority order as fast as the gate lets it through, are reused while mail keeps
coming, and end after a short idle time.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.delivery import backoff, shaping
from posthouse.delivery.backoff import Said
from posthouse.delivery.courier import (
    ConnectFailure,
    Connection,
    Plan,
    SendResult,
    SitePolicy,
    TlsPolicy,
)
from posthouse.delivery.desk import Desk
from posthouse.delivery.gate import Gate, Wait
from posthouse.delivery.holding import Held, Holding
from posthouse.delivery.line import TENURE_S
from posthouse.delivery.settle import Tried
from posthouse.delivery.shaping import Load
from posthouse.delivery.sources import Source
from posthouse.delivery.transcript import as_text
from posthouse.model.outcome import Outcome, Reply, Stage
from posthouse.model.values import dataclass
from posthouse.outbox.claims import Claimed
from posthouse.runtime.postgres import DATABASE_GONE

SUSPEND_FIRST_S: Final = 15.0
SUSPEND_CAP_S: Final = 900.0
ASK_AGAIN_S: Final = 0.5  # mail in hand for longer is looked up among the suppressions once more before it is dialled
OPEN_FOR_S: Final = 0.5  # a connection is only opened, or kept, for mail that may go this soon
SOON_S: Final = 0.25  # what goes within this time is signed along with the mail that goes now
_SMOOTHING: Final = 0.2  # weight of the newest mail in the moving average of seconds per mail
_OUR_FAULT: Final = Reply(451, "4.3.0", "internal error on our side; it is in the log")


@dataclass(slots=True)
class _Pace:
    """How the path has been doing: seconds per mail on one connection (0.0: not known yet), failures in a row, last movement."""

    moved_at: float
    seconds_per_mail: float = 0.0
    failures: int = 0
    suspensions: int = 0

    def learn(self, seconds: float) -> None:
        """A mail was carried in this time."""
        self.failures = self.suspensions = 0
        old = self.seconds_per_mail
        self.seconds_per_mail = seconds if old == 0.0 else old + _SMOOTHING * (seconds - old)


class Path:
    """Mail and sessions between one source and one site in this process. All methods but the sessions run without waiting."""

    def __init__(self, desk: Desk, plan: Plan, source: Source, gate: Gate) -> None:
        self.plan = plan
        self.gate = gate
        self.source = source.address  # "" for the system's choice
        self.retired = False  # another process is to send this way
        self._helo = source.helo
        self.suspension: Wait | None = None
        self._desk = desk
        self._queue = Holding()
        self._sessions: set[asyncio.Task[None]] = set()
        self._idle: list[asyncio.Future[None]] = []
        self._pace = _Pace(desk.monotonic())
        self._lines = (gate.line, desk.line)
        self._leaving: set[asyncio.Task[None]] = set()
        self._standing: set[asyncio.Task[None]] = set()  # sessions that have carried mail and can carry more
        self._ceiling = 0  # no more sessions than this until then, monotonic
        self._ceiling_until = 0.0
        self._dismissed = 0  # idle sessions that were told to make room and have not left yet
        self._finishing = False
        self._refill_at: dict[int, int] = {}  # by priority: when so many are left it is time to look for more

    @property
    def held(self) -> int:
        """How many mails wait here in memory."""
        return len(self._queue.heap)

    @property
    def connections(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    @property
    def quiet(self) -> bool:
        """Whether nothing is held and nobody is at work."""
        return not self._queue.heap and not self._sessions

    def held_of(self, priority: int) -> dict[UUID, int]:
        """How many mails of at least this priority each workspace has here."""
        found: dict[UUID, int] = {}
        for rank, _, _, held in self._queue.heap:
            if -rank >= priority:
                found[held.mail.workspace_id] = found.get(held.mail.workspace_id, 0) + 1
        return found

    def stopped(self, now: float) -> Wait | None:
        """Until when nothing goes this way at all: the host could not be reached, or the receiver said so."""
        if self.suspension is not None and self.suspension.until <= now:
            self.suspension = None
        return self.suspension or self.gate.suspended(now)

    def room(self, priority: int) -> int:
        """How many mails may be claimed now for a destination whose best ready mail has this priority."""
        now = self._desk.monotonic()
        return 0 if self.stopped(now) else shaping.room(self._load(now), self._queue.at_least(priority))

    def mails_per_s(self, now: float) -> float:
        """How fast mail goes, as far as is known; 0.0 when it is not."""
        pace, limit = self._pace.seconds_per_mail, self.gate.mails_per_s(now)
        measured = max(self.connections, 1) / pace if pace else limit
        return min(measured, limit) if limit else measured

    def add(self, held: list[Held]) -> None:
        """Takes claimed mail and sees to it that somebody carries it."""
        for one in held:
            self._queue.push(one)
        self._refill_at = {priority: number // 2 for priority, number in self._queue.by_priority.items()}
        self.scale()

    def scale(self) -> None:
        """Wakes idle sessions and opens as many new ones as the load asks for and gate and process allow."""
        if self._finishing or not self._queue.heap:
            return
        for _ in range(min(self.held, len(self._idle))):
            self._wake_one()
        if len(self._sessions) >= self.gate.limits.connections:
            return
        now = self._desk.monotonic()
        if self.stopped(now) or self._must_wait(now):
            return
        most = 1 if self._pace.suspensions else self.gate.connections(now)  # after a pause one looks first
        if now < self._ceiling_until:
            most = min(most, self._ceiling)
        wanted = shaping.connections_wanted(self._load(now), most)
        while self.connections < wanted and self._may_open(now):
            self.gate.dialled(now)
            task = asyncio.create_task(self._session(now), name=f"session {self.plan.site}")
            self._sessions.add(task)
            self._pace.moved_at = now
            for line in self._lines:
                line.opened(self)
            task.add_done_callback(self._session_ended)

    def spare(self) -> bool:
        """Ends an idle session, if there is one: others wait for a connection."""
        if not self._idle:
            return False
        self._dismissed += 1
        self._wake_one()
        return True

    def _may_open(self, now: float) -> bool:
        """Whether gate and process have a connection left; if not, the path stands in line for one."""
        if self.gate.open >= self.gate.connections(now):
            self.gate.line.join(self)
            return False
        if not self.gate.may_dial(now):
            return False
        if not self._desk.take_session(first=not self._sessions):
            self._desk.line.join(self)
            return False
        return True

    def take_out(self, which: Callable[[Held], bool]) -> list[Held]:
        """Takes back the mail no session has begun with for which this is true."""
        held = self._queue.clear()
        for one in held:
            if not which(one):
                self._queue.push(one)
        return [one for one in held if which(one)]

    def empty(self) -> list[Held]:
        """Takes back all mail that no session has begun with."""
        return self._queue.clear()

    def retire(self) -> None:
        """Has every session end with the mail it is at: until then nobody else may send this way."""
        self.retired = True
        self._wake_all()

    async def finish(self, patience_s: float) -> None:
        """Lets sessions end the mail they are at; those that take longer are cut off and their mail's outcome is unknown."""
        self._finishing = True
        self._wake_all()
        if self._sessions:
            _, late = await asyncio.wait(self._sessions, timeout=patience_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _load(self, now: float) -> Load:
        return Load(
            queued=self.held,
            connections=self.connections,
            seconds_per_mail=self._pace.seconds_per_mail,
            still_s=now - self._pace.moved_at,
            rate_limit=self.gate.mails_per_s(now),
        )

    def _must_wait(self, now: float) -> bool:
        wait = self.gate.wait(now)
        return wait is not None and wait.until - now > OPEN_FOR_S

    def _wake_one(self) -> None:
        future = self._idle.pop()
        if not future.done():
            future.set_result(None)

    def _wake_all(self) -> None:
        while self._idle:
            self._wake_one()

    def _session_ended(self, task: asyncio.Task[None]) -> None:
        self._sessions.discard(task)
        self.gate.hung_up()
        self._desk.give_session()
        if task in self._leaving:
            self._leaving.discard(task)
            for line in self._lines:
                line.leaving -= 1
        for line in self._lines:
            line.closed(self)
        self.scale()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._desk.failed(self.plan.site, error)

    async def _session(self, began: float) -> None:
        """Carries mail until there is none for a while, or none may go for a while, or there are more sessions than allowed."""
        task = asyncio.current_task()
        assert task is not None
        connection: Connection | None = None
        try:
            while (held := await self._next(began)) is not None:
                connection = await self._carry(held, connection)
                (self._standing.add if connection is not None else self._standing.discard)(task)
        finally:
            self._standing.discard(task)
            if connection is not None:
                await connection.close()

    async def _next(self, began: float) -> Held | None:
        """The next mail in order once the gate lets it through; None when this session should end."""
        idle_until = self._desk.monotonic() + self.gate.limits.idle_s
        while True:
            now = self._desk.monotonic()
            if self._finishing or self.stopped(now) or self._must_leave(now, began):
                return None
            if not self._queue.heap:
                if self.retired or now >= idle_until:
                    return None
                await self._idle_for(idle_until - now)
            elif (wait := self.gate.wait(now)) is None:
                self.gate.take(now)
                self._pace.moved_at = now
                held = self._queue.pop()
                self._look_for_more(held.mail.priority)
                return held
            elif wait.until - now > OPEN_FOR_S:
                return None
            else:
                await asyncio.sleep(wait.until - now)

    def _look_for_more(self, priority: int) -> None:
        """When half of what was held of this priority is gone: the rest lasts as long as it takes to claim more."""
        if self._queue.by_priority[priority] <= self._refill_at.get(priority, 0):
            self._desk.wake()

    def _must_leave(self, now: float, began: float) -> bool:
        """Whether this session makes room: there are too many, it has been idle, or others have waited while it worked."""
        leaves = self._dismissed > 0 or self.gate.excess(now) > 0
        if not leaves and not self._queue.heap:
            leaves = any(line.is_wanted(self) for line in self._lines)
        if not leaves and now - began >= TENURE_S:
            leaves = any(line.must_yield(self) for line in self._lines)
        leaves = leaves or (now < self._ceiling_until and self.connections - len(self._leaving) > self._ceiling)
        if leaves:
            self._dismissed = max(0, self._dismissed - 1)
            task = asyncio.current_task()
            assert task is not None
            self._leaving.add(task)
            for line in self._lines:
                line.leaving += 1
        return leaves

    async def _idle_for(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(future)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            if future in self._idle:
                self._idle.remove(future)

    async def _carry(self, held: Held, connection: Connection | None) -> Connection | None:
        """Sends one mail over this connection or a new one; returns the connection if it can be used again."""
        started_at = self._desk.now()
        try:
            return await self._send(held, connection, started_at) if await self._may_go(held) else connection
        except DATABASE_GONE:
            await self._desk.give_back([held])  # what it takes to send it could not be read: it never met the wire
            return connection
        except Exception as error:  # noqa: BLE001 - one mail we cannot handle must not stop the ones behind it
            self._desk.failed(self.plan.site, error)
            await self._desk.tried(held, self._untold(_OUR_FAULT, Stage.LOCAL, started_at))
            if connection is not None:
                connection.abort()
            return None

    async def _may_go(self, held: Held) -> bool:
        """Whether it is still ours to send, in time, and wanted."""
        if not self._desk.still_ours(held):
            return False  # somebody else sends it
        if held.mail.expires_at <= self._desk.now():
            await self._desk.too_late(held)
            return False
        return await self._is_wanted(held)

    async def _is_wanted(self, held: Held) -> bool:
        """Whether its address is still not suppressed; what is held with it is asked about in the same breath."""
        now = self._desk.monotonic()
        if now - held.asked_at < ASK_AGAIN_S:
            return True
        same = held.mail.workspace_id
        others = [
            one for one in self._queue.all() if one.mail.workspace_id == same and now - one.asked_at > ASK_AGAIN_S / 2
        ]
        ended = await self._desk.suppressed([held, *others])
        for one in (held, *others):
            one.asked_at = now
        if ended:
            self.take_out(lambda one: one in ended)
        return held not in ended

    async def _send(self, held: Held, connection: Connection | None, started_at: datetime) -> Connection | None:
        envelope, signature = await self._desk.prepare(held.mail, self._soon)
        while True:
            asked = self._desk.monotonic()
            usable = await self._usable(held, connection)
            if isinstance(usable, ConnectFailure):
                await self._unreachable(held, usable, started_at)
                return None
            connection = usable
            if self._desk.monotonic() - asked > ASK_AGAIN_S and not await self._may_go(held):
                return connection  # it took so long to connect that the mail is another's by now
            begun, first = self._desk.monotonic(), usable.sent == 0
            result = await usable.send(envelope)
            if not result.stale:
                break
            await usable.close()  # it had ended while idle: that is no attempt, and a fresh connection is never stale
        self._pace.learn(self._desk.monotonic() - begun)
        tried = self._told(usable, result, signature, started_at, first)
        await self._desk.tried(held, await self._weigh(tried))
        self.scale()
        return usable

    def _soon(self, most: int) -> list[Claimed]:
        """Mail that goes within the next moments, about in order."""
        number = min(most, int(self.mails_per_s(self._desk.monotonic()) * SOON_S))
        return [held.mail for held in self._queue.next(number)]

    async def _usable(self, held: Held, connection: Connection | None) -> Connection | ConnectFailure:
        demands = held.mail.message.verified_tls
        if connection is not None:
            full = connection.sent >= self.gate.limits.mails_per_connection
            if not full and (connection.verified or not demands) and await connection.usable():
                return connection
            await connection.close()
        return await self._desk.courier.connect(self.plan, self._policy(verified=demands))

    def _policy(self, *, verified: bool) -> SitePolicy:
        limits = self.gate.limits
        verified = verified or limits.tls == "verified"
        return SitePolicy(
            tls=TlsPolicy.REQUIRED if verified else TlsPolicy(limits.tls),
            local_addr=self.source or None,
            ipv4_only=limits.ipv4_only,
            verified=verified,
            helo=self._helo,
            remember_broken_tls_s=limits.remember_broken_tls_s,
            after_421=limits.after_421,
        )

    async def _weigh(self, tried: Tried) -> Tried:
        """Draws conclusions from a refusal: for the path, and where a rule knows better than the code, for the mail."""
        if tried.outcome not in {Outcome.TRANSIENT, Outcome.PERMANENT}:
            return tried
        said = Said(tried.reply, tried.stage, self.gate.open, self._desk.random())
        effect = self.gate.refused(said, self._desk.monotonic())
        if effect is not None and effect.do is backoff.Do.SUSPEND:
            await self._desk.give_back(self.empty())
        outcome = backoff.outcome_of(tried.outcome, tried.reply, tried.stage, self.gate.limits.actions)
        return tried if outcome is tried.outcome else replace(tried, outcome=outcome)

    async def _unreachable(self, held: Held, failure: ConnectFailure, started_at: datetime) -> None:
        """No session: this mail is deferred; after several in a row the others are spared the attempt for a while."""
        if _is_source_missing(failure):
            self._desk.source_missing(self.source)
            await self._desk.give_back([held, *self.empty()])
            return
        tried = self._untold(failure.reply, failure.stage, started_at, failure.outcome, as_text(failure.transcript))
        if self._is_one_too_many(failure):
            self._turned_away(held, failure)
            return
        # the mail's own demand, no fault of the site's
        if not (held.mail.message.verified_tls and failure.stage is Stage.TLS):
            self._count_failure(failure)
        await self._desk.tried(held, await self._weigh(tried))
        if self.suspension is not None:
            await self._desk.give_back(self.empty())

    def _is_one_too_many(self, failure: ConnectFailure) -> bool:
        """Whether the receiver turns this connection away while it serves others of ours."""
        return failure.stage in {Stage.BANNER, Stage.EHLO} and 400 <= failure.reply.code < 500 and bool(self._standing)

    def _turned_away(self, held: Held, failure: ConnectFailure) -> None:
        """The mail is as good as before and waits for a session that stands; for a while there are no more of these than now."""
        now = self._desk.monotonic()
        self.gate.refused(Said(failure.reply, failure.stage, self.gate.open, self._desk.random()), now)
        ceiling = min(self._ceiling, self.connections) if now < self._ceiling_until else self.connections
        self._ceiling, self._ceiling_until = max(1, ceiling - 1), now + backoff.RECOVER_S
        self._queue.push(held)

    def _count_failure(self, failure: ConnectFailure) -> None:
        self._pace.failures += 1
        if self.suspension is not None or self._pace.failures < self.gate.limits.connect_failures:
            return  # dials made together that fail together are one reason to pause
        pause_s = min(SUSPEND_FIRST_S * 2**self._pace.suspensions, SUSPEND_CAP_S)
        self._pace.failures, self._pace.suspensions = self.gate.limits.connect_failures - 1, self._pace.suspensions + 1
        until = self._desk.monotonic() + pause_s
        times = self.gate.limits.connect_failures
        tries = "The last attempt to connect failed" if times == 1 else f"The last {times} attempts to connect failed"
        self.suspension = Wait(until, f"connect_failures of {self.gate.limits.rule}", f"{tries}: {failure.reply}.")

    def _untold(
        self,
        reply: Reply,
        stage: Stage,
        started_at: datetime,
        outcome: Outcome = Outcome.TRANSIENT,
        transcript: str = "",
    ) -> Tried:
        return Tried(outcome, reply, stage, started_at, self._desk.now(), transcript=transcript, source=self.source)

    def _told(
        self, connection: Connection, result: SendResult, signature: bytes, started_at: datetime, first: bool
    ) -> Tried:
        said = result.outcomes[0]
        target = connection.target
        opening = connection.opening if first else (("*", f"mail {connection.sent} on this connection"),)
        return Tried(
            outcome=said.outcome,
            reply=said.reply,
            stage=said.stage,
            started_at=started_at,
            ended_at=self._desk.now(),
            remote=target.host if target.host == target.address else f"{target.host} [{target.address}]",
            tls=connection.tls,
            signature=signature,
            transcript=as_text((*opening, *result.transcript)),
            source=self.source,
        )


def _is_source_missing(failure: ConnectFailure) -> bool:
    """Whether it was this host that lacks the address to send from, so that nobody was asked anything."""
    return failure.stage is Stage.LOCAL and failure.reply.enhanced == "4.3.5"
