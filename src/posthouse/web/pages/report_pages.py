"""What receivers report about the workspace's domains: who sends in their name, whether it passes, and how sessions were encrypted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.response import Redirect

from posthouse.accounts import domains
from posthouse.accounts.dns_records import dmarc_value, report_permission, tls_reports_value
from posthouse.accounts.sign_in import SignedIn
from posthouse.intake import receiver_reports as desk
from posthouse.intake.receiver_reports import Left, Outcome, Taken
from posthouse.ledger import dmarc_reports, receiver_reports, tls_reports
from posthouse.ledger.dmarc_reports import Source
from posthouse.ledger.receiver_reports import ReportedDomain, Reporter
from posthouse.model.limits import REPORT_DAYS, REPORT_DAYS_DEFAULT
from posthouse.model.words import ReportSource, Role
from posthouse.runtime.postgres import Connection
from posthouse.web.pages import query
from posthouse.web.pages.report_plot import plot
from posthouse.web.pages.session import Page, Person, need, rooms, speech, upload
from posthouse.web.pages.view import page, see
from posthouse.web.pages.words import N_
from posthouse.web.text import Speech
from posthouse.wire.unpacking import Reason

_SPANS: Final = (7, REPORT_DAYS_DEFAULT, REPORT_DAYS)
_SOURCES_SHOWN: Final = 75  # of some 600 octets: a page stays below 100 kB
_ORGANISATIONS_NAMED: Final = 2  # beside each source; its own page names more
_ROWS_SHOWN: Final = 200
_RESULTS_SHOWN: Final = 50
_FAILURES_SHOWN: Final = 20
_REFUSALS_SHOWN: Final = 10
_REPORTERS_SHOWN: Final = 20
_KINDS: Final = {
    "dmarc": N_("DMARC reports"),
    "dmarc_failure": N_("DMARC failure reports"),
    "tls": N_("TLS reports"),
}
_WHY_LEFT: Final = {
    Reason.TOO_LARGE: N_("It is too large."),
    Reason.BROKEN: N_("It is damaged or cut off."),
    Reason.NOT_A_REPORT: N_("It is no DMARC or TLS report."),
    Reason.DANGEROUS: N_("It is built to use up memory or to reach other files, and was not read."),
    desk.NOT_YOURS: N_("It is about a domain that is not verified in this workspace."),
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the address of the page says: one domain, and how many days back."""

    domain: str
    days: int
    since: datetime

    def link(self, path: str = "/reports", **changes: object) -> str:
        """The same with something changed."""
        said = {"domain": self.domain, "days": self.days} | changes
        return f"{path}?{query.encoded({name: str(value) for name, value in said.items() if value})}"


@get("/reports", include_in_schema=False)
async def report_page(request: Page, person: Person) -> Response[str]:
    """The page of one domain, of the first that has reports unless said."""
    return await _page(request, person)


@get("/reports/source", include_in_schema=False)
async def source_page(request: Page, person: Person) -> Response[str]:
    """What was reported about one address."""
    spoken = speech(request, person)
    asked = _asked(request, spoken)
    source_ip = query.text(request.query_params, "ip")
    async with rooms(request).process.pool.acquire() as connection:
        about = connection, person.workspace.workspace_id, asked.domain, asked.since
        rows = await dmarc_reports.rows_of_source(*about, source_ip, _ROWS_SHOWN)
    if not rows:
        raise NotFoundException
    passed = sum(row.messages for row in rows if row.dkim_aligned or row.spf_aligned)
    messages = sum(row.messages for row in rows)
    context: dict[str, Any] = {
        "asked": asked, "source_ip": source_ip, "rows": rows, "messages": messages, "passed": passed,
        "share": spoken.percent(passed, messages), "back": asked.link(), "cut": len(rows) == _ROWS_SHOWN,
    }  # fmt: skip
    return page(request, person, "report_source.html", "reports", **context)


@post("/reports", status_code=200, include_in_schema=False, request_max_body_size=None)  # bounded by `app.Front`
async def report_upload(request: Page, person: Person) -> Response[str] | Redirect:
    """Takes a file."""
    need(person, Role.ADMIN)
    sent = await upload(request, person)
    outcomes = await rooms(request).reports.take(person.workspace, sent.file, ReportSource.PAGE, sent.filename)
    left = [each for each in outcomes if isinstance(each, Left)]
    if left:
        return await _page(request, person, outcomes=outcomes, status=422)
    taken = next(each for each in outcomes if isinstance(each, Taken))
    said = "report" if any(isinstance(each, Taken) and each.new for each in outcomes) else "known"
    return see(f"/reports?{query.encoded({'domain': taken.domain, 'said': said})}")


async def _page(request: Page, person: SignedIn, outcomes: Sequence[Outcome] = (), status: int = 200) -> Response[str]:
    process, spoken = rooms(request).process, speech(request, person)
    asked = _asked(request, spoken)
    async with process.pool.acquire() as connection:
        reported = await receiver_reports.domains(connection, person.workspace.workspace_id, asked.since)
        own = await domains.listing(connection, person.workspace.workspace_id)
        names = sorted({each.domain for each in reported} | {each.name for each in own if each.verified_at})
        domain = asked.domain if asked.domain in names else _first(reported, names)
        asked = _Asked(domain, asked.days, asked.since)
        about = await _about(connection, person, asked, spoken) if domain else {}
    context: dict[str, Any] = {
        "asked": asked,
        "tabs": [{"label": name, "href": asked.link(domain=name), "current": name == asked.domain} for name in names],
        "spans": [{"days": days, "href": asked.link(days=days), "current": days == asked.days} for days in _SPANS],
        "told": False,
        "may_upload": person.may(Role.ADMIN) and bool(names or person.workspace.any_domain),
        "publish": _publish(process.settings.bounce_domain, asked.domain, desk.address(process, person.workspace)),
        "errors": _errors(outcomes, spoken),
        "taken": sum(isinstance(each, Taken) for each in outcomes),
    }
    return page(request, person, "reports.html", "reports", status=status, **(context | about))


async def _about(connection: Connection, person: SignedIn, asked: _Asked, spoken: Speech) -> dict[str, Any]:
    """Everything reported about the domain."""
    about = connection, person.workspace.workspace_id, asked.domain, asked.since
    totals = await dmarc_reports.totals(*about)
    days = await dmarc_reports.days(*about)
    sources, count = await dmarc_reports.sources(*about, _SOURCES_SHOWN)
    policies = await tls_reports.policies(*about)
    sessions = sum(each.successful + each.failed for each in policies)
    failed = sum(each.failed for each in policies)
    return {
        "told": bool(totals.reports or policies),
        "totals": totals,
        "failed": totals.messages - totals.passed,
        "share": spoken.percent(totals.passed, totals.messages),
        "failed_share": spoken.percent(totals.messages - totals.passed, totals.messages),
        "sources": [_source(each, asked, spoken) for each in sources],
        "source_count": count,
        "more": max(0, count - len(sources)),
        "plot": plot(days, asked.since.date(), spoken.now.date(), spoken),
        "policies": policies,
        "sessions": sessions,
        "failed_sessions": failed,
        "tls_share": spoken.percent(sessions - failed, sessions),
        "results": await tls_reports.failures(*about, _RESULTS_SHOWN),
        "failures": await dmarc_reports.failures(*about, _FAILURES_SHOWN),
        "reporters": [_reporter(each) for each in await receiver_reports.reporters(*about, _REPORTERS_SHOWN)],
    }


def _asked(request: Page, spoken: Speech) -> _Asked:
    params: Mapping[str, str] = request.query_params
    said = query.text(params, "days")
    days = int(said) if said in {str(each) for each in _SPANS} else REPORT_DAYS_DEFAULT
    midnight = spoken.now.replace(hour=0, minute=0, second=0, microsecond=0)  # as days of reports are those of UTC
    return _Asked(query.text(params, "domain").lower(), days, midnight - timedelta(days=days - 1))


def _first(reported: Sequence[ReportedDomain], names: Sequence[str]) -> str:
    """The domain shown unless one is asked for: the one most messages were reported of."""
    if reported:
        return max(reported, key=lambda each: (each.messages, each.sessions)).domain
    return names[0] if names else ""


def _source(source: Source, asked: _Asked, spoken: Speech) -> dict[str, Any]:
    failed = source.messages - source.passed
    return {
        "ip": source.source_ip,
        "href": asked.link("/reports/source", ip=source.source_ip) if source.source_ip else "",
        "messages": source.messages,
        "failed": failed,
        "tone": "good" if not failed else "bad" if not source.passed else "wait",
        "share": spoken.percent(source.passed, source.messages),
        "dkim": spoken.percent(source.dkim_aligned, source.messages),
        "spf": spoken.percent(source.spf_aligned, source.messages),
        "refused": source.quarantined + source.rejected,
        "organisations": source.organisations[:_ORGANISATIONS_NAMED],
        "others": max(0, source.reporters - _ORGANISATIONS_NAMED),
    }


def _reporter(reporter: Reporter) -> dict[str, Any]:
    domain, _, method = reporter.proven_by.partition(" by ")
    return {
        "name": reporter.organisation,
        "kind": _KINDS[reporter.kind],
        "by_mail": reporter.source is ReportSource.MAIL,
        "domain": domain,
        "method": method,
        "reports": reporter.reports,
        "last_at": reporter.last_at,
    }


def _publish(bounce_domain: str, domain: str, address: str) -> list[dict[str, str]]:
    """The DNS records that make receivers send reports here. RFC 9990 4: another domain has to say that it takes them."""
    if not domain:
        return []
    rows = [
        (N_("DMARC reports"), f"_dmarc.{domain}", dmarc_value(address), N_("Keep the policy you have; the part with rua is what counts.")),
        (N_("TLS reports"), f"_smtp._tls.{domain}", tls_reports_value(address), N_("How other servers' sessions with yours were encrypted.")),
    ]  # fmt: skip
    if permission := report_permission(domain, bounce_domain):
        why = N_(
            "Says that this server takes reports about the domain. It belongs where the DNS of this server is kept."
        )
        rows.append((N_("Permission"), *permission, why))
    return [{"title": title, "name": name, "value": value, "why": why} for title, name, value, why in rows]


def _errors(outcomes: Sequence[Outcome], spoken: Speech) -> dict[str, list[str]]:
    left = [each for each in outcomes if isinstance(each, Left)][:_REFUSALS_SHOWN]
    sentences = [" ".join(filter(None, (f"{each.name}:", spoken.say(_WHY_LEFT[each.reason])))) for each in left]
    return {"file": sentences} if sentences else {}
