"""What mail that was settled still tells, and what may change: a report that the receiver took it and could not keep it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from posthouse.model.values import dataclass
from posthouse.outbox.sql import SQL
from posthouse.runtime.postgres import Connection


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A mail that was not delivered: how often that was tried, and the last reply (`code` None when nobody answered)."""

    address: str
    attempts: int
    reason: str
    code: int | None
    enhanced: str


async def given_up(connection: Connection, workspace_id: UUID, recipient_ids: Sequence[UUID]) -> dict[UUID, GivenUp]:
    """These mails, by recipient."""
    rows = await connection.fetch(SQL.how_given_up, workspace_id, recipient_ids) if recipient_ids else []
    return {
        row["recipient_id"]: GivenUp(row["address"], row["attempts"], row["reason"], row["code"], row["enhanced"] or "")
        for row in rows
    }


async def override_delivered(
    connection: Connection,
    workspace_id: UUID,
    recipient_id: UUID,
    now: datetime,
    reason: str,
    enhanced: str,
    remote: str,
) -> bool:
    """delivered -> bounced. False when it was not delivered (any more)."""
    row = await connection.fetchrow(
        SQL.override_delivered, workspace_id, recipient_id, now, reason, enhanced or None, remote
    )
    return row is not None


async def delivered_since(
    connection: Connection, workspace_id: UUID, since: Sequence[tuple[str, datetime]]
) -> set[str]:
    """Those of these addresses, each written as the mail to it had it, at which any mail has arrived since."""
    if not since:
        return set()
    rows = await connection.fetch(
        SQL.delivered_since, workspace_id, [address for address, _ in since], [moment for _, moment in since]
    )
    return {row["address"] for row in rows}
