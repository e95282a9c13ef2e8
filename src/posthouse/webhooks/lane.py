"""One endpoint as one process serves it: takes what is due, posts it, writes down how that ended.

    Lane.run       woken -> _turn, again and again until nothing is due
    _turn          one short transaction: settle what has ended, claim as much as there is room for
    _deliver       sign -> post -> judge; no transaction is open

An endpoint has its own lane, its own places and its own share of the process's connections: one that takes ten seconds for an answer
makes nobody else wait. Places are few while it is down, and what is held in memory is only as much as it takes in a few seconds.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

from prometheus_client import Counter

from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.runtime.http_post import HttpPoster, Patience, Posted, Target
from posthouse.runtime.postgres import DATABASE_GONE, Connection, transaction
from posthouse.runtime.process import Process
from posthouse.runtime.reach import Network
from posthouse.webhooks import bodies, deliveries, endpoints, schedule, signature, target
from posthouse.webhooks.deliveries import Claimed, Ended, Tried
from posthouse.webhooks.endpoints import InService
from posthouse.webhooks.schedule import State, Verdict

_PATIENCE: Final = Patience(limits.WEBHOOK_CONNECT_S, limits.WEBHOOK_S, limits.WEBHOOK_ANSWER_OCTETS)
_MARGIN_S: Final = limits.WEBHOOK_S + 5.0  # a try that begins this late could end when the claim is anybody's
_DATABASE_RETRY_S: Final = 1.0
_MISTAKE_S: Final = 5.0
_GATHER_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class World:
    """What the lanes of a process share."""

    process: Process
    poster: HttpPoster
    allowed: tuple[Network, ...]
    random: Random
    busy: Callable[[], int]  # how many lanes have something to do
    tries: Counter  # by outcome


@dataclass(frozen=True, slots=True)
class _Said:
    """What an endpoint made of one event: what went wrong ("" when nothing), the first of its answer, and who gave it."""

    status: int | None
    reason: str
    answer: str = ""
    remote: str = ""
    retry_after: str = ""


class Lane:
    """Use `wake` whenever something may be due, `close` to let what is under way end."""

    def __init__(self, world: World, endpoint: InService) -> None:
        self.endpoint = endpoint
        self.is_busy = False
        self.is_off = False  # it switched its endpoint off; whoever switches that on again gets a new lane
        self._world = world
        self._process = world.process
        self._news = asyncio.Event()
        self._closing = False
        self._waiting: deque[tuple[Claimed, bytes | None]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._ended: list[Ended] = []
        self._secrets: list[str] = []
        self._held = limits.WEBHOOK_AT_ONCE
        self._batch = (0, 0.0)  # how many the last claim brought, and when
        self._lease_until = 0.0  # of what is waiting, monotonic
        self._failures = 0
        self._rest_until = 0.0
        self._task = asyncio.create_task(self.run(), name=f"webhook {endpoint.endpoint_id}")

    def wake(self) -> None:
        """Something may be due."""
        self._news.set()

    async def close(self) -> None:
        """Claims nothing more and returns when nothing is left to write down."""
        self._closing = True
        self._news.set()
        await self._task

    async def run(self) -> None:
        """Turn by turn. A database that is away makes it wait, with what has ended kept in memory."""
        while not (self._closing and self._is_empty()):
            await self._news.wait()
            self._news.clear()
            self.is_busy = True
            try:
                await self._turn()
            except DATABASE_GONE as error:
                self._process.log.warning("webhook.waits", endpoint=str(self.endpoint.endpoint_id), error=str(error))
                await self._pause(_DATABASE_RETRY_S)
            except Exception:
                # A mistake of ours about one endpoint stops no other. Claims run out; what has ended is tried again.
                self._process.log.exception("webhook.failed", endpoint=str(self.endpoint.endpoint_id))
                self._ended.clear()
                await self._pause(_MISTAKE_S)
            self.is_busy = not self._is_empty()
            if len(self._ended) + len(self._running) > 1:
                await asyncio.sleep(_GATHER_S)  # a quick endpoint's answers share a transaction

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._news.set()

    def _is_empty(self) -> bool:
        return not (self._waiting or self._running or self._ended)

    async def _turn(self) -> None:
        ended, given_back = self._ended[:], self._not_to_be_tried()
        claimed: list[Claimed] = []
        texts: dict[UUID, bytes] = {}
        until = self._process.clock.monotonic() + limits.WEBHOOK_LEASE_S
        async with transaction(self._process.pool) as connection:
            if ended or given_back:
                await self._write(connection, ended, given_back)
            if room := self._room():
                claimed = await self._claim(connection, room)
            if claimed:
                texts = await bodies.of(connection, self.endpoint.workspace_id, claimed)
                now = self._process.clock.now()
                self._secrets = await endpoints.secrets_of(connection, self._process.vault, self.endpoint, now)
        del self._ended[: len(ended)]
        if claimed:
            self._lease_until = until
            self._batch = (len(claimed), self._process.clock.monotonic())
            self._waiting.extend((each, texts.get(each.event_id)) for each in claimed)
        self._start()

    def _room(self) -> int:
        """How many more to claim: what is held before is used up first, so that all that waits is under the newest claim."""
        if self._closing or self.is_off or self._waiting or self._is_resting():
            return 0
        at_once = schedule.at_once(self._failures, self._world.busy())
        if self._running and len(self._running) >= at_once:
            return 0
        if self._batch[0]:
            took_s = self._process.clock.monotonic() - self._batch[1]
            self._held = schedule.held(self._batch[0], took_s, at_once)
            self._batch = (0, 0.0)
        return (at_once if self._failures else max(at_once, self._held)) - len(self._running)

    def _not_to_be_tried(self) -> list[Claimed]:
        """What waits here and is not to be: the claim runs out, or the process ends, or the endpoint seems to be down."""
        late = self._process.clock.monotonic() > self._lease_until - _MARGIN_S
        down = self._is_resting() or schedule.probe_pause_s(self._failures)
        if not (late or self._closing or self.is_off or down):
            return []
        dropped = [each for each, _ in self._waiting]
        self._waiting.clear()
        return dropped

    def _is_resting(self) -> bool:
        return self._process.clock.monotonic() < self._rest_until

    async def _claim(self, connection: Connection, room: int) -> list[Claimed]:
        now = self._process.clock.now()
        until = now + timedelta(seconds=limits.WEBHOOK_LEASE_S)
        place = self.endpoint.workspace_id, self.endpoint.endpoint_id
        return await deliveries.claim(connection, *place, now, until, room)

    async def _write(self, connection: Connection, ended: list[Ended], given_back: list[Claimed]) -> None:
        now, place = self._process.clock.now(), (self.endpoint.workspace_id, self.endpoint.endpoint_id)
        await deliveries.settle(connection, *place, ended, now)
        if given_back:
            await deliveries.give_back(connection, *place, given_back, now)
        if any(each.verdict.answered for each in ended):
            await endpoints.note_well(connection, *place)
        elif ended:
            await endpoints.note_failing(connection, *place, min(each.tried.started_at for each in ended))
        if reason := self._hopeless(ended, now):
            await endpoints.disable(connection, *place, reason, now)
            self.is_off = True

    def _hopeless(self, ended: list[Ended], now: datetime) -> str:
        """Why the endpoint is to be switched off; "" when it is not."""
        if any(each.verdict.gone for each in ended):
            return "It answered 410 Gone."
        if self._failures and schedule.is_hopeless(self.endpoint.failing_since, now):
            return f"Nothing it was sent went well for {limits.WEBHOOK_FAILING_S // 86_400:.0f} days."
        return ""

    def _start(self) -> None:
        """Gives free places to what waits."""
        places = schedule.at_once(self._failures, self._world.busy())
        while self._waiting and len(self._running) < places and not self._is_resting():
            claimed, body = self._waiting.popleft()
            task = asyncio.create_task(self._deliver(claimed, body))
            self._running.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A mistake of ours; the claim runs out, and the delivery is tried again.
            self._process.log.error("webhook.failed", endpoint=str(self.endpoint.endpoint_id), error=repr(error))
        if self._process.clock.monotonic() <= self._lease_until - _MARGIN_S:
            self._start()
        self._news.set()

    async def _deliver(self, claimed: Claimed, body: bytes | None) -> None:
        begun, started_at = self._process.clock.monotonic(), self._process.clock.now()
        said = await self._posted(claimed, body)
        ended_at = self._process.clock.now()
        jitter, asked_s = self._world.random.random(), schedule.asked_pause_s(said.status, said.retry_after, ended_at)
        verdict = schedule.judge(said.status, claimed.tries, claimed.first_tried_at, ended_at, jitter, asked_s)
        if body is None:
            verdict = Verdict(State.FAILED, ended_at)
        took_ms = round((self._process.clock.monotonic() - begun) * 1000)
        tried = Tried(self._process.ids.new(), started_at, took_ms, said.status, said.reason, said.answer, said.remote)
        self._ended.append(Ended(claimed, tried, verdict))
        self._count(verdict, asked_s)

    async def _posted(self, claimed: Claimed, body: bytes | None) -> _Said:
        if body is None:
            return _Said(None, "The event is no longer kept.")
        place = self._target()
        if isinstance(place, FieldProblem):
            return _Said(None, place.detail)
        headers = signature.headers(
            self._secrets, str(claimed.event_id), int(self._process.clock.now().timestamp()), body
        )
        answer = await self._world.poster.post(place, headers, body, _PATIENCE)
        if not isinstance(answer, Posted):
            return _Said(None, f"{answer.detail}.")
        # PostgreSQL keeps no NUL in text, and a stranger's answer may hold anything.
        said = answer.body.decode("utf-8", "replace").replace("\0", "\ufffd")
        reason = "" if 200 <= answer.status < 300 else f"It answered {answer.status}."
        return _Said(answer.status, reason, said, answer.remote, answer.retry_after)

    def _target(self) -> Target | FieldProblem:
        return target.read(self.endpoint.url, self._world.allowed)

    def _count(self, verdict: Verdict, asked_s: float) -> None:
        self._world.tries.labels("delivered" if verdict.answered else "failed").inc()
        self._failures = 0 if verdict.answered else self._failures + 1
        # Who says when to come back means the endpoint, not this event alone.
        pause_s = max(schedule.probe_pause_s(self._failures), min(asked_s, limits.WEBHOOK_PROBE_S))
        self._rest_until = self._process.clock.monotonic() + pause_s if pause_s else 0.0


async def closed(lane: Lane, within_s: float) -> None:
    """Lets a lane end, or leaves what it holds to its claim's end."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await lane.close()
