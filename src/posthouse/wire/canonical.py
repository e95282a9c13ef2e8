"""Canonical forms of header fields and bodies (RFC 6376 3.4): what a DKIM hash is taken over."""

import re
from collections.abc import Iterator
from typing import Final

_WSP_RUN: Final = re.compile(rb"[ \t]+")
_TAB_TO_SPACE: Final = bytes.maketrans(b"\t", b" ")
_PIECE_OCTETS: Final = 65_536


def relaxed_field(raw: bytes) -> bytes:
    """One whole field, relaxed, without its final CRLF (3.4.2)."""
    name, _, value = raw.partition(b":")
    if b"\x0b" in value or b"\x0c" in value:  # split() would take these for white space, the RFC does not
        value = _WSP_RUN.sub(b" ", value.replace(b"\r\n", b"")).strip(b" \t")
    else:
        value = b" ".join(value.split())
    return name.strip(b" \t\r\n").lower() + b":" + value


def simple_field(raw: bytes) -> bytes:
    """One whole field as it stands, without its final CRLF (3.4.1)."""
    return raw.removesuffix(b"\r\n")


def relaxed_body(body: bytes) -> bytes:
    """The body, relaxed (3.4.4). One that is canonical already comes back as the same object."""
    if is_relaxed(body):
        return body
    return _one_final_line_end(b"".join([_relaxed_lines(some) for some in _pieces(body)]))


def simple_body(body: bytes) -> bytes:
    """The body, simple (3.4.3): an empty one is a single CRLF."""
    return _one_final_line_end(body) or b"\r\n"


def is_relaxed(body: bytes) -> bool:
    """Whether relaxing would change nothing: a few scans at memory speed instead of rewriting."""
    if not body:
        return True
    return (
        body.endswith(b"\r\n")
        and not body.endswith(b"\r\n\r\n")
        and body != b"\r\n"
        and b"\t" not in body
        and b"  " not in body
        and b" \r\n" not in body
    )


def _relaxed_lines(lines: bytes) -> bytes:
    lines = lines.translate(_TAB_TO_SPACE)
    while b"  " in lines:  # each round halves the longest run
        lines = lines.replace(b"  ", b" ")
    return lines.replace(b" \r\n", b"\r\n").removesuffix(b" ")


def _pieces(body: bytes) -> Iterator[bytes]:
    """Whole lines, little enough at a time that other threads have their turns during a large body."""
    start = 0
    while start < len(body):
        end = body.find(b"\r\n", start + _PIECE_OCTETS)
        end = end + 2 if end >= 0 else len(body)
        yield body[start:end]
        start = end


def _one_final_line_end(body: bytes) -> bytes:
    if not body or body == b"\r\n":
        return b""
    if not body.endswith(b"\r\n"):
        return body + b"\r\n"
    if not body.endswith(b"\r\n\r\n"):
        return body
    end = len(body.rstrip(b"\r\n"))
    if body[end:] != b"\r\n" * ((len(body) - end) // 2):  # a lone CR or LF among them ends no line
        end = len(body)
        while body.endswith(b"\r\n", 0, end):
            end -= 2
    return body[:end] + b"\r\n" if end else b""
