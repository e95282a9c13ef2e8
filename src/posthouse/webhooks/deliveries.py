"""Deliveries and attempts as rows: one function for each query."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.ledger.feed import Happened
from posthouse.runtime.postgres import Connection, Record
from posthouse.webhooks.schedule import State, Verdict
from posthouse.webhooks.sql import SQL

_NEWEST: Final = UUID(int=2**128 - 1)
COUNTED: Final = 10_000  # rows counted for a page; beyond it "more than"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in our hands for one try."""

    event_id: UUID
    message_id: UUID
    recipient_id: UUID
    kind: str
    occurred_at: datetime
    tries: int  # this one counted
    first_tried_at: datetime


@dataclass(frozen=True, slots=True)
class Tried:
    """How a try ended. `status` is None without an answer, `reason` "" when it went well."""

    attempt_id: UUID
    started_at: datetime
    duration_ms: int
    status: int | None
    reason: str
    answer: str
    remote: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A delivery out of our hands, to be written down."""

    claimed: Claimed
    tried: Tried
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint, as people look at it."""

    event_id: UUID
    message_id: UUID
    kind: str
    occurred_at: datetime
    state: State
    tries: int
    due_at: datetime
    settled_at: datetime | None
    status: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try, as people look at it."""

    event_id: UUID
    number: int
    started_at: datetime
    duration_ms: int
    status: int | None
    reason: str
    answer: str
    remote: str


async def enqueue(
    connection: Connection,
    workspace_id: UUID,
    wanted: Sequence[tuple[UUID, Happened]],
    now: datetime,
    *,
    again: bool = False,
) -> list[UUID]:
    """Makes a pending delivery of each event for an endpoint; the endpoints of those that are new.

    `again`: what is settled becomes pending once more, and counts as new.
    """
    if not wanted:
        return []
    rows = await connection.fetch(
        SQL.enqueue_again if again else SQL.enqueue,
        workspace_id,
        now,
        [endpoint_id for endpoint_id, _ in wanted],
        [each.event_id for _, each in wanted],
        [each.message_id for _, each in wanted],
        [each.recipient_id for _, each in wanted],
        [each.kind for _, each in wanted],
        [each.occurred_at for _, each in wanted],
    )
    return [row["endpoint_id"] for row in rows]


async def failed_again(
    connection: Connection, workspace_id: UUID, endpoint_id: UUID, now: datetime, since: UUID, most: int
) -> list[UUID]:
    """Makes the oldest failed deliveries from `since` on pending once more; their events."""
    rows = await connection.fetch(SQL.failed_again, workspace_id, endpoint_id, now, since, most)
    return [row["event_id"] for row in rows]


async def due(connection: Connection, now: datetime) -> list[tuple[UUID, UUID]]:
    """Workspace and endpoint of what is to be sent now."""
    return [(row["workspace_id"], row["endpoint_id"]) for row in await connection.fetch(SQL.due, now)]


async def claim(
    connection: Connection, workspace_id: UUID, endpoint_id: UUID, now: datetime, lease_until: datetime, most: int
) -> list[Claimed]:
    """Takes what is due and first in its message, the longest due first."""
    rows = await connection.fetch(SQL.claim, workspace_id, endpoint_id, now, lease_until, most)
    return sorted((Claimed(**dict(row.items())) for row in rows), key=lambda each: each.event_id.int)


async def settle(
    connection: Connection, workspace_id: UUID, endpoint_id: UUID, ended: Sequence[Ended], now: datetime
) -> None:
    """Writes down how these ended."""
    if not ended:
        return
    await connection.execute(
        SQL.settle,
        workspace_id,
        endpoint_id,
        now,
        [each.claimed.event_id for each in ended],
        [each.claimed.tries for each in ended],
        [each.verdict.state for each in ended],
        [each.verdict.due_at for each in ended],
        [each.tried.status for each in ended],
        [each.tried.reason for each in ended],
    )
    await _append(connection, workspace_id, endpoint_id, ended)
    if waiting := [each for each in ended if each.verdict.state is State.PENDING]:
        await connection.execute(
            SQL.wait_behind,
            workspace_id,
            endpoint_id,
            [each.claimed.event_id for each in waiting],
            [each.claimed.message_id for each in waiting],
            [each.verdict.due_at for each in waiting],
        )


async def _append(connection: Connection, workspace_id: UUID, endpoint_id: UUID, ended: Iterable[Ended]) -> None:
    tried = [(each.claimed.event_id, each.claimed.tries, each.tried) for each in ended]
    await connection.execute(
        SQL.append_attempts,
        workspace_id,
        endpoint_id,
        [event_id for event_id, _, _ in tried],
        [each.attempt_id for _, _, each in tried],
        [number for _, number, _ in tried],
        [each.started_at for _, _, each in tried],
        [each.duration_ms for _, _, each in tried],
        [each.status for _, _, each in tried],
        [each.reason for _, _, each in tried],
        [each.answer for _, _, each in tried],
        [each.remote for _, _, each in tried],
    )


async def give_back(
    connection: Connection, workspace_id: UUID, endpoint_id: UUID, untried: Sequence[Claimed], now: datetime
) -> None:
    """Leaves these to whoever looks next."""
    events, tries = [each.event_id for each in untried], [each.tries for each in untried]
    await connection.execute(SQL.give_back, workspace_id, endpoint_id, now, events, tries)


async def give_up_untried(
    connection: Connection, workspace_id: UUID, endpoint_id: UUID, before: datetime, now: datetime, most: int
) -> int:
    """Ends what has been due since `before` and never had a turn; how many there were."""
    reason = "The endpoint answered nothing for 24 hours; this event had no turn."
    rows = await connection.fetch(SQL.give_up_untried, workspace_id, endpoint_id, before, now, reason, most)
    return len(rows)


async def fail_pending(
    connection: Connection, workspace_id: UUID, endpoint_id: UUID, now: datetime, reason: str, most: int
) -> int:
    """Ends what waits for an endpoint that is out of service; how many there were."""
    return len(await connection.fetch(SQL.fail_pending, workspace_id, endpoint_id, now, reason, most))


async def drop(connection: Connection, workspace_id: UUID, endpoint_id: UUID, before: UUID, most: int) -> bool:
    """Deletes deliveries and attempts of events before this one; whether there may be more."""
    deliveries = await connection.fetch(SQL.drop_deliveries, workspace_id, endpoint_id, before, most)
    attempts = await connection.fetch(SQL.drop_attempts, workspace_id, endpoint_id, before, most)
    return max(len(deliveries), len(attempts)) >= most


async def listing(
    connection: Connection,
    workspace_id: UUID,
    endpoint_id: UUID,
    state: State | None,
    before: UUID | None,
    most: int,
) -> list[Delivery]:
    """Newest first, below the event `before`."""
    below = before or _NEWEST
    match state:
        case State.FAILED:
            rows = await connection.fetch(SQL.failed_deliveries, workspace_id, endpoint_id, below, most)
        case State.PENDING:
            rows = await connection.fetch(SQL.pending_deliveries, workspace_id, endpoint_id, below, most)
        case _:
            rows = await connection.fetch(SQL.deliveries, workspace_id, endpoint_id, below, state, most)
    return [_delivery(row) for row in rows]


async def find(connection: Connection, workspace_id: UUID, endpoint_id: UUID, event_id: UUID) -> Delivery | None:
    """One of them."""
    row = await connection.fetchrow(SQL.delivery, workspace_id, endpoint_id, event_id)
    return _delivery(row) if row else None


async def attempts(
    connection: Connection, workspace_id: UUID, endpoint_id: UUID, event_ids: Collection[UUID]
) -> dict[UUID, list[Attempt]]:
    """Every try at these events, oldest first."""
    found: dict[UUID, list[Attempt]] = {event_id: [] for event_id in event_ids}
    for row in await connection.fetch(SQL.attempts, workspace_id, endpoint_id, list(event_ids)):
        found[row["event_id"]].append(Attempt(**dict(row.items())))
    return found


async def counts(connection: Connection, workspace_id: UUID, endpoint_id: UUID) -> tuple[int, int]:
    """How many are pending and how many have failed, as far as COUNTED."""
    pending = await connection.fetchval(SQL.count_pending, workspace_id, endpoint_id, COUNTED)
    failed = await connection.fetchval(SQL.count_failed, workspace_id, endpoint_id, COUNTED)
    return pending, failed


def _delivery(row: Record) -> Delivery:
    values = dict(row.items())
    values["state"] = State(values["state"])
    return Delivery(**values)
