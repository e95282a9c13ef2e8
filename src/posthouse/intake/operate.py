"""What people do to queued mail by hand, with the events and the audit entry that tell of it.

`look` says what an action would touch; `apply` holds, releases, retries, cancels, bounces or moves it, a transaction at a time.
`suspend` stops mail of a pool, for a destination or of a mailing without touching it, `resume` lets it go again. `drain` tells delivery processes
to hand over.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.accounts import audit
from posthouse.ledger import events
from posthouse.ledger.events import Event
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.model.words import Pool
from posthouse.outbox import enqueue, operator, sites, suspensions, workers
from posthouse.outbox.operator import BEGINNING, BOUNCE, CANCEL, HOLD, MOST_PER_ACTION, Action, Selection, Touched
from posthouse.outbox.suspensions import Suspension
from posthouse.outbox.workers import Worker
from posthouse.runtime.postgres import Connection, transaction
from posthouse.runtime.process import Process
from posthouse.wire.addresses import to_a_label

_TOLD: Final = {CANCEL.name: "Cancelled by {actor}", HOLD.name: "stopped by {actor}", BOUNCE.name: "Bounced by {actor}"}
_ENDS: Final = (".", "!", "?")
DRAINING: Final = "draining."


@dataclass(frozen=True, slots=True)
class Stop:
    """What a suspension is to stop, and for how long: `domain` as a person writes it, `until` None for until resumed.

    `mailing` is the name of one, and then neither pool nor domain is given.

    `everything` says that nothing is left out by mistake; `drain` lets what is taken from the queue still go.
    """

    pool: Pool | None = None
    domain: str = ""
    everything: bool = False
    drain: bool = False
    until: datetime | None = None
    reason: str = ""
    mailing: str = ""

    def problems(self, now: datetime) -> tuple[FieldProblem, ...]:
        """Why it cannot be done. Pure."""
        found = []
        if self.domain and to_a_label(self.domain) is None:
            found.append(FieldProblem("/domain", "invalid_domain", "This is not a domain name such as example.com."))
        if self.everything and (self.pool or self.domain or self.mailing):
            found.append(FieldProblem("/everything", "contradiction", "All mail has neither pool, domain nor mailing."))
        if self.mailing and (self.pool or self.domain):
            found.append(
                FieldProblem("/mailing", "contradiction", "A mailing is stopped in every pool, for everybody.")
            )
        if len(self.mailing) > limits.TAG_CHARS:
            found.append(FieldProblem("/mailing", "too_long", "This name of a mailing is too long."))
        if not (self.everything or self.pool or self.domain or self.mailing):
            detail = "Name a destination, a pool or both, or a mailing, or say that you mean all mail."
            found.append(FieldProblem("/domain", "required", detail))
        if self.until is not None and self.until <= now:
            found.append(FieldProblem("/until", "out_of_range", "This time is over."))
        if not (self.reason or self.drain):
            found.append(FieldProblem("/reason", "required", "Say why: whoever asks why the mail waits is told."))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What an action would touch now, and how much marketing it would spare because nobody has forced it."""

    mails: int
    spared: int = 0

    @property
    def problems(self) -> tuple[FieldProblem, ...]:
        """Why it is not done at all: moving half of what was named would surprise. Pure."""
        if not self.spared:
            return ()
        detail = (
            f"{self.spared} of these mails are marketing. In the transactional pool they would go before resets and receipts and"
            " share their sending addresses; it has to be forced, with a reason."
        )
        return (FieldProblem("/force", "marketing", detail),)


def refusal(action: Action, reason: str, *, shared_pool: bool) -> tuple[FieldProblem, ...]:
    """Why an action cannot be done as it was asked for. Pure."""
    found = []
    if action.name == BOUNCE.name and not reason:
        found.append(FieldProblem("/reason", "required", "Say why: the reason is shown as that of the bounce."))
    if action.pool is Pool.TRANSACTIONAL and not action.spare_marketing and not reason:
        found.append(FieldProblem("/reason", "required", "Say why it has to be forced."))
    if shared_pool and action.pool not in (None, Pool.TRANSACTIONAL):
        detail = "Everything leaves by the transactional pool while delivery.shared_pool is set."
        found.append(FieldProblem("/pool", "shared_pool", detail))
    return tuple(found)


async def look(process: Process, workspace_id: UUID, action: Action, selection: Selection) -> Outlook:
    """What `apply` would do now: what a person is told before it is done."""
    async with process.pool.acquire() as connection:
        mails = await operator.count(connection, workspace_id, action, selection)
        if not action.spare_marketing:
            return Outlook(mails)
        whole = replace(action, spare_marketing=False)
        return Outlook(mails, await operator.count(connection, workspace_id, whole, selection) - mails)


async def apply(
    process: Process, workspace_id: UUID, action: Action, selection: Selection, actor: str, reason: str = ""
) -> int:
    """Does it to everything selected, a transaction at a time, and returns how many mails it touched.

    Whoever asks has seen that neither `refusal` nor `look` says anything against it.
    """
    assert not refusal(action, reason, shared_pool=process.settings.delivery.shared_pool)
    total, after = 0, BEGINNING
    while True:
        touched = await _apply_once(process, workspace_id, action, selection, actor, reason, after)
        total += len(touched)
        if len(touched) < MOST_PER_ACTION:
            return total
        after = touched[-1].recipient_id


async def _apply_once(
    process: Process, workspace_id: UUID, action: Action, selection: Selection, actor: str, reason: str, after: UUID
) -> list[Touched]:
    now = process.clock.now()
    async with transaction(process.pool) as connection:
        told = _told(action, actor, reason)
        touched = await operator.apply(connection, workspace_id, action, selection, told, now, after)
        if touched:
            data = _data(action, actor, reason)
            found = [
                Event(workspace_id, process.ids.new(), now, t.message_id, t.recipient_id, action.event, data)
                for t in touched
            ]
            await events.append(connection, found)
            subject = str(selection.message_id or selection.domain or "mail")
            detail = {"mails": len(touched), **_plain(selection), **_data(action, "", reason)}
            await audit.record(connection, workspace_id, actor, f"queue.{action.name}", subject, detail, now)
            await enqueue.announce(connection, set(Pool))
    return touched


async def suspend(
    process: Process, workspace_id: UUID, stop: Stop, actor: str
) -> Suspension | tuple[FieldProblem, ...]:
    """Stops mail until a time or until resumed, or says what is wrong with the wish."""
    now = process.clock.now()
    if problems := stop.problems(now):
        return problems
    suspension = Suspension(
        workspace_id,
        process.ids.new(),
        stop.pool,
        to_a_label(stop.domain) if stop.domain else None,
        stop.drain,
        _ended(stop.reason) if stop.reason else DRAINING,
        actor,
        now,
        stop.until,
        mailing=stop.mailing or None,
    )
    async with transaction(process.pool) as connection:
        if await suspensions.count(connection, workspace_id, now) >= limits.SUSPENSIONS_PER_WORKSPACE:
            return (
                FieldProblem("", "too_many", f"At most {limits.SUSPENSIONS_PER_WORKSPACE} may be in force at once."),
            )
        await begin(connection, suspension)
    return suspension


async def begin(connection: Connection, suspension: Suspension) -> None:
    """Puts a suspension in force, in the caller's transaction."""
    await suspensions.begin(connection, suspension)
    action = "queue.drain" if suspension.drain else "queue.suspend"
    detail = _scope(suspension) | {"until": _iso(suspension.until), "reason": suspension.reason}
    await audit.record(
        connection, suspension.workspace_id, suspension.created_by, action, _subject(suspension), detail,
        suspension.created_at,
    )  # fmt: skip


async def resume(process: Process, workspace_id: UUID, suspension_ids: list[UUID], actor: str) -> list[Suspension]:
    """Ends suspensions; those that were in force."""
    now = process.clock.now()
    async with transaction(process.pool) as connection:
        ended = await suspensions.end(connection, workspace_id, suspension_ids, actor, now)
        for each in ended:
            await audit.record(connection, workspace_id, actor, "queue.resume", _subject(each), _scope(each), now)
    return ended


async def drain(
    process: Process, workspace_ids: list[UUID], worker_id: UUID | None, host: str | None, actor: str
) -> list[Worker]:
    """Tells one delivery process, or all of a host, to hand over. They carry the mail of every workspace, so each is told of it."""
    now = process.clock.now()
    async with transaction(process.pool) as connection:
        told = list(await workers.drain(connection, now, worker_id, host))
        for workspace_id in workspace_ids if told else ():
            detail: dict[str, object] = {"processes": [f"{each.role} {each.pid} on {each.host}" for each in told]}
            await audit.record(connection, workspace_id, actor, "worker.drain", host or str(worker_id), detail, now)
    return told


async def lift(process: Process, workspace_ids: list[UUID], receiver: str, actor: str) -> int:
    """Forgets what a receiver (a group of sites) told us; how many words. It takes every workspace's mail, so each is told of it."""
    async with transaction(process.pool) as connection:
        lifted = await sites.lift(connection, receiver)
        for workspace_id in workspace_ids if lifted else ():
            await audit.record(connection, workspace_id, actor, "shaping.lift", receiver, {}, process.clock.now())
    return lifted


def _told(action: Action, actor: str, reason: str) -> str:
    """What is shown with the mail."""
    told = _TOLD.get(action.name, "").format(actor=actor)
    return _ended(f"{told}: {reason}" if reason else told) if told else ""


def _data(action: Action, actor: str, reason: str) -> dict[str, object]:
    said = {"by": actor, "reason": reason, "to_pool": str(action.pool or "")}
    return {name: value for name, value in said.items() if value}


def _plain(selection: Selection) -> dict[str, object]:
    """The conditions as the audit log keeps them."""
    given = selection.given
    if selection.recipient_ids is not None:
        given["recipient_ids"] = len(selection.recipient_ids)
    return {name: value if isinstance(value, int) else str(value) for name, value in given.items()}


def _scope(suspension: Suspension) -> dict[str, object]:
    if suspension.mailing is not None:
        return {"mailing": suspension.mailing}
    scope: dict[str, object] = {"pool": suspension.pool, "domain": suspension.domain}
    return scope if suspension.sender_domain is None else {"sender_domain": suspension.sender_domain}


def _subject(suspension: Suspension) -> str:
    if suspension.sender_domain is not None:
        return f"from {suspension.sender_domain}"
    if suspension.mailing is not None:
        return f"mailing {suspension.mailing}"
    return " ".join(each for each in (suspension.pool, suspension.domain) if each) or "all mail"


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _ended(text: str) -> str:
    return text if text.endswith(_ENDS) else f"{text}."
