"""The fields that let a mail program end a list for its reader (RFC 2369 3.2, RFC 8058). Pure."""

import re
from typing import Final

from posthouse.wire import headers
from posthouse.wire.headers import Header

NAMES: Final = ("List-Unsubscribe", "List-Unsubscribe-Post")
ONE_CLICK: Final = ("List-Unsubscribe", "One-Click")
"""The only field of the form that a mail program posts (RFC 8058 3.1)."""

_ADDRESS: Final = re.compile(rb"<([^<>]*)>")


def fields(page: str, mailbox: str) -> bytes:
    """The pair: a page that takes the one click, and an address for programs that know no better. Both in ASCII."""
    return (
        f"List-Unsubscribe: <{page}>,\r\n <mailto:{mailbox}?subject=unsubscribe>\r\n"
        f"List-Unsubscribe-Post: {'='.join(ONE_CLICK)}\r\n"
    ).encode("ascii")


def is_one_click(header: Header) -> bool:
    """Whether there is one such pair, whose page is reached by https (RFC 8058 3.1)."""
    pages, posts = (headers.values(header, name) for name in NAMES)
    if len(pages) != 1 or len(posts) != 1 or posts[0].decode("latin-1").casefold() != "=".join(ONE_CLICK).casefold():
        return False
    # White space inside the brackets is nothing (RFC 2369 2).
    return any(b"".join(each.split()).lower().startswith(b"https://") for each in _ADDRESS.findall(pages[0]))


def is_there(header: Header) -> bool:
    """Whether there is either field."""
    return any(headers.first(header, name) is not None for name in NAMES)


def cleared(content: bytes) -> bytes:
    """The message without fields that are no such pair, so that another can stand there alone; the message itself if it has none."""
    block, _ = headers.split(content)
    found = headers.fields(block)
    return headers.remove(content, NAMES) if is_there(found) and not is_one_click(found) else content
