"""What administrators have to know without looking for it: a record that is gone, a rate that is too high, an address on a block list.

Whoever finds a trouble raises it each time it is found, and ends it when it is over. One trouble (`kind` and `subject`) is one open
alert: raised again it keeps its time, takes the newer sentence, and is told once more only if it became worse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from posthouse.accounts import audit
from posthouse.accounts.audit import SQL
from posthouse.model import limits, sentences
from posthouse.model.sentences import Clause, english
from posthouse.runtime.ids import Ids
from posthouse.runtime.postgres import Connection, Executor, Record


class Level(StrEnum):
    """`WARNING`: look when you can. `CRITICAL`: mail is stopped or refused, or soon will be."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something found to be wrong. `path` is the page of ours where it is seen and mended, `clauses` the sentence as a page can translate it."""

    kind: str
    subject: str
    level: Level
    sentence: str
    path: str
    clauses: tuple[Clause, ...] = ()

    @classmethod
    def of(cls, kind: str, subject: str, level: Level, clauses: Sequence[Clause], path: str) -> "Trouble":
        """One that says these clauses, in English in its sentence."""
        return cls(kind, subject, level, " ".join(map(english, clauses)), path, tuple(clauses))


@dataclass(frozen=True, slots=True)
class Alert:
    """A trouble as it is kept. `told_at`: when administrators were written to about it at this level."""

    alert_id: UUID
    trouble: Trouble
    raised_at: datetime
    told_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class Worst:
    """The open trouble to begin with, and how many more there are."""

    trouble: Trouble
    more: int


async def report(
    connection: Connection, workspace_id: UUID, trouble: Trouble, ids: Ids, by: str, now: datetime
) -> bool:
    """Raises an alert, or brings the open one up to date. True when it is new or became worse, which the audit log then tells."""
    row = await connection.fetchrow(
        SQL.raise_alert, workspace_id, ids.new(), trouble.kind, trouble.subject, trouble.level, trouble.sentence,
        trouble.path, now, sentences.written(trouble.clauses),
    )  # fmt: skip
    assert row is not None
    is_news: bool = row["is_news"]
    if is_news:
        detail = {
            "alert": str(row["alert_id"]),
            "kind": trouble.kind,
            "level": str(trouble.level),
            "sentence": trouble.sentence,
            "path": trouble.path,
        }
        await audit.record(connection, workspace_id, by, "alert.raise", trouble.subject, detail, now)
    return is_news


async def end(connection: Connection, workspace_id: UUID, kind: str, subject: str, by: str, now: datetime) -> bool:
    """The trouble is over. False when there was no open alert of it."""
    row = await connection.fetchrow(SQL.end_alert, workspace_id, kind, subject, by, now)
    return row is not None and await _told_ended(connection, workspace_id, row, by, now)


async def dismiss(connection: Connection, workspace_id: UUID, alert_id: UUID, by: str, now: datetime) -> bool:
    """A person has seen it and wants it gone; it comes back if the trouble is found again. False when it was not open."""
    row = await connection.fetchrow(SQL.dismiss_alert, workspace_id, alert_id, by, now)
    return row is not None and await _told_ended(connection, workspace_id, row, by, now)


async def in_force(connection: Executor, workspace_id: UUID) -> list[Alert]:
    """The open ones: critical before warnings, then the newest first."""
    return [_alert(row) for row in await connection.fetch(SQL.open_alerts, workspace_id)]


async def latest(connection: Executor, workspace_id: UUID, most: int) -> list[Alert]:
    """Open and ended ones, the newest first."""
    return [_alert(row) for row in await connection.fetch(SQL.latest_alerts, workspace_id, most)]


async def worst(connection: Executor, workspace_id: UUID) -> Worst | None:
    """What to say on every page; None when nothing is wrong."""
    row = await connection.fetchrow(SQL.worst_alert, workspace_id)
    return Worst(_alert(row).trouble, row["many"] - 1) if row else None


async def take_turn(connection: Connection, workspace_id: UUID, now: datetime) -> bool:
    """Whether the caller is to write to administrators now. It is nobody else's turn for a while, in any process."""
    taken = await connection.fetchval(SQL.take_alert_turn, workspace_id, now, limits.ALERT_MAIL_PAUSE_S)
    return taken is not None


async def untold(connection: Executor, workspace_id: UUID) -> list[Alert]:
    """The open ones nobody was written to about yet, or not since they became worse."""
    return [_alert(row) for row in await connection.fetch(SQL.untold_alerts, workspace_id)]


async def told(connection: Connection, workspace_id: UUID, alerts: Sequence[Alert], now: datetime) -> None:
    """Administrators have been written to about these, as they were read."""
    ids, levels = [each.alert_id for each in alerts], [each.trouble.level for each in alerts]
    await connection.execute(SQL.tell_alerts, workspace_id, now, ids, levels)


async def _told_ended(connection: Connection, workspace_id: UUID, row: Record, by: str, now: datetime) -> bool:
    detail = {"alert": str(row["alert_id"]), "kind": row["kind"]}
    await audit.record(connection, workspace_id, by, "alert.end", row["subject"], detail, now)
    return True


def _alert(row: Record) -> Alert:
    clauses = sentences.read(row["clauses"])
    trouble = Trouble(row["kind"], row["subject"], Level(row["level"]), row["sentence"], row["path"], clauses)
    return Alert(row["alert_id"], trouble, row["raised_at"], row["told_at"], row["ended_at"], row["ended_by"])
