"""What a client may put on the wire: message data made safe and transparent, mailboxes as MAIL and RCPT arguments."""

import re
from collections.abc import Sequence

from posthouse.wire import line_ends

_PLAIN_PATH = re.compile(r"[^\x00-\x20\x7f<>\"]+")
_QUOTED_PATH = re.compile(r'"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"@[^\x00-\x20\x7f<>"]+')


def joined(segments: Sequence[bytes]) -> bytes:
    """The message in one piece, ending in CRLF.

    Raises ValueError on a CR or LF outside CRLF: receivers disagree on what those mean, which is how one mail is smuggled
    inside another (RFC 5321 2.3.8). Message data is made by us, so it is our bug.
    """
    content = b"".join(segments)
    if not line_ends.are_sound(content):
        raise ValueError("message data has a bare CR or LF")
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def dot_stuffed(content: bytes) -> bytes:
    """The message with each line's leading dot doubled (RFC 5321 4.5.2)."""
    if content.startswith(b"."):
        content = b"." + content
    return content.replace(b"\r\n.", b"\r\n..") if line_ends.DOT_LINE.search(content) else content


def path(address: str, *, smtputf8: bool) -> str:
    """`<address>` as the argument of MAIL or RCPT, `<>` for the null sender.

    Raises ValueError for what would end the argument or the line early, and for non-ASCII text without SMTPUTF8 (RFC 6531):
    addresses were checked at the door, so either is our bug.
    """
    if not address:
        return "<>"
    if not (smtputf8 or address.isascii()):
        raise ValueError("non-ASCII address in a mail not marked for SMTPUTF8")
    if _PLAIN_PATH.fullmatch(address) is None and _QUOTED_PATH.fullmatch(address) is None:
        raise ValueError("address does not fit an SMTP path")
    return f"<{address}>"
