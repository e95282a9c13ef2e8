"""Keeps the time partitions of messages, bodies, attempts and events ahead of the clock."""

from datetime import datetime, timedelta

from posthouse.outbox.sql import SQL
from posthouse.runtime.postgres import Connection


async def ensure(connection: Connection, now: datetime, months_ahead: int) -> int:
    """Makes the partitions from this month on that are not there yet; how many it made."""
    until = now + timedelta(days=31 * months_ahead)
    return int(await connection.fetchval(SQL.add_partitions, now, until))
