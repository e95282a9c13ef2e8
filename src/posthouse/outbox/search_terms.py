"""Reads what a person typed into the search box. Pure."""

import re

from posthouse.model.values import dataclass

_WORD = re.compile(r"[\w]+", re.UNICODE)


@dataclass(frozen=True, slots=True)
class MessageId:
    """A Message-ID with its angle brackets."""

    text: str


@dataclass(frozen=True, slots=True)
class AddressRange:
    """Recipient addresses from `first` up to, not including, `past`, in code point order."""

    first: str
    past: str


@dataclass(frozen=True, slots=True)
class Words:
    """Words of subject and sender."""

    text: str


def read(query: str) -> MessageId | AddressRange | Words | None:
    """`<x@y>` is a Message-ID, `anna@` or `anna@example.com` the beginning of a recipient's address, the rest words."""
    text = query.strip()
    if not text:
        return None
    if text.startswith("<") and text.endswith(">"):
        return MessageId(text)
    if "@" in text and " " not in text and not text.startswith("@"):
        return AddressRange(text, text + "\U0010ffff")
    return Words(text)


def words(query: str) -> str | None:
    """A `to_tsquery` expression in which every word may be a beginning; None when there is nothing to look for.

    >>> words("order 17 ship")
    'order:* & 17:* & ship:*'
    """
    found = _WORD.findall(query)
    return " & ".join(f"{word}:*" for word in found) if found else None
