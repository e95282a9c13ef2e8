"""A path's surroundings in imagined time: a desk that notes what is handed to it, and a receiver that follows a script."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from posthouse.delivery.backoff import Action
from posthouse.delivery.courier import ConnectFailure, Connection, Envelope, NoRoute, Plan, SendResult, SitePolicy
from posthouse.delivery.dispatch import TICK_S
from posthouse.delivery.gate import Gate
from posthouse.delivery.holding import Held
from posthouse.delivery.line import Line
from posthouse.delivery.path import Path
from posthouse.delivery.prepare import Soon
from posthouse.delivery.rates import parse
from posthouse.delivery.rules import Limits, Rulebook
from posthouse.delivery.settle import Tried
from posthouse.delivery.site import Site
from posthouse.delivery.sources import Source
from posthouse.delivery.warming import Warming
from posthouse.delivery.warmup import Warmups
from posthouse.model.outcome import Outcome, RecipientOutcome, Reply, Stage
from posthouse.model.words import MailClass, Pool
from posthouse.outbox.claims import Claimed, Message
from posthouse.wire.mx import Target
from tests.sim.loop import SimLoop

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANN, BEN = UUID(int=0xA), UUID(int=0xB)
SITE = Plan("mx.there.test", (Target("mx.there.test", "192.0.2.1", 25),))
OK = Reply(250, "2.0.0", "taken")
LIMITS = Limits(
    rule="there in shaping.toml", group="mx.there.test", provider="", connections=4, mails_per_connection=100,
    mail_rates=(), connection_rate=None, tls="opportunistic", ipv4_only=False, connect_failures=3, idle_s=5.0,
    remember_broken_tls_s=900.0, after_421="next", actions=(),
)  # fmt: skip

_ids = count(1)


def limits(*, rate: str = "", actions: Sequence[Action] = (), **changes: Any) -> Limits:
    """LIMITS with changes; `rate` as people write it."""
    rates = {"mail_rates": (parse(rate),)} if rate else {}
    return replace(LIMITS, actions=tuple(actions), **rates, **changes)


def mail(
    priority: int = 4, workspace_id: UUID = ANN, *, share: int = 1, verified: bool = False, **changes: Any
) -> Held:
    """One claimed mail; the address counts up."""
    number = next(_ids)
    message = Message(UUID(int=number), "ann@example.test", MailClass.TRANSACTIONAL, False, verified, 0, b"")
    address = f"{number}@there.test"
    expires_at = START + timedelta(days=3)
    claimed = Claimed(
        workspace_id, UUID(int=number), address, "there.test", priority, 1, expires_at, "", message
    )  # fmt: skip
    return Held(replace(claimed, **changes), UUID(int=9), share)


def mails(number: int, priority: int = 4, workspace_id: UUID = ANN, *, share: int = 1) -> list[Held]:
    """Several of them."""
    return [mail(priority, workspace_id, share=share) for _ in range(number)]


def refused(code: int, text: str, enhanced: str | None = None) -> ConnectFailure:
    """No session."""
    return ConnectFailure(Outcome.TRANSIENT, Reply(code, enhanced, text), Stage.CONNECT, ())


@dataclass(frozen=True, slots=True)
class Sent:
    """One mail as the receiver saw it."""

    at: float
    address: str
    site: str
    source: str
    verified: bool


@dataclass
class Receiver:
    """A courier to receivers that follow a script: how long a mail takes, what they say to a dial and to the n-th mail."""

    seconds: float = 0.1
    quit_s: float = 0.0
    dial: Callable[[SitePolicy], ConnectFailure | None] = lambda _: None
    dial_s: float = 0.01
    answer: Callable[[int], Reply] = lambda _: OK
    stage: Stage = Stage.DOT
    stale_after: int = 0  # a connection ends by itself after so many mails
    dials: list[tuple[float, SitePolicy]] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    begun: int = 0
    open: Counter[str] = field(default_factory=Counter)
    most_open: int = 0

    async def route(self, domain: str) -> Plan | NoRoute:
        return SITE

    async def connect(self, plan: Plan, policy: SitePolicy) -> Connection | ConnectFailure:
        self.dials.append((_now(), policy))
        await asyncio.sleep(self.dial_s)
        if (failure := self.dial(policy)) is not None:
            return failure
        self.open[plan.site] += 1
        self.most_open = max(self.most_open, self.open.total())
        return cast("Connection", _Session(self, plan, policy))

    @property
    def addresses(self) -> list[str]:
        """To whom it came, in order."""
        return [each.address for each in self.sent]


@dataclass
class _Session:
    receiver: Receiver
    plan: Plan
    policy: SitePolicy
    sent: int = 0
    ended: bool = False
    lost: bool = False

    def __post_init__(self) -> None:
        self.site, self.target, self.tls = self.plan.site, self.plan.targets[0], ""
        self.opening: tuple[tuple[str, str], ...] = ()
        self.verified = self.policy.verified

    async def send(self, envelope: Envelope) -> SendResult:
        assert not self.ended
        (address,) = envelope.recipients
        self.sent += 1
        if self.receiver.stale_after and self.sent > self.receiver.stale_after:
            return self._result(address, Reply(421, None, "gone"), stale=True)
        self.receiver.begun += 1
        reply = self.receiver.answer(self.receiver.begun)
        await asyncio.sleep(self.receiver.seconds)
        if reply.code == 250:
            source = self.policy.local_addr or ""
            self.receiver.sent.append(Sent(_now(), address, self.plan.site, source, self.verified))
        return self._result(address, reply)

    def _result(self, address: str, reply: Reply, *, stale: bool = False) -> SendResult:
        found = {2: Outcome.DELIVERED, 4: Outcome.TRANSIENT, 5: Outcome.PERMANENT}[reply.code // 100]
        self.lost = reply.code == 421
        return SendResult((RecipientOutcome(address, found, reply, self.receiver.stage),), (), stale)

    async def usable(self) -> bool:
        return not self.ended and not self.lost

    async def close(self) -> None:
        if not self.ended:
            self.ended = True
            await asyncio.sleep(self.receiver.quit_s)
            self.receiver.open[self.plan.site] -= 1

    def abort(self) -> None:
        if not self.ended:
            self.ended = True
            self.receiver.open[self.plan.site] -= 1


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class ScriptedDesk:
    """The process as a path knows it; everything handed over is kept."""

    courier: Receiver
    sessions: int = 1_000
    outcomes: list[tuple[Held, Tried]] = field(default_factory=list)
    returned: list[Held] = field(default_factory=list)
    expired: list[Held] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    unprepared: set[UUID] = field(default_factory=set)  # of these mails something of ours breaks
    lost: set[UUID] = field(default_factory=set)  # these mails are somebody else's by now
    jitter: float = 0.5
    wakes: int = 0  # how often a path asked for more mail
    line: Line = field(default_factory=Line)
    suppressed_addresses: set[str] = field(default_factory=set)
    soon: dict[str, list[str]] = field(default_factory=dict)  # by address: what was said to go next

    def now(self) -> datetime:
        return START + timedelta(seconds=_now())

    def monotonic(self) -> float:
        return _now()

    def random(self) -> float:
        return self.jitter

    def still_ours(self, held: Held) -> bool:
        return held.mail.recipient_id not in self.lost

    async def suppressed(self, held: Sequence[Held]) -> list[Held]:
        return [one for one in held if one.mail.address in self.suppressed_addresses]

    async def prepare(self, claimed: Claimed, soon: Soon) -> tuple[Envelope, bytes]:
        self.soon[claimed.address] = [mail.address for mail in soon(7)]
        if claimed.recipient_id in self.unprepared:
            raise RuntimeError("broken")
        return Envelope("", (claimed.address,), (b"",)), b""

    async def tried(self, held: Held, tried: Tried) -> None:
        self.outcomes.append((held, tried))

    async def too_late(self, held: Held) -> None:
        self.expired.append(held)

    async def give_back(self, held: list[Held]) -> None:
        self.returned += held

    def source_missing(self, address: str) -> None:
        self.missing.append(address)

    def take_session(self, *, first: bool) -> bool:
        if self.sessions == 0:
            return False
        self.sessions -= 1
        return True

    def give_session(self) -> None:
        """As the dispatcher does: a freed session makes it look again."""
        self.sessions += 1
        asyncio.get_running_loop().call_soon(self.look)

    def wake(self, pools: str = "") -> None:
        self.wakes += 1

    def failed(self, site: str, error: BaseException) -> None:
        self.errors.append(error)

    def look(self) -> None:
        for path in self.paths:
            path.scale()

    async def looking(self) -> None:
        """The rounds of a dispatcher, for as long as the scene goes on."""
        while True:
            await asyncio.sleep(TICK_S)
            self.look()

    async def leave(self) -> None:
        """Nobody opens a session any more, and those there are end."""
        paths, self.paths = self.paths, []
        for path in paths:
            path.empty()
        await asyncio.gather(*(path.finish(0.0) for path in paths))

    def path(self, rules: Limits = LIMITS, *, source: str = "", plan: Plan = SITE, gate: Gate | None = None) -> Path:
        """A path of this desk, through a gate of its own unless there is one."""
        made = Path(self, plan, Source(source, "out.here.test"), gate or Gate(rules, _now()))
        self.paths.append(made)
        return made

    def site(self, *paths: Path, rules: Limits = LIMITS, plan: Plan = SITE) -> Site:
        """A site over paths; nothing is warmed up."""
        world = cast("Any", SimpleNamespace(clock=self))
        unlimited = Warming(world, Pool.MARKETING, lambda: Rulebook((), Warmups()), lambda: None)
        return Site(plan, rules, paths, unlimited)


def play(scene: Callable[[ScriptedDesk], Coroutine[Any, Any, None]], **script: Any) -> None:
    """Plays a scene at a desk whose receiver has this script. No real second passes; no error of ours may go unnoticed."""

    async def whole() -> None:
        desk = ScriptedDesk(Receiver(**script))
        rounds = asyncio.create_task(desk.looking())
        try:
            async with asyncio.timeout(24 * 3600):
                await scene(desk)
        finally:
            rounds.cancel()
            await desk.leave()
            if not desk.unprepared:
                for error in desk.errors:
                    raise error

    with asyncio.Runner(loop_factory=SimLoop) as runner:
        runner.run(whole())


async def until(check: Callable[[], Any], patience_s: float = 60.0, step_s: float = 0.01) -> None:
    """Return when `check` is true; imagined time passes meanwhile."""
    async with asyncio.timeout(patience_s):
        while not check():  # noqa: ASYNC110 - the sessions of a path tell nobody when they move
            await asyncio.sleep(step_s)
