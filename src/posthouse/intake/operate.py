"""Holds, releases, retries and cancels queued mail by hand, with the events and the audit entry that tell of it."""

from uuid import UUID

from posthouse.accounts import audit
from posthouse.ledger import events
from posthouse.ledger.events import Event
from posthouse.model.words import Pool
from posthouse.outbox import enqueue, operator
from posthouse.outbox.operator import MOST_PER_ACTION, Action, Selection, Touched
from posthouse.runtime.postgres import transaction
from posthouse.runtime.process import Process

_REASONS = {"cancel": "Cancelled by {actor}.", "hold": "stopped by {actor}.", "release": "", "retry": ""}


async def apply(process: Process, workspace_id: UUID, action: Action, selection: Selection, actor: str) -> int:
    """Does it to everything selected, a transaction at a time, and returns how many mails it touched."""
    total = 0
    while True:
        touched = await _apply_once(process, workspace_id, action, selection, actor)
        total += touched
        if touched < MOST_PER_ACTION:
            return total


async def _apply_once(process: Process, workspace_id: UUID, action: Action, selection: Selection, actor: str) -> int:
    now = process.clock.now()
    reason = _REASONS[action.name].format(actor=actor)
    async with transaction(process.pool) as connection:
        touched = await operator.apply(connection, workspace_id, action, selection, reason, now)
        if touched:
            await events.append(connection, [_event(process, workspace_id, action, t, actor) for t in touched])
            detail: dict[str, object] = {"mails": len(touched), "domain": selection.domain}
            subject = str(selection.message_id or selection.domain or "recipients")
            await audit.record(connection, workspace_id, actor, f"queue.{action.name}", subject, detail, now)
            await enqueue.announce(connection, set(Pool))
    return len(touched)


def _event(process: Process, workspace_id: UUID, action: Action, touched: Touched, actor: str) -> Event:
    return Event(
        workspace_id,
        process.ids.new(),
        process.clock.now(),
        touched.message_id,
        touched.recipient_id,
        action.event,
        {"by": actor},
    )
