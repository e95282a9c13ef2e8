"""What may still change after a mail was settled: a report that the receiver took it and could not keep it."""

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
