"""What delivery reports (RFC 3464) and feedback reports (RFC 5965) have in common: multipart/report (RFC 6522).

Both are a text for people, a part of fields for programs, and the message (or only its header) they talk about.
"""

from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from posthouse.model.limits import REPORT_FIELD_CHARS
from posthouse.model.values import dataclass
from posthouse.wire import headers
from posthouse.wire.addresses import Mailbox
from posthouse.wire.headers import Header
from posthouse.wire.mime import multipart
from posthouse.wire.mime_fields import mailbox_list, unstructured
from posthouse.wire.parts import Part, walk

_RETURNED: Final = frozenset({"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"})


@dataclass(frozen=True, slots=True)
class ReportParts:
    """The machine-readable part and the header of the message it is about, empty if it was not returned."""

    status: bytes
    original_header: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """The outside of a report we write: who, to whom, when, and what people read."""

    sender: str
    to: str
    subject: str
    text: str
    now: datetime


def read(content: bytes, status_types: frozenset[str]) -> ReportParts | None:
    """The two parts programs care for; None when there is no status part. Never raises."""
    if b"\r\n" not in content:  # a stored file with the line ends of its system
        content = content.replace(b"\n", b"\r\n")
    leaves = walk(content)
    at = next((index for index, part in enumerate(leaves) if part.content_type in status_types), None)
    if at is None:
        return None
    return ReportParts(leaves[at].body, _returned(leaves[at + 1 :]))


def groups(status: bytes) -> list[dict[str, str]]:
    """The blank-line separated groups of fields in a status part, names in lower case, the first of each name."""
    lines = status.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    found = []
    for group in lines.split(b"\r\n\r\n"):
        named: dict[str, str] = {}
        for field in headers.fields(group.strip(b"\r\n") + b"\r\n"):
            # An address is what it is, even where it looks like an encoded word (RFC 6533 6.2).
            decode = _as_written if field.name.endswith(b"-recipient") else headers.decode
            named.setdefault(field.name.decode("ascii", "replace"), decode(field.value)[:REPORT_FIELD_CHARS])
        if named.keys() - {""}:
            found.append(named)
    return found


def without_type(value: str) -> str:
    """`rfc822; <a@b.c>` as `a@b.c`: typed fields (RFC 3464 2.1.2) without their type, and without stray angle brackets."""
    kind, separator, rest = value.partition(";")
    bare = rest if separator and " " not in kind.strip() else value
    return bare.strip().removeprefix("<").removesuffix(">").strip()


def message_id_of(original_header: Header) -> str:
    """The Message-ID of the returned message, with angle brackets; empty if it is not there."""
    return headers.decode(headers.first(original_header, "Message-ID") or b"")[:REPORT_FIELD_CHARS]


def write(letter: Letter, report_type: str, status: bytes, original_header: bytes, entropy: bytes) -> bytes:
    """A complete multipart/report message; `status` are finished fields."""
    # Each part ends in an empty line: the CRLF before a delimiter belongs to the delimiter (RFC 2046 5.1.1).
    parts = [
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + _crlf(letter.text) + b"\r\n",
        f"Content-Type: message/{report_type}\r\n\r\n".encode("ascii") + status + b"\r\n",
        b"Content-Type: text/rfc822-headers\r\n\r\n" + original_header + b"\r\n",
    ]
    content_type, body = multipart(f"report; report-type={report_type}", parts, f"=_p{entropy.hex()}")
    header = (
        mailbox_list("From", (Mailbox(letter.sender),)),
        mailbox_list("To", (Mailbox(letter.to),)),
        unstructured("Subject", letter.subject),
        unstructured("Date", format_datetime(letter.now)),
        unstructured("Message-ID", f"<{entropy.hex()}@{letter.sender.rpartition('@')[2]}>"),
        unstructured("Auto-Submitted", "auto-replied"),
        b"MIME-Version: 1.0\r\n",
    )
    return b"".join([*header, content_type, b"\r\n", body])


def typed_fields(named: Sequence[tuple[str, str]]) -> bytes:
    """Fields of a status part, those without a value left out."""
    return b"".join([unstructured(name, value) for name, value in named if value and not value.endswith("; ")])


def _as_written(value: bytes) -> str:
    return " ".join(value.decode("utf-8", "replace").split())


def _returned(after: list[Part]) -> bytes:
    for part in after:
        if part.content_type in _RETURNED:
            return headers.split(part.body.lstrip(b"\r\n"))[0]
    return b""


def _crlf(text: str) -> bytes:
    return b"".join([line.encode("utf-8", "replace") + b"\r\n" for line in text.splitlines()])
