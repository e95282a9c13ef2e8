"""The road through our own MTA: DNS or a fixed route, then SMTP to the receiver itself (RFC 5321 5).

`route` asks the resolver, and whoever knows the domain's MTA-STS policy, and lets `wire.mx` decide; `connect` walks the plan until a
target opens a session as `tls_policy` demands. A site whose TLS turned out to be broken is spoken to in the clear for a while, unless
somebody insists on encryption.
"""

import asyncio
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address
from types import MappingProxyType
from typing import Protocol
from urllib.parse import unquote, urlsplit

from posthouse.delivery import tls_policy, tlsa
from posthouse.delivery.broken_tls import BrokenTls
from posthouse.delivery.connection import Dialler, Refused, SmtpConnection
from posthouse.delivery.courier import ConnectFailure, NoRoute, Plan, SitePolicy, Target, TlsPolicy
from posthouse.delivery.tls_policy import Demand
from posthouse.delivery.tls_proof import Verifier
from posthouse.model.dns import Answer, MxRecord
from posthouse.model.limits import CONNECT_TARGETS
from posthouse.model.outcome import Outcome, Reply, Stage, TranscriptLine
from posthouse.runtime.clock import Clock, SystemClock
from posthouse.runtime.dns import Resolver
from posthouse.wire import mx
from posthouse.wire.dane import Tlsa
from posthouse.wire.mta_sts import StsPolicy
from posthouse.wire.sasl import Credentials
from posthouse.wire.tlsrpt import PolicyType, ResultType

_NO_ROUTES: Mapping[str, str] = MappingProxyType({})


class Policies(Protocol):
    """Who knows MTA-STS policies."""

    async def find(self, domain: str) -> StsPolicy | None:
        """The policy of a domain in force, within a bounded time."""
        ...


class Tally(Protocol):
    """Who counts how encryption fares."""

    def routed(self, *, secure: bool) -> None:
        """A domain's exchanges and their addresses were looked up; `secure`: all of it under DNSSEC."""
        ...

    def ended(self, domain: str, policy: PolicyType, mx: str, result: ResultType) -> None:
        """A session under this policy of a domain came to this."""
        ...


class MxCourier:
    """A `courier.Courier` for the internet, with fixed routes for what goes elsewhere."""

    def __init__(
        self,
        *,
        helo_name: str,
        resolver: Resolver,
        routes: Mapping[str, str] = _NO_ROUTES,
        allow_private: bool = False,
        own_addresses: Collection[str] = (),
        port: int = 25,
        ca_file: str | None = None,
        policies: Policies | None = None,
        tally: Tally | None = None,
        rng: random.Random | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`routes` maps a domain, or `*` for all others, to `[user:password@]host:port`.

        Certificates that have to be valid are verified against `ca_file` if given, else the system's authorities; a route with
        credentials always asks for one. `allow_private` lets MX records point to loopback and private addresses; `own_addresses`
        are where our own inbound role listens. ValueError for a route or address that cannot be read.
        """
        self._helo_name = helo_name
        self._resolver = resolver
        self._routes = {domain: fixed_route(route) for domain, route in routes.items()}
        self._rules = mx.Rules(allow_private, frozenset(map(ip_address, own_addresses)), port)
        self._policies = policies
        self._tally = tally
        self._rng = rng or random.SystemRandom()
        clock = clock or SystemClock()
        self._verifier = Verifier(clock.now, ca_file)
        self._broken = BrokenTls(clock)

    async def route(self, domain: str) -> Plan | NoRoute:
        """Where mail for a domain goes: its fixed route, else the exchanges the DNS names."""
        fixed = self._routes.get(domain) or self._routes.get("*")
        if fixed is not None:
            return fixed
        answer, sts = await asyncio.gather(self._resolver.mx(domain), self._policy(domain))
        exchanges = mx.hosts(domain, answer)
        if not isinstance(exchanges, NoRoute):
            exchanges = mx.covered(domain, exchanges, sts)
        if isinstance(exchanges, NoRoute):
            return exchanges
        names = [record.exchange for record in exchanges]
        addresses = dict(zip(names, await asyncio.gather(*map(self._resolver.addresses, names)), strict=True))
        published = await self._tlsa(domain, answer, addresses)
        plan = mx.plan(domain, exchanges, addresses, self._rules, self._rng, sts=sts, tlsa=published)
        if not isinstance(plan, Plan):
            return plan
        secure = plan.authenticated and answer.authenticated
        if self._tally is not None:
            self._tally.routed(secure=secure)
        return plan if secure == plan.authenticated else replace(plan, authenticated=secure)

    async def _policy(self, domain: str) -> StsPolicy | None:
        return None if self._policies is None else await self._policies.find(domain)

    async def _tlsa(
        self, domain: str, answer: Answer[MxRecord], addresses: Mapping[str, Answer[str]]
    ) -> dict[str, Tlsa | NoRoute]:
        """What the exchanges publish for DANE; nothing unless the DNS vouches for their names (RFC 7672 2.2.1)."""
        if not answer.authenticated:
            return {}
        asked = (tlsa.published(self._resolver, host, found, self._rules.port) for host, found in addresses.items())
        told = {host: said for host, said in zip(addresses, await asyncio.gather(*asked), strict=True) if said}
        for host, said in told.items():
            if isinstance(said, NoRoute):
                self._count(domain, PolicyType.TLSA, host, ResultType.DNSSEC_INVALID)
        return told

    async def connect(self, plan: Plan, policy: SitePolicy) -> SmtpConnection | ConnectFailure:
        """A session with the first target that takes one. The dialogue with those that did not comes first in `opening`."""
        helo = policy.helo or self._helo_name
        dialler = Dialler(helo, plan.site, plan.domain, policy, self._verifier, plan.credentials)
        story: list[TranscriptLine] = []
        refusals: list[Refused] = []
        for target in _reachable(plan.targets, policy)[:CONNECT_TARGETS]:
            demand = tls_policy.demand(plan, target, policy)
            result = await self._reach(dialler, target, demand, story)
            if isinstance(result, SmtpConnection):
                result.opening = (*story, *result.opening)
                return result
            refusals.append(result)
            story += result.transcript
            if result.reply.code == 421 and policy.after_421 == "end":
                break
        return _failure(refusals, tuple(story))

    async def _reach(
        self, dialler: Dialler, target: Target, demand: Demand, story: list[TranscriptLine]
    ) -> SmtpConnection | Refused:
        """One target, in one way after the other while only its TLS is at fault; how that fared at first is counted."""
        tries, first = list(demand.tries), demand.flaw
        if demand.may_go_plain and (broken := self._broken.result(dialler.site)):
            story.append(("*", "TLS failed at this site not long ago: not tried"))
            tries, first = tries[-1:], first or broken
        while True:
            way, *tries = tries
            result = await dialler.open(target, way)
            first = first or _fared(result, way)
            if not tries or isinstance(result, SmtpConnection) or not result.is_broken_tls:
                break
            story += result.transcript
            if tries[0].tls is TlsPolicy.OFF:
                self._broken.remember(dialler.site, result.tls, dialler.policy.remember_broken_tls_s)
        if first is not None:
            self._count(dialler.domain, demand.policy, target.host, first)
        return result

    def _count(self, domain: str, policy: PolicyType, host: str, result: ResultType) -> None:
        if self._tally is not None and domain:
            self._tally.ended(domain, policy, host, result)


def _fared(result: SmtpConnection | Refused, way: tls_policy.Try) -> ResultType | None:
    """How encryption fared in one try, None when it did not come to that."""
    if isinstance(result, Refused):
        return result.tls
    if way.tls is TlsPolicy.OFF:
        return None
    return ResultType.SUCCESS if result.tls else ResultType.STARTTLS_NOT_SUPPORTED


def fixed_route(route: str) -> Plan:
    """The plan of `[user:password@]host:port`, the parts percent-encoded as in a URL. Raises ValueError."""
    parts = urlsplit(f"smtp://{route}")
    if not parts.hostname or not parts.port or parts.path or parts.query or parts.fragment:
        raise ValueError("a route is [user:password@]host:port")
    credentials = None
    if parts.username:
        credentials = Credentials(unquote(parts.username), unquote(parts.password or ""))
    target = Target(parts.hostname, parts.hostname, parts.port)
    return Plan(f"{parts.hostname}:{parts.port}", (target,), credentials)


def _reachable(targets: Sequence[Target], policy: SitePolicy) -> list[Target]:
    """The targets of the families that may be used; names on fixed routes always."""
    version = ip_address(policy.local_addr).version if policy.local_addr else None
    if policy.ipv4_only:
        version = 4
    return [target for target in targets if version is None or _version(target.address) in {None, version}]


def _version(address: str) -> int | None:
    try:
        return ip_address(address).version
    except ValueError:
        return None


def _failure(refusals: Sequence[Refused], transcript: tuple[TranscriptLine, ...]) -> ConnectFailure:
    """What to report when nobody opened: permanent only if all were, in the words of one who spoke if any did."""
    if not refusals:
        reply = Reply(451, "4.4.1", "no address of a family that may be used here")
        return ConnectFailure(Outcome.TRANSIENT, reply, Stage.CONNECT, transcript)
    transient = [refusal for refusal in refusals if refusal.outcome is Outcome.TRANSIENT]
    candidates = transient or list(refusals)
    spoke = [refusal for refusal in candidates if refusal.stage is not Stage.CONNECT]
    told = (spoke or candidates)[0]
    return ConnectFailure(told.outcome, told.reply, told.stage, transcript)
