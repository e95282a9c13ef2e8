"""Takes a stored mail apart for a reader: its text, its HTML made safe to frame, headers, attachments. Pure.

The HTML is only ever served to a sandboxed frame whose policy forbids scripts, forms and every load but data: images (and remote
images once the reader asks for them), so nothing in it needs to be recognised and removed here.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from posthouse.wire import headers
from posthouse.wire.parts import Part, walk

_CID: Final = re.compile(r"cid:([^\"'\s)>]+)", re.IGNORECASE)
# A run of what may stand between, bounded: three neighbours that match the same spaces would try them in every division.
_REMOTE: Final = re.compile(
    r"""(?:\bsrc|\bsrcset|\bbackground|\bposter|url\()[\s=("']{0,40}(?:https?:)?//""", re.IGNORECASE
)
RAW_SHOWN: Final = 60_000  # characters of source on the page; its HTML stays below 100 kB
INLINE_OCTETS: Final = 5_000_000  # of images put into the frame
HEADERS_SHOWN: Final = 200
ATTACHMENTS_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Reading:
    """One mail as a reader wants it. `html` is None when there is only text."""

    text: str
    html: str | None
    remote: bool
    attachments: tuple[Part, ...]
    headers: tuple[tuple[str, str], ...]


def read(content: bytes) -> Reading:
    """Never fails: what cannot be understood is shown as it is, or left out."""
    leaves = walk(content)
    shown = [leaf for leaf in leaves if leaf.disposition != "attachment" and not leaf.filename]
    text = next((leaf.text() for leaf in shown if leaf.content_type == "text/plain"), "")
    html = next((leaf.text() for leaf in shown if leaf.content_type == "text/html"), None)
    block, _ = headers.split(content)
    return Reading(
        text=text,
        html=None if html is None else _with_inline_images(html, leaves),
        remote=bool(html and _REMOTE.search(html)),
        attachments=tuple(leaf for leaf in leaves if leaf.filename or leaf.disposition == "attachment"),
        headers=tuple((_name(each.raw), headers.decode(each.value)) for each in headers.fields(block)),
    )


def policy(images: bool) -> str:
    """The frame's Content-Security-Policy."""
    sources = "data: https: http:" if images else "data:"
    return f"sandbox; default-src 'none'; img-src {sources}; style-src 'unsafe-inline'; font-src data:; frame-ancestors 'self'"


def source(content: bytes) -> tuple[str, bool]:
    """The mail as it is on the wire, and whether more of it is left than is shown."""
    return content[:RAW_SHOWN].decode("utf-8", "replace"), len(content) > RAW_SHOWN


def _name(raw: bytes) -> str:
    return raw.partition(b":")[0].decode("utf-8", "replace").strip()


def _with_inline_images(html: str, leaves: list[Part]) -> str:
    """`cid:` addresses (RFC 2392) as data: URLs."""
    images = {leaf.content_id: leaf for leaf in leaves if leaf.content_id and leaf.content_type.startswith("image/")}
    budget = INLINE_OCTETS

    def replaced(match: re.Match[str]) -> str:
        nonlocal budget
        leaf = images.get(match[1])
        if leaf is None or len(leaf.body) > budget:
            return match[0]
        budget -= len(leaf.body)
        return f"data:{leaf.content_type};base64,{b64encode(leaf.body).decode()}"

    return _CID.sub(replaced, html)
