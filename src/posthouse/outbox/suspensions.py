"""What people stopped: a pool, a destination, one of them on the other, or all mail of a workspace, for a time or until resumed.

Suspended mail stays where it is and keeps its own times; nothing is written to it. Dispatchers read what is in force (`active`) and
ask about each destination before they claim (`of`); whoever asks why a mail waits is told the same (`in_force`, `of`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from posthouse.model.words import Pool
from posthouse.outbox import enqueue
from posthouse.outbox.sql import SQL
from posthouse.runtime.postgres import Connection, Record

_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_Scope = tuple[UUID, Pool | None, str | None]


@dataclass(frozen=True, slots=True)
class Suspension:
    """Mail that is stopped: of one pool or of all (None), for one destination or for all (None).

    `drain`: mail already taken from the queue still goes. Else dispatchers put back what no session has begun with.
    """

    workspace_id: UUID
    suspension_id: UUID
    pool: Pool | None
    domain: str | None
    drain: bool
    reason: str
    created_by: str
    created_at: datetime
    until: datetime | None
    ended_at: datetime | None = None
    ended_by: str | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it is in force."""
        return self.ended_at is None and (self.until is None or self.until > now)


class Active:
    """Suspensions by what they stop; the one that ends last of those that stop the same."""

    def __init__(self, suspensions: Iterable[Suspension]) -> None:
        self._by_scope: dict[_Scope, Suspension] = {}
        for each in suspensions:
            scope = (each.workspace_id, each.pool, each.domain)
            known = self._by_scope.get(scope)
            if known is None or _end(each) > _end(known):
                self._by_scope[scope] = each

    def __bool__(self) -> bool:
        return bool(self._by_scope)

    def __iter__(self) -> Iterator[Suspension]:
        return iter(self._by_scope.values())

    def of(self, workspace_id: UUID, pool: Pool, domain: str, now: datetime) -> Suspension | None:
        """The one that stops this mail longest. Four look-ups, none while nothing is suspended: it is asked of every destination."""
        if not self._by_scope:
            return None
        scopes = ((pool, domain), (None, domain), (pool, None), (None, None))
        found = [self._by_scope.get((workspace_id, *scope)) for scope in scopes]
        return max((each for each in found if each is not None and each.holds(now)), key=_end, default=None)


NONE: Final = Active(())


def of(active: Active, workspace_id: UUID, pool: Pool, domain: str, now: datetime) -> Suspension | None:
    """Why mail of this pool for this destination may not be taken from the queue at `now`; None when it may."""
    return active.of(workspace_id, pool, domain, now)


def _end(suspension: Suspension) -> datetime:
    return suspension.until or _NEVER


async def active(connection: Connection, now: datetime) -> Active:
    """What is in force at `now` in any workspace."""
    return Active(_suspension(row) for row in await connection.fetch(SQL.active_suspensions, now))


async def in_force(connection: Connection, workspace_id: UUID, now: datetime) -> list[Suspension]:
    """What is in force in one workspace, the newest first."""
    return [_suspension(row) for row in await connection.fetch(SQL.suspensions_in_force, workspace_id, now)]


async def count(connection: Connection, workspace_id: UUID, now: datetime) -> int:
    """How many are in force in one workspace."""
    found: int = await connection.fetchval(SQL.count_suspensions, workspace_id, now)
    return found


async def begin(connection: Connection, suspension: Suspension) -> None:
    """Stops mail, from the caller's commit on, in place of what stopped the same mail before."""
    await connection.execute(
        SQL.supersede,
        suspension.workspace_id,
        suspension.pool,
        suspension.domain,
        suspension.created_at,
        suspension.created_by,
    )
    everything = suspension.pool is None and suspension.domain is None
    await connection.execute(
        SQL.suspend,
        suspension.workspace_id,
        suspension.suspension_id,
        suspension.pool,
        suspension.domain,
        everything,
        suspension.drain,
        suspension.reason,
        suspension.created_by,
        suspension.created_at,
        suspension.until,
    )
    await enqueue.tell_news(connection)


async def end(
    connection: Connection, workspace_id: UUID, suspension_ids: Sequence[UUID], by: str, now: datetime
) -> list[Suspension]:
    """Lets mail go again, from the caller's commit on. Returns those that were in force."""
    rows = await connection.fetch(SQL.resume, workspace_id, suspension_ids, by, now)
    ended = [_suspension(row) for row in rows]
    if ended:
        await enqueue.tell_news(connection)
    return ended


def _suspension(row: Record) -> Suspension:
    values = dict(row.items())
    values["pool"] = Pool(values["pool"]) if values["pool"] else None
    return Suspension(**values)
