"""The audit log: append-only by right, and a hash chain per workspace, so that a changed or missing entry shows.

The hash of an entry covers all of it and the hash of the one before (32 zero octets before the first). Cutting off the newest
entries leaves a valid chain; keeping the last hash somewhere else is what shows that.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from posthouse.model import limits
from posthouse.runtime import queries
from posthouse.runtime.postgres import Connection, Executor, Record

SQL = queries.load(__package__)

_BEGINNING: Final = bytes(32)
_NEWEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to whom, when. `detail` holds JSON values other than floating point numbers."""

    workspace_id: UUID
    sequence: int
    occurred_at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chain:
    """What `verify` found: how many entries were good, and the number of the first that is not."""

    entries: int
    broken_at: int | None


async def record(
    connection: Connection,
    workspace_id: UUID,
    actor: str,
    action: str,
    subject: str,
    detail: dict[str, Any],
    now: datetime,
) -> None:
    """Append an entry and announce the change. Call it inside the transaction of the change itself.

    `actor` is `user:<address>`, `key:<hint>`, `cli:<account>` or `posthouse`; `action` a noun and a verb (`credential.revoke`).
    """
    await connection.execute(SQL.lock_audit, str(workspace_id))
    last = await connection.fetchrow(SQL.last_audit_entry, workspace_id)
    sequence, previous = (last["sequence"] + 1, last["hash"]) if last else (1, _BEGINNING)
    entry = Entry(workspace_id, sequence, now.astimezone(UTC), actor, action, subject, detail)
    await connection.execute(
        SQL.insert_audit_entry,
        *(workspace_id, sequence, now, actor, action, subject, detail),
        previous,
        link(previous, entry),
    )
    await announce(connection, workspace_id)


async def announce(connection: Connection, workspace_id: UUID) -> None:
    """Make every Directory look again once this transaction has committed."""
    await connection.execute(SQL.announce, str(workspace_id))


def link(previous: bytes, entry: Entry) -> bytes:
    """The hash of an entry after the one with hash `previous`."""
    at = entry.occurred_at.astimezone(UTC).isoformat(timespec="microseconds")
    told = [str(entry.workspace_id), entry.sequence, at, entry.actor, entry.action, entry.subject, entry.detail]
    return hashlib.sha256(previous + msgspec.json.encode(told, order="sorted")).digest()


async def page(connection: Executor, workspace_id: UUID, before: int | None, limit: int) -> list[Entry]:
    """The newest entries with a sequence below `before`, newest first."""
    bounded = min(limit, limits.AUDIT_PAGE)
    rows = await connection.fetch(SQL.audit_entries, workspace_id, _NEWEST if before is None else before, bounded)
    return [_entry(row) for row in rows]


async def after(connection: Executor, workspace_id: UUID, sequence: int, limit: int) -> list[Entry]:
    """The next entries behind a number, oldest first. Numbers have no gaps and are given in the order of the commits."""
    return [_entry(row) for row in await connection.fetch(SQL.audit_after, workspace_id, sequence, limit)]


async def verify(connection: Connection, workspace_id: UUID) -> Chain:
    """Read the whole log of a workspace, oldest first, and stop at the first entry that is not what it was."""
    previous, entries = _BEGINNING, 0
    async with connection.transaction():
        async for row in connection.cursor(SQL.audit_chain, workspace_id, prefetch=limits.AUDIT_PAGE):
            entry = _entry(row)
            intact = entry.sequence == entries + 1 and row["previous_hash"] == previous
            if not intact or row["hash"] != link(previous, entry):
                return Chain(entries, entries + 1)
            previous, entries = row["hash"], entries + 1
    return Chain(entries, None)


def _entry(row: Record) -> Entry:
    return Entry(
        workspace_id=row["workspace_id"],
        sequence=row["sequence"],
        occurred_at=row["occurred_at"],
        actor=row["actor"],
        action=row["action"],
        subject=row["subject"],
        detail=row["detail"],
    )
