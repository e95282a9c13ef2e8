"""One destination site: the mail held for it in priority order, and the sessions that carry it.

A site is the set of servers that take a domain's mail; domains with the same servers share it, its connections and its limit.
Sessions are opened as `shaping` says, reused while mail keeps coming, and closed after a short idle time.
"""

import asyncio
import heapq
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from posthouse.delivery import shaping
from posthouse.delivery.courier import ConnectFailure, Connection, Courier, Envelope, Plan, SendResult, SitePolicy
from posthouse.delivery.settle import Tried
from posthouse.delivery.shaping import Load
from posthouse.delivery.transcript import as_text
from posthouse.model.outcome import Outcome, Reply, Stage
from posthouse.outbox.claims import Claimed

IDLE_S: Final = 5.0
SUSPEND_FIRST_S: Final = 15.0
SUSPEND_CAP_S: Final = 900.0
_SMOOTHING: Final = 0.2  # weight of the newest mail in the moving average of seconds per mail
_OUR_FAULT: Final = Reply(451, "4.3.0", "internal error on our side; it is in the log")


@dataclass(frozen=True, slots=True)
class Held:
    """A claimed mail in memory, with the worker id it was claimed under."""

    mail: Claimed
    worker_id: UUID


class Desk(Protocol):
    """What a site needs from the process it works in."""

    courier: Courier

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def still_ours(self, held: Held) -> bool: ...
    async def prepare(self, mail: Claimed) -> tuple[Envelope, bytes]: ...
    async def tried(self, held: Held, tried: Tried) -> None: ...
    async def too_late(self, held: Held) -> None: ...
    def take_session(self) -> bool: ...
    def give_session(self) -> None: ...
    def failed(self, site: str, error: BaseException) -> None: ...


@dataclass(frozen=True, slots=True)
class SiteLimits:
    """How many connections at once, and how many mails on each."""

    connections: int
    mails_per_connection: int


class Site:
    """Mail and sessions of one site in this process. All methods but the sessions run without waiting."""

    def __init__(self, desk: Desk, plan: Plan, policy: SitePolicy, limits: SiteLimits) -> None:
        self.plan = plan
        self.suspended_until = 0.0  # monotonic
        self.suspension = ""
        self._desk = desk
        self._policy = policy
        self._limits = limits
        self._heap: list[tuple[int, UUID, Held]] = []
        self._sessions: set[asyncio.Task[None]] = set()
        self._idle: list[asyncio.Future[None]] = []
        self._seconds_per_mail = 0.0
        self._failures = 0
        self._moved_at = desk.monotonic()

    @property
    def quiet(self) -> bool:
        """Whether nothing is held and nobody is at work."""
        return not self._heap and not self._sessions

    def room(self, priority: int) -> int:
        """How many mails may be claimed now for a destination whose best ready mail has this priority."""
        if self._desk.monotonic() < self.suspended_until:
            return 0
        return shaping.room(self._load(), priority)

    def add(self, held: list[Held]) -> None:
        """Takes claimed mail and sees to it that somebody carries it."""
        for one in held:
            heapq.heappush(self._heap, (-one.mail.priority, one.mail.recipient_id, one))
        self.scale()

    def scale(self) -> None:
        """Wakes idle sessions and opens as many new ones as the load asks for and the process allows."""
        for _ in range(min(len(self._heap), len(self._idle))):
            self._wake_one()
        wanted = shaping.connections_wanted(self._load(), self._limits.connections)
        while len(self._sessions) < wanted and self._desk.take_session():
            task = asyncio.create_task(self._session(), name=f"session {self.plan.site}")
            self._sessions.add(task)
            self._moved_at = self._desk.monotonic()
            task.add_done_callback(self._session_ended)

    def empty(self) -> list[Held]:
        """Takes back all mail that no session has begun with."""
        held = [one for _, _, one in self._heap]
        self._heap.clear()
        return held

    async def finish(self, patience_s: float) -> None:
        """Lets sessions end the mail they are at; those that take longer are cut off and their mail's outcome is unknown."""
        while self._idle:
            self._wake_one()
        if self._sessions:
            _, late = await asyncio.wait(self._sessions, timeout=patience_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _load(self) -> Load:
        highest = -self._heap[0][0] if self._heap else -1
        still_s = self._desk.monotonic() - self._moved_at
        return Load(len(self._heap), len(self._sessions), self._seconds_per_mail, highest, still_s)

    def _wake_one(self) -> None:
        future = self._idle.pop()
        if not future.done():
            future.set_result(None)

    def _session_ended(self, task: asyncio.Task[None]) -> None:
        self._sessions.discard(task)
        self._desk.give_session()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._desk.failed(self.plan.site, error)

    async def _session(self) -> None:
        """Carries mail until there is none for a while."""
        connection: Connection | None = None
        try:
            while (held := await self._next()) is not None:
                connection = await self._carry(held, connection)
        finally:
            if connection is not None:
                await connection.close()

    async def _next(self) -> Held | None:
        """The next mail in order, or None after an idle time without any."""
        if not self._heap:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(future)
            try:
                await asyncio.wait_for(future, IDLE_S)
            except TimeoutError:
                if future in self._idle:
                    self._idle.remove(future)
        self._moved_at = self._desk.monotonic()
        return heapq.heappop(self._heap)[2] if self._heap else None

    async def _carry(self, held: Held, connection: Connection | None) -> Connection | None:
        """Sends one mail over this connection or a new one; returns the connection if it can be used again."""
        if not self._desk.still_ours(held):
            return connection  # its lease is gone: somebody else sends it
        if held.mail.expires_at <= self._desk.now():
            await self._desk.too_late(held)
            return connection
        started_at = self._desk.now()
        try:
            return await self._send(held, connection, started_at)
        except Exception as error:  # noqa: BLE001 - one mail we cannot handle must not stop the ones behind it
            self._desk.failed(self.plan.site, error)
            await self._desk.tried(held, self._untold(_OUR_FAULT, Stage.LOCAL, started_at))
            if connection is not None:
                connection.abort()
            return None

    async def _send(self, held: Held, connection: Connection | None, started_at: datetime) -> Connection | None:
        envelope, signature = await self._desk.prepare(held.mail)
        while True:
            usable = await self._usable(connection)
            if isinstance(usable, ConnectFailure):
                await self._unreachable(held, usable, started_at)
                return None
            connection = usable
            begun, first = self._desk.monotonic(), usable.sent == 0
            result = await usable.send(envelope)
            if not result.stale:
                break
            await usable.close()  # it had ended while idle: that is no attempt, and a fresh connection is never stale
        self._learn(self._desk.monotonic() - begun)
        await self._desk.tried(held, self._told(usable, result, signature, started_at, first))
        self.scale()
        return usable

    async def _usable(self, connection: Connection | None) -> Connection | ConnectFailure:
        if connection is not None:
            if connection.sent < self._limits.mails_per_connection and await connection.usable():
                return connection
            await connection.close()
        return await self._desk.courier.connect(self.plan, self._policy)

    async def _unreachable(self, held: Held, failure: ConnectFailure, started_at: datetime) -> None:
        """Defers this mail and all that is held, and leaves the site alone for a while: the others would fare no better."""
        self._failures += 1
        pause = min(SUSPEND_FIRST_S * 2 ** (self._failures - 1), SUSPEND_CAP_S)
        self.suspended_until = self._desk.monotonic() + pause
        self.suspension = str(failure.reply)
        tried = self._untold(failure.reply, failure.stage, started_at, failure.outcome, as_text(failure.transcript))
        for one in [held, *self.empty()]:
            await self._desk.tried(one, tried)

    def _learn(self, seconds: float) -> None:
        self._failures = 0
        old = self._seconds_per_mail
        self._seconds_per_mail = seconds if old == 0.0 else old + _SMOOTHING * (seconds - old)

    def _untold(
        self,
        reply: Reply,
        stage: Stage,
        started_at: datetime,
        outcome: Outcome = Outcome.TRANSIENT,
        transcript: str = "",
    ) -> Tried:
        return Tried(outcome, reply, stage, started_at, self._desk.now(), transcript=transcript)

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
        )
