"""What receivers report about a domain, in whatever it comes: XML, JSON, packed, as a mail with them attached, or a mail inside one.

Everything is told by its content: names and media types of attachments are wrong too often.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Final, TypeAlias

from posthouse.model.limits import MESSAGE_OCTETS, REPORT_MAIL_DEPTH, TLS_REPORT_OCTETS
from posthouse.model.values import dataclass
from posthouse.wire import dmarc_aggregate, dmarc_failure, headers, parts, tlsrpt_report, unpacking
from posthouse.wire.dmarc_aggregate import AggregateReport
from posthouse.wire.dmarc_failure import FailureReport
from posthouse.wire.parts import Part
from posthouse.wire.report_values import line
from posthouse.wire.tlsrpt_report import TlsReport
from posthouse.wire.unpacking import Budget, File, Reason, Refused

Content: TypeAlias = AggregateReport | FailureReport | TlsReport | Refused

_XML_MARKS: Final = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<", b"\xfe\xff\0<", b"<\0", b"\0<")
_JSON_MARKS: Final = (b"{", b"\xef\xbb\xbf{")
_BLANK: Final = b" \t\r\n"
# Bodies people read; a report sent as one of these has a name.
_READ_BY_PEOPLE: Final = ("text/plain", "text/html")
_NOTHING: Final = Refused(Reason.NOT_A_REPORT, "There is no report in it.")


@dataclass(frozen=True, slots=True)
class Found:
    """One report, or one file that is refused; `name` is what it is called where it was found."""

    name: str
    content: Content


def read(content: bytes, name: str = "") -> Iterator[Found]:
    """Every report in a file, each when it is asked for; at least one Found. Never raises."""
    return _files(content, name, Budget(len(content)), REPORT_MAIL_DEPTH)


def _files(content: bytes, name: str, budget: Budget, mails: int) -> Iterator[Found]:
    at_all = False
    for file in unpacking.files(content, budget, name):
        at_all = True
        if isinstance(file, Refused):
            yield Found(name, file)
        else:
            yield from _file(file, budget, mails)
    if not at_all:
        yield Found(name, Refused(Reason.NOT_A_REPORT, "The archive is empty."))


def _file(file: File, budget: Budget, mails: int) -> Iterator[Found]:
    first = next(file.pieces, b"")
    if isinstance(first, Refused):
        yield Found(file.name, first)
        return
    pieces, head = chain((first,), file.pieces), first.lstrip(_BLANK)
    if head.startswith(_XML_MARKS):
        yield Found(file.name, dmarc_aggregate.read(pieces))
        return
    whole = unpacking.joined(pieces, TLS_REPORT_OCTETS if head.startswith(_JSON_MARKS) else MESSAGE_OCTETS)
    if isinstance(whole, Refused):
        yield Found(file.name, whole)
    elif head.startswith(_JSON_MARKS):
        yield Found(file.name, tlsrpt_report.read(whole.lstrip(_BLANK)))
    elif mails and _is_mail(whole):
        yield from _mail(whole, file.name, budget, mails - 1)
    else:
        detail = "It is neither XML nor JSON, no archive of them, and no mail with a report."
        yield Found(file.name, Refused(Reason.NOT_A_REPORT, detail))


def _mail(content: bytes, name: str, budget: Budget, mails: int) -> Iterator[Found]:
    """The reports of a mail: itself as a failure report, else whatever is attached."""
    if failure := dmarc_failure.parse(content):
        yield Found(name, failure if failure.domain else Refused(Reason.NOT_A_REPORT, "The report names no domain."))
        return
    if b"\r\n" not in content:  # a stored file with the line ends of its system
        content = content.replace(b"\n", b"\r\n")
    attached = [part for part in parts.walk(content) if _may_be_report(part)]
    if not attached:
        yield Found(name, _NOTHING)
    for part in attached:
        yield from _files(part.body, line(part.filename) or name, budget, mails)


def _may_be_report(part: Part) -> bool:
    """A mail comes with texts and pictures that are not worth a refusal."""
    if part.content_type in _READ_BY_PEOPLE and not part.filename:
        return False
    if part.content_type == "message/rfc822" or unpacking.is_archive(part.body):
        return True
    return part.content_type != "text/html" and part.body.lstrip(_BLANK).startswith((*_XML_MARKS, *_JSON_MARKS))


def _is_mail(content: bytes) -> bool:
    block, _ = headers.split(content if b"\r\n" in content else content.replace(b"\n", b"\r\n"))
    return bool(headers.first(block, "From") or headers.first(block, "Content-Type"))
