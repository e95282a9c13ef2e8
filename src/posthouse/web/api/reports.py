"""What receivers report about the workspace's domains: reports in, and their sums by source, policy and result."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final, cast

import msgspec
from msgspec import Meta

from posthouse.intake import receiver_reports
from posthouse.intake.receiver_reports import Left, ReportKind, Taken
from posthouse.ledger import dmarc_reports, tls_reports
from posthouse.ledger import receiver_reports as ledger_reports
from posthouse.ledger.dmarc_reports import Source
from posthouse.model.errors import FieldProblem
from posthouse.model.limits import REPORT_DAYS_DEFAULT, REPORT_SOURCES_DEFAULT
from posthouse.model.words import ReportSource
from posthouse.web.api.exchange import Answer, Exchange, answer
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.wire.report_values import domain as domain_of
from posthouse.wire.unpacking import Reason

FILE_BODY: Final[Schema] = {"type": "string", "format": "binary"}


class TakenView(msgspec.Struct, frozen=True):
    """A report that is kept."""

    name: Annotated[str, Meta(description="of the file inside the archive or mail; empty where it has none")]
    kind: ReportKind
    domain: Annotated[str, Meta(description="the verified domain it belongs to")]
    organisation: Annotated[str, Meta(description="who sent it")]
    report_id: Annotated[str, Meta(description="what they call it")]
    new: Annotated[bool, Meta(description="false: it was here already, and nothing changed")]


class LeftView(msgspec.Struct, frozen=True):
    """A file that was not taken."""

    name: str
    reason: Annotated[str, Meta(description="broken, not_a_report, dangerous, too_large, not_yours")]
    detail: Annotated[str, Meta(description="one sentence for people")]


class ReportsTaken(msgspec.Struct, frozen=True):
    """What was in the file."""

    reports: tuple[TakenView, ...]
    left: tuple[LeftView, ...]


class Dispositions(msgspec.Struct, frozen=True):
    """What receivers did with messages."""

    none: Annotated[int, Meta(description="let in as if there were no policy")]
    quarantine: int
    reject: int


class SourceView(msgspec.Struct, frozen=True):
    """An address that sent mail with the domain in From."""

    source_ip: Annotated[str, Meta(description="empty where reports do not say it")]
    messages: int
    passed: Annotated[int, Meta(description="DKIM or SPF passed for the domain")]
    failed: int
    dkim_aligned: int
    spf_aligned: int
    dispositions: Dispositions
    organisations: Annotated[tuple[str, ...], Meta(description="some of those who reported it")]
    reporters: Annotated[int, Meta(description="how many did")]


class DayView(msgspec.Struct, frozen=True):
    """Messages of reports that begin on one day (UTC)."""

    day: date
    passed: int
    failed: int


class DmarcSummary(msgspec.Struct, frozen=True):
    """What DMARC reports say about a domain."""

    domain: str
    since: datetime
    reports: int
    messages: int
    passed: int
    failed: int
    organisations: Annotated[int, Meta(description="how many sent reports")]
    report_address: Annotated[str, Meta(description="for `rua=mailto:` of the DMARC record")]
    days: tuple[DayView, ...]
    sources: Annotated[tuple[SourceView, ...], Meta(description="the most messages first")]
    all_sources: Annotated[int, Meta(description="how many there are, those not shown included")]


class TlsPolicyView(msgspec.Struct, frozen=True):
    """Sessions under one kind of policy."""

    policy: Annotated[str, Meta(description="sts, tlsa or no-policy-found")]
    successful: int
    failed: int
    reports: int
    organisations: Annotated[tuple[str, ...], Meta(description="some of those who reported them")]


class TlsFailureView(msgspec.Struct, frozen=True):
    """Sessions that failed alike."""

    policy: str
    result: Annotated[str, Meta(description="as RFC 8460 4.3 calls it")]
    receiving_host: str
    sessions: int
    reason: str
    sending_ips: Annotated[tuple[str, ...], Meta(description="some of the addresses they came from")]


class TlsSummary(msgspec.Struct, frozen=True):
    """What TLS reports say about the hosts of a domain."""

    domain: str
    since: datetime
    report_address: Annotated[str, Meta(description="for `rua=mailto:` of the TLS reporting record")]
    policies: tuple[TlsPolicyView, ...]
    failures: Annotated[tuple[TlsFailureView, ...], Meta(description="the most sessions first")]


class MessageFailure(msgspec.Struct, frozen=True):
    """One message that failed DMARC, as a receiver told of it."""

    arrived_at: datetime
    about: str
    reporter: str
    source_ip: str
    failure: str
    delivery: str
    mail_from: str
    dkim_domain: str
    dkim_selector: str
    message_id: str


class MessageFailures(msgspec.Struct, frozen=True):
    """The latest first."""

    domain: str
    since: datetime
    failures: tuple[MessageFailure, ...]


class ReporterView(msgspec.Struct, frozen=True):
    """One sender of reports of one kind."""

    organisation: Annotated[str, Meta(description="as its reports name it")]
    kind: ReportKind
    source: Annotated[ReportSource, Meta(description="how they came: mail, api or page")]
    proven_by: Annotated[
        str,
        Meta(
            description="who was proven to send them by mail, as in `google.com by DKIM`; empty for what people handed in"
        ),
    ]
    reports: int
    last_at: Annotated[datetime, Meta(description="when the last one came")]


class Reporters(msgspec.Struct, frozen=True):
    """The most reports first."""

    domain: str
    since: datetime
    reporters: tuple[ReporterView, ...]


async def take(exchange: Exchange) -> Answer:
    """A file in."""
    rooms = exchange.rooms
    workspace = await rooms.directory.workspace(exchange.submitter.workspace_id)
    outcomes = await rooms.reports.take(workspace, exchange.body, ReportSource.API)
    taken = tuple(_fields(TakenView, each) for each in outcomes if isinstance(each, Taken))
    left = tuple(_fields(LeftView, each) for each in outcomes if isinstance(each, Left))
    if not taken:
        status = 413 if left[0].reason == Reason.TOO_LARGE else 422
        detail = left[0].detail + (f" So it is with {len(left)} files." if len(left) > 1 else "")
        return refuse(status, detail)
    return answer(ReportsTaken(taken, left), 201 if any(each.new for each in taken) else 200)


async def dmarc(exchange: Exchange) -> Answer:
    """Sources of mail in a domain's name, and how they passed."""
    asked = await _asked(exchange)
    if isinstance(asked, Answer):
        return asked
    domain, since, most, address = asked
    async with exchange.rooms.process.pool.acquire() as connection:
        about = connection, exchange.submitter.workspace_id, domain, since
        totals = await dmarc_reports.totals(*about)
        days = await dmarc_reports.days(*about)
        sources, all_sources = await dmarc_reports.sources(*about, most)
    return answer(DmarcSummary(
        domain=domain, since=since, reports=totals.reports, messages=totals.messages, passed=totals.passed,
        failed=totals.messages - totals.passed, organisations=totals.organisations, report_address=address,
        days=tuple(_fields(DayView, each) for each in days), sources=tuple(map(_source, sources)), all_sources=all_sources,
    ))  # fmt: skip


async def tls(exchange: Exchange) -> Answer:
    """How sessions with the hosts of a domain went."""
    asked = await _asked(exchange)
    if isinstance(asked, Answer):
        return asked
    domain, since, most, address = asked
    async with exchange.rooms.process.pool.acquire() as connection:
        about = connection, exchange.submitter.workspace_id, domain, since
        policies = tuple(_fields(TlsPolicyView, each) for each in await tls_reports.policies(*about))
        failures = tuple(_fields(TlsFailureView, each) for each in await tls_reports.failures(*about, most))
    return answer(TlsSummary(domain, since, address, policies, failures))


async def failures(exchange: Exchange) -> Answer:
    """Single messages that failed DMARC."""
    asked = await _asked(exchange)
    if isinstance(asked, Answer):
        return asked
    domain, since, most, _ = asked
    async with exchange.rooms.process.pool.acquire() as connection:
        found = await dmarc_reports.failures(connection, exchange.submitter.workspace_id, domain, since, most)
    return answer(MessageFailures(domain, since, tuple(_fields(MessageFailure, each) for each in found)))


async def reporters(exchange: Exchange) -> Answer:
    """Who reports about a domain, and who was proven to."""
    asked = await _asked(exchange)
    if isinstance(asked, Answer):
        return asked
    domain, since, most, _ = asked
    async with exchange.rooms.process.pool.acquire() as connection:
        found = await ledger_reports.reporters(connection, exchange.submitter.workspace_id, domain, since, most)
    views = tuple(
        ReporterView(each.organisation, ReportKind(each.kind), each.source, each.proven_by, each.reports, each.last_at)
        for each in found
    )
    return answer(Reporters(domain, since, views))


async def _asked(exchange: Exchange) -> tuple[str, datetime, int, str] | Answer:
    """Domain, since when, how many, and the address reports may be sent to."""
    query, rooms = cast("dict[str, Any]", exchange.query), exchange.rooms
    domain = domain_of(query.get("domain", ""))
    if not domain:
        return refusal(invalid([FieldProblem("?domain", "required", "The parameter domain is missing.")]))
    since = query.get("since") or rooms.process.clock.now() - timedelta(days=REPORT_DAYS_DEFAULT)
    workspace = await rooms.directory.workspace(exchange.submitter.workspace_id)
    address = receiver_reports.address(rooms.process, workspace)
    return domain, since, query.get("limit", REPORT_SOURCES_DEFAULT), address


def _source(source: Source) -> SourceView:
    refused = source.quarantined + source.rejected
    return SourceView(
        source_ip=source.source_ip,
        messages=source.messages,
        passed=source.passed,
        failed=source.messages - source.passed,
        dkim_aligned=source.dkim_aligned,
        spf_aligned=source.spf_aligned,
        dispositions=Dispositions(source.messages - refused, source.quarantined, source.rejected),
        organisations=source.organisations,
        reporters=source.reporters,
    )


def _fields(view: type[Any], value: object) -> Any:  # noqa: ANN401 - a view of the same fields
    return view(**{name: getattr(value, name) for name in view.__struct_fields__})
