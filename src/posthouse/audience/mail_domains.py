"""Which domains take mail, asked of the DNS: an MX, or an address without one (RFC 5321 5.1); a null MX says never (RFC 7505)."""

import asyncio
import contextlib
from collections.abc import Collection
from typing import Any, Protocol

from posthouse.audience.hygiene import DomainState
from posthouse.model.dns import Answer, MxRecord
from posthouse.model.limits import LIST_LOOKUPS


class Lookup(Protocol):
    """Who asks: `runtime.dns.Resolver`."""

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """The mail exchangers."""
        ...

    async def addresses(self, host: str) -> Answer[str]:
        """IP addresses."""
        ...


async def ask(domains: Collection[str], lookup: Lookup, patience_s: float | None = None) -> dict[str, DomainState]:
    """The state of each, LIST_LOOKUPS asked about at a time. What has not answered within `patience_s` in all is unknown."""
    room = asyncio.Semaphore(LIST_LOOKUPS)
    states = dict.fromkeys(domains, DomainState.UNKNOWN)

    async def one(domain: str) -> None:
        async with room:
            states[domain] = await _state(domain, lookup)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            await asyncio.gather(*map(one, domains))
    return states


async def _state(domain: str, lookup: Lookup) -> DomainState:
    exchangers = await lookup.mx(domain)
    if exchangers.records:
        return DomainState.MAIL if any(each.exchange for each in exchangers.records) else DomainState.TAKES_NO_MAIL
    if not exchangers.is_final:
        return DomainState.UNKNOWN
    return _of_host(await lookup.addresses(domain))


def _of_host(answer: Answer[Any]) -> DomainState:
    if answer.records:
        return DomainState.MAIL
    return DomainState.DEAD if answer.is_final else DomainState.UNKNOWN
