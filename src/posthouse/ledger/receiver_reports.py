"""What all reports of receivers have in common: whose they are, how they came, how many may, and how long they are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from posthouse.ledger.sql import SQL
from posthouse.model.limits import REPORTED_ROWS_PER_DAY, REPORTS_KEPT_DAYS, REPORTS_PER_DAY
from posthouse.model.words import ReportSource
from posthouse.runtime.postgres import Connection, Record


@dataclass(frozen=True, slots=True)
class Receipt:
    """One report on its way into the ledger: `domain` is the verified domain of the workspace it belongs to, `proven_by` who vouches
    for the mail it came in."""

    workspace_id: UUID
    report_id: UUID
    domain: str
    source: ReportSource
    received_at: datetime
    proven_by: str = ""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports: the name it gives itself, and who was proven to send its mail. `kind`: dmarc, dmarc_failure or tls."""

    organisation: str
    kind: str
    source: ReportSource
    proven_by: str
    reports: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ReportedDomain:
    """What reports say about one domain in all."""

    domain: str
    messages: int
    passed: int
    sessions: int
    failed_sessions: int


def span(begins_at: datetime | None, ends_at: datetime | None, received_at: datetime) -> tuple[datetime, datetime]:
    """When a report is about; one that does not say so is about the moment it came."""
    begins = begins_at or ends_at or received_at
    return begins, max(begins, ends_at or begins)


async def domains(connection: Connection, workspace_id: UUID, since: datetime) -> list[ReportedDomain]:
    """Every domain reports tell of, by name."""
    return [ReportedDomain(*row) for row in await connection.fetch(SQL.reported_domains, workspace_id, since)]


async def reporters(
    connection: Connection, workspace_id: UUID, domain: str, since: datetime, most: int
) -> list[Reporter]:
    """Who reports about a domain, the most reports first."""
    rows = await connection.fetch(SQL.reporters, workspace_id, domain, since, most)
    return [
        Reporter(
            row["organisation"],
            row["kind"],
            ReportSource(row["source"]),
            row["proven_by"],
            row["reports"],
            row["last_at"],
        )
        for row in rows
    ]


async def too_many(connection: Connection, workspace_id: UUID, now: datetime) -> bool:
    """Whether so much came by mail within a day that no more is kept: the address is published, and anybody with a domain may write to it."""
    row = await connection.fetchrow(SQL.reported_lately, workspace_id, now - timedelta(days=1))
    assert row is not None
    return bool(row["reports"] >= REPORTS_PER_DAY or row["rows"] >= REPORTED_ROWS_PER_DAY)


async def drop_old(connection: Connection, workspace_id: UUID, now: datetime) -> None:
    """Forgets what came long ago."""
    before = now - timedelta(days=REPORTS_KEPT_DAYS)
    for statement in (SQL.forget_dmarc_reports, SQL.forget_dmarc_failures, SQL.forget_tls_reports):
        await connection.execute(statement, workspace_id, before)


def columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows as the columns that statements take."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def values(row: Record) -> list[Any]:
    """A row in the order of its statement, with arrays as tuples; an aggregate over nothing is an empty one."""
    return [tuple(each) if isinstance(each, list) else () if each is None else each for each in row]
