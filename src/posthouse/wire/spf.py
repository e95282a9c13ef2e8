"""SPF: may this address send for that domain (RFC 7208).

`check_host` walks the record as its section 4 says, with the two brakes of 4.6.4: ten terms that ask the DNS, and two questions
answered with nothing. Look-ups are injected; the records of strangers decide what is asked, but never how often.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final

from posthouse.model.limits import SPF_HOSTS_PER_LOOKUP, SPF_LOOKUPS, SPF_VOID_LOOKUPS
from posthouse.model.values import dataclass
from posthouse.wire import spf_record
from posthouse.wire.addresses import to_a_label
from posthouse.wire.lookups import Answer, Found, Lookups
from posthouse.wire.spf_record import IpAddress, MacroValues, SpfRecord, SpfSyntaxError, Term


class SpfStatus(StrEnum):
    """Results as RFC 7208 2.6 names them."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class SpfResult:
    """The result, the domain whose record decided about the sender, and the term or error that did."""

    status: SpfStatus
    domain: str
    reason: str = ""


_BY_QUALIFIER: Final = {
    "+": SpfStatus.PASS,
    "-": SpfStatus.FAIL,
    "~": SpfStatus.SOFTFAIL,
    "?": SpfStatus.NEUTRAL,
}


class _Stopped(Exception):  # noqa: N818 - a result on its way out, not an error
    """Leaves the evaluation with a temporary or permanent error; never leaves this module."""

    def __init__(self, status: SpfStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


async def check_host(ip: str, mail_from: str, helo: str, lookups: Lookups) -> SpfResult:
    """Judge one connection. An empty `mail_from` (a bounce) is judged by the HELO name (2.4). Never raises."""
    local_part, at, domain = mail_from.rpartition("@")
    domain = to_a_label(domain if at else helo) or ""
    if "." not in domain:
        return SpfResult(SpfStatus.NONE, domain, "the sender has no domain name")
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return SpfResult(SpfStatus.NONE, domain, "the client has no IP address")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    values = MacroValues(address, local_part or "postmaster", domain, domain, helo)
    try:
        status, reason = await _Evaluation(lookups).check(values)
    except _Stopped as stopped:
        status, reason = stopped.status, stopped.reason
    except SpfSyntaxError as error:
        status, reason = SpfStatus.PERMERROR, str(error)
    return SpfResult(status, domain, reason)


class _Evaluation:
    """One run of check_host over a record and everything it includes, with the counts they share."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self._asked = 0
        self._void = 0

    async def check(self, values: MacroValues) -> tuple[SpfStatus, str]:
        """The result for the domain in `values` and the term that gave it."""
        record = await self._record(values.domain)
        if record is None:
            return SpfStatus.NONE, f"{values.domain} publishes no SPF record"
        for term in record.terms:
            if await self._matches(term, values):
                return _BY_QUALIFIER[term.qualifier], f"{term.qualifier}{term.mechanism} of {values.domain}"
        if record.redirect:
            return await self._redirected(record.redirect, values)
        return SpfStatus.NEUTRAL, f"no term of {values.domain} matches"

    async def _record(self, domain: str) -> SpfRecord | None:
        answer = await self._lookups.txt(domain)
        if answer.found is Found.FAILED:
            raise _Stopped(SpfStatus.TEMPERROR, f"the record of {domain} could not be looked up")
        records = [text for text in answer.values if text.lower().split(" ", 1)[0] == spf_record.VERSION]
        if len(records) > 1:
            raise _Stopped(SpfStatus.PERMERROR, f"{domain} publishes several SPF records")
        return spf_record.parse(records[0]) if records else None

    async def _redirected(self, spec: str, values: MacroValues) -> tuple[SpfStatus, str]:
        self._count()
        target = self._target(spec, values)
        status, reason = await self.check(replace(values, domain=target))
        if status is SpfStatus.NONE:
            raise _Stopped(SpfStatus.PERMERROR, f"redirect to {target}, which publishes no SPF record")
        return status, reason

    async def _matches(self, term: Term, values: MacroValues) -> bool:
        if term.mechanism == "all":
            return True
        if term.mechanism in {"ip4", "ip6"}:
            return values.ip in spf_record.network(term)
        self._count()
        target = self._target(term.argument, values) if term.argument else values.domain
        return await self._ASKING[term.mechanism](self, term, target, values)

    async def _includes(self, _term: Term, target: str, values: MacroValues) -> bool:
        status, reason = await self.check(replace(values, domain=target))
        if status is SpfStatus.NONE:
            raise _Stopped(SpfStatus.PERMERROR, f"include of {target}: {reason}")
        return status is SpfStatus.PASS

    async def _is_host(self, term: Term, target: str, values: MacroValues) -> bool:
        return _is_among(values.ip, await self._addresses(target, values.ip), term)

    async def _is_exchanger(self, term: Term, target: str, values: MacroValues) -> bool:
        hosts = await self._ask(self._lookups.mx, target)
        if len(hosts) > SPF_HOSTS_PER_LOOKUP:
            raise _Stopped(SpfStatus.PERMERROR, f"{target} has more than {SPF_HOSTS_PER_LOOKUP} mail exchangers")
        for host in hosts:
            if _is_among(values.ip, await self._addresses(host, values.ip, counted=False), term):
                return True
        return False

    async def _exists(self, _term: Term, target: str, _values: MacroValues) -> bool:
        return bool(await self._ask(self._lookups.a, target))

    async def _is_named(self, term: Term, target: str, values: MacroValues) -> bool:
        names = (await self._lookups.ptr(str(values.ip))).values
        for name in names[:SPF_HOSTS_PER_LOOKUP]:
            host = name.lower().rstrip(".")
            if host == target.lower() or host.endswith(f".{target.lower()}"):
                # An error here means no match instead of an error (5.5).
                answer = await self._address_lookup(values.ip)(host)
                if _is_among(values.ip, answer.values, replace(term, prefix4=32, prefix6=128)):
                    return True
        return False

    _ASKING = {  # noqa: RUF012 - a table of this class's own methods
        "include": _includes,
        "a": _is_host,
        "mx": _is_exchanger,
        "exists": _exists,
        "ptr": _is_named,
    }

    async def _addresses(self, host: str, ip: IpAddress, *, counted: bool = True) -> Sequence[str]:
        return await self._ask(self._address_lookup(ip), host, counted=counted)

    def _address_lookup(self, ip: IpAddress) -> Callable[[str], Awaitable[Answer]]:
        return self._lookups.a if isinstance(ip, ipaddress.IPv4Address) else self._lookups.aaaa

    async def _ask(
        self, lookup: Callable[[str], Awaitable[Answer]], name: str, *, counted: bool = True
    ) -> Sequence[str]:
        answer = await lookup(name)
        if answer.found is Found.FAILED:
            raise _Stopped(SpfStatus.TEMPERROR, f"{name} could not be looked up")
        if answer.found is not Found.YES and counted:
            self._void += 1
            if self._void > SPF_VOID_LOOKUPS:
                raise _Stopped(SpfStatus.PERMERROR, f"more than {SPF_VOID_LOOKUPS} look-ups found nothing")
        return answer.values

    def _count(self) -> None:
        self._asked += 1
        if self._asked > SPF_LOOKUPS:
            raise _Stopped(SpfStatus.PERMERROR, f"more than {SPF_LOOKUPS} terms ask the DNS")

    @staticmethod
    def _target(spec: str, values: MacroValues) -> str:
        target = spf_record.expand(spec, values)
        if not target:
            raise SpfSyntaxError(f"{spec} names no domain")
        return target


def _is_among(ip: IpAddress, addresses: Sequence[str], term: Term) -> bool:
    length = term.prefix4 if isinstance(ip, ipaddress.IPv4Address) else term.prefix6
    return any(ip in found for address in addresses if (found := _network(address, length)) is not None)


def _network(address: str, length: int) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(f"{address}/{length}", strict=False)
    except ValueError:
        return None
