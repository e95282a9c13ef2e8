"""The word to those who deliver: for which pools there is mail, and where it goes. Pure.

Every process that delivers hears every announcement, however many there are; naming the domains lets all but the one that sends there go on
with what it does instead of looking. An announcement says what may be, never what is: who hears it looks for itself.
"""

from collections.abc import Set
from typing import Final

from posthouse.model.values import dataclass
from posthouse.model.words import Pool

CHANNEL: Final = "outbox"
NEWS: Final = "news"
"""What is said instead when a worker has come or gone, or somebody has stopped mail or lets it go again."""

ANYTHING: Final = ""
"""What is heard when listening begins, also after a lost connection: nobody knows what was said before."""

_OCTETS_MOST: Final = 4_000  # PostgreSQL takes less than 8,000; what would be longer names no domain


@dataclass(frozen=True, slots=True)
class Announcement:
    """Mail for these pools, for these domains. Empty means any."""

    pools: frozenset[str]
    domains: frozenset[str]


def text(pools: Set[Pool], domains: Set[str] = frozenset()) -> str:
    """An announcement as it crosses: the pools, comma separated, then the domains; nothing if it is for no pool."""
    if not pools:
        return ""
    short = ",".join(sorted(pools))
    whole = " ".join((short, *sorted(domains)))
    return whole if len(whole.encode()) <= _OCTETS_MOST else short


def read(said: str) -> Announcement:
    """What a text announces; `ANYTHING` is mail of any pool for any domain."""
    pools, _, domains = said.partition(" ")
    return Announcement(frozenset(pools.split(",") if pools else ()), frozenset(domains.split()))
