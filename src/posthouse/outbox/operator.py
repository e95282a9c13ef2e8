"""What an operator or a sender does to queued mail by hand.

Each action selects what it will touch, locks it, changes it, and returns the rows so that the caller writes events and audit in the
same transaction. Mail in a worker's hands is never touched: it may be on the wire.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.model.values import dataclass
from posthouse.model.words import EventKind, Pool, State
from posthouse.outbox.sql import SQL
from posthouse.runtime.ids import uuid7_floor
from posthouse.runtime.postgres import Connection

MOST_PER_ACTION: Final = 10_000  # rows locked by one transaction; callers repeat until fewer come back
BEGINNING: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Selection:
    """What an action is about: mail that is all of what is given. Something is given always."""

    message_id: UUID | None = None
    recipient_ids: Sequence[UUID] | None = None
    domain: str | None = None  # of the recipient, lower-case A-label
    pool: Pool | None = None
    state: State | None = None
    sender: str | None = None  # the address in From
    tag: str | None = None
    priority_least: int | None = None
    priority_most: int | None = None
    accepted_before: datetime | None = None
    attempts_least: int | None = None
    reply: str | None = None  # a part of why it waits, which quotes the last reply; upper and lower case are the same

    def __post_init__(self) -> None:
        assert self.given, "an action on everything is never meant"

    @property
    def given(self) -> dict[str, object]:
        """The conditions by name, those that are set."""
        return {
            field.name: getattr(self, field.name) for field in fields(self) if getattr(self, field.name) is not None
        }


@dataclass(frozen=True, slots=True)
class Touched:
    """One recipient's mail an action changed."""

    recipient_id: UUID
    message_id: UUID


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done to queued mail, the states it applies to, and the event that tells of it.

    `pool` is where mail is moved. With `spare_marketing` marketing stays where it is: in the pool of resets and receipts it would
    spoil their addresses' reputation and their place in line.
    """

    name: str
    applies_to: tuple[State, ...]
    event: EventKind
    pool: Pool | None = None
    spare_marketing: bool = False


_PROMISED: Final = (State.WAITING, State.READY, State.HELD)
CANCEL: Final = Action("cancel", _PROMISED, EventKind.CANCELLED)
HOLD: Final = Action("hold", (State.WAITING, State.READY), EventKind.HELD)
RELEASE: Final = Action("release", (State.HELD,), EventKind.RELEASED)
RETRY: Final = Action("retry", (State.WAITING,), EventKind.RETRIED)
BOUNCE: Final = Action("bounce", _PROMISED, EventKind.BOUNCED)
ACTIONS: Final = {action.name: action for action in (CANCEL, HOLD, RELEASE, RETRY)}
"""What a sender may do to mail; bouncing and moving it takes an administrator."""


def move_to(pool: Pool, *, forced: bool = False) -> Action:
    """Moving mail to another pool. Marketing goes to the transactional pool only by force."""
    return Action("move", _PROMISED, EventKind.MOVED, pool, spare_marketing=pool is Pool.TRANSACTIONAL and not forced)


async def apply(
    connection: Connection,
    workspace_id: UUID,
    action: Action,
    selection: Selection,
    reason: str,
    now: datetime,
    after: UUID = BEGINNING,
) -> list[Touched]:
    """Does it, to at most MOST_PER_ACTION mails after `after` in order of their ids, in the caller's transaction.

    `reason` is shown with the mail.
    """
    rows = await connection.fetch(
        SQL.select_for_operator, workspace_id, *_conditions(action, selection), after, MOST_PER_ACTION
    )
    ids = [row["recipient_id"] for row in rows]
    if ids:
        await _change(connection, workspace_id, action, ids, reason, now)
    return [Touched(row["recipient_id"], row["message_id"]) for row in rows]


async def count(connection: Connection, workspace_id: UUID, action: Action, selection: Selection) -> int:
    """How many mails the action would touch now: what a person is told before it is done."""
    mails: int = await connection.fetchval(SQL.count_for_operator, workspace_id, *_conditions(action, selection))
    return mails


def _conditions(action: Action, selection: Selection) -> tuple[object, ...]:
    """The values of both statements from $2 on."""
    states = [state for state in action.applies_to if selection.state in (None, state)]
    return (
        states,
        selection.message_id,
        selection.recipient_ids,
        selection.domain,
        selection.pool,
        selection.priority_least,
        selection.priority_most,
        uuid7_floor(selection.accepted_before) if selection.accepted_before else None,
        selection.attempts_least,
        selection.reply,
        selection.sender,
        selection.tag,
        action.pool,
        action.spare_marketing,
    )


async def _change(
    connection: Connection, workspace_id: UUID, action: Action, ids: list[UUID], reason: str, now: datetime
) -> None:
    match action:
        case Action(pool=Pool() as pool):
            await connection.execute(SQL.move, workspace_id, ids, pool)
        case Action(CANCEL.name):
            await connection.execute(SQL.cancel, workspace_id, ids, now, reason)
        case Action(BOUNCE.name):
            await connection.execute(SQL.bounce, workspace_id, ids, now, reason)
        case Action(HOLD.name):
            await connection.execute(SQL.hold, workspace_id, ids, reason)
        case Action(RELEASE.name):
            await connection.execute(SQL.release, workspace_id, ids)
        case _:
            await connection.execute(SQL.retry_now, workspace_id, ids, now)
