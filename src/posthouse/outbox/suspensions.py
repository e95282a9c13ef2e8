"""What was stopped: a pool, a destination, one of them on the other, or all mail of a workspace, for a time or until resumed.

Suspended mail stays where it is and keeps its own times; nothing is written to it. Dispatchers read what is in force (`active`) and
ask about each destination before they claim (`of`); whoever asks why a mail waits is told the same (`in_force`, `of`).

A circuit breaker stops a pool in the same way, the bulk mail of one From domain, or one mailing: marketing under one name, its first tag
or else its mailing type. Where a mail is from and of which mailing shows only when it is claimed, so such mail is set aside then
(`of_mail`, `set_aside`: held, with the suspension's reason), and let go in batches when the suspension is over (`to_release`, `release`).
While nothing of the kind is in force, nothing is asked.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from posthouse.model import limits
from posthouse.model.values import dataclass
from posthouse.model.words import Pool
from posthouse.outbox import enqueue
from posthouse.outbox.claims import Claimed
from posthouse.outbox.sql import SQL
from posthouse.runtime.postgres import Connection, Record

_NEVER: Final = datetime.max.replace(tzinfo=UTC)
BREAKER: Final = "breaker"  # who made it, when no person did
_Scope = tuple[UUID, Pool | None, str | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Suspension:
    """Mail that is stopped: of one pool or of all (None), for one destination or for all (None).

    With `sender_domain` it is mail from there, in every pool but the transactional one, and neither pool nor destination is named; with
    `mailing` marketing of that name, in every pool, and nothing else is named.
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
    sender_domain: str | None = None
    mailing: str | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it is in force."""
        return self.ended_at is None and (self.until is None or self.until > now)


class Active:
    """Suspensions by what they stop; the one that ends last of those that stop the same."""

    def __init__(self, suspensions: Iterable[Suspension]) -> None:
        self._by_scope: dict[_Scope, Suspension] = {}
        for each in suspensions:
            scope = (each.workspace_id, each.pool, each.domain, each.sender_domain, each.mailing)
            known = self._by_scope.get(scope)
            if known is None or _end(each) > _end(known):
                self._by_scope[scope] = each
        self.looks_at_mail = any(
            (sender_domain, mailing) != (None, None) for *_, sender_domain, mailing in self._by_scope
        )

    def __bool__(self) -> bool:
        return bool(self._by_scope)

    def __iter__(self) -> Iterator[Suspension]:
        return iter(self._by_scope.values())

    def of(self, workspace_id: UUID, pool: Pool, domain: str, now: datetime) -> Suspension | None:
        """The one that stops this mail longest. Four look-ups, none while nothing is suspended: it is asked of every destination."""
        if not self._by_scope:
            return None
        scopes = ((pool, domain), (None, domain), (pool, None), (None, None))
        found = [self._by_scope.get((workspace_id, *scope, None, None)) for scope in scopes]
        return max((each for each in found if each is not None and each.holds(now)), key=_end, default=None)

    def of_mail(self, workspace_id: UUID, pool: Pool, sender: str, mailing: str, now: datetime) -> Suspension | None:
        """The one that stops mail from this address and of this mailing ("": of none) longest.

        Two look-ups, none while no From domain and no mailing is suspended: it is asked of every mail.
        """
        if not self.looks_at_mail:
            return None
        by_mailing = self._by_scope.get((workspace_id, None, None, None, mailing)) if mailing else None
        by_sender = None
        if pool is not Pool.TRANSACTIONAL:
            by_sender = self._by_scope.get((workspace_id, None, None, sender.rpartition("@")[2].lower(), None))
        found = (each for each in (by_sender, by_mailing) if each is not None and each.holds(now))
        return max(found, key=_end, default=None)


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


async def was_begun(connection: Connection, workspace_id: UUID, pool: Pool, by: str, since: datetime) -> bool:
    """Whether `by` has suspended all mail of the pool since then, even if somebody has resumed it."""
    found: bool = await connection.fetchval(SQL.suspended_since, workspace_id, pool, by, since)
    return found


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
        suspension.sender_domain,
        suspension.mailing,
    )
    named = (suspension.pool, suspension.domain, suspension.sender_domain, suspension.mailing)
    await connection.execute(
        SQL.suspend,
        suspension.workspace_id,
        suspension.suspension_id,
        suspension.pool,
        suspension.domain,
        suspension.sender_domain,
        suspension.mailing,
        all(each is None for each in named),
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


async def resumed_breakers(
    connection: Connection, workspace_id: UUID, since: datetime
) -> dict[tuple[Pool | None, str | None, str | None], datetime]:
    """When somebody last let go what breakers had stopped, by pool, From domain and mailing."""
    rows = await connection.fetch(SQL.breakers_resumed, workspace_id, since)
    return {
        (Pool(row["pool"]) if row["pool"] else None, row["sender_domain"], row["mailing"]): row["ended_at"]
        for row in rows
    }


async def set_aside(
    connection: Connection, suspension: Suspension, claimed: Sequence[Claimed], worker_id: UUID, pool: Pool
) -> list[tuple[UUID, UUID]]:
    """Holds claimed mail for one destination that never met the wire until the suspension of its From domain or mailing is over.

    What stands next in line there and is of the same goes with it. (recipient_id, message_id) of all.
    """
    workspace_id, reason, ids = suspension.workspace_id, suspension.reason, [mail.recipient_id for mail in claimed]
    await connection.execute(SQL.set_aside, workspace_id, ids, worker_id, reason)
    line = workspace_id, pool, claimed[0].domain, suspension.sender_domain, limits.ASIDE_LOOKED_AT, reason
    rows = await connection.fetch(SQL.set_aside_in_line, *line, suspension.mailing)
    behind = [(row["recipient_id"], row["message_id"]) for row in rows]
    aside = [(mail.recipient_id, mail.message.message_id) for mail in claimed] + behind
    ids = [recipient_id for recipient_id, _ in aside]
    await connection.execute(SQL.note_set_aside, workspace_id, ids, suspension.suspension_id)
    return aside


async def to_release(connection: Connection, now: datetime) -> list[tuple[UUID, UUID, str]]:
    """(workspace_id, suspension_id, reason) of suspensions that are over while mail is still set aside for them."""
    rows = await connection.fetch(SQL.suspensions_to_release, now)
    return [(row["workspace_id"], row["suspension_id"], row["reason"]) for row in rows]


async def release(
    connection: Connection, workspace_id: UUID, suspension_id: UUID, reason: str, most: int
) -> tuple[int, list[tuple[UUID, UUID]]]:
    """Lets mail that was set aside wait for its own time again: how many were looked at, and (recipient_id, message_id) of those let go."""
    rows = await connection.fetch(SQL.take_set_aside, workspace_id, suspension_id, most)
    ids = [row["recipient_id"] for row in rows]
    freed = await connection.fetch(SQL.release_set_aside, workspace_id, ids, reason) if ids else []
    return len(ids), [(row["recipient_id"], row["message_id"]) for row in freed]


async def origins(
    connection: Connection, workspace_id: UUID, message_ids: Sequence[UUID]
) -> dict[UUID, tuple[str, str]]:
    """The address in From and the mailing ("": of none) of each of these messages."""
    rows = await connection.fetch(SQL.origins, workspace_id, message_ids)
    return {row["message_id"]: (row["sender"], row["mailing"]) for row in rows}


def _suspension(row: Record) -> Suspension:
    values = dict(row.items())
    values["pool"] = Pool(values["pool"]) if values["pool"] else None
    return Suspension(**values)
