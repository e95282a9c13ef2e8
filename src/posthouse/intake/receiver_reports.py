"""Takes what receivers report about a workspace's domains, whichever way it comes: a file by API or page, a mail to its address.

One file or mail may hold several reports; each is read on a thread, belongs to the workspace or is left, and is kept in a transaction
of its own. What is here already changes nothing. A file is vouched for by the person who brings it, a mail by what `report_senders`
found proven.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from posthouse.accounts import domains, report_address
from posthouse.accounts.workspaces import Workspace
from posthouse.intake.report_senders import Proof, covering
from posthouse.ledger import dmarc_reports, receiver_reports, tls_reports
from posthouse.ledger.receiver_reports import Receipt
from posthouse.model.limits import REPORT_OCTETS, REPORTS_READ_AT_ONCE
from posthouse.model.words import ReportSource
from posthouse.runtime.postgres import Connection, transaction
from posthouse.runtime.process import Process
from posthouse.wire import report_files
from posthouse.wire.dmarc_aggregate import AggregateReport
from posthouse.wire.dmarc_failure import FailureReport
from posthouse.wire.report_files import Found
from posthouse.wire.tlsrpt_report import PolicyReport, TlsReport
from posthouse.wire.unpacking import Reason, Refused

Report: TypeAlias = AggregateReport | FailureReport | TlsReport


class ReportKind(StrEnum):
    """What a report is."""

    DMARC = "dmarc"
    DMARC_FAILURE = "dmarc_failure"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class Taken:
    """A report that is in the ledger now; `new` is False when it was there before."""

    name: str
    kind: ReportKind
    domain: str
    organisation: str
    report_id: str
    new: bool
    proven_by: str = ""  # who sent the mail it came in


@dataclass(frozen=True, slots=True)
class Left:
    """A file that was not taken, with a word for programs and a sentence for people."""

    name: str
    reason: str
    detail: str


Outcome: TypeAlias = Taken | Left

NOT_YOURS: Final = "not_yours"
TOO_MANY: Final = "too_many"
UNPROVEN: Final = "unproven"
_UNSIGNED: Final = "A TLS report has to be signed by the domain in From with DKIM (RFC 8460 3)."
_TLS_KEY: Final = (
    "The mail is signed with a key for TLS reports alone (s=tlsrpt), and nothing else proves who sent this report."
)
_KINDS: Final = {
    AggregateReport: ReportKind.DMARC,
    FailureReport: ReportKind.DMARC_FAILURE,
    TlsReport: ReportKind.TLS,
}


@dataclass(frozen=True, slots=True)
class ReportDesk:
    """Where a process takes reports: few at once, as each costs memory and a core for seconds."""

    process: Process
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(REPORTS_READ_AT_ONCE), repr=False)

    async def take(
        self, workspace: Workspace, content: bytes, source: ReportSource, name: str = "", proofs: Sequence[Proof] = ()
    ) -> list[Outcome]:
        """Keeps every report in a file or mail that is about a domain of the workspace; what became of each.

        Of a mail only what `proofs` cover.
        """
        if len(content) > REPORT_OCTETS:
            return [Left(name, Reason.TOO_LARGE, f"It is larger than {REPORT_OCTETS} octets.")]
        outcomes: list[Outcome] = []
        async with self._turns:
            reading = report_files.read(content, name)
            while found := await asyncio.to_thread(_next, reading):
                outcomes.append(await self._keep(workspace, found, source, proofs))
        for outcome in outcomes:
            self._log(outcome, source)
        return outcomes

    async def _keep(self, workspace: Workspace, found: Found, source: ReportSource, proofs: Sequence[Proof]) -> Outcome:
        report = found.content
        if isinstance(report, Refused):
            return Left(found.name, report.reason, report.detail)
        about_tls = isinstance(report, TlsReport)
        proof = covering(proofs, tls=about_tls)
        if source is ReportSource.MAIL and proof is None:
            return Left(found.name, UNPROVEN, _UNSIGNED if about_tls else _TLS_KEY)
        proven_by = str(proof or "")
        now, process = self.process.clock.now(), self.process
        about = _domains(report)
        async with transaction(process.pool) as connection:
            owned = {name: mine for name in about if (mine := await _owner(connection, workspace, name))}
            if not owned:
                return Left(found.name, NOT_YOURS, _not_yours(about))
            if source is ReportSource.MAIL and await receiver_reports.too_many(connection, workspace.workspace_id, now):
                return Left(found.name, TOO_MANY, "Too many reports came by mail within a day.")
            domain = next(iter(owned.values()))
            receipt = Receipt(workspace.workspace_id, process.ids.new(), domain, source, now, proven_by)
            new = await _add(connection, receipt, report, owned)
        return Taken(found.name, _KINDS[type(report)], domain, *_named(report), new, proven_by)

    def _log(self, outcome: Outcome, source: ReportSource) -> None:
        log = self.process.log
        if isinstance(outcome, Left):
            log.info("receiver_report.left", source=source, reason=outcome.reason, detail=outcome.detail)
        else:
            log.info(
                "receiver_report.taken", source=source, kind=outcome.kind, domain=outcome.domain,
                organisation=outcome.organisation, proven_by=outcome.proven_by, new=outcome.new,
            )  # fmt: skip


def address(process: Process, workspace: Workspace) -> str:
    """Where receivers may send reports about the workspace's domains by mail."""
    return report_address.of(process, workspace.number, workspace.workspace_id)


def _next(reading: Iterator[Found]) -> Found | None:
    return next(reading, None)


async def _owner(connection: Connection, workspace: Workspace, name: str) -> str | None:
    if owner := await domains.verified_above(connection, workspace.workspace_id, name):
        return owner
    return name if workspace.any_domain else None  # the lab sends from, and hears about, every domain


async def _add(connection: Connection, receipt: Receipt, report: Report, owned: dict[str, str]) -> bool:
    match report:
        case AggregateReport():
            return await dmarc_reports.add(connection, receipt, report)
        case FailureReport():
            return await dmarc_reports.add_failure(connection, receipt, report)
        case TlsReport():
            return await tls_reports.add(connection, receipt, report, _of(owned, report.policies))


def _of(owned: dict[str, str], policies: tuple[PolicyReport, ...]) -> list[tuple[str, PolicyReport]]:
    return [(owned[policy.domain], policy) for policy in policies if policy.domain in owned]


def _domains(report: Report) -> list[str]:
    match report:
        case AggregateReport():
            return [report.published.domain]
        case FailureReport():
            return [report.domain]
        case TlsReport():
            return list(dict.fromkeys(policy.domain for policy in report.policies))


def _named(report: Report) -> tuple[str, str]:
    """Who sent it, and what they call it."""
    return (report.reporter, "") if isinstance(report, FailureReport) else (report.organisation, report.report_id)


def _not_yours(about: list[str]) -> str:
    return f"It is about {', '.join(about[:3])}, which is no verified domain of this workspace."
