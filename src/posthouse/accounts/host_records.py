"""What the DNS says about this installation itself: its name, the addresses it sends from, and the domains bounces return to.

Receivers look the address of every client up both ways: without a PTR record whose name leads back to the address, large ones refuse
the mail. The name of EHLO should be that name too.
"""

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from posthouse.accounts.record_lint import N_
from posthouse.model.dns import Answer, MxRecord
from posthouse.model.words import Pool
from posthouse.runtime.settings import Settings

_HOME_NETWORKS: Final = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
    "::/127", "fc00::/7", "fe80::/10",
)  # fmt: skip
_ONLY_AT_HOME: Final = tuple(map(ipaddress.ip_network, _HOME_NETWORKS))


class Questions(Protocol):
    """Who asks the DNS: `runtime.dns.Resolver`."""

    async def addresses(self, host: str, families: Sequence[int] = (4, 6)) -> Answer[str]:
        """IP addresses."""
        ...

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """Mail exchangers."""
        ...

    async def txt(self, name: str) -> Answer[str]:
        """Each record's strings joined."""
        ...

    async def lookup(self, name: str, rdtype: str) -> Answer[str]:
        """Records of another type as text."""
        ...


class State(StrEnum):
    """How bad it is: `WRONG` has mail refused."""

    RIGHT = "right"
    WEAK = "weak"
    WRONG = "wrong"


class Fact(StrEnum):
    """What was found."""

    NO_ANSWER = "no_answer"
    NAME_HERE = "name_here"
    NAME_UNKNOWN = "name_unknown"
    NAME_ELSEWHERE = "name_elsewhere"
    AT_HOME = "at_home"
    CONFIRMED = "confirmed"
    NO_POINTER = "no_pointer"
    NO_POINTER_V6 = "no_pointer_v6"
    NOT_CONFIRMED = "not_confirmed"
    OTHER_NAME = "other_name"
    RETURNS = "returns"
    NO_MX = "no_mx"
    NO_SPF = "no_spf"


SENTENCES: Final[Mapping[Fact, str]] = {
    Fact.NO_ANSWER: N_("The DNS did not answer for {name}: {value}."),
    Fact.NAME_HERE: N_("{name} is {value}."),
    Fact.NAME_UNKNOWN: N_("{name} has no address in the DNS: publish one, or set server.hostname to a name that has."),
    Fact.NAME_ELSEWHERE: N_("{name} is {value} in the DNS, which is no address of this machine."),
    Fact.AT_HOME: N_(
        "Mail leaves from {name}, a private address: receivers see another one, which cannot be told from here."
    ),
    Fact.CONFIRMED: N_("{name} is {value}, forth and back."),
    Fact.NO_POINTER: N_(
        "{name} has no PTR record: large receivers refuse mail from it. Ask whoever owns the address for one."
    ),
    Fact.NO_POINTER_V6: N_(
        "{name} has no PTR record: Gmail refuses all mail by IPv6 without one. Ask whoever owns the address for one, or send by IPv4 alone."
    ),
    Fact.NOT_CONFIRMED: N_(
        "{name} points back to {value}, which does not lead to it: large receivers refuse such mail."
    ),
    Fact.OTHER_NAME: N_(
        "{name} points back to {value}, and this server says another name in EHLO: let them be the same."
    ),
    Fact.RETURNS: N_("{name}, where bounces return to, has an MX record and SPF."),
    Fact.NO_MX: N_("{name} has no MX record: bounces cannot come back."),
    Fact.NO_SPF: N_("{name}, where bounces return to, has no SPF record: mail does not pass SPF."),
}


@dataclass(frozen=True, slots=True)
class HostFinding:
    """One thing looked at. `about` is a host, an address or a domain; `fix` the line to publish, "" where there is none."""

    fact: Fact
    state: State
    about: str
    values: Mapping[str, str] = field(default_factory=dict)
    fix: str = ""

    @property
    def sentence(self) -> str:
        """In English."""
        return SENTENCES[self.fact].format(**{"name": self.about, **self.values})


async def look(settings: Settings, dns: Questions, local: Sequence[str]) -> tuple[HostFinding, ...]:
    """Everything about this installation. `local` are the addresses of this machine."""
    hostname = settings.server.hostname.lower()
    answer = await dns.addresses(hostname)
    if not answer.is_final:
        return (_silent(hostname, answer),)
    senders = _sources(settings) or dict.fromkeys(answer.records, (hostname,))
    if not senders:  # it is not in the DNS at all yet: one thing after the other
        return (of_name(hostname, (), local),)
    # Only workspaces with bounce domains of their own need the return target.
    returns = {settings.return_target.lower(): State.WEAK, settings.bounce_domain.lower(): State.WRONG}
    found = await asyncio.gather(
        *(_sender(address, helos, dns) for address, helos in senders.items()),
        *(_return(name, hostname, state, dns) for name, state in returns.items()),
    )
    return (of_name(hostname, answer.records, local), *found)


def of_name(hostname: str, addresses: Sequence[str], local: Sequence[str]) -> HostFinding:
    """Whether the server's own name leads to this machine, as far as that can be seen: not from behind NAT."""
    if not addresses:
        public = [address for address in local if not is_at_home(address)]
        return HostFinding(
            Fact.NAME_UNKNOWN, State.WEAK, hostname, fix="\n".join(address_line(hostname, each) for each in public)
        )
    here = [address for address in local if not is_at_home(address)]
    values = {"value": ", ".join(addresses)}
    if here and not set(addresses) & set(here):
        fix = "\n".join(address_line(hostname, each) for each in here)
        return HostFinding(Fact.NAME_ELSEWHERE, State.WEAK, hostname, values, fix)
    return HostFinding(Fact.NAME_HERE, State.RIGHT, hostname, values)


def of_sender(address: str, helos: Sequence[str], pointers: Sequence[str], confirmed: Sequence[str]) -> HostFinding:
    """What receivers make of an address. `pointers` are its PTR names, `confirmed` those that lead back to it."""
    fix = pointer_line(address, helos[0])
    if not pointers:
        fact = Fact.NO_POINTER_V6 if ":" in address else Fact.NO_POINTER
        return HostFinding(fact, State.WRONG, address, fix=fix)
    if not confirmed:
        fix = f"{address_line(helos[0], address)}\n{fix}"
        return HostFinding(Fact.NOT_CONFIRMED, State.WRONG, address, {"value": ", ".join(pointers)}, fix)
    if not set(helos) <= set(confirmed):
        return HostFinding(Fact.OTHER_NAME, State.WEAK, address, {"value": ", ".join(confirmed)}, fix)
    return HostFinding(Fact.CONFIRMED, State.RIGHT, address, {"value": ", ".join(confirmed)})


def is_at_home(address: str) -> bool:
    """Whether no receiver can ever see this address."""
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in _ONLY_AT_HOME)


def pointer_line(address: str, name: str) -> str:
    """The PTR record for a zone file."""
    return f"{ipaddress.ip_address(address).reverse_pointer}. 3600 IN PTR {name}."


def address_line(name: str, address: str) -> str:
    """The A or AAAA record for a zone file."""
    return f"{name}. 3600 IN {'AAAA' if ':' in address else 'A'} {address}"


def _sources(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Each address mail leaves from, with the names it says in EHLO there."""
    names: dict[str, dict[str, None]] = {}
    for pool in Pool:
        own = settings.pool(pool)
        for source in own.sources:
            address, _, name = source.partition(" ")
            names.setdefault(address, {})[(name.strip() or own.helo).lower()] = None
    return {address: tuple(helos) for address, helos in sorted(names.items())}


async def _sender(address: str, helos: Sequence[str], dns: Questions) -> HostFinding:
    if is_at_home(address):
        return HostFinding(Fact.AT_HOME, State.RIGHT, address)
    answer = await dns.lookup(ipaddress.ip_address(address).reverse_pointer, "PTR")
    if not answer.is_final:
        return _silent(address, answer)
    pointers = [name.rstrip(".").lower() for name in answer.records]
    family = (6,) if ":" in address else (4,)
    forward = await asyncio.gather(*(dns.addresses(name, family) for name in pointers))
    wanted = ipaddress.ip_address(address)
    confirmed = [
        name
        for name, found in zip(pointers, forward, strict=True)
        if any(ipaddress.ip_address(each) == wanted for each in found.records)
    ]
    return of_sender(address, helos, pointers, confirmed)


async def _return(name: str, hostname: str, without: State, dns: Questions) -> HostFinding:
    mx, texts = await asyncio.gather(dns.mx(name), dns.txt(name))
    for answer in (mx, texts):
        if not answer.is_final:
            return _silent(name, answer)
    if not any(record.exchange for record in mx.records):
        return HostFinding(Fact.NO_MX, without, name, fix=f"{name}. 3600 IN MX 10 {hostname}.")
    if not any(text.lower().startswith("v=spf1") for text in texts.records):
        return HostFinding(Fact.NO_SPF, without, name, fix=f'{name}. 3600 IN TXT "v=spf1 a:{hostname} -all"')
    return HostFinding(Fact.RETURNS, State.RIGHT, name)


def _silent(about: str, answer: Answer[object]) -> HostFinding:
    return HostFinding(Fact.NO_ANSWER, State.WEAK, about, {"value": answer.detail or str(answer.status)})
