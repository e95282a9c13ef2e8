"""What mail that was settled still tells, and what may change: a report that the receiver took it and could not keep it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from posthouse.outbox.sql import SQL
from posthouse.runtime.postgres import Connection


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
