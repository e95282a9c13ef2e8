"""The questions of SPF, DKIM and DMARC put to the real DNS, so that we judge ourselves with the code that judges others."""

from ipaddress import ip_address
from typing import Any, Protocol

from posthouse.model.dns import Answer as Answered
from posthouse.model.dns import DnsStatus
from posthouse.runtime.dns import Resolver
from posthouse.wire.lookups import Answer, Found

_FOUND = {DnsStatus.NODATA: Found.NO_DATA, DnsStatus.NXDOMAIN: Found.NO_NAME}


class Texts(Protocol):
    """Who is asked for TXT records: a resolver."""

    async def txt(self, name: str) -> Answered[str]:
        """Each record's strings joined."""
        ...


class TextsOf:
    """`wire.lookups.TextLookups` over whoever knows TXT records."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    async def txt(self, name: str) -> Answer:
        """TXT records."""
        return _answer(await self._texts.txt(name))


class ResolverLookups(TextsOf):
    """`wire.lookups.Lookups` over a resolver."""

    def __init__(self, resolver: Resolver) -> None:
        super().__init__(resolver)
        self._resolver = resolver

    async def a(self, name: str) -> Answer:
        """IPv4 addresses."""
        return _answer(await self._resolver.addresses(name, (4,)))

    async def aaaa(self, name: str) -> Answer:
        """IPv6 addresses."""
        return _answer(await self._resolver.addresses(name, (6,)))

    async def mx(self, name: str) -> Answer:
        """Mail exchangers, most preferred first."""
        answer = await self._resolver.mx(name)
        ordered = sorted(answer.records, key=lambda record: record.preference)
        return Answer(Found.YES, tuple(each.exchange for each in ordered)) if ordered else _answer(answer)

    async def ptr(self, ip: str) -> Answer:
        """Host names of an address."""
        answer = await self._resolver.lookup(ip_address(ip).reverse_pointer, "PTR")
        return _answer(answer)


def _answer(answer: Answered[Any]) -> Answer:
    if answer.records:
        return Answer(Found.YES, tuple(str(record).rstrip(".") for record in answer.records))
    return Answer(_FOUND.get(answer.status, Found.NO_DATA if answer.is_final else Found.FAILED))
