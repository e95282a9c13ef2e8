"""Reads what happened to a message, and what happened today."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from posthouse.ledger.sql import SQL
from posthouse.model.outcome import Outcome, Stage
from posthouse.model.words import EventKind, MailClass
from posthouse.runtime.postgres import Connection


@dataclass(frozen=True, slots=True)
class EventRow:
    """One fact as read back."""

    event_id: UUID
    occurred_at: datetime
    recipient_id: UUID
    kind: EventKind
    data: dict[str, object]


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One finished attempt as read back."""

    attempt_id: UUID
    recipient_id: UUID
    number: int
    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    stage: Stage
    code: int | None
    enhanced: str | None
    text: str
    remote: str
    tls: str
    signature: bytes
    transcript: str


async def events(connection: Connection, workspace_id: UUID, message_id: UUID) -> list[EventRow]:
    """Everything that happened to a message, oldest first."""
    rows = await connection.fetch(SQL.events_of_message, workspace_id, message_id, message_id)
    return [EventRow(r["event_id"], r["occurred_at"], r["recipient_id"], EventKind(r["kind"]), r["data"]) for r in rows]


async def attempts(
    connection: Connection, workspace_id: UUID, message_id: UUID, recipient_ids: Sequence[UUID]
) -> list[AttemptRow]:
    """Every finished attempt at these recipients of a message, oldest first."""
    rows = await connection.fetch(SQL.attempts_of_recipients, workspace_id, recipient_ids, message_id)
    return [
        AttemptRow(**{**dict(row.items()), "outcome": Outcome(row["outcome"]), "stage": Stage(row["stage"])})
        for row in rows
    ]


async def by_day(
    connection: Connection,
    workspace_id: UUID,
    now: datetime,
    days: int,
    zone: ZoneInfo,
    mail_class: MailClass | None = None,
) -> dict[date, dict[EventKind, int]]:
    """How often what happened on each of the last `days` days of a time zone, today included; quiet days are there, empty.

    To mail of one class, or of all.
    """
    today = now.astimezone(zone).date()
    first = today - timedelta(days=days - 1)
    start = datetime(first.year, first.month, first.day, tzinfo=zone)
    rows = await connection.fetch(SQL.counts_by_day, workspace_id, start, zone.key, mail_class)
    counted: dict[date, dict[EventKind, int]] = {first + timedelta(days=n): {} for n in range(days)}
    for row in rows:
        counted.setdefault(row["day"], {})[EventKind(row["kind"])] = row["times"]
    return counted
