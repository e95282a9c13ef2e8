"""The addresses a pool sends from: which there are, and which of them this host really has."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from posthouse.model.values import dataclass

MISSING_S: Final = 60.0  # an address that the host does not have is tried again after this


@dataclass(frozen=True, slots=True)
class Source:
    """A local address, "" for the system's choice, and the name said in EHLO from there."""

    address: str
    helo: str


def shown(source: Source) -> str:
    """Its address in the one form in which addresses are compared, "" for the system's choice."""
    return str(ip_address(source.address)) if source.address else ""


def of_settings(texts: Sequence[str], helo: str) -> tuple[Source, ...]:
    """The sources of a pool, each written as "ip" or "ip name"; `helo` is for those without a name. At least one."""
    named = (text.partition(" ") for text in texts)
    return tuple(Source(address, name.strip() or helo) for address, _, name in named) or (Source("", helo),)


class Rotation:
    """Which sources may be used now. One that the host turns out not to have pauses; its mail takes another, and so does that of one on a
    block list, while there is another."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self.listed: frozenset[str] = frozenset()  # on a block list, as `shown`
        self._missing_until: dict[str, float] = {}

    def missing(self, address: str, now: float) -> None:
        """The host does not have this address (EADDRNOTAVAIL)."""
        self._missing_until[address] = now + MISSING_S

    def available(self, now: float) -> tuple[Source, ...]:
        """The sources in rotation; none when the host has lost them all."""
        here = tuple(source for source in self.sources if self._missing_until.get(source.address, 0.0) <= now)
        return tuple(source for source in here if shown(source) not in self.listed) or here

    def back_at(self, address: str) -> float:
        """When a missing source is tried again, monotonic; 0.0 for one that is not missing."""
        return self._missing_until.get(address, 0.0)
