"""Messages as we write them: RFC 5322 with MIME (RFC 2045-2049), already in DKIM's relaxed form.

Every body line we emit is free of trailing white space, tabs and runs of spaces, and every part ends in exactly one CRLF, so the
signer hashes it as it is instead of rewriting it. Clean ASCII in short lines goes out as 7bit, other text as quoted-printable or,
where much of it is not ASCII, as base64; attachments as base64. Nothing depends on 8BITMIME, and no relay has a line to break.
"""

import binascii
from collections.abc import Iterable, Sequence
from typing import Final

from posthouse.model.values import dataclass
from posthouse.wire.addresses import Mailbox
from posthouse.wire.canonical import is_relaxed
from posthouse.wire.mime_fields import (
    LINE_CHARS,
    UnsafeFieldError,
    ascii_filename,
    is_field_name,
    is_safe,
    mailbox_list,
    unstructured,
    with_filename,
)

_BASE64_LINE: Final = 76
_ASCII: Final = bytes(range(128))
_PRINTABLE: Final = bytes(range(0x20, 0x7F)) + b"\r\n"
# Octets that quoted-printable must encode anyway stand in for white space that would be legal but not canonical, and for the F
# of a line that mailboxes would take for a separator. They have the same encoded length, so no soft line break moves.
_SPACE, _TAB, _LETTER_F = b"\x01", b"\x02", b"\x03"
_STAND_INS: Final = ((_SPACE, b"=01", b"=20"), (_TAB, b"=02", b"=09"), (_LETTER_F, b"=03", b"=46"))


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file. With a `content_id` (no angle brackets) it is shown inside the HTML by `cid:`; `disposition` is then `inline`."""

    filename: str
    content_type: str
    content: bytes
    content_id: str | None = None
    disposition: str = "attachment"


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody composed. Blind recipients are not part of it: they belong to the envelope alone."""

    sender: Mailbox
    to: tuple[Mailbox, ...] = ()
    cc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    subject: str = ""
    text: str | None = None
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Entity:
    """A body part: its Content-* fields and its lines, ending in CRLF unless empty."""

    header: bytes
    body: bytes


def write(draft: Draft, own: Sequence[tuple[str, str]], entropy: bytes) -> bytes:
    """The complete message with CRLF line ends. `own` are the fields of the house, in order: Date, Message-ID, Feedback-ID.

    `entropy`, 16 random octets, makes boundaries nobody could have written into the text beforehand. Raises `UnsafeFieldError`
    rather than let a value break out of its field.
    """
    entity = _message_entity(draft, entropy.hex())
    return b"".join([*_header(draft, own), b"MIME-Version: 1.0\r\n", entity.header, b"\r\n", entity.body])


def multipart(subtype: str, parts: Sequence[bytes], boundary: str) -> tuple[bytes, bytes]:
    """Content-Type field and body of a multipart whose parts are complete (fields, blank line, lines ending in CRLF)."""
    kind, *parameters = subtype.split(";")
    line = "".join(f";\r\n {parameter.strip()}" for parameter in parameters)
    field = f'Content-Type: multipart/{kind}{line};\r\n boundary="{boundary}"\r\n'.encode("ascii")
    delimiter = b"--" + boundary.encode("ascii")
    return field, b"".join([b"".join([delimiter, b"\r\n", part]) for part in parts]) + delimiter + b"--\r\n"


def _header(draft: Draft, own: Sequence[tuple[str, str]]) -> Iterable[bytes]:
    yield mailbox_list("From", (draft.sender,))
    if draft.to:
        yield mailbox_list("To", draft.to)
    elif not draft.cc:
        yield b"To: undisclosed-recipients:;\r\n"
    if draft.cc:
        yield mailbox_list("Cc", draft.cc)
    if draft.reply_to:
        yield mailbox_list("Reply-To", draft.reply_to)
    yield unstructured("Subject", draft.subject)
    for name, value in (*own, *draft.headers):
        if not is_field_name(name):
            raise UnsafeFieldError("header name")
        yield unstructured(name, value)


def _message_entity(draft: Draft, entropy: str) -> _Entity:
    shown = [item for item in draft.attachments if _is_shown(item, draft)]
    filed = [item for item in draft.attachments if not _is_shown(item, draft)]
    entity = _body(draft, shown, entropy)
    if filed:
        entity = _joined("mixed", [entity, *map(_attachment, filed)], f"=_m{entropy}")
    return entity


def _is_shown(item: Attachment, draft: Draft) -> bool:
    return item.content_id is not None and draft.html is not None


def _body(draft: Draft, shown: Sequence[Attachment], entropy: str) -> _Entity:
    if draft.html is None:
        return _text("plain", draft.text or "")
    page = _text("html", draft.html)
    if shown:
        page = _joined('related; type="text/html"', [page, *map(_attachment, shown)], f"=_r{entropy}")
    if draft.text is None:
        return page
    return _joined("alternative", [_text("plain", draft.text), page], f"=_a{entropy}")


def _joined(subtype: str, parts: Sequence[_Entity], boundary: str) -> _Entity:
    return _Entity(*multipart(subtype, [b"".join([part.header, b"\r\n", part.body]) for part in parts], boundary))


def _text(subtype: str, text: str) -> _Entity:
    octets = _lines(text)
    encoding, body = _encoded(octets)
    header = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return _Entity(header.encode("ascii"), body)


def _lines(text: str) -> bytes:
    """UTF-8 with CRLF line ends, ending in exactly one; empty stays empty."""
    octets = text.encode("utf-8", "replace")
    if b"\r" in octets:
        octets = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    octets = octets.rstrip(b"\n")
    return octets.replace(b"\n", b"\r\n") + b"\r\n" if octets else b""


def _encoded(octets: bytes) -> tuple[str, bytes]:
    if octets.isascii() and is_relaxed(octets) and _is_plain(octets):
        return "7bit", octets
    high = len(octets.translate(None, _ASCII))
    # Mostly ASCII stays readable in quoted-printable, which filters prefer; where a third is not, base64 is far shorter.
    if high * 3 > len(octets) or any(stand_in in octets for stand_in, _, _ in _STAND_INS):
        return "base64", _base64(octets)
    return "quoted-printable", _quoted_printable(octets)


def _is_plain(octets: bytes) -> bool:
    return (
        not octets.translate(None, _PRINTABLE)
        and not octets.startswith(b"From ")
        and b"\nFrom " not in octets
        and max(map(len, octets.split(b"\r\n"))) <= LINE_CHARS
    )


def _quoted_printable(octets: bytes) -> bytes:
    octets = octets.replace(b"\t", _TAB).replace(b"  ", b" " + _SPACE)
    if b"From " in octets:
        octets = octets.replace(b"\nFrom ", b"\n" + _LETTER_F + b"rom ")
        octets = _LETTER_F + octets[1:] if octets.startswith(b"From ") else octets
    encoded = binascii.b2a_qp(octets)
    for stand_in, written, meant in _STAND_INS:
        if stand_in in octets:  # replacing costs far more than looking
            encoded = encoded.replace(written, meant)
    return encoded


def _base64(octets: bytes) -> bytes:
    line = binascii.b2a_base64(octets, newline=False)
    return b"".join([line[start : start + _BASE64_LINE] + b"\r\n" for start in range(0, len(line), _BASE64_LINE)])


def _attachment(item: Attachment) -> _Entity:
    kind = item.content_type
    # RFC 2046 5.2.1 forbids base64 there; as a plain file it arrives byte-exact
    if kind.lower().startswith("message/"):
        kind = "application/octet-stream"
    if not (is_safe(kind) and kind.isascii()):
        raise UnsafeFieldError("attachment content type")
    header = (
        f'Content-Type: {kind};\r\n name="{ascii_filename(item.filename)}"\r\nContent-Transfer-Encoding: base64\r\n'
    )
    fields = header.encode("ascii") + with_filename("Content-Disposition", _disposition(item), item.filename)
    if item.content_id is not None:
        fields += unstructured("Content-ID", f"<{item.content_id}>")
    return _Entity(fields, _base64(item.content))


def _disposition(item: Attachment) -> str:
    return "inline" if item.disposition == "inline" else "attachment"
