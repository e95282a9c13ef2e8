"""TLS reports about a workspace's domains: kept once, read as sums over policies and results."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from posthouse.ledger import receiver_reports
from posthouse.ledger.receiver_reports import Receipt
from posthouse.ledger.sql import SQL
from posthouse.model.limits import REPORT_ORGANISATIONS_SHOWN
from posthouse.runtime.postgres import Connection
from posthouse.wire.tlsrpt_report import PolicyReport, TlsReport

_POLICY_COLUMNS, _FAILURE_COLUMNS = 8, 9


@dataclass(frozen=True, slots=True)
class PolicyTotals:
    """Sessions under one kind of policy; `organisations` are some of those that reported them."""

    policy: str
    successful: int
    failed: int
    reports: int
    organisations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FailureTotals:
    """Sessions under one kind of policy that failed alike at one host."""

    policy: str
    result: str
    receiving_host: str
    sessions: int
    reason: str
    sending_ips: tuple[str, ...]


async def add(
    connection: Connection, receipt: Receipt, report: TlsReport, policies: Sequence[tuple[str, PolicyReport]]
) -> bool:
    """Keeps a report with those of its policies that are about our domains, each with that domain; False when it is here already."""
    begins_at, ends_at = receiver_reports.span(report.begins_at, report.ends_at, receipt.received_at)
    external_id = report.report_id or f"{policies[0][1].domain}!{begins_at.timestamp():.0f}!{ends_at.timestamp():.0f}"
    added = await connection.fetchval(
        SQL.add_tls_report, receipt.workspace_id, receipt.report_id, report.organisation, external_id, report.contact, begins_at,
        ends_at, receipt.received_at, receipt.source, receipt.proven_by,
    )  # fmt: skip
    if added is None:
        return False
    kept = [
        (number, domain, policy.domain, policy.policy, "\n".join(policy.strings), "\n".join(policy.hosts), policy.successful, policy.failed)
        for number, (domain, policy) in enumerate(policies)
    ]  # fmt: skip
    failures = [
        (number, place, each.result, each.sessions, each.sending_ip, each.receiving_host, each.receiving_ip, each.reason, each.information)
        for number, (_, policy) in enumerate(policies)
        for place, each in enumerate(policy.failures)
    ]  # fmt: skip
    whose = receipt.workspace_id, receipt.report_id
    await connection.execute(SQL.add_tls_policies, *whose, begins_at, *receiver_reports.columns(kept, _POLICY_COLUMNS))
    await connection.execute(SQL.add_tls_failures, *whose, *receiver_reports.columns(failures, _FAILURE_COLUMNS))
    return True


async def policies(connection: Connection, workspace_id: UUID, domain: str, since: datetime) -> list[PolicyTotals]:
    """Sessions with the hosts of a domain by the policy they were under."""
    rows = await connection.fetch(SQL.tls_policies_reported, workspace_id, domain, since, REPORT_ORGANISATIONS_SHOWN)
    return [PolicyTotals(*receiver_reports.values(row)) for row in rows]


async def failures(
    connection: Connection, workspace_id: UUID, domain: str, since: datetime, most: int
) -> list[FailureTotals]:
    """Sessions that failed, the most frequent way first."""
    rows = await connection.fetch(
        SQL.tls_failures_reported, workspace_id, domain, since, most, REPORT_ORGANISATIONS_SHOWN
    )
    return [FailureTotals(*receiver_reports.values(row)) for row in rows]
