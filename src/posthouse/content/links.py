"""What a message links to: the hosts of its links, images and forms, as block lists of domains know them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Final
from urllib.parse import unquote, urlsplit

from resiliparse.parse.html import ElementNode, HTMLTree

from posthouse.model.limits import LINK_CHARS, LINK_HOSTS, LINK_TEXT_OCTETS
from posthouse.wire.addresses import to_a_label
from posthouse.wire.parts import Part, walk

# Mail programs make links of these in plain text, and of little else that is not one.
_IN_TEXT: Final = re.compile(rf"\b(?:https?://|www\.)[^\s<>\"'()\[\]{{}}“”‘’«»]{{1,{LINK_CHARS}}}", re.IGNORECASE)
_ATTRIBUTES: Final = ("href", "src", "action", "background")
_SCHEMES: Final = frozenset({"http", "https", "ftp", ""})


def hosts(content: bytes) -> tuple[str, ...]:
    """The hosts that the texts of a message lead to, as lower-case A-labels in the order they appear; IP addresses are left out.

    A message can hold a million links: LINK_TEXT_OCTETS are read, and LINK_HOSTS told.
    """
    found: dict[str, None] = {}
    for url in chain.from_iterable(map(_urls, _texts(walk(content)))):
        if (host := host_of(url)) is not None:
            found[host] = None
            if len(found) == LINK_HOSTS:
                break
    return tuple(found)


def host_of(url: str) -> str | None:
    """The host a browser would go to; None where it is no other machine's name."""
    url = url.strip().replace("\\", "/")  # which browsers take for the same
    if url[:4].lower() == "www.":
        url = f"//{url}"
    try:
        parts = urlsplit(url)
        host = unquote(parts.hostname or "").rstrip(".,;:!?")  # in a text the sentence may end behind it
    except ValueError:
        return None
    name = to_a_label(host) if parts.scheme in _SCHEMES else None
    return name if name and "." in name and not _is_number(name.rpartition(".")[2]) else None


def _is_number(label: str) -> bool:
    """Whether browsers take a host that ends so for an IP address (0x7f.1 too)."""
    return label.isdigit() or label.startswith("0x")


def _texts(parts: Iterable[Part]) -> Iterator[Part]:
    """What people read, no more than LINK_TEXT_OCTETS of it."""
    left = LINK_TEXT_OCTETS
    for part in parts:
        if part.content_type in {"text/plain", "text/html"} and part.disposition != "attachment":
            yield replace(part, body=part.body[:left])
            left -= len(part.body)
            if left <= 0:
                return


def _urls(part: Part) -> Iterator[str]:
    text = part.text()
    if part.content_type == "text/html":
        yield from _linked(text)
    yield from (found[0] for found in _IN_TEXT.finditer(text))


def _linked(html: str) -> Iterator[str]:
    # Node by node: what a selector finds is looked for again with each step through it.
    for node in HTMLTree.parse(html).document or ():
        if isinstance(node, ElementNode):
            yield from (str(url) for url in map(node.getattr, _ATTRIBUTES) if url is not None)
