"""DMARC failure reports (RFC 6591, RFC 9991): one message that failed, as a feedback report of the type auth-failure.

Of the message itself only its Message-ID is kept: reports carry other people's mail.
"""

from datetime import datetime
from email.utils import parsedate_to_datetime

from posthouse.model.values import dataclass
from posthouse.wire import arf, headers, reports
from posthouse.wire.report_values import address, domain, line, moment, word


@dataclass(frozen=True, slots=True)
class FailureReport:
    """What one receiver says about one message. Fields that were not given, or were redacted away, are empty."""

    domain: str  # the one in From that is reported to, lower-case A-label
    reporter: str  # the program, or the domain of the Authentication-Results
    failure: str  # RFC 6591 3.3: dmarc, dkim, spf, adsp, bodyhash, revoked, signature
    source_ip: str = ""
    arrived_at: datetime | None = None
    delivery: str = ""  # RFC 6591 3.2.2: delivered, spam, policy, reject, other
    mail_from: str = ""
    dkim_domain: str = ""
    dkim_selector: str = ""
    message_id: str = ""  # with angle brackets


def parse(content: bytes) -> FailureReport | None:
    """The failure report in a mail, None when it holds none. Never raises."""
    found = arf.fields(content)
    if found is None or found[0].get("feedback-type", "").strip().lower() != arf.AUTH_FAILURE:
        return None
    named, original = found
    author = next((each.domain for each in headers.authors(original) if "@" in each.address), "")
    return FailureReport(
        domain=domain(named.get("reported-domain", "")) or domain(author),
        reporter=line(named.get("user-agent", "")),
        failure=word(named.get("auth-failure", "")),
        source_ip=address(named.get("source-ip", "")),
        arrived_at=_arrival(named.get("arrival-date", "")),
        delivery=word(named.get("delivery-result", "")),
        mail_from=line(reports.without_type(named.get("original-mail-from", ""))),
        dkim_domain=domain(named.get("dkim-domain", "")),
        dkim_selector=line(named.get("dkim-selector", "")),
        message_id=line(reports.message_id_of(original)),
    )


def _arrival(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment(found.isoformat())
