"""The road through our own MTA: DNS or a fixed route, then SMTP to the receiver itself (RFC 5321 5).

`route` asks the resolver and lets `wire.mx` decide, `connect` walks the plan until a target opens a session. A site whose TLS
turned out to be broken is spoken to in the clear for a while, unless the policy requires encryption.
"""

import asyncio
import random
import ssl
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from ipaddress import ip_address
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from posthouse.delivery.connection import Dialler, Refused, SmtpConnection
from posthouse.delivery.courier import ConnectFailure, NoRoute, Plan, SitePolicy, Target, TlsPolicy
from posthouse.model.limits import BROKEN_TLS_S, CONNECT_TARGETS, SITES_WITH_BROKEN_TLS
from posthouse.model.outcome import Outcome, Reply, Stage, TranscriptLine
from posthouse.runtime.clock import Clock, SystemClock
from posthouse.runtime.dns import Resolver
from posthouse.wire import mx
from posthouse.wire.sasl import Credentials

_NO_ROUTES: Mapping[str, str] = MappingProxyType({})


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
        rng: random.Random | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`routes` maps a domain, or `*` for all others, to `[user:password@]host:port`.

        A route with credentials is only used under TLS with a certificate that verifies, against `ca_file` if given.
        `allow_private` lets MX records point to loopback and private addresses; `own_addresses` are where our own inbound role
        listens. ValueError for a route or address that cannot be read.
        """
        self._helo_name = helo_name
        self._resolver = resolver
        self._routes = {domain: fixed_route(route) for domain, route in routes.items()}
        self._rules = mx.Rules(allow_private, frozenset(map(ip_address, own_addresses)), port)
        self._ca_file = ca_file
        self._rng = rng or random.SystemRandom()
        self._clock = clock or SystemClock()
        self._unverified = _unverified_context()
        self._broken_tls: dict[str, float] = {}  # site -> until when, monotonic

    async def route(self, domain: str) -> Plan | NoRoute:
        """Where mail for a domain goes: its fixed route, else the exchanges the DNS names."""
        fixed = self._routes.get(domain) or self._routes.get("*")
        if fixed is not None:
            return fixed
        answer = await self._resolver.mx(domain)
        exchanges = mx.hosts(domain, answer)
        if isinstance(exchanges, NoRoute):
            return exchanges
        names = [record.exchange for record in exchanges]
        answers = await asyncio.gather(*map(self._resolver.addresses, names))
        plan = mx.plan(domain, exchanges, dict(zip(names, answers, strict=True)), self._rules, self._rng)
        if isinstance(plan, Plan) and not answer.authenticated:
            return replace(plan, authenticated=False)
        return plan

    async def connect(self, plan: Plan, policy: SitePolicy) -> SmtpConnection | ConnectFailure:
        """A session with the first target that takes one. The dialogue with those that did not comes first in `opening`."""
        dialler = self._dialler(plan, policy)
        story: list[TranscriptLine] = []
        refusals: list[Refused] = []
        for target in _reachable(plan.targets, policy)[:CONNECT_TARGETS]:
            result = await self._reach(dialler, target, story)
            if isinstance(result, SmtpConnection):
                result.opening = (*story, *result.opening)
                return result
            refusals.append(result)
            story += result.transcript
        return _failure(refusals, tuple(story))

    async def _reach(self, dialler: Dialler, target: Target, story: list[TranscriptLine]) -> SmtpConnection | Refused:
        """One target; in the clear on a new connection when its TLS is broken and nobody insists on it."""
        may_go_plain = dialler.policy.tls is TlsPolicy.OPPORTUNISTIC and dialler.credentials is None
        if may_go_plain and self._tls_is_broken(dialler.site):
            story.append(("*", "TLS failed at this site not long ago: not tried"))
            return await dialler.open(target, TlsPolicy.OFF)
        result = await dialler.open(target, dialler.policy.tls)
        if isinstance(result, Refused) and result.is_broken_tls and may_go_plain:
            self._remember_broken_tls(dialler.site)
            story += result.transcript
            return await dialler.open(target, TlsPolicy.OFF)
        return result

    def _dialler(self, plan: Plan, policy: SitePolicy) -> Dialler:
        context = self._verified if plan.credentials else self._unverified
        return Dialler(self._helo_name, plan.site, policy, context, plan.credentials)

    def _tls_is_broken(self, site: str) -> bool:
        return self._broken_tls.get(site, 0.0) > self._clock.monotonic()

    def _remember_broken_tls(self, site: str) -> None:
        if len(self._broken_tls) >= SITES_WITH_BROKEN_TLS:
            del self._broken_tls[next(iter(self._broken_tls))]
        self._broken_tls[site] = self._clock.monotonic() + BROKEN_TLS_S

    @cached_property
    def _verified(self) -> ssl.SSLContext:
        """For passwords, which only the right host may see."""
        return ssl.create_default_context(cafile=self._ca_file)


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


def _unverified_context() -> ssl.SSLContext:
    """Encrypts to whoever answers: without DANE or MTA-STS there is nothing to verify against, and the alternative is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


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
