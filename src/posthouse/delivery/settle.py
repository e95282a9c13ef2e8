"""What an attempt means for the mail (pure), and the grouped transaction that writes it down."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.delivery.hands import Hands
from posthouse.delivery.retry import RetrySchedule, next_attempt
from posthouse.intake import soft_bounces
from posthouse.intake.blocked_alerts import Blocked, BlockedAlerts
from posthouse.ledger import attempts, bounce_policy, classify, events, suppression
from posthouse.ledger.attempts import Attempt
from posthouse.ledger.bounce_policy import DEFAULT, NOTHING, BouncePolicy
from posthouse.ledger.bounce_rules import BounceClass, OwnRule
from posthouse.ledger.classify import Verdict
from posthouse.ledger.events import Event
from posthouse.ledger.soft import Soft, is_soft
from posthouse.ledger.suppression import HARD_BOUNCE, Entry
from posthouse.model import limits
from posthouse.model.outcome import Outcome, Reply, Stage
from posthouse.model.values import dataclass
from posthouse.model.words import EventKind, MailClass, State
from posthouse.outbox import claims
from posthouse.outbox.claims import Claimed, Settlement
from posthouse.runtime.postgres import DATABASE_GONE, Connection, transaction
from posthouse.runtime.process import Process

_RETRY_SETTLE_S: Final = 0.5
_BUSY: Final = 8  # mails in one transaction
_GATHER_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt as it ended. `remote` is who spoke (host and address), "" when nobody did."""

    outcome: Outcome
    reply: Reply
    stage: Stage
    started_at: datetime
    ended_at: datetime
    remote: str = ""
    tls: str = ""
    signature: bytes = b""
    transcript: str = ""
    source: str = ""  # the local address it came from, "" for the system's choice


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an attempt (or the lack of one) means: the row's new state, the event, and for a bounce what it says of the address."""

    settlement: Settlement
    event: EventKind
    verdict: Verdict | None = None

    @property
    def hard(self) -> bool:
        """Whether the address is never to be written to again."""
        return self.verdict is not None and self.verdict.bounce_class is BounceClass.HARD


def judge(mail: Claimed, tried: Tried, schedule: RetrySchedule, jitter: float) -> Judgement:
    """The meaning of one finished attempt."""
    match tried.outcome:
        case Outcome.DELIVERED:
            return Judgement(_settlement(mail, State.DELIVERED, tried, ""), EventKind.DELIVERED)
        case Outcome.PERMANENT:
            reason = f"Bounced: {_speaker(mail, tried)} said {tried.reply}."
            return Judgement(_settlement(mail, State.BOUNCED, tried, reason), EventKind.BOUNCED, _verdict(mail, tried))
        case Outcome.UNKNOWN:
            reason = (
                "the connection was lost after the mail was handed over, so it may have arrived: it may arrive twice."
            )
            event = EventKind.UNKNOWN
        case Outcome.TRANSIENT:
            reason = f"{_speaker(mail, tried)} said {tried.reply}."
            event = EventKind.DEFERRED
    not_before = next_attempt(mail.attempt, tried.ended_at, mail.expires_at, schedule, jitter)
    return Judgement(_settlement(mail, State.WAITING, tried, reason, not_before), event)


def unsent(mail: Claimed, state: State, reason: str, now: datetime) -> Judgement:
    """The meaning of a mail that is not to be dialled at all: suppressed or expired since it was claimed."""
    event = EventKind.SUPPRESSED if state is State.SUPPRESSED else EventKind.EXPIRED
    return Judgement(Settlement(mail.recipient_id, state, now, reason, None, None, "", now, mail.attempt), event)


def _settlement(
    mail: Claimed, state: State, tried: Tried, reason: str, not_before: datetime | None = None
) -> Settlement:
    return Settlement(
        recipient_id=mail.recipient_id,
        state=state,
        not_before=not_before or tried.ended_at,
        reason=reason,
        code=tried.reply.code or None,
        enhanced=tried.reply.enhanced,
        remote=tried.remote,
        settled_at=None if state is State.WAITING else tried.ended_at,
        attempt=mail.attempt,
        source=tried.source,
    )


def _verdict(mail: Claimed, tried: Tried, own: tuple[OwnRule, ...] = ()) -> Verdict:
    hosts = (tried.remote.partition(" ")[0].lower(), mail.domain)
    return classify.of_reply(tried.reply.code, tried.reply.enhanced, tried.reply.text, tried.stage, hosts, own)


def by_own_rules(ended: "Ended", own: tuple[OwnRule, ...]) -> "Ended":
    """A bounce as its workspace's own rules judge it; anything else as it is."""
    if not own or ended.tried is None or ended.judgement.verdict is None:
        return ended
    return replace(ended, judgement=replace(ended.judgement, verdict=_verdict(ended.mail, ended.tried, own)))


def _speaker(mail: Claimed, tried: Tried) -> str:
    return f"{mail.domain} ({tried.remote})" if tried.remote else mail.domain


@dataclass(frozen=True, slots=True)
class Ended:
    """A mail out of a worker's hands, to be written down. `tried` is None for mail that was not dialled."""

    mail: Claimed
    worker_id: UUID
    judgement: Judgement
    tried: Tried | None
    attempt_id: UUID


def _is_given_up(ended: Ended) -> bool:
    """Whether it is marketing that counts against its address, which may exist all the same (requirements AMB-25)."""
    if ended.mail.message.mail_class is not MailClass.MARKETING or ended.judgement.hard:
        return False
    state, verdict = ended.judgement.settlement.state, ended.judgement.verdict
    expired = state is State.EXPIRED and ended.mail.attempt > 1  # claimed for another attempt, and too late
    return expired or (verdict is not None and is_soft(verdict.bounce_class))


def _soft(ended: Ended) -> Soft:
    return Soft(ended.mail.address, ended.mail.message.message_id)


class Settler:
    """Writes down how mails ended, many in one transaction, and keeps trying while the database is away.

    What ends while one transaction is under way shares the next: a quiet sender writes at once. A busy one lets some gather first,
    for a transaction of forty mails costs hardly more than one of ten.
    """

    def __init__(self, process: Process, hands: Hands) -> None:
        self._process = process
        self._hands = hands
        self._ended: deque[Ended] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._taken = asyncio.Event()
        self._blocked = BlockedAlerts(process)
        attempts = process.metrics.counter("attempts_total", "Delivery attempts, by outcome", ("outcome",))
        self._attempts = {outcome: attempts.labels(outcome) for outcome in Outcome}

    async def end(self, ended: Ended) -> None:
        """Hands over one ended mail; returns at once unless too many already wait to be written."""
        if ended.tried is not None:
            self._attempts[ended.tried.outcome].inc()
        while len(self._ended) >= limits.SETTLEMENTS_PENDING:
            self._taken.clear()
            await self._taken.wait()
        self._ended.append(ended)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="settle")

    async def drain(self) -> None:
        """Returns when everything handed over is written."""
        while self._writing is not None:
            await asyncio.wait([self._writing])

    async def _write_all(self) -> None:
        try:
            while self._ended:
                most = min(len(self._ended), limits.SETTLEMENTS_PER_COMMIT)
                batch = [self._ended.popleft() for _ in range(most)]
                self._taken.set()
                await self._commit(batch)
                if most >= _BUSY:
                    await asyncio.sleep(_GATHER_S)
        finally:
            self._writing = None

    async def _commit(self, batch: Sequence[Ended]) -> None:
        """One transaction for the batch; one that cannot be written at all takes no other with it."""
        try:
            await self._commit_patiently(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others must be written
            if len(batch) > 1:
                for ended in batch:
                    await self._commit([ended])
                return
            # It stays in our hands until this process ends; then it is shown as unknown and tried again: late, but not lost.
            self._process.log.error("settle.failed", error=repr(error))

    async def _commit_patiently(self, batch: Sequence[Ended]) -> None:
        """Waits for the database however long it takes, for these replies come only once."""
        while True:
            try:
                async with transaction(self._process.pool) as connection:
                    await self._write(connection, batch)
            except DATABASE_GONE as error:
                self._process.log.warning("settle.waits", mails=len(batch), error=str(error))
                await asyncio.sleep(_RETRY_SETTLE_S)
            else:
                self._hands.drop(ended.mail for ended in batch)
                return

    async def _write(self, connection: Connection, batch: Sequence[Ended]) -> None:
        groups: dict[tuple[UUID, UUID], list[Ended]] = defaultdict(list)
        for ended in batch:
            groups[ended.mail.workspace_id, ended.worker_id].append(ended)
        for (workspace_id, worker_id), group in sorted(groups.items()):
            ordered = sorted(group, key=lambda e: e.mail.recipient_id)  # one lock order for all processes
            # Two sessions may ask about the same mail at once and both hear that it is suppressed: it ends as the first said.
            once = list({e.mail.recipient_id: e for e in reversed(ordered)}.values())[::-1]
            ours = await claims.settle(connection, workspace_id, worker_id, [e.judgement.settlement for e in once])
            over = [e for e in once if e.mail.recipient_id in ours]
            policy = await _policy(connection, workspace_id, over)
            over = [by_own_rules(e, policy.rules) for e in over]
            await attempts.append(connection, [self._attempt(e) for e in ordered if e.tried is not None])
            await events.append(connection, [self._event(e) for e in over])
            await self._suppress(connection, over, policy)
            await self._tell(connection, workspace_id, over, policy)
            given_up = [_soft(e) for e in over if _is_given_up(e)]
            await soft_bounces.count(connection, workspace_id, given_up, "delivery", self._process.clock.now())

    def _attempt(self, ended: Ended) -> Attempt:
        mail, tried = ended.mail, ended.tried
        assert tried is not None
        return Attempt(
            workspace_id=mail.workspace_id,
            attempt_id=ended.attempt_id,
            recipient_id=mail.recipient_id,
            message_id=mail.message.message_id,
            number=mail.attempt,
            worker_id=ended.worker_id,
            started_at=tried.started_at,
            ended_at=tried.ended_at,
            outcome=tried.outcome,
            stage=tried.stage,
            code=tried.reply.code or None,
            enhanced=tried.reply.enhanced,
            text=tried.reply.text,
            remote=tried.remote,
            tls=tried.tls,
            signature=tried.signature,
            transcript=tried.transcript,
        )

    def _event(self, ended: Ended) -> Event:
        mail, settlement = ended.mail, ended.judgement.settlement
        said: dict[str, object] = {"attempt": mail.attempt, "reason": settlement.reason, "remote": settlement.remote}
        if ended.tried is not None:
            said |= {
                "code": ended.tried.reply.code,
                "enhanced": ended.tried.reply.enhanced,
                "text": ended.tried.reply.text,
            }
        if ended.judgement.verdict is not None:
            said |= ended.judgement.verdict.as_data()
        if settlement.state is State.WAITING:
            said["next"] = settlement.not_before.isoformat()
        return Event(
            mail.workspace_id,
            self._process.ids.new(),
            self._process.clock.now(),
            mail.message.message_id,
            mail.recipient_id,
            ended.judgement.event,
            said,
        )

    async def _suppress(self, connection: Connection, batch: Sequence[Ended], policy: BouncePolicy) -> None:
        """Addresses that do not exist are not written to again (requirements AMB-25), unless the workspace chose otherwise."""
        if policy.hard == NOTHING:
            return
        entry, now = Entry(policy.hard, HARD_BOUNCE), self._process.clock.now()
        for mail in (ended.mail for ended in batch if ended.judgement.hard):
            message_id = mail.message.message_id
            await suppression.add(connection, mail.workspace_id, mail.address, entry, message_id, "delivery", now)

    async def _tell(
        self, connection: Connection, workspace_id: UUID, batch: Sequence[Ended], policy: BouncePolicy
    ) -> None:
        """Administrators hear who refuses the workspace's mail, and that it is over."""
        refusals = [_blocked(e) for e in batch if _is_blocked(e)]
        if refusals and policy.blocked_alert:
            await self._blocked.note(connection, workspace_id, refusals, "delivery")
        arrived = [(_host(e), e.mail.domain) for e in batch if e.judgement.event is EventKind.DELIVERED]
        await self._blocked.arrived(connection, workspace_id, arrived, "delivery")


async def _policy(connection: Connection, workspace_id: UUID, batch: Sequence[Ended]) -> BouncePolicy:
    """What the workspace does about bounces, asked only where there is one."""
    bounced = any(ended.judgement.verdict is not None for ended in batch)
    return await bounce_policy.of(connection, workspace_id) if bounced else DEFAULT


def _is_blocked(ended: Ended) -> bool:
    verdict = ended.judgement.verdict
    return verdict is not None and verdict.bounce_class is BounceClass.BLOCKED


def _blocked(ended: Ended) -> Blocked:
    assert ended.tried is not None
    assert ended.judgement.verdict is not None
    return Blocked(ended.mail.domain, _host(ended), str(ended.tried.reply), ended.judgement.verdict.reason)


def _host(ended: Ended) -> str:
    return ended.tried.remote.partition(" ")[0] if ended.tried is not None else ""
