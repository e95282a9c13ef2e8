"""DMARC aggregate reports (RFC 7489 appendix C, RFC 9990): who sent mail with a domain in From, and how it fared with one receiver.

Senders of reports leave out elements, order them as they like, and invent namespaces; what is there is taken by its name. Records that
say the same are one row with their messages added up, so a report takes the memory of its different rows and not of its octets.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

from posthouse.model.limits import REPORT_AUTH_RESULTS, REPORT_COUNT, REPORT_KEPT_OCTETS
from posthouse.model.values import dataclass
from posthouse.wire import report_xml
from posthouse.wire.report_values import address, ascii_text, count, domain, line, moment, word
from posthouse.wire.report_xml import StopReadingError
from posthouse.wire.unpacking import Reason, Refused

# What CPython takes for the pieces of a row, rounded up.
_ROW_OCTETS: Final = 300
_TUPLE_OCTETS: Final = 120
_STRING_OCTETS: Final = 60
_Results = TypeVar("_Results", bound=tuple[object, ...])


class Signature(NamedTuple):
    """One DKIM signature as the receiver found it."""

    domain: str
    selector: str
    result: str


class EnvelopeResult(NamedTuple):
    """One SPF check: of MAIL FROM (scope mfrom) or of the name in EHLO (helo)."""

    domain: str
    scope: str
    result: str


class Row(NamedTuple):
    """Messages that have everything in common the report tells of them. All text is ASCII; what was not said is empty."""

    source_ip: str
    disposition: str  # none, quarantine, reject, and pass since RFC 9990
    dkim_aligned: bool
    spf_aligned: bool
    header_from: str
    envelope_from: str
    envelope_to: str
    signatures: tuple[Signature, ...] = ()
    envelope: tuple[EnvelopeResult, ...] = ()
    overrides: tuple[str, ...] = ()  # why the receiver did not do as the policy says: forwarded, mailing_list ...

    @property
    def passed(self) -> bool:
        """DMARC: one of the two, aligned."""
        return self.dkim_aligned or self.spf_aligned


@dataclass(frozen=True, slots=True)
class PublishedPolicy:
    """The policy the receiver found, as it wrote it down; empty where it did not."""

    domain: str  # lower-case A-label
    policy: str = ""
    subdomain_policy: str = ""
    dkim_alignment: str = ""
    spf_alignment: str = ""
    percent: str = ""


@dataclass(frozen=True, slots=True)
class AggregateReport:
    """One receiver about one domain. `rows` says how many messages each row stands for, `records` how many were in the file."""

    organisation: str
    contact: str
    report_id: str
    begins_at: datetime | None
    ends_at: datetime | None
    published: PublishedPolicy
    rows: Mapping[Row, int]
    records: int

    @property
    def messages(self) -> int:
        """All of them."""
        return sum(self.rows.values())

    def count(self, of: str) -> int:
        """Messages whose row has this property: passed, dkim_aligned, spf_aligned."""
        return sum(messages for row, messages in self.rows.items() if getattr(row, of))

    def dispositions(self) -> dict[str, int]:
        """Messages by what was done with them."""
        found: dict[str, int] = {}
        for row, messages in self.rows.items():
            found[row.disposition] = found.get(row.disposition, 0) + messages
        return found


def read(pieces: Iterable[bytes | Refused]) -> AggregateReport | Refused:
    """The report in an unpacked file, or what is the matter with it. Never raises."""
    listener = _Listener()
    if refused := report_xml.parse(pieces, listener):
        return refused
    return listener.report()


@dataclass(slots=True)
class _Record:
    """One record while it is read."""

    said: dict[str, str] = field(default_factory=dict)
    signatures: list[Signature] = field(default_factory=list)
    envelope: list[EnvelopeResult] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)


class _Listener:
    """Collects what elements say. The first of each wins."""

    def __init__(self) -> None:
        self._root = ""
        self._said: dict[str, str] = {}
        self._record: _Record | None = None
        self._result: dict[str, str] | None = None  # inside an element dkim or spf
        self._foreign = 0  # depth inside an extension, whose elements may be called anything
        self._rows: dict[Row, int] = {}
        self._records = 0
        self._kept: dict[str, str] = {}
        self._tuples: dict[tuple[object, ...], tuple[object, ...]] = {}
        self._octets = 0

    def begin(self, name: str) -> None:
        """An element was opened."""
        if not self._root:
            self._root = name
            if name != "feedback":
                raise StopReadingError(Refused(Reason.NOT_A_REPORT, "It is XML, but no DMARC aggregate report."))
        if self._foreign or name == "extension":
            self._foreign += 1
        elif name == "record":
            self._record = _Record()
        elif name in ("dkim", "spf"):
            self._result = {}

    def end(self, name: str, text: str) -> None:
        """An element was closed."""
        if self._foreign:
            self._foreign -= 1
        elif self._record is None:
            if text:
                self._said.setdefault(name, text)
        elif name == "record":
            self._keep(self._record)
            self._record = None
        elif name in ("dkim", "spf"):
            self._end_result(self._record, name, text)
        elif text and self._result is not None:
            self._result.setdefault(name, text)
        elif text and name == "type":
            self._record.overrides.append(text)
        elif text:
            self._record.said.setdefault(name, text)

    def report(self) -> AggregateReport | Refused:
        """What was read."""
        said = self._said
        about = domain(said.get("domain", "")) or self._author()
        if not about:
            return Refused(Reason.NOT_A_REPORT, "The report does not say which domain it is about.")
        published = PublishedPolicy(
            about,
            policy=word(said.get("p", "")),
            subdomain_policy=word(said.get("sp", "")),
            dkim_alignment=word(said.get("adkim", "")),
            spf_alignment=word(said.get("aspf", "")),
            percent=word(said.get("pct", "")),
        )
        contact, organisation = line(said.get("email", "")), line(said.get("org_name", ""))
        return AggregateReport(
            organisation=organisation or contact.rpartition("@")[2] or line(said.get("extra_contact_info", "")),
            contact=contact,
            report_id=line(said.get("report_id", "")).removeprefix("<").removesuffix(">"),
            begins_at=moment(said.get("begin", "")),
            ends_at=moment(said.get("end", "")),
            published=published,
            rows=self._rows,
            records=self._records,
        )

    def _author(self) -> str:
        """The domain most messages have in From, where the policy's is missing."""
        found: dict[str, int] = {}
        for row, messages in self._rows.items():
            found[row.header_from] = found.get(row.header_from, 0) + messages
        return max(found, key=lambda each: (bool(each), found[each]), default="")

    def _end_result(self, record: _Record, name: str, text: str) -> None:
        result, self._result = self._result, None
        if not result:  # without elements of its own it is the verdict of policy_evaluated
            if text:
                record.said.setdefault(name, text)
        elif name == "dkim" and len(record.signatures) < REPORT_AUTH_RESULTS:
            selector = self._once(ascii_text(line(result.get("selector", ""))))
            record.signatures.append(
                Signature(self._domain_of(result), selector, self._once(word(result.get("result", ""))))
            )
        elif name == "spf" and len(record.envelope) < REPORT_AUTH_RESULTS:
            scope = self._once(word(result.get("scope", "")))
            record.envelope.append(
                EnvelopeResult(self._domain_of(result), scope, self._once(word(result.get("result", ""))))
            )

    def _domain_of(self, result: dict[str, str]) -> str:
        return self._once(domain(result.get("domain", "")))

    def _keep(self, record: _Record) -> None:
        said = record.said
        row = Row(
            self._once(address(said.get("source_ip", ""))),
            self._once(word(said.get("disposition", "")) or "none"),
            said.get("dkim", "").lower() == "pass",
            said.get("spf", "").lower() == "pass",
            self._once(domain(said.get("header_from", ""))),
            self._once(domain(said.get("envelope_from", ""))),
            self._once(domain(said.get("envelope_to", ""))),
            self._together(tuple(record.signatures)),
            self._together(tuple(record.envelope)),
            self._together(tuple(self._once(word(each)) for each in record.overrides[:REPORT_AUTH_RESULTS])),
        )
        self._records += 1
        before = self._rows.get(row)
        if before is None:
            self._spend(_ROW_OCTETS)
        self._rows[row] = min((before or 0) + count(said.get("count", ""), least=1), REPORT_COUNT)

    def _once(self, text: str) -> str:
        """The same text as one object, however many rows have it."""
        known = self._kept.get(text)
        if known is None:
            self._spend(_STRING_OCTETS + len(text))
            known = self._kept[text] = text
        return known

    def _together(self, found: _Results) -> _Results:
        known = self._tuples.get(found)
        if known is None:
            self._spend(_TUPLE_OCTETS * (1 + len(found)))
            known = self._tuples[found] = found
        return known  # type: ignore[return-value] # equal to what was asked for

    def _spend(self, octets: int) -> None:
        self._octets += octets
        if self._octets > REPORT_KEPT_OCTETS:
            raise StopReadingError(Refused(Reason.TOO_LARGE, "The report has too many different rows."))
