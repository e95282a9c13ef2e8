"""Idempotency keys: the same request twice is one mail and one answer (24 h)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from posthouse.model.values import dataclass
from posthouse.outbox.sql import SQL
from posthouse.runtime.postgres import Connection


@dataclass(frozen=True, slots=True)
class Key:
    """A key with the request it stands for and the answer that was, or will be, given."""

    workspace_id: UUID
    key: str
    fingerprint: bytes
    status: int
    response: bytes


async def take(connection: Connection, keys: Sequence[Key], now: datetime) -> set[tuple[UUID, str]]:
    """Takes the keys that are free, in the caller's transaction; (workspace_id, key) of those taken."""
    ordered = sorted(keys, key=lambda k: (k.workspace_id, k.key))
    rows = await connection.fetch(
        SQL.take_keys,
        [k.workspace_id for k in ordered],
        [k.key for k in ordered],
        [k.fingerprint for k in ordered],
        [k.status for k in ordered],
        [k.response for k in ordered],
        [now] * len(ordered),
    )
    return {(row["workspace_id"], row["key"]) for row in rows}


async def find(connection: Connection, workspace_id: UUID, key: str) -> Key | None:
    """The answer given under this key, if any."""
    row = await connection.fetchrow(SQL.find_key, workspace_id, key)
    return Key(workspace_id, key, row["fingerprint"], row["status"], row["response"]) if row else None


async def drop_old(connection: Connection, workspace_id: UUID, before: datetime) -> None:
    """Frees the keys taken before `before`."""
    await connection.execute(SQL.drop_old_keys, workspace_id, before)
