"""The queue's health: unsettled mail by destination and age, as Postfix's qshape shows it."""

from collections import defaultdict
from datetime import datetime, timedelta
from uuid import UUID

from posthouse.model.values import dataclass
from posthouse.model.words import State
from posthouse.outbox.sql import SQL
from posthouse.runtime.ids import uuid7_floor
from posthouse.runtime.postgres import Connection

AGES_MINUTES = (5, 10, 20, 40, 80, 160, 320, 640, 1280)
BUCKETS = len(AGES_MINUTES) + 1


@dataclass(frozen=True, slots=True)
class ShapeRow:
    """One destination: `buckets[i]` mails are younger than `AGES_MINUTES[i]`, the last bucket is older than all."""

    domain: str
    buckets: tuple[int, ...]
    total: int


async def shape(connection: Connection, workspace_id: UUID, now: datetime) -> list[ShapeRow]:
    """Destinations with unsettled mail, the fullest first."""
    limits = [uuid7_floor(now - timedelta(minutes=age)) for age in reversed(AGES_MINUTES)]
    buckets: dict[str, list[int]] = defaultdict(lambda: [0] * BUCKETS)
    for row in await connection.fetch(SQL.shape, workspace_id, limits):
        # width_bucket counts from the oldest; a person reads from the youngest.
        buckets[row["domain"]][BUCKETS - 1 - row["bucket"]] += row["mails"]
    rows = [ShapeRow(domain, tuple(counts), sum(counts)) for domain, counts in buckets.items()]
    return sorted(rows, key=lambda row: (-row.total, row.domain))


async def counts(connection: Connection, workspace_id: UUID) -> dict[State, int]:
    """How much unsettled mail is in which state."""
    rows = await connection.fetch(SQL.unsettled_counts, workspace_id)
    return {State(row["state"]): row["mails"] for row in rows}
