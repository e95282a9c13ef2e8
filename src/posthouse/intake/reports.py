"""Turns what came back into facts: reports, complaints and unsubscribes about one recipient's mail.

The recipient is known from the signed address the mail was sent to, or the signed link that was opened (`opt_out`), so nothing in the
mail itself is trusted to name it; where that address names a message of several, the mail may say which of its recipients. Saying the
same thing twice changes nothing the second time but the timeline, and a hundred times not even that.
"""

import asyncio
import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.accounts import changes
from posthouse.intake import soft_bounces
from posthouse.intake.blocked_alerts import Blocked, BlockedAlerts
from posthouse.ledger import bounce_policy, events, report, suppression
from posthouse.ledger.bounce_policy import NOTHING, BouncePolicy
from posthouse.ledger.bounce_rules import BounceClass
from posthouse.ledger.events import Event
from posthouse.ledger.explain import Explained
from posthouse.ledger.report import Reading
from posthouse.ledger.soft import Soft, is_soft
from posthouse.ledger.suppression import HARD_BOUNCE, MARKETING, RECIPIENT, UNSUBSCRIBE, Entry
from posthouse.model.limits import REPORT_WAIT_S, REPORTS_OF_A_KIND
from posthouse.model.words import EventKind, MailClass, State
from posthouse.outbox import messages, settled
from posthouse.outbox.messages import RecipientRow
from posthouse.runtime.postgres import Connection, transaction
from posthouse.runtime.process import Process

_LOOK_AGAIN_S: Final = 0.05


async def apply_report(
    process: Process,
    workspace_id: UUID,
    recipient_id: UUID,
    said: Explained,
    policy: BouncePolicy = bounce_policy.DEFAULT,
    alerts: BlockedAlerts | None = None,
) -> bool:
    """Records a bounce or delay; a bounce overrides an earlier delivery. False: nothing in it was worth recording."""
    await _recorded(process, workspace_id, recipient_id)
    now = process.clock.now()
    async with transaction(process.pool) as connection:
        row = await messages.recipient(connection, workspace_id, recipient_id)
        if row is None or (reading := report.reading(said, row.address)) is None:
            return False
        if reading.kind is EventKind.LATE_BOUNCE:
            first = await settled.override_delivered(
                connection, workspace_id, recipient_id, now, reading.reason, reading.verdict.enhanced, reading.remote
            )
            if first and is_soft(reading.verdict.bounce_class):
                await _count_soft(connection, workspace_id, row, now)
        if reading.hard and policy.hard != NOTHING:
            entry = Entry(policy.hard, HARD_BOUNCE)
            await suppression.add(connection, workspace_id, row.address, entry, row.message_id, "report", now)
        if alerts is not None and policy.blocked_alert and _is_blocked(reading):
            blocked = Blocked(row.domain, "", reading.said, reading.verdict.reason)
            await alerts.note(connection, workspace_id, [blocked], "report")
        data: dict[str, object] = {
            "reason": reading.reason,
            "status": reading.verdict.enhanced,
            "remote": reading.remote,
        }
        data |= reading.verdict.as_data()
        await _record(process, connection, workspace_id, row, reading.kind, data)
    return True


async def _recorded(process: Process, workspace_id: UUID, recipient_id: UUID) -> None:
    """A quick receiver reports before its 250 is in our books, and the later record would have the last word: let that come first."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REPORT_WAIT_S):
            while await _is_claimed(process, workspace_id, recipient_id):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(_LOOK_AGAIN_S)


async def _is_claimed(process: Process, workspace_id: UUID, recipient_id: UUID) -> bool:
    async with process.pool.acquire() as connection:
        row = await messages.recipient(connection, workspace_id, recipient_id)
    return row is not None and row.state is State.CLAIMED


def _is_blocked(reading: Reading) -> bool:
    return reading.kind is EventKind.LATE_BOUNCE and reading.verdict.bounce_class is BounceClass.BLOCKED


async def _count_soft(connection: Connection, workspace_id: UUID, row: RecipientRow, now: datetime) -> None:
    """Marketing that came back counts against its address, though that may exist."""
    message = await messages.find(connection, workspace_id, row.message_id)
    if message is not None and message.mail_class is MailClass.MARKETING:
        await soft_bounces.count(connection, workspace_id, [Soft(row.address, row.message_id)], "report", now)


@dataclass(frozen=True, slots=True)
class Clues:
    """Whose mail feedback is about. `signed`: the ids of addresses of ours, first the one it came to; `named`: who the report says."""

    signed: tuple[UUID, ...]
    named: tuple[str, ...] = ()


async def apply_complaint(process: Process, workspace_id: UUID, clues: Clues) -> bool:
    """Records that the recipient called the mail spam: no marketing to this address any more, or no mail at all."""
    return await _stop_marketing(process, workspace_id, clues, EventKind.COMPLAINED, "complaint")


async def apply_unsubscribe(process: Process, workspace_id: UUID, clues: Clues, chosen: str = "") -> bool:
    """Records that the recipient unsubscribed: from the scope she chose, else from marketing of this mail's type, or all if it had none."""
    return await _stop_marketing(process, workspace_id, clues, EventKind.UNSUBSCRIBED, UNSUBSCRIBE, chosen)


async def take_back(process: Process, workspace_id: UUID, recipient_id: UUID, scopes: Collection[str]) -> bool:
    """Lifts these scopes of the recipient's own opt-out. Each mail can do so a few times only; opting out it can for ever."""
    async with changes.making(process, workspace_id, RECIPIENT) as change:
        row = await messages.recipient(change.connection, workspace_id, recipient_id)
        if row is None or await _is_told(change.connection, workspace_id, row, EventKind.RESUBSCRIBED):
            return False
        for scope in sorted(scopes):
            for was in await suppression.take_back(change.connection, workspace_id, row.address, scope):
                told = f"{scope}: {was.entry.reason}, since {was.created_at:%Y-%m-%d}"
                await change.record("suppression.remove", was.address, reason="the recipient took it back", was=[told])
                data: dict[str, object] = {"scope": scope, "since": was.created_at.isoformat()}
                await _record(process, change.connection, workspace_id, row, EventKind.RESUBSCRIBED, data)
    return True


async def _stop_marketing(
    process: Process, workspace_id: UUID, clues: Clues, kind: EventKind, reason: str, chosen: str = ""
) -> bool:
    async with transaction(process.pool) as connection:
        row = await _recipient(connection, workspace_id, clues)
        if row is None:
            return False
        scope = chosen or await _scope(connection, workspace_id, row, kind)
        entry = Entry(scope, reason)
        await suppression.add(
            connection, workspace_id, row.address, entry, row.message_id, RECIPIENT, process.clock.now()
        )
        await _record(process, connection, workspace_id, row, kind, {"scope": scope})
    return True


async def _scope(connection: Connection, workspace_id: UUID, row: RecipientRow, kind: EventKind) -> str:
    """What feedback stops: a complaint what the workspace chose, a wish to unsubscribe mail of the type it answers (AMB-1)."""
    if kind is EventKind.COMPLAINED:
        return (await bounce_policy.of(connection, workspace_id)).complaint
    message = await messages.find(connection, workspace_id, row.message_id)
    return suppression.of_type(message.mailing_type) if message is not None and message.mailing_type else MARKETING


async def _recipient(connection: Connection, workspace_id: UUID, clues: Clues) -> RecipientRow | None:
    """The one the feedback is about; None when nobody can tell which, for then nobody is to be struck off."""
    for signed in clues.signed:
        if row := await messages.recipient(connection, workspace_id, signed):
            return row
    # CFBL-Address is the same for all recipients of a message, so it names the message.
    return _one_of(await messages.recipients(connection, workspace_id, clues.signed[0]), clues.named)


def _one_of(rows: Sequence[RecipientRow], named: Sequence[str]) -> RecipientRow | None:
    wanted = {suppression.folded(address) for address in named}
    found = [row for row in rows if suppression.folded(row.address) in wanted] if len(rows) > 1 else rows
    return found[0] if len(found) == 1 else None


async def _record(
    process: Process,
    connection: Connection,
    workspace_id: UUID,
    row: RecipientRow,
    kind: EventKind,
    data: dict[str, object],
) -> None:
    if await _is_told(connection, workspace_id, row, kind):
        return
    event = Event(workspace_id, process.ids.new(), process.clock.now(), row.message_id, row.recipient_id, kind, data)
    await events.append(connection, [event])


async def _is_told(connection: Connection, workspace_id: UUID, row: RecipientRow, kind: EventKind) -> bool:
    """Whether the timeline has this as often as it may."""
    return await events.times(connection, workspace_id, row.message_id, row.recipient_id, kind) >= REPORTS_OF_A_KIND
