"""Where the mail of a domain goes: MX and address answers into an ordered plan (RFC 5321 5.1, RFC 7505). Pure.

`hosts` says who takes the mail, `covered` leaves those an enforced MTA-STS policy allows, and with their addresses `plan` puts
preference order, filters and site name together. Whatever forbids delivery comes back as `NoRoute` in the words of an SMTP reply.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import field
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import groupby, zip_longest
from random import Random
from types import MappingProxyType

from posthouse.model.dns import Answer, DnsStatus, MxRecord
from posthouse.model.limits import ADDRESSES_PER_HOST, MX_HOSTS, REPLY_QUOTED_CHARS, SITE_NAME_CHARS
from posthouse.model.outcome import Outcome, Reply, Stage
from posthouse.model.values import dataclass
from posthouse.wire.dane import Tlsa
from posthouse.wire.mta_sts import StsPolicy
from posthouse.wire.sasl import Credentials

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """One address to dial. `host` is the name to be shown and named in TLS, `address` an IP (a name only on fixed routes).

    `tlsa` is what the host publishes under DNSSEC about its certificate, None when it publishes nothing.
    """

    host: str
    address: str
    port: int
    tlsa: Tlsa | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Targets in the order to be tried. Domains with the same exchanges and the same demands on TLS share a `site`: a connection to
    it may carry the mail of any of them. `servers` is the site without its demands, which limits of the receiver count by.

    `authenticated` says that MX and addresses all carried the AD bit; `domain` is the one asked for, "" on fixed routes; `sts` its
    MTA-STS policy in force.
    """

    site: str
    targets: tuple[Target, ...]
    credentials: Credentials | None = None
    authenticated: bool = False
    domain: str = field(default="", compare=False)
    sts: StsPolicy | None = None

    @property
    def servers(self) -> str:
        """The exchanges alone."""
        return self.site.partition("+")[0]


@dataclass(frozen=True, slots=True)
class NoRoute:
    """There is nowhere to go, now (TRANSIENT) or at all (PERMANENT)."""

    outcome: Outcome
    reply: Reply
    stage: Stage = Stage.DNS


_NO_TLSA: Mapping[str, Tlsa | NoRoute] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rules:
    """Whether more than the public internet may be dialled, which addresses are our own, and the port."""

    allow_private: bool = False
    own: frozenset[Address] = frozenset()
    port: int = 25


@dataclass(frozen=True, slots=True)
class _Exchange:
    preference: int
    host: str
    addresses: tuple[Address, ...]


def hosts(domain: str, answer: Answer[MxRecord]) -> tuple[MxRecord, ...] | NoRoute:
    """The exchanges of a domain by preference; the domain itself when it has no MX (RFC 5321 5.1)."""
    match answer.status:
        case DnsStatus.NODATA:
            return (MxRecord(0, domain),)
        case DnsStatus.NXDOMAIN:
            return _never(550, "5.1.2", f"domain {domain} does not exist")
        case DnsStatus.NOERROR:
            named = [record for record in answer.records if record.exchange]
            if not named:  # RFC 7505; an empty name must never reach a dialler, where it means this host
                return _never(556, "5.1.10", f"domain {domain} does not accept mail (null MX)")
            return tuple(sorted(named, key=lambda record: (record.preference, record.exchange))[:MX_HOSTS])
        case _:
            return _later(f"MX lookup of {domain} failed: {answer.detail or answer.status}")


def covered(domain: str, exchanges: Sequence[MxRecord], sts: StsPolicy | None) -> tuple[MxRecord, ...] | NoRoute:
    """The exchanges mail may go to under the domain's MTA-STS policy (RFC 8461 5.1): all, unless one is enforced."""
    if sts is None or not sts.enforced:
        return tuple(exchanges)
    allowed = tuple(record for record in exchanges if sts.covers(record.exchange))
    if not allowed:
        names = ", ".join(record.exchange for record in exchanges)
        text = f"the MTA-STS policy of {domain} allows none of its exchanges ({names})"
        return NoRoute(Outcome.TRANSIENT, Reply(451, "4.7.5", text[:REPLY_QUOTED_CHARS]))
    return allowed


def plan(
    domain: str,
    exchanges: Sequence[MxRecord],
    addresses: Mapping[str, Answer[str]],
    rules: Rules,
    rng: Random,
    *,
    sts: StsPolicy | None = None,
    tlsa: Mapping[str, Tlsa | NoRoute] = _NO_TLSA,
) -> Plan | NoRoute:
    """The targets for a domain: `addresses` has an answer for each of the `exchanges`, as `hosts` and `covered` gave them.

    `tlsa` says what exchanges publish for DANE, or that it could not be looked up: such a host is as good as unreachable, since
    whoever can make a look-up fail must not win a weaker session by it (RFC 7672 2.1.1).
    """
    found = [_exchange(record, addresses[record.exchange]) for record in exchanges]
    if not any(exchange.addresses for exchange in found):
        return _without_addresses(domain, exchanges, addresses)
    foreign = _before_us(found, rules.own)
    if not foreign:
        return _never(554, "5.4.6", f"the best exchange of {domain} is this server itself")
    targets = [
        Target(exchange.host, str(address), rules.port, _published(exchange.host, tlsa))
        for exchange in _shuffled(foreign, rng)
        for address in exchange.addresses
        if _may_be_dialled(address, rules)
    ]
    unknown = {host: said for host, said in tlsa.items() if isinstance(said, NoRoute)}
    if targets and all(target.host in unknown for target in targets):
        return unknown[targets[0].host]
    targets = [target for target in targets if target.host not in unknown]
    if not targets and not all(addresses[exchange.host].is_final for exchange in foreign):
        return _later(f"addresses of the exchanges of {domain} could not be looked up")
    if not targets:
        return _never(
            550, "5.4.4", f"the exchanges of {domain} have only addresses that are not on the public internet"
        )
    authenticated = all(addresses[record.exchange].authenticated for record in exchanges)
    site = site_name([record.exchange for record in exchanges])
    marks = ("+dane" if tlsa else "") + ("+mta-sts" if sts and sts.enforced else "")
    return Plan(site + marks, tuple(targets), authenticated=authenticated, domain=domain, sts=sts)


def site_name(names: Sequence[str]) -> str:
    """The exchanges of a domain as one name: `(alt1|alt2)?.gmail-smtp-in.l.google.com`.

    Label by label from the right; alternatives in brackets, `?` where some names are shorter. Order does not matter, so domains
    served by the same hosts have the same site.
    """
    reversed_labels = [name.split(".")[::-1] for name in sorted(set(names))]
    parts = [_factored(labels) for labels in zip_longest(*reversed_labels)]
    site = ".".join(reversed(parts))
    if len(site) <= SITE_NAME_CHARS:
        return site
    digest = hashlib.sha256(site.encode()).hexdigest()[:16]
    return f"{digest}.{site[17 - SITE_NAME_CHARS :]}"


def _factored(labels: Sequence[str | None]) -> str:
    present = sorted({label for label in labels if label is not None})
    optional = any(label is None for label in labels)
    if len(present) == 1 and not optional:
        return present[0]
    return f"({'|'.join(present)}){'?' if optional else ''}"


def _exchange(record: MxRecord, answer: Answer[str]) -> _Exchange:
    parsed = tuple(ip_address(text) for text in answer.records[:ADDRESSES_PER_HOST])
    return _Exchange(record.preference, record.exchange, parsed)


def _before_us(exchanges: Sequence[_Exchange], own: frozenset[Address]) -> list[_Exchange]:
    """Without ourselves and everyone not preferred to us: those would hand the mail back (RFC 5321 5.1)."""
    ours = [exchange.preference for exchange in exchanges if own.intersection(exchange.addresses)]
    return [exchange for exchange in exchanges if not ours or exchange.preference < min(ours)]


def _published(host: str, tlsa: Mapping[str, Tlsa | NoRoute]) -> Tlsa | None:
    found = tlsa.get(host)
    return None if isinstance(found, NoRoute) else found


def _shuffled(exchanges: Sequence[_Exchange], rng: Random) -> list[_Exchange]:
    """By preference, at random among equals (RFC 5321 5.1), so that equal hosts share the load."""
    ordered: list[_Exchange] = []
    for _, group in groupby(exchanges, key=lambda exchange: exchange.preference):
        equals = list(group)
        rng.shuffle(equals)
        ordered += equals
    return ordered


def _may_be_dialled(address: Address, rules: Rules) -> bool:
    """Public unicast, inward only where allowed: else such an MX is a mistake, or reaches for what only we can reach."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_unspecified or address.is_multicast:
        return False
    return address.is_global or rules.allow_private


def _without_addresses(domain: str, exchanges: Sequence[MxRecord], addresses: Mapping[str, Answer[str]]) -> NoRoute:
    unknown = [record.exchange for record in exchanges if not addresses[record.exchange].is_final]
    if unknown:
        detail = addresses[unknown[0]].detail or addresses[unknown[0]].status
        return _later(f"address lookup of {unknown[0]} failed: {detail}")
    if [record.exchange for record in exchanges] == [domain]:
        return _never(550, "5.1.2", f"domain {domain} has neither mail exchanger nor address")
    return _never(550, "5.4.4", f"no mail exchanger of {domain} has an address")


def _never(code: int, enhanced: str, text: str) -> NoRoute:
    return NoRoute(Outcome.PERMANENT, Reply(code, enhanced, text))


def _later(text: str) -> NoRoute:
    return NoRoute(Outcome.TRANSIENT, Reply(451, "4.4.3", text))
