"""How `posthouse report read` says what a file holds. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from posthouse.cli import console
from posthouse.wire.dmarc_aggregate import AggregateReport
from posthouse.wire.dmarc_failure import FailureReport
from posthouse.wire.report_files import Found
from posthouse.wire.tlsrpt_report import TlsReport
from posthouse.wire.unpacking import Refused

_SOURCES: Final = ("source", "messages", "passed", "DKIM aligned", "SPF aligned", "disposition", "From")
_POLICIES: Final = ("domain", "policy", "result", "sessions", "host", "from")


def view(file: str, found: Sequence[Found]) -> dict[str, Any]:
    """For programs: one object a file."""
    reports = [_report_view(each) for each in found if not isinstance(each.content, Refused)]
    refused = [
        {"name": each.name, "reason": each.content.reason, "detail": each.content.detail}
        for each in found
        if isinstance(each.content, Refused)
    ]
    return {"file": file, "reports": reports, "refused": refused}


def told(file: str, found: Sequence[Found]) -> Group:
    """For people."""
    return Group(Text(file, style="bold"), *(line for each in found for line in _told(each)))


def _report_view(found: Found) -> dict[str, Any]:
    match found.content:
        case AggregateReport() as report:
            return {"name": found.name, "kind": "dmarc-aggregate", **_aggregate_view(report)}
        case TlsReport() as report:
            return {"name": found.name, "kind": "tls", **_tls_view(report)}
        case FailureReport() as report:
            return {"name": found.name, "kind": "dmarc-failure", **_failure_view(report)}
    raise AssertionError(found)


def _aggregate_view(report: AggregateReport) -> dict[str, Any]:
    policy = report.published
    return {
        "organisation": report.organisation,
        "contact": report.contact,
        "report_id": report.report_id,
        "begin": _seconds(report.begins_at),
        "end": _seconds(report.ends_at),
        "domain": policy.domain,
        "policy": {
            "p": policy.policy,
            "sp": policy.subdomain_policy,
            "adkim": policy.dkim_alignment,
            "aspf": policy.spf_alignment,
            "pct": policy.percent,
        },
        "records": report.records,
        "messages": report.messages,
        "dkim_aligned": report.count("dkim_aligned"),
        "spf_aligned": report.count("spf_aligned"),
        "passed": report.count("passed"),
        "dispositions": report.dispositions(),
        "rows": [
            {
                "source_ip": row.source_ip,
                "messages": messages,
                "disposition": row.disposition,
                "dkim_aligned": row.dkim_aligned,
                "spf_aligned": row.spf_aligned,
                "passed": row.passed,
                "header_from": row.header_from,
                "envelope_from": row.envelope_from,
                "envelope_to": row.envelope_to,
                "dkim": [each._asdict() for each in row.signatures],
                "spf": [each._asdict() for each in row.envelope],
                "overrides": row.overrides,
            }
            for row, messages in report.rows.items()
        ],
    }


def _tls_view(report: TlsReport) -> dict[str, Any]:
    return {
        "organisation": report.organisation,
        "contact": report.contact,
        "report_id": report.report_id,
        "begin": _seconds(report.begins_at),
        "end": _seconds(report.ends_at),
        "successful": report.successful,
        "failed": report.failed,
        "policies": report.policies,
    }


def _failure_view(report: FailureReport) -> dict[str, Any]:
    return {name: getattr(report, name) for name in FailureReport.__slots__}


def _seconds(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None


def _told(found: Found) -> list[RenderableType]:
    match found.content:
        case Refused() as refused:
            return [Text(f"{found.name}: refused. {refused.detail}", style="red")]
        case AggregateReport() as report:
            policy = report.published
            heading = f"DMARC report {report.report_id} of {report.organisation or 'nobody'} about {policy.domain}, {_span(report)}"
            passed = report.count("passed")
            sums = f"{report.messages:,} messages, {passed:,} passed, {report.messages - passed:,} failed; policy {policy.policy or 'not said'}."
            return [Text(heading), Text(sums), _rows(report), Text()]
        case TlsReport() as report:
            heading = f"TLS report {report.report_id} of {report.organisation or 'nobody'}, {_span(report)}"
            sums = f"{report.successful:,} sessions went well, {report.failed:,} failed."
            return [Text(heading), Text(sums), _results(report), Text()]
        case FailureReport() as report:
            return [Text(_failure(report)), Text()]


def _rows(report: AggregateReport) -> Table | Text:
    rows = sorted(report.rows.items(), key=lambda item: -item[1])
    return console.table(
        _SOURCES,
        [
            (
                row.source_ip or "not said",
                f"{messages:,}",
                _word(row.passed),
                _word(row.dkim_aligned),
                _word(row.spf_aligned),
                row.disposition,
                row.header_from,
            )
            for row, messages in rows
        ],
        "It has no records.",
    )


def _results(report: TlsReport) -> Table | Text:
    rows: list[tuple[object, ...]] = []
    for policy in report.policies:
        rows.append((policy.domain, policy.policy, Text("success", style="green"), f"{policy.successful:,}", "", ""))
        for each in policy.failures:
            result = Text(each.result or "not said", style="yellow")
            rows.append(
                (policy.domain, policy.policy, result, f"{each.sessions:,}", each.receiving_host, each.sending_ip)
            )
    return console.table(_POLICIES, rows, "It has no policies.")


def _failure(report: FailureReport) -> str:
    when = f" at {report.arrived_at:%Y-%m-%d %H:%M} UTC" if report.arrived_at else ""
    return (
        f"DMARC failure report about {report.domain}: mail from {report.source_ip or 'an unnamed host'}{when},"
        f" MAIL FROM {report.mail_from or 'not said'}, failed {report.failure or 'unspecified'}"
        f" and was {report.delivery or 'treated in a way that is not said'}."
    )


def _span(report: AggregateReport | TlsReport) -> str:
    if report.begins_at is None or report.ends_at is None:
        return "days not said"
    return f"{report.begins_at:%Y-%m-%d %H:%M} to {report.ends_at:%Y-%m-%d %H:%M} UTC"


def _word(passed: bool) -> Text:
    return Text("pass", style="green") if passed else Text("fail", style="red")
