"""What an operator or a sender does to queued mail by hand.

Each action selects what it will touch, locks it, changes its state, and returns the rows so that the caller writes events and
audit in the same transaction. Mail in a worker's hands is never touched: it may be on the wire.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from posthouse.model.words import EventKind, State
from posthouse.outbox.sql import SQL
from posthouse.runtime.postgres import Connection

MOST_PER_ACTION = 10_000  # rows locked by one transaction; callers repeat until fewer come back


@dataclass(frozen=True, slots=True)
class Selection:
    """What an action is about: one message, some recipients, or all mail for a destination. At least one is given."""

    message_id: UUID | None = None
    recipient_ids: Sequence[UUID] | None = None
    domain: str | None = None

    def __post_init__(self) -> None:
        assert self.message_id or self.recipient_ids or self.domain, "an action on everything is never meant"


@dataclass(frozen=True, slots=True)
class Touched:
    """One recipient's mail an action changed."""

    recipient_id: UUID
    message_id: UUID


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done to queued mail, the states it applies to, and the event that tells of it."""

    name: str
    applies_to: tuple[State, ...]
    event: EventKind


CANCEL = Action("cancel", (State.WAITING, State.READY, State.HELD), EventKind.CANCELLED)
HOLD = Action("hold", (State.WAITING, State.READY), EventKind.HELD)
RELEASE = Action("release", (State.HELD,), EventKind.RELEASED)
RETRY = Action("retry", (State.WAITING,), EventKind.RETRIED)
ACTIONS = {action.name: action for action in (CANCEL, HOLD, RELEASE, RETRY)}


async def apply(
    connection: Connection, workspace_id: UUID, action: Action, selection: Selection, reason: str, now: datetime
) -> list[Touched]:
    """Does it, to at most MOST_PER_ACTION mails, in the caller's transaction. `reason` is shown with the mail."""
    rows = await connection.fetch(
        SQL.select_for_operator,
        workspace_id,
        list(action.applies_to),
        selection.message_id,
        selection.recipient_ids,
        selection.domain,
        MOST_PER_ACTION,
    )
    ids = [row["recipient_id"] for row in rows]
    if ids:
        await _change(connection, workspace_id, action, ids, reason, now)
    return [Touched(row["recipient_id"], row["message_id"]) for row in rows]


async def count(connection: Connection, workspace_id: UUID, action: Action, selection: Selection) -> int:
    """How many mails the action would touch now: what a person is told before it is done."""
    mails: int = await connection.fetchval(
        SQL.count_for_operator,
        workspace_id,
        list(action.applies_to),
        selection.message_id,
        selection.recipient_ids,
        selection.domain,
    )
    return mails


async def _change(
    connection: Connection, workspace_id: UUID, action: Action, ids: list[UUID], reason: str, now: datetime
) -> None:
    if action is CANCEL:
        await connection.execute(SQL.cancel, workspace_id, ids, now, reason)
    elif action is HOLD:
        await connection.execute(SQL.hold, workspace_id, ids, reason)
    elif action is RELEASE:
        await connection.execute(SQL.release, workspace_id, ids)
    else:
        await connection.execute(SQL.retry_now, workspace_id, ids, now)
