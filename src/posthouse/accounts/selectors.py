"""Which DKIM keys sign which pool's mail. Pure.

A selector belongs to the pools whose settings name it; one that no pool names is for all. A receiver builds its opinion of a
signature by domain and selector, so a pool with selectors of its own keeps its troubles to itself.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, Self, TypeVar

from posthouse.model.words import Pool
from posthouse.runtime.settings import Settings
from posthouse.wire.dkim_keys import Algorithm

# RFC 6376 3.1: labels of a name
_NAME: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_ED25519_ENDING: Final = "ed"


class _Selected(Protocol):
    @property
    def selector(self) -> str: ...


_Key = TypeVar("_Key", bound=_Selected)


@dataclass(frozen=True, slots=True)
class Selectors:
    """The selectors each pool has for itself; a pool without any signs with those of nobody."""

    own: Mapping[Pool, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As an operator chose."""
        named = {pool: settings.pool(pool).selectors for pool in Pool}
        return cls({pool: tuple(map(str.lower, selectors)) for pool, selectors in named.items() if selectors})

    @property
    def all(self) -> tuple[str, ...]:
        """Every selector some pool has for itself, each once."""
        return tuple(dict.fromkeys(selector for selectors in self.own.values() for selector in selectors))

    def pools_of(self, selector: str) -> tuple[Pool, ...]:
        """The pools that alone sign with it; () when all do."""
        return tuple(pool for pool, selectors in self.own.items() if selector in selectors)

    def choose(self, keys: Sequence[_Key], pool: Pool | None) -> tuple[_Key, ...]:
        """The keys, all of them published, that sign mail of this pool (None: of no pool in particular).

        Its own where it has any, else those of nobody; and rather with another pool's than not at all.
        """
        mine = tuple(key for key in keys if pool is not None and pool in self.pools_of(key.selector))
        return mine or tuple(key for key in keys if not self.pools_of(key.selector)) or tuple(keys)


def algorithm_of(selector: str) -> Algorithm:
    """What kind of key goes by this name: Ed25519 when it ends in "ed" as a word of its own (mk1-ed, ed), else RSA."""
    last = re.split(r"[-.]", selector)[-1]
    return Algorithm.ED25519 if last == _ED25519_ENDING else Algorithm.RSA


def is_selector(text: str) -> bool:
    """Whether this can stand before ._domainkey."""
    return len(text) <= 63 and _NAME.fullmatch(text) is not None
