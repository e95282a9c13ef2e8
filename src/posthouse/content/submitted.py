"""Mail that comes as finished MIME, by SMTP or in the API's `raw`: checked, relieved of what is meant for us, stamped.

Nothing is parsed and printed again. Fields are taken out and put on top; what stays, stays byte for byte.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from posthouse.content.stamp import Stamp
from posthouse.model.errors import FieldProblem
from posthouse.model.limits import HEADER_BLOCK_OCTETS, RECEIVED_HOPS, SUBJECT_CHARS
from posthouse.model.mail import Note
from posthouse.model.values import dataclass
from posthouse.model.words import EventKind
from posthouse.wire import headers, line_ends
from posthouse.wire.addresses import AddressProblem, Mailbox, is_ascii, parse_address
from posthouse.wire.headers import Field

OPTION_PREFIX: Final = "x-mail-"
KNOWN_OPTIONS: Final = ("x-mail-tag", "x-mail-mailing-type", "x-mail-metadata", "x-mail-expires", "x-mail-secure")
_OPTION_OCTETS: Final = OPTION_PREFIX.encode()
_TAKEN_OUT: Final = frozenset({b"bcc", b"return-path"})
_NEVER_EMPTY: Final = frozenset({b"date", b"message-id", b"feedback-id"})
# Honoured by some mail programs at the reader's end, never by our queue: a relay must not let senders overtake each other.
_PRIORITY_FIELDS: Final = frozenset(
    {b"x-priority", b"priority", b"x-message-priority", b"importance", b"x-msmail-priority"}
)
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_COMMENT_SAFE: Final = re.compile(r"[^A-Za-z0-9.:\[\]_-]")


@dataclass(frozen=True, slots=True)
class Trace:
    """How the message reached us, for its Received field (RFC 5321 4.4)."""

    helo: str
    peer: str  # IP address
    host: str  # ours
    protocol: str  # ESMTPSA and its kin, RFC 3848
    queue_id: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """The message ready to be stored, and what its header said."""

    content: bytes
    sender: Mailbox
    subject: str
    message_id: str  # with angle brackets
    options: dict[str, str]  # X-Mail-* fields by lower-case name; repeated ones joined by commas
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    bcc: tuple[Mailbox, ...]
    smtputf8: bool  # an address in the header is not ASCII; other raw 8-bit text passes as it does everywhere
    notes: tuple[Note, ...] = ()  # fields without effect, in words


def prepare(
    content: bytes, stamp: Callable[[Mailbox, dict[str, str]], Stamp], trace: Trace | None
) -> Prepared | tuple[FieldProblem, ...]:
    """Check and stamp one submitted message with CRLF line ends; `stamp` is asked once the author and the options are known.

    Without a `trace` no Received field is written (the API's `raw`).
    """
    block, _ = headers.split(content)
    found = headers.fields(block)
    if problems := _header_problems(block, found):
        return problems
    author = _author(found)
    if isinstance(author, FieldProblem):
        return (author,)
    options = _options(found)
    given = stamp(author, options)
    kept = [field for field in found if not _is_for_us(field.name) and (field.value or field.name not in _NEVER_EMPTY)]
    header = b"".join([_received(trace, given), *_missing(kept, given), *(field.raw for field in kept)])
    own_id = headers.first(kept, "Message-ID")
    message_id = given.message_id if own_id is None else headers.decode(own_id)[:SUBJECT_CHARS]
    return _prepared(found, author, message_id, options, header + _rest(content, block))


def with_crlf(raw: bytes) -> bytes:
    """Any line ends as CRLF, for MIME that came inside JSON; mail from SMTP has been refused long before if it needs this."""
    return raw if line_ends.are_sound(raw) else _LINE_END.sub(b"\r\n", raw)


def _header_problems(block: bytes, found: Sequence[Field]) -> tuple[FieldProblem, ...]:
    if len(block) > HEADER_BLOCK_OCTETS:
        return (FieldProblem("header", "header_too_large", f"The header is larger than {HEADER_BLOCK_OCTETS} octets."),)
    if not headers.is_well_formed(block):
        return (
            FieldProblem(
                "header", "malformed_header", "A line of the header belongs to no field (RFC 5322 section 2.2)."
            ),
        )
    if headers.count(found, "Received") > RECEIVED_HOPS:
        return (FieldProblem("Received", "mail_loop", f"The message has passed more than {RECEIVED_HOPS} servers."),)
    return ()


def _author(found: Sequence[Field]) -> Mailbox | FieldProblem:
    authors = headers.authors(found)
    if not authors:
        return FieldProblem("From", "missing_from", "The message has no From address.")
    if len(authors) > 1 or headers.count(found, "From") > 1:
        return FieldProblem("From", "several_from", "The message has more than one From address.")
    checked = parse_address(authors[0].address)
    if isinstance(checked, AddressProblem):
        return checked.at("From")
    return Mailbox(checked.address, authors[0].name)


def _prepared(
    found: Sequence[Field], author: Mailbox, message_id: str, options: dict[str, str], content: bytes
) -> Prepared:
    to, cc = headers.mailboxes(found, "To"), headers.mailboxes(found, "Cc")
    return Prepared(
        content=content,
        sender=author,
        subject=headers.decode(headers.first(found, "Subject") or b"")[:SUBJECT_CHARS],
        message_id=message_id,
        options=options,
        to=to,
        cc=cc,
        bcc=headers.mailboxes(found, "Bcc"),
        smtputf8=not all(is_ascii(mailbox.address) for mailbox in (author, *to, *cc)),
        notes=_notes(found),
    )


def _is_for_us(name: bytes) -> bool:
    return name in _TAKEN_OUT or name.startswith(_OPTION_OCTETS)


def _rest(content: bytes, block: bytes) -> bytes:
    # A message that ends with its header still needs the blank line once fields are put in.
    return content[len(block) :] or b"\r\n"


def _received(trace: Trace | None, stamp: Stamp) -> bytes:
    if trace is None:
        return b""
    helo = _COMMENT_SAFE.sub("?", trace.helo)[:255] or "unknown"
    peer = f"IPv6:{trace.peer}" if ":" in trace.peer else trace.peer
    by = f"by {trace.host} with {trace.protocol} id {trace.queue_id}"
    return f"Received: from {helo} ([{peer}])\r\n {by};\r\n {stamp.date_text}\r\n".encode("ascii", "replace")


def _missing(kept: Sequence[Field], stamp: Stamp) -> list[bytes]:
    present = {field.name for field in kept}
    own = (
        (b"feedback-id", "Feedback-ID", stamp.feedback_id),
        (b"date", "Date", stamp.date_text),
        (b"message-id", "Message-ID", stamp.message_id),
    )
    return [f"{name}: {value}\r\n".encode() for key, name, value in own if key not in present]


def _options(found: Sequence[Field]) -> dict[str, str]:
    options: dict[str, str] = {}
    for field in found:
        if field.name.startswith(_OPTION_OCTETS):
            name, value = field.name.decode("ascii", "replace"), headers.decode(field.value)
            options[name] = f"{options[name]},{value}" if name in options else value
    return options


def _notes(found: Sequence[Field]) -> tuple[Note, ...]:
    notes = []
    for name in dict.fromkeys([field.name for field in found]):
        shown = name.decode("ascii", "replace")
        if name in _PRIORITY_FIELDS:
            text = f"{shown.title()} has no effect on the order of sending."
            notes.append(Note(EventKind.PRIORITY_HEADER_IGNORED, text))
        elif name.startswith(_OPTION_OCTETS) and shown not in KNOWN_OPTIONS:
            notes.append(Note(EventKind.HEADER_IGNORED, f"{shown.title()} is not available yet and was removed."))
    return tuple(notes)
