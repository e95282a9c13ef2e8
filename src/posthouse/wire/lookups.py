"""The DNS questions DKIM, SPF and DMARC ask, as a protocol: whoever runs the check brings a resolver, a cache or a table."""

from enum import StrEnum
from typing import Protocol

from posthouse.model.values import dataclass


class Found(StrEnum):
    """How a question ended. The four must stay apart: each standard draws other conclusions from them."""

    YES = "yes"
    NO_DATA = "no_data"  # the name exists without such records
    NO_NAME = "no_name"  # NXDOMAIN
    FAILED = "failed"  # SERVFAIL or timeout: ask again later


@dataclass(frozen=True, slots=True)
class Answer:
    """Records as text; empty unless `found` is YES."""

    found: Found
    values: tuple[str, ...] = ()


class TextLookups(Protocol):
    """Names come without a trailing dot and may be any text a stranger published: answer NO_NAME to what is no name."""

    async def txt(self, name: str) -> Answer:
        """TXT records, the strings of each record joined without a separator."""
        ...


class Lookups(TextLookups, Protocol):
    """Every kind of question; names as there."""

    async def a(self, name: str) -> Answer:
        """IPv4 addresses."""
        ...

    async def aaaa(self, name: str) -> Answer:
        """IPv6 addresses."""
        ...

    async def mx(self, name: str) -> Answer:
        """Mail exchangers, most preferred first."""
        ...

    async def ptr(self, ip: str) -> Answer:
        """Host names of an address."""
        ...
