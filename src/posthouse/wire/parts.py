"""MIME as others wrote it, read tolerantly (RFC 2045, 2046): the leaves of a message, decoded.

Bounded in depth and number, so a message built of ten thousand boundaries costs no more than a large one. What is broken is read
as far as it goes: a missing end boundary, an unknown transfer encoding or junk base64 lose nothing but themselves.
"""

import binascii
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final
from urllib.parse import unquote_to_bytes

from posthouse.model.limits import MIME_DEPTH, MIME_PARTS
from posthouse.model.values import dataclass
from posthouse.wire.charsets import text as charset_text
from posthouse.wire.encoded_words import decode as decode_words
from posthouse.wire.headers import Header, fields, first, split

_PARAMETER: Final = re.compile(r';\s*([^\s=;"]{1,80})\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;]*))', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_CONTINUED: Final = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")
_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]")
_AFTER_BOUNDARY: Final = re.compile(rb"(--)?[ \t]*(?:\r\n|\Z)")


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf: what it is, the header block it had, and its body with the transfer encoding undone."""

    content_type: str  # lower case, without parameters
    parameters: dict[str, str]
    header: bytes
    body: bytes
    disposition: str = ""  # inline, attachment or empty
    filename: str = ""
    content_id: str = ""  # without angle brackets

    def text(self) -> str:
        """The body as text; octets its charset does not know become U+FFFD."""
        return charset_text(self.body, self.parameters.get("charset", "utf-8"))


def walk(content: bytes) -> list[Part]:
    """The leaves of a message in order; an attached message is one leaf. Never raises."""
    return list(islice(_leaves(content, MIME_DEPTH, "text/plain"), MIME_PARTS))


def parse_parameters(value: str) -> tuple[str, dict[str, str]]:
    """`text/html; charset=utf-8` as its lower-case first word and its parameters, RFC 2231 forms put together."""
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for found in islice(_PARAMETER.finditer(value), MIME_PARTS):
        named = _CONTINUED.fullmatch(found[1].lower())
        text = _ESCAPED.sub(r"\1", found[2]) if found[2] is not None else found[3].strip()
        if named:
            pieces.setdefault(named[1], []).append((int(named[2] or 0), named[3] is not None, text))
    return value.partition(";")[0].strip().lower(), {name: _joined(found) for name, found in pieces.items()}


def decode_transfer(body: bytes, encoding: str) -> bytes:
    """The body with base64 or quoted-printable undone; any other encoding leaves it as it is. Never raises."""
    if encoding == "base64":
        return _base64(body)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    return body


def _leaves(content: bytes, depth: int, default_type: str) -> Iterator[Part]:
    block, body = split(content)
    header = fields(block)  # cut once: four of its fields are asked for
    content_type, parameters = parse_parameters(_value(header, "Content-Type") or default_type)
    pieces = (
        _pieces(body, parameters.get("boundary", "").rstrip())
        if content_type.startswith("multipart/") and depth
        else ()
    )
    inner = "message/rfc822" if content_type == "multipart/digest" else "text/plain"
    at_all = False
    for piece in pieces:
        at_all = True
        yield from _leaves(piece, depth - 1, inner)
    if not at_all:  # a multipart without a single delimiter is shown as what it is: one body
        yield _leaf(block, header, body, content_type, parameters)


def _leaf(block: bytes, header: Header, body: bytes, content_type: str, parameters: dict[str, str]) -> Part:
    disposition, more = parse_parameters(_value(header, "Content-Disposition"))
    encoding = _value(header, "Content-Transfer-Encoding").partition(";")[0].strip().lower()
    return Part(
        content_type=content_type,
        parameters=parameters,
        header=block,
        body=decode_transfer(body, encoding),
        disposition=disposition,
        filename=more.get("filename") or parameters.get("name", ""),
        content_id=_value(header, "Content-ID").strip("<>"),
    )


def _pieces(body: bytes, boundary: str) -> Iterator[bytes]:
    """What stands between the delimiter lines (RFC 2046 5.1.1); the CRLF before a delimiter belongs to the delimiter."""
    if not boundary:
        return
    delimiter = b"--" + boundary.encode("utf-8", "surrogateescape")
    start: int | None = None
    at = body.find(delimiter)
    while at >= 0:
        rest = _AFTER_BOUNDARY.match(body, at + len(delimiter))
        if rest and (at == 0 or body.startswith(b"\r\n", at - 2)):
            if start is not None:
                yield body[start : max(at - 2, start)]
            if rest[1]:
                return
            start = rest.end()
        at = body.find(delimiter, at + len(delimiter))
    if start is not None:
        yield body[start:]


def _value(header: Header, name: str) -> str:
    return (first(header, name) or b"").decode("utf-8", "replace")


def _joined(pieces: list[tuple[int, bool, str]]) -> str:
    pieces = sorted(pieces, key=lambda piece: piece[0])
    if any(extended for _, extended, _ in pieces):
        return _extended(pieces)
    return decode_words("".join(text for _, _, text in pieces))  # not allowed in parameters, yet everybody writes it


def _extended(pieces: list[tuple[int, bool, str]]) -> str:
    charset, octets = "utf-8", b""
    for number, extended, text in pieces:
        if number == 0 and extended and text.count("'") > 1:
            charset, _, rest = text.split("'", 2)
        else:
            rest = text
        octets += unquote_to_bytes(rest) if extended else rest.encode()
    return charset_text(octets, charset)


def _base64(body: bytes) -> bytes:
    clean = _NOT_BASE64.sub(b"", body.partition(b"=")[0] if body.count(b"=") > 2 else body)
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))
