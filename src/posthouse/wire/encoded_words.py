"""Text in header fields that is not ASCII: encoded words (RFC 2047), written strictly and read tolerantly."""

import binascii
import re
from collections.abc import Iterator
from typing import Final

from posthouse.wire.charsets import text as charset_text

WORD_CHARS: Final = 75  # RFC 2047 2: longest encoded word
_OVERHEAD: Final = len("=?utf-8?q??=")
_Q_SAFE: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q_TABLE: Final = {
    octet: "_" if octet == 0x20 else chr(octet) if octet in _Q_SAFE else f"={octet:02X}" for octet in range(256)
}
_WORD: Final = re.compile(r"=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[A-Za-z0-9-]{0,40})?\?([bBqQ])\?([^?\s]*)\?=")
_BETWEEN: Final = re.compile(r"(\?=)[ \t\r\n]+(?==\?[A-Za-z0-9_.:+*-]{1,80}\?[bBqQ]\?)")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_Q_OCTET: Final = re.compile(rb"=([0-9A-Fa-f]{2})")


def encode(text: str, first_room: int = WORD_CHARS) -> list[str]:
    """`text` as encoded words, each of whole code points, the first at most `first_room` (24 or more) characters long, the rest 75.

    Q or B is chosen once for the whole text, by which is shorter.
    """
    octets = text.encode()
    quoted = octets.decode("latin-1").translate(_Q_TABLE)
    if len(quoted) <= (len(octets) + 2) // 3 * 4:
        return [f"=?utf-8?q?{piece}?=" for piece in _q_pieces(quoted, first_room - _OVERHEAD)]
    return [f"=?utf-8?b?{piece}?=" for piece in _b_pieces(octets, (first_room - _OVERHEAD) // 4 * 3)]


def decode(text: str) -> str:
    """Every encoded word replaced by what it means; what cannot be decoded stays as it was written. Never raises.

    Control characters become spaces: a line break must not become one again, and a terminal must not obey an escape sequence.
    """
    if "=?" in text:
        text = _WORD.sub(_meaning, _BETWEEN.sub(r"\1", text))
    return text if text.isascii() and text.isprintable() else _CONTROL.sub(" ", text)


def _q_pieces(quoted: str, room: int) -> Iterator[str]:
    start = 0
    while len(quoted) - start > room:
        end = start + room
        if "=" in quoted[end - 2 : end]:  # not inside =XX
            end = quoted.index("=", end - 2)
        while quoted[end] == "=" and quoted[end + 1] in "89AB":  # nor before an octet that continues a code point
            end -= 3
        yield quoted[start:end]
        start, room = end, WORD_CHARS - _OVERHEAD
    yield quoted[start:]


def _b_pieces(octets: bytes, room: int) -> Iterator[str]:
    start = 0
    while len(octets) - start > room:
        end = start + room
        while octets[end] & 0xC0 == 0x80:
            end -= 1
        yield _b(octets[start:end])
        start, room = end, (WORD_CHARS - _OVERHEAD) // 4 * 3
    yield _b(octets[start:])


def _b(octets: bytes) -> str:
    return binascii.b2a_base64(octets, newline=False).decode("ascii")


def _meaning(word: re.Match[str]) -> str:
    charset, encoding, payload = word.groups()
    if encoding in "qQ":
        octets = _Q_OCTET.sub(lambda hit: bytes([int(hit[1], 16)]), payload.replace("_", " ").encode())
    else:
        digits = payload.rstrip("=")
        try:
            octets = binascii.a2b_base64(digits + "=" * (-len(digits) % 4))
        except ValueError:
            return word[0]
    return charset_text(octets, charset)
