"""TLS reports (RFC 8460): how other servers' sessions with the hosts of a domain were encrypted, and what went wrong.

The JSON is taken as it comes: a missing member is empty, a single value is a list of one, a number may be a text.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

from posthouse.model.limits import TLS_REPORT_FAILURES, TLS_REPORT_POLICIES, TLS_REPORT_STRINGS
from posthouse.model.values import dataclass
from posthouse.wire.report_values import address, count, domain, line, moment, word
from posthouse.wire.unpacking import Reason, Refused

_decode: Final = msgspec.json.Decoder().decode
_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class SessionFailure:
    """Sessions that failed alike."""

    result: str  # RFC 8460 4.3, as `tlsrpt.ResultType` has them; others are kept too
    sessions: int
    sending_ip: str = ""
    receiving_host: str = ""
    receiving_ip: str = ""
    reason: str = ""
    information: str = ""


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """How sessions under one policy of one domain went."""

    domain: str  # lower-case A-label
    policy: str  # tlsa, sts or no-policy-found
    strings: tuple[str, ...]
    hosts: tuple[str, ...]
    successful: int
    failed: int
    failures: tuple[SessionFailure, ...]


@dataclass(frozen=True, slots=True)
class TlsReport:
    """One sender of mail about the domains in `policies`."""

    organisation: str
    contact: str
    report_id: str
    begins_at: datetime | None
    ends_at: datetime | None
    policies: tuple[PolicyReport, ...]

    @property
    def successful(self) -> int:
        """Sessions under all policies that went well."""
        return sum(policy.successful for policy in self.policies)

    @property
    def failed(self) -> int:
        """Sessions under all policies that did not."""
        return sum(policy.failed for policy in self.policies)


def read(content: bytes) -> TlsReport | Refused:
    """The report in an unpacked file, or what is the matter with it. Never raises."""
    try:
        said = _decode(content.removeprefix(_MARK))
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
        return Refused(Reason.BROKEN, f"The JSON cannot be read: {str(error)[:200]}.")
    if not isinstance(said, dict) or not isinstance(said.get("policies"), list | dict):
        return Refused(Reason.NOT_A_REPORT, "It is JSON, but no TLS report.")
    span = _object(said.get("date-range"))
    contact = line(said.get("contact-info"))
    left = [TLS_REPORT_FAILURES]
    policies = tuple(_policy(_object(each), left) for each in _items(said["policies"], TLS_REPORT_POLICIES))
    if not any(policy.domain for policy in policies):
        return Refused(Reason.NOT_A_REPORT, "The report does not say which domain it is about.")
    return TlsReport(
        organisation=line(said.get("organization-name")) or contact.rpartition("@")[2],
        contact=contact,
        report_id=line(said.get("report-id")),
        begins_at=moment(line(span.get("start-datetime"))),
        ends_at=moment(line(span.get("end-datetime"))),
        policies=tuple(policy for policy in policies if policy.domain),
    )


def _policy(said: dict[str, Any], left: list[int]) -> PolicyReport:
    """One member of `policies`; `left` is how many failure details may still be kept of the whole report."""
    policy, summary = _object(said.get("policy")), _object(said.get("summary"))
    failures = tuple(_failure(_object(each)) for each in _items(said.get("failure-details"), left[0]))
    left[0] -= len(failures)
    hosts = policy.get("mx-host", policy.get("mx-host-pattern"))
    return PolicyReport(
        domain=domain(line(policy.get("policy-domain"))),
        policy=word(line(policy.get("policy-type"))),
        strings=tuple(line(each) for each in _items(policy.get("policy-string"), TLS_REPORT_STRINGS)),
        hosts=tuple(line(each) for each in _items(hosts, TLS_REPORT_STRINGS)),
        successful=count(summary.get("total-successful-session-count")),
        failed=count(summary.get("total-failure-session-count")),
        failures=failures,
    )


def _failure(said: dict[str, Any]) -> SessionFailure:
    return SessionFailure(
        result=word(line(said.get("result-type"))),
        sessions=count(said.get("failed-session-count")),
        sending_ip=address(line(said.get("sending-mta-ip"))),
        receiving_host=line(said.get("receiving-mx-hostname")),
        receiving_ip=address(line(said.get("receiving-ip"))),
        reason=line(said.get("failure-reason-code")),
        # RFC 8460 4.4 and its own example spell it differently.
        information=line(said.get("additional-information", said.get("additional-info-uri"))),
    )


def _items(value: object, most: int) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value[:most]
    elif value is not None and most:
        yield value


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
