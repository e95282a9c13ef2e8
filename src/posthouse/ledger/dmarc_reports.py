"""DMARC reports about a workspace's domains: kept once, read as sums over sources and days."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Final
from uuid import UUID

from posthouse.ledger import receiver_reports
from posthouse.ledger.receiver_reports import Receipt
from posthouse.ledger.sql import SQL
from posthouse.model.limits import REPORT_ORGANISATIONS_SHOWN
from posthouse.runtime.postgres import Connection
from posthouse.wire.dmarc_aggregate import AggregateReport, Row
from posthouse.wire.dmarc_failure import FailureReport

_ROWS_AT_ONCE: Final = 2_000  # so that nobody else waits long for the event loop
_ROW_COLUMNS: Final = 12
_DONE: Final = {"quarantine": "quarantine", "reject": "reject"}  # everything else let the message in


@dataclass(frozen=True, slots=True)
class Totals:
    """All reports about one domain."""

    reports: int
    messages: int
    passed: int
    organisations: int


@dataclass(frozen=True, slots=True)
class DayTotals:
    """Messages reported of one day (UTC)."""

    day: date
    passed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Source:
    """One address that sent mail in a domain's name; `organisations` are some of the `reporters` that saw it."""

    source_ip: str
    messages: int
    dkim_aligned: int
    spf_aligned: int
    passed: int
    quarantined: int
    rejected: int
    organisations: tuple[str, ...]
    reporters: int


@dataclass(frozen=True, slots=True)
class SourceRow:
    """Messages of one source that have everything else in common too."""

    messages: int
    disposition: str
    dkim_aligned: bool
    spf_aligned: bool
    header_from: str
    envelope_from: str
    dkim: str
    spf: str
    overrides: str
    organisations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """One message that failed, as a receiver told of it."""

    about: str
    reporter: str
    arrived_at: datetime
    source_ip: str
    failure: str
    delivery: str
    mail_from: str
    dkim_domain: str
    dkim_selector: str
    message_id: str


async def add(connection: Connection, receipt: Receipt, report: AggregateReport) -> bool:
    """Keeps an aggregate report with its rows; False when it is here already."""
    begins_at, ends_at = receiver_reports.span(report.begins_at, report.ends_at, receipt.received_at)
    about = report.published.domain
    external_id = report.report_id or f"{about}!{begins_at.timestamp():.0f}!{ends_at.timestamp():.0f}"
    added = await connection.fetchval(
        SQL.add_dmarc_report, receipt.workspace_id, receipt.report_id, receipt.domain, about, report.organisation, external_id,
        report.contact, begins_at, ends_at, report.published.policy, len(report.rows), report.messages, report.count("passed"),
        receipt.received_at, receipt.source, receipt.proven_by,
    )  # fmt: skip
    if added is None:
        return False
    numbered = enumerate(report.rows.items())
    while some := [_row(number, row, messages) for number, (row, messages) in islice(numbered, _ROWS_AT_ONCE)]:
        columns = receiver_reports.columns(some, _ROW_COLUMNS)
        await connection.execute(SQL.add_dmarc_rows, receipt.workspace_id, receipt.report_id, *columns)
    return True


async def add_failure(connection: Connection, receipt: Receipt, report: FailureReport) -> bool:
    """Keeps a failure report; False when it is here already."""
    fingerprint = hashlib.sha256(repr(report).encode()).digest()
    row = (
        receipt.workspace_id, receipt.report_id, receipt.domain, report.domain, fingerprint, report.reporter,
        report.arrived_at or receipt.received_at, report.source_ip, report.failure, report.delivery, report.mail_from,
        report.dkim_domain, report.dkim_selector, report.message_id, receipt.received_at, receipt.source, receipt.proven_by,
    )  # fmt: skip
    return await connection.fetchval(SQL.add_dmarc_failure, *row) is not None


async def totals(connection: Connection, workspace_id: UUID, domain: str, since: datetime) -> Totals:
    """Everything reported about a domain since then."""
    row = await connection.fetchrow(SQL.dmarc_totals, workspace_id, domain, since)
    assert row is not None
    return Totals(*row)


async def days(connection: Connection, workspace_id: UUID, domain: str, since: datetime) -> list[DayTotals]:
    """The days reports tell of, in order."""
    return [DayTotals(*row) for row in await connection.fetch(SQL.dmarc_days, workspace_id, domain, since)]


async def sources(
    connection: Connection, workspace_id: UUID, domain: str, since: datetime, most: int
) -> tuple[list[Source], int]:
    """The addresses with the most messages, and how many addresses there are."""
    rows = await connection.fetch(SQL.dmarc_sources, workspace_id, domain, since, most, REPORT_ORGANISATIONS_SHOWN)
    found = [Source(*receiver_reports.values(row)[:-1]) for row in rows]
    return found, rows[0]["sources"] if rows else 0


async def rows_of_source(
    connection: Connection, workspace_id: UUID, domain: str, since: datetime, source_ip: str, most: int
) -> list[SourceRow]:
    """What was reported about one address, the most messages first."""
    rows = await connection.fetch(
        SQL.dmarc_rows_of_source, workspace_id, domain, since, source_ip, most, REPORT_ORGANISATIONS_SHOWN
    )
    return [SourceRow(*receiver_reports.values(row)) for row in rows]


async def failures(
    connection: Connection, workspace_id: UUID, domain: str, since: datetime, most: int
) -> list[Failure]:
    """Single messages that failed, the latest first."""
    return [Failure(*row) for row in await connection.fetch(SQL.dmarc_failures, workspace_id, domain, since, most)]


def _row(number: int, row: Row, messages: int) -> tuple[object, ...]:
    return (
        number, row.source_ip, messages, _DONE.get(row.disposition, "none"), row.dkim_aligned, row.spf_aligned, row.header_from,
        row.envelope_from, row.envelope_to,
        ", ".join(f"{each.domain}{each.selector and f'/{each.selector}'} {each.result}" for each in row.signatures),
        ", ".join(" ".join(filter(None, each)) for each in row.envelope),
        ", ".join(dict.fromkeys(row.overrides)),
    )  # fmt: skip
