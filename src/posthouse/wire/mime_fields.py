"""Header fields as we write them: folded, encoded, and impossible to break out of (RFC 5322 2.2.3, 2047, 2231, 6532).

Lines aim at 78 characters and never exceed 998. Only addresses with a non-ASCII local part put raw UTF-8 into a header; every
other non-ASCII text is encoded, because it then reaches servers without SMTPUTF8 too.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

from posthouse.wire.addresses import Mailbox
from posthouse.wire.encoded_words import encode

LINE_CHARS: Final = 78
_HARD_LINE_CHARS: Final = 990
# Lone surrogates cannot be written as UTF-8 at all; JSON can smuggle them in.
_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNSAFE_IN_ADDRESS: Final = re.compile("[\x00-\x20\x7f<>,\ud800-\udfff]")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LONGEST_PLAIN_NAME: Final = 60  # longer ones are encoded, which can be folded anywhere
_SINGLE_SPACE: Final = re.compile(r"(?<=[^ ]) (?=[^ ])")
_CONTINUED: Final = "\r\n "
_NEXT: Final = ",\r\n "
_CHARSET: Final = "utf-8''"
_NAME: Final = re.compile(r"[!-9;-~]{1,76}")
_PLAIN_FILENAME_CHARS: Final = 64
_PARAMETER_CHARS: Final = 54  # of an extended parameter value on one line


class UnsafeFieldError(ValueError):
    """A value that would break out of its header field. Our bug: drafts are checked before they are written."""

    def __init__(self, field: str) -> None:
        super().__init__(f"unsafe characters in {field}")
        self.field = field


def is_safe(value: str) -> bool:
    """Whether the text may stand in a header field: no control character (C0, DEL, C1: some terminals obey U+009B), no lone surrogate."""
    return _UNSAFE.search(value) is None


def is_field_name(name: str) -> bool:
    """Whether the text is a header field name (RFC 5322 2.2) that leaves room for a value on its line."""
    return _NAME.fullmatch(name) is not None


def unstructured(name: str, value: str) -> bytes:
    """One field with free text: as it is when it is ASCII that can be folded, in encoded words otherwise."""
    _refuse_unsafe(name, name, value)
    value = value.strip(" ")
    if value.isascii() and "=?" not in value:
        if len(name) + 2 + len(value) <= LINE_CHARS:
            return f"{name}: {value}\r\n".encode("ascii")
        folded = _fold(name, _SINGLE_SPACE.split(value))
        if folded is not None:
            return folded
    words = encode(value, max(LINE_CHARS - len(name) - 2, 24))
    return f"{name}: {_CONTINUED.join(words)}\r\n".encode("ascii")


def mailbox_list(name: str, mailboxes: Sequence[Mailbox]) -> bytes:
    """One field with an address list, a line for each mailbox."""
    return f"{name}: {_NEXT.join([_mailbox(name, mailbox) for mailbox in mailboxes])}\r\n".encode()


def with_filename(field: str, value: str, filename: str) -> bytes:
    """A Content-Disposition carrying a file name, in RFC 2231 form when it is not plain ASCII."""
    _refuse_unsafe(field, filename)
    if len(filename) <= _PLAIN_FILENAME_CHARS and filename == ascii_filename(filename):
        return f'{field}: {value};\r\n filename="{filename}"\r\n'.encode("ascii")
    lines = [f"{field}: {value}", *_extended("filename", filename)]
    return (";\r\n ".join(lines) + "\r\n").encode("ascii")


def ascii_filename(filename: str) -> str:
    """A plain stand-in for readers that do not know RFC 2231: accents dropped, everything else an underscore."""
    plain = unicodedata.normalize("NFKD", filename)
    kept = "".join(char for char in plain if not unicodedata.combining(char))
    # No quotes to escape, nothing that reads like an encoded word, no runs of spaces that a relay might squeeze.
    return re.sub(r"[^ -!#-\[\]-~]|=\?|(?<= ) ", "_", kept)[-_PLAIN_FILENAME_CHARS:]


def _extended(parameter: str, value: str) -> Iterable[str]:
    pieces: list[str] = []
    piece = ""
    for char in value:
        octets = quote(char, safe="!#$&+-.^_`{}~")
        if len(piece) + len(octets) > _PARAMETER_CHARS:
            pieces.append(piece)
            piece = ""
        piece += octets
    pieces.append(piece)
    if len(pieces) == 1:
        return [f"{parameter}*=utf-8''{piece}"]
    return [f"{parameter}*{index}*={'' if index else _CHARSET}{piece}" for index, piece in enumerate(pieces)]


def _mailbox(field: str, mailbox: Mailbox) -> str:
    if _UNSAFE_IN_ADDRESS.search(mailbox.address):
        raise UnsafeFieldError(field)
    _refuse_unsafe(field, mailbox.name)
    name = mailbox.name.strip(" ")
    if not name:
        return mailbox.address
    phrase = _phrase(field, name)
    used = len(phrase.rpartition("\r\n")[2]) + len(mailbox.address) + 4
    return f"{phrase}{' ' if used + len(field) < LINE_CHARS else _CONTINUED}<{mailbox.address}>"


def _phrase(field: str, name: str) -> str:
    if not name.isascii() or "=?" in name or len(name) > _LONGEST_PLAIN_NAME:
        return _CONTINUED.join(encode(name, LINE_CHARS - len(field) - 2))
    return name if _ATOMS.fullmatch(name) else f'"{_escaped(name)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _fold(name: str, words: Sequence[str]) -> bytes | None:
    """`words` joined by single spaces over lines of 78 where they allow it, None when one word is too long for any line."""
    lines = [f"{name}:"]
    for word in words:
        if len(word) > _HARD_LINE_CHARS - len(name):
            return None
        if len(lines[-1]) + 1 + len(word) > LINE_CHARS and lines[-1] != f"{name}:":
            lines.append("")
        lines[-1] += " " + word
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def _refuse_unsafe(field: str, *values: str) -> None:
    for value in values:
        if _UNSAFE.search(value):
            raise UnsafeFieldError(field)
