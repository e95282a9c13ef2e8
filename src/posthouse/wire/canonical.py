"""Canonical forms of header fields and bodies (RFC 6376 3.4): what a DKIM hash is taken over."""

import re
from typing import Final

_WSP_RUN: Final = re.compile(rb"[ \t]+")
_TAB_TO_SPACE: Final = bytes.maketrans(b"\t", b" ")


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
    body = body.translate(_TAB_TO_SPACE)
    while b"  " in body:  # each round halves the longest run
        body = body.replace(b"  ", b" ")
    body = body.replace(b" \r\n", b"\r\n").removesuffix(b" ")
    return _one_final_line_end(body)


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


def _one_final_line_end(body: bytes) -> bytes:
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end] + b"\r\n" if end else b""
