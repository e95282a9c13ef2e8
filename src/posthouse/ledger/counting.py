"""Keeps the counts of events by quarter of an hour, of all mail, by who sent it to whom, and by mailing: a reader of the ledger with a cursor."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from posthouse.ledger import reputation
from posthouse.ledger.sql import SQL
from posthouse.runtime.ids import uuid7_floor
from posthouse.runtime.postgres import Connection

READER: Final = "counts"
# Events are numbered when they are written and seen when they are committed, perhaps by a host whose clock differs a little.
# Reading only what is older than this passes over none of them.
SETTLED_S: Final = 30


async def advance(connection: Connection, workspace_id: UUID, now: datetime) -> None:
    """Counts what has happened since the last time, in the caller's transaction."""
    past = uuid7_floor(now - timedelta(seconds=SETTLED_S))
    await connection.execute(SQL.start_cursor, workspace_id, READER, UUID(int=0))
    row = await connection.fetchrow(SQL.advance_cursor, workspace_id, READER, past)
    if row is not None:
        await connection.execute(SQL.count_events, workspace_id, row["next"], past)
        await reputation.count(connection, workspace_id, row["next"], past)
