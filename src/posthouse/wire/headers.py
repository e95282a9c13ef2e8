"""Header blocks as raw bytes: cut, read, removed from and added to without changing any other byte (RFC 5322 2.2).

Mail that clients hand over must leave as it came, because signatures, calendars and S/MIME depend on single bytes. So nothing
here parses a message into an object and prints it again; a field is the very bytes it was written in.
"""

import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from posthouse.wire.address_list import parse_list
from posthouse.wire.addresses import Mailbox
from posthouse.wire.encoded_words import decode as decode_words

_FIELD_END: Final = re.compile(rb"\r\n(?![ \t])")
_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")
# RFC 5322 2.2: printable ASCII but no colon; white space before the colon is obsolete yet legal (4.5).
# Possessive throughout: a field ends in one place only, so nothing is ever tried twice.
_WELL_FORMED: Final = re.compile(rb"(?:[!-9;-~]++[ \t]*+:[^\x00\r\n]*+(?:\r\n[ \t][^\x00\r\n]*+)*+\r\n)*+")
_CONTROL_TO_SPACE: Final = bytes(0x20 if octet < 0x20 or octet == 0x7F else octet for octet in range(256))


class Field(NamedTuple):
    """One header field: its name in lower case and all its bytes, the CRLF at its end included."""

    name: bytes
    raw: bytes

    @property
    def value(self) -> bytes:
        """What follows the colon, unfolded and stripped."""
        text = self.raw.partition(b":")[2].strip(b" \t\r\n")
        return _FOLD.sub(b"", text) if b"\n" in text else text


Header = bytes | Sequence[Field]  # a block, or its fields once it has been cut


def split(content: bytes) -> tuple[bytes, bytes]:
    """The header block (each field with its CRLF, the blank line left out) and the body behind the blank line."""
    if content.startswith(b"\r\n"):
        return b"", content[2:]
    end = content.find(b"\r\n\r\n")
    if end < 0:
        return content, b""
    return content[: end + 2], content[end + 4 :]


def fields(block: bytes) -> list[Field]:
    """Every field of a header block from top to bottom; joining their `raw` gives the block back."""
    pieces = _FIELD_END.split(block)
    last = pieces.pop()
    raws = [piece + b"\r\n" for piece in pieces]
    if last:
        raws.append(last)
    return [Field(raw.partition(b":")[0].rstrip(b" \t\r\n").lower(), raw) for raw in raws]


def values(header: Header, name: str) -> list[bytes]:
    """The values of all fields of that name, from top to bottom."""
    wanted = name.lower().encode()
    return [field.value for field in _cut(header) if field.name == wanted]


def first(header: Header, name: str) -> bytes | None:
    """The value of the topmost field of that name."""
    wanted = name.lower().encode()
    return next((field.value for field in _cut(header) if field.name == wanted), None)


def count(header: Header, name: str) -> int:
    """How many fields have that name: `count(header, "Received")` are the hops so far."""
    wanted = name.lower().encode()
    return [field.name for field in _cut(header)].count(wanted)


def remove(content: bytes, names: Collection[str]) -> bytes:
    """The message without the fields of these names; every other byte as it was."""
    unwanted = {name.lower().encode() for name in names}
    block, _ = split(content)
    kept = b"".join([field.raw for field in fields(block) if field.name not in unwanted])
    return kept + content[len(block) :]


def prepend(content: bytes, header_block: bytes) -> bytes:
    """The message with more fields on top."""
    return header_block + content


def decode(value: bytes) -> str:
    """A raw value as one line of text for people: unfolded, UTF-8 or else Latin-1, encoded words decoded. Never raises."""
    unfolded = _FOLD.sub(b"", value).strip(b" \t\r\n").translate(_CONTROL_TO_SPACE)
    try:
        return decode_words(unfolded.decode())
    except UnicodeDecodeError:
        return decode_words(unfolded.decode("latin-1"))


def is_well_formed(block: bytes) -> bool:
    """Whether every line belongs to a field, without NUL and without a bare CR or LF."""
    return _WELL_FORMED.fullmatch(block) is not None


def mailboxes(header: Header, name: str) -> tuple[Mailbox, ...]:
    """Every mailbox of every field of that name."""
    return tuple([mailbox for value in values(header, name) for mailbox in parse_list(_text(value))])


def authors(header: Header) -> tuple[Mailbox, ...]:
    """Every mailbox of every From field; a message fit for DMARC has exactly one (RFC 9989)."""
    return mailboxes(header, "From")


def _cut(header: Header) -> Sequence[Field]:
    return fields(header) if isinstance(header, bytes) else header


def _text(value: bytes) -> str:
    # Encoded words are decoded by the list reader after it has cut the mailboxes: a comma inside one separates nothing.
    return value.translate(_CONTROL_TO_SPACE).decode("utf-8", "replace")
