"""Names in a customer's domain that are aliases of one of ours: followed in the DNS, and what follows where they lead elsewhere."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from posthouse.model import limits
from posthouse.model.dns import Answer


class AliasLookup(Protocol):
    """Who asks the DNS: `runtime.dns.Resolver`. Bring a fresh one."""

    async def lookup(self, name: str, rdtype: str) -> Answer[str]:
        """Records as text."""
        ...


@dataclass(frozen=True, slots=True)
class Led:
    """Where an alias leads: the names on the way. `answered` False: it could not be found out."""

    chain: tuple[str, ...]
    arrived: bool
    answered: bool

    def problem(self, name: str, target: str) -> str:
        """What is wrong, for people; empty when it leads here."""
        if self.arrived:
            return ""
        if not self.answered:
            return f"The DNS did not answer for {name}. Try again in a minute."
        if not self.chain:
            return f"There is no CNAME at {name} yet: expected {target}. New records take minutes, some providers up to 48 hours."
        return f"The CNAME at {name} leads to {self.chain[-1]}: expected {target}."


@dataclass(frozen=True, slots=True)
class Standing:
    """Since when an alias leads elsewhere, None while it leads here, and what the DNS said."""

    broken_at: datetime | None
    problem: str

    def after(self, led: Led, problem: str, now: datetime) -> "Standing":
        """The same after a look at the DNS. No answer changes nothing."""
        if not led.answered:
            return self
        return Standing(None if led.arrived else self.broken_at or now, problem)


async def follow(name: str, target: str, resolver: AliasLookup) -> Led:
    """Follow aliases from `name` until they arrive at `target` or end."""
    chain: list[str] = []
    here = name
    for _ in range(limits.DNS_ALIAS_HOPS):
        answer = await resolver.lookup(here, "CNAME")
        if not answer.records:
            return Led(tuple(chain), False, answer.is_final)
        here = answer.records[-1].rstrip(".").lower()
        chain.append(here)
        if here == target:
            return Led(tuple(chain), True, True)
    return Led(tuple(chain), False, True)


def is_subdomain(name: str) -> bool:
    """Whether an alias can stand there: at the top of a zone it cannot (RFC 1034 3.6.2)."""
    return name.count(".") >= 2
