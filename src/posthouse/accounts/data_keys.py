"""Data keys of workspaces: what their secrets and, by policy, their mails are sealed under. Wrapped, never in the clear."""

from datetime import datetime
from uuid import UUID

from posthouse.runtime import queries
from posthouse.runtime.ids import Ids
from posthouse.runtime.postgres import Executor, Record
from posthouse.runtime.vault import Vault, WrappedKey

SQL = queries.load(__package__)


async def current(connection: Executor, workspace_id: UUID) -> WrappedKey | None:
    """The key to seal with."""
    row = await connection.fetchrow(SQL.current_data_key, workspace_id)
    return _wrapped(row) if row else None


async def find(connection: Executor, workspace_id: UUID, key_id: UUID) -> WrappedKey | None:
    """The key a value was sealed with (`vault.key_id_of`)."""
    row = await connection.fetchrow(SQL.data_key, workspace_id, key_id)
    return _wrapped(row) if row else None


async def add(connection: Executor, workspace_id: UUID, ids: Ids, vault: Vault, now: datetime) -> WrappedKey:
    """A new key; everything sealed from now on uses it."""
    key = vault.new_key(workspace_id, ids.new())
    await connection.execute(SQL.insert_data_key, workspace_id, key.key_id, key.wrapped, key.kek_id, now)
    return key


async def rewrap(connection: Executor, workspace_id: UUID, vault: Vault) -> int:
    """Bring keys wrapped under a retired key-encryption key under the current one; how many there were."""
    keys = [_wrapped(row) for row in await connection.fetch(SQL.data_keys, workspace_id)]
    stale = [key for key in keys if key.kek_id != vault.kek_id]
    for key in stale:
        fresh = vault.rewrap(workspace_id, key)
        await connection.execute(SQL.rewrap_data_key, workspace_id, key.key_id, fresh.wrapped, fresh.kek_id)
    return len(stale)


def _wrapped(row: Record) -> WrappedKey:
    return WrappedKey(row["key_id"], row["kek_id"], row["wrapped_key"])
