"""The processes that hold leases, for the operator: who is there, and who is to hand over.

A delivery process that is told to drain takes no more mail, ends what it has begun, gives back the rest and leaves its sites to the
others of its pool. It stays idle until it is stopped; started again it is a new one.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from posthouse.model.values import dataclass
from posthouse.model.words import Pool
from posthouse.outbox import enqueue
from posthouse.outbox.sql import SQL
from posthouse.runtime.postgres import Connection


@dataclass(frozen=True, slots=True)
class Worker:
    """A process with a living lease."""

    worker_id: UUID
    role: str
    host: str
    pid: int
    started_at: datetime
    lease_until: datetime
    draining_at: datetime | None


async def listing(connection: Connection, now: datetime) -> list[Worker]:
    """Everybody who is there, by host and role."""
    return [Worker(**dict(row.items())) for row in await connection.fetch(SQL.list_workers, now)]


async def drain(connection: Connection, now: datetime, worker_id: UUID | None, host: str | None) -> Sequence[Worker]:
    """Tells one process, or the delivery processes of a host, to hand over; those that were not told before."""
    assert worker_id or host, "everybody is never meant"
    rows = await connection.fetch(SQL.drain_workers, now, worker_id, host, list(Pool))
    if rows:
        await enqueue.tell_news(connection)
    return [Worker(**dict(row.items())) for row in rows]


async def is_draining(connection: Connection, worker_id: UUID) -> bool:
    """Whether this one was told to hand over."""
    return bool(await connection.fetchval(SQL.worker_is_draining, worker_id))
