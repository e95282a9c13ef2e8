"""Asking the DNS: a stub resolver with a cache, over the recursive resolvers of the settings or of /etc/resolv.conf.

It keeps "there is none" (NODATA, NXDOMAIN) apart from "could not find out" (SERVFAIL, TIMEOUT): the first settles a mail, the
second only delays it. Nothing here raises for what a name server does.

DNSSEC is validated by the resolver that is asked, and told by the AD bit. Anybody on the way could set that bit, so it is believed
of resolvers on this machine and of those the settings name, not of others that /etc/resolv.conf happens to name (RFC 7672 2.1.1).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.resolver
from dns.rdata import Rdata
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TLSA import TLSA
from dns.rdtypes.ANY.TXT import TXT

from posthouse.model.dns import Answer, DnsStatus, MxRecord, TlsaRecord
from posthouse.model.limits import (
    DNS_ALIAS_HOPS,
    DNS_CACHED_ANSWERS,
    DNS_CONCURRENT_LOOKUPS,
    DNS_FAILURE_TTL_S,
    DNS_NEGATIVE_TTL_S,
    DNS_TIMEOUT_S,
    DNS_TRIES,
    DNS_TTL_MAX_S,
)
from posthouse.runtime.clock import Clock, SystemClock

_Question = tuple[str, str]
_BACKEND = dns.asyncbackend.get_backend("asyncio")
_UDP_PAYLOAD = 1232  # octets that cross any path unfragmented (DNS flag day 2020)


@dataclass(slots=True)
class _Flight:
    """A question on its way, with how many wait for its answer."""

    task: asyncio.Task[Answer[Any]]
    waiters: int = 0


class Resolver:
    """Caches by question until the TTL ends; equal questions asked at the same time are sent once.

    `servers` are `ip`, `ip:port` or `[ipv6]:port`; none means those of /etc/resolv.conf. `timeout_s` bounds one try.
    """

    def __init__(
        self,
        servers: Sequence[str] = (),
        *,
        timeout_s: float = DNS_TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        self._servers = [_endpoint(server) for server in servers or _configured_servers()]
        self._believed = bool(servers) or all(ip_address(host).is_loopback for host, _ in self._servers)
        self._timeout_s = timeout_s
        self._clock = clock or SystemClock()
        self._cache: OrderedDict[_Question, tuple[float, Answer[Any]]] = OrderedDict()
        self._flights: dict[_Question, _Flight] = {}
        self._slots = asyncio.Semaphore(DNS_CONCURRENT_LOOKUPS)

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """The mail exchangers as published; a null MX (RFC 7505) has an empty exchange."""
        return await self._ask(domain, "MX")

    async def addresses(self, host: str, families: Sequence[int] = (4, 6)) -> Answer[str]:
        """IP addresses in the order of `families`, each family in the resolver's order.

        One family with addresses is enough for NOERROR; without any, a family that could not be looked up decides.
        """
        answers = await asyncio.gather(*(self._ask(host, "A" if family == 4 else "AAAA") for family in families))
        found = [answer for answer in answers if answer.records]
        if not found:
            return next((answer for answer in answers if not answer.is_final), answers[0])
        records = tuple(record for answer in found for record in answer.records)
        ttl_s = min(answer.ttl_s for answer in found)
        secure = all(answer.authenticated for answer in found)
        return Answer(DnsStatus.NOERROR, records, ttl_s, secure, name=found[0].name)

    async def tlsa(self, host: str, port: int) -> Answer[TlsaRecord]:
        """What is published about the certificate of a TCP service (RFC 6698 3). Only an authenticated answer means anything."""
        return await self._ask(f"_{port}._tcp.{host}", "TLSA")

    async def txt(self, name: str) -> Answer[str]:
        """TXT records, the strings of each joined without space (RFC 7208 3.3)."""
        return await self._ask(name, "TXT")

    async def lookup(self, name: str, rdtype: str) -> Answer[str]:
        """Records of any type in presentation format; MX, TXT, TLSA and addresses have methods of their own."""
        assert rdtype not in {"MX", "TXT", "TLSA"}
        return await self._ask(name, rdtype)

    async def _ask(self, name: str, rdtype: str) -> Answer[Any]:
        question = (name.lower().rstrip("."), rdtype)
        cached = self._cached(question)
        if cached is not None:
            return cached
        flight = self._flights.get(question)
        if flight is None:
            flight = self._flights[question] = _Flight(asyncio.ensure_future(self._fetch(question)))
        return await self._joined(question, flight)

    async def _joined(self, question: _Question, flight: _Flight) -> Answer[Any]:
        """Wait with others for one answer; when the last loses interest the question is dropped."""
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiters -= 1
            if not flight.waiters:
                flight.task.cancel()
                if self._flights.get(question) is flight:
                    del self._flights[question]

    async def _fetch(self, question: _Question) -> Answer[Any]:
        async with self._slots:
            answer = await self._followed(*question)
        self._remember(question, answer)
        return answer

    def _cached(self, question: _Question) -> Answer[Any] | None:
        entry = self._cache.get(question)
        if entry is None:
            return None
        expires, answer = entry
        left = expires - self._clock.monotonic()
        if left <= 0:
            del self._cache[question]
            return None
        return replace(answer, ttl_s=left)

    def _remember(self, question: _Question, answer: Answer[Any]) -> None:
        if answer.ttl_s <= 0:
            return
        self._cache[question] = (self._clock.monotonic() + answer.ttl_s, answer)
        self._cache.move_to_end(question)
        if len(self._cache) > DNS_CACHED_ANSWERS:
            self._cache.popitem(last=False)

    async def _followed(self, name: str, rdtype: str) -> Answer[Any]:
        """The answer behind any aliases. Recursive resolvers follow CNAMEs themselves; some give only the first."""
        secure, aliased = self._believed, ""
        for _ in range(DNS_ALIAS_HOPS):
            response = await self._exchanged(name, rdtype)
            if isinstance(response, Answer):
                return response
            answer, alias = _read(response)
            secure = secure and answer.authenticated
            if alias is None:
                return replace(answer, authenticated=secure, name=answer.name or aliased)
            name = aliased = alias
        return _failed(f"more than {DNS_ALIAS_HOPS} aliases, or a loop of them")

    async def _exchanged(self, name: str, rdtype: str) -> dns.message.QueryMessage | Answer[Any]:
        """One question put to the servers in turn; a failure only when every try failed."""
        try:
            query = dns.message.make_query(name + ".", rdtype, use_edns=0, payload=_UDP_PAYLOAD)
        except dns.exception.DNSException:
            return Answer(DnsStatus.NXDOMAIN, ttl_s=DNS_NEGATIVE_TTL_S, detail="not a domain name")
        query.flags |= dns.flags.AD  # RFC 6840 5.7: we want to know whether the answer was validated
        failure: Answer[Any] = _failed("no try was made")
        for number in range(max(DNS_TRIES, min(len(self._servers), 3))):
            response = await self._tried(query, *self._servers[number % len(self._servers)])
            if not isinstance(response, Answer):
                return response
            failure = response
        return failure

    async def _tried(
        self, query: dns.message.QueryMessage, server: str, port: int
    ) -> dns.message.QueryMessage | Answer[Any]:
        """One try at one server: over UDP from a random port, over TCP when the answer was cut off."""
        try:
            async with asyncio.timeout(self._timeout_s):
                response, _ = await dns.asyncquery.udp_with_fallback(
                    query, server, port=port, ignore_unexpected=True, ignore_errors=True, backend=_BACKEND
                )
        except (TimeoutError, dns.exception.Timeout):
            return Answer(DnsStatus.TIMEOUT, ttl_s=DNS_FAILURE_TTL_S, detail=f"no answer from {server}")
        except (OSError, EOFError, dns.exception.DNSException) as error:
            return _failed(f"{server}: {str(error) or type(error).__name__}")
        if response.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            return _failed(f"{server} answered {dns.rcode.to_text(response.rcode())}")
        assert isinstance(response, dns.message.QueryMessage)
        return response


def _read(response: dns.message.QueryMessage) -> tuple[Answer[Any], str | None]:
    """What a response says, and the alias to ask next when it ends in one."""
    authenticated = bool(response.flags & dns.flags.AD)
    try:
        chain = response.resolve_chaining()
    except dns.exception.DNSException as error:
        return _failed(f"inconsistent answer: {error}"), None
    negative_ttl = min(chain.minimum_ttl, DNS_NEGATIVE_TTL_S)
    name = chain.canonical_name.to_text(omit_final_dot=True).lower() if chain.cnames else ""
    if response.rcode() == dns.rcode.NXDOMAIN:
        return Answer(DnsStatus.NXDOMAIN, (), negative_ttl, authenticated), None
    if chain.answer is not None:
        records = tuple(_record(rdata) for rdata in chain.answer)
        ttl_s = min(chain.minimum_ttl, DNS_TTL_MAX_S)
        return Answer(DnsStatus.NOERROR, records, ttl_s, authenticated, name=name), None
    alias = name if chain.cnames and not response.authority else None
    return Answer(DnsStatus.NODATA, (), negative_ttl, authenticated), alias


def _record(rdata: Rdata) -> MxRecord | TlsaRecord | str:
    match rdata:
        case MX():
            return MxRecord(rdata.preference, rdata.exchange.to_text(omit_final_dot=True).rstrip(".").lower())
        case TLSA():
            return TlsaRecord(rdata.usage, rdata.selector, rdata.mtype, rdata.cert)
        case TXT():
            return b"".join(rdata.strings).decode("utf-8", "replace")
        case _:
            return rdata.to_text()


def _failed(detail: str) -> Answer[Any]:
    return Answer(DnsStatus.SERVFAIL, ttl_s=DNS_FAILURE_TTL_S, detail=detail)


def _configured_servers() -> list[str]:
    """The name servers of this host; the local one when it names none, as the C library does."""
    try:
        return [str(server) for server in dns.resolver.Resolver().nameservers]
    except dns.resolver.NoResolverConfiguration:
        return ["127.0.0.1"]


def _endpoint(server: str) -> tuple[str, int]:
    """`ip`, `ip:port` or `[ipv6]:port` as address and port. Raises ValueError."""
    if server.startswith("["):
        host, _, port = server[1:].partition("]")
        port = port.removeprefix(":")
    elif server.count(":") == 1:
        host, _, port = server.partition(":")
    else:
        host, port = server, ""
    return str(ip_address(host)), int(port or 53)
