"""What holds mail up, read for a whole page of recipients at once: a handful of statements, however many recipients there are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.model import limits
from posthouse.model.values import dataclass
from posthouse.model.words import FINAL_STATES, Pool, State
from posthouse.outbox import sites, suspensions
from posthouse.outbox.messages import RecipientRow
from posthouse.outbox.sites import Whereabouts
from posthouse.outbox.sql import SQL
from posthouse.outbox.suspensions import Active, Suspension
from posthouse.outbox.waiting import FREE, Situation
from posthouse.runtime.postgres import Connection

HOUSEKEEPER: Final = "worker"  # the role that puts in line what is due
Situations = Mapping[UUID, Situation]


@dataclass(frozen=True, slots=True)
class _Lines:
    """Places in line by recipient, counted up to `most` in each line; `longer` are the lines that may go on after that."""

    places: dict[UUID, int]
    most: int
    longer: frozenset[tuple[Pool, str]]

    def before(self, row: RecipientRow) -> tuple[int, bool]:
        """How many go before this one, and whether there are more; none when it has left its line meanwhile."""
        place = self.places.get(row.recipient_id)
        if place is None and (row.pool, row.domain) in self.longer:
            return self.most, True
        return place or 0, False


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What is the same for all mail of a workspace: what is stopped, who works, where domains are, how long the lines are."""

    workspace_id: UUID
    now: datetime
    stopped: Active
    # by message; read only while mail of some From domain or mailing is stopped
    origins: Mapping[UUID, tuple[str, str]]
    roles: frozenset[str]
    known: Whereabouts
    lines: _Lines

    def situation(self, row: RecipientRow) -> Situation:
        """Of one recipient's mail."""
        before, more = self.lines.before(row)
        return Situation(
            suspension=self._suspension(row),
            served=row.pool in self.roles,
            promoted=HOUSEKEEPER in self.roles,
            resolved=row.domain in self.known.resolved,
            site=self.known.notes.get((row.pool, row.domain)),
            before=before,
            more=more,
        )

    def _suspension(self, row: RecipientRow) -> Suspension | None:
        at = max(self.now, row.not_before)  # mail that waits is asked about the time at which it could go
        by_mail = self.stopped.of_mail(self.workspace_id, row.pool, *self.origins.get(row.message_id, ("", "")), at)
        return by_mail or self.stopped.of(self.workspace_id, row.pool, row.domain, at)


async def read(
    connection: Connection, workspace_id: UUID, recipients: Sequence[RecipientRow], now: datetime
) -> Situations:
    """The situation of each recipient's mail, by recipient; nothing is read when all is settled."""
    found = dict.fromkeys((row.recipient_id for row in recipients), FREE)
    pending = [row for row in recipients if row.state not in FINAL_STATES]
    if not pending:
        return found
    stopped = Active(await suspensions.in_force(connection, workspace_id, now))
    message_ids = list({row.message_id for row in pending}) if stopped.looks_at_mail else []
    surroundings = _Surroundings(
        workspace_id,
        now,
        stopped,
        await suspensions.origins(connection, workspace_id, message_ids) if message_ids else {},
        frozenset(row["role"] for row in await connection.fetch(SQL.live_roles, now)),
        await sites.whereabouts(connection, {row.domain for row in pending}, now),
        await _lines(connection, workspace_id, [row for row in pending if row.state is State.READY]),
    )
    return found | {row.recipient_id: surroundings.situation(row) for row in pending}


async def _lines(connection: Connection, workspace_id: UUID, ready: Sequence[RecipientRow]) -> _Lines:
    wanted = sorted({(row.pool, row.domain) for row in ready})
    if not wanted:
        return _Lines({}, 0, frozenset())
    most = max(limits.PLACES_COUNTED // len(wanted), limits.PLACES_COUNTED_LEAST)
    pools, domains = [pool for pool, _ in wanted], [domain for _, domain in wanted]
    ids = [row.recipient_id for row in ready]
    rows = await connection.fetch(SQL.places_in_line, workspace_id, pools, domains, ids, most)
    longer = frozenset((Pool(row["pool"]), row["domain"]) for row in rows if row["before"] == most - 1)
    return _Lines({row["recipient_id"]: row["before"] for row in rows}, most, longer)
