"""Replacing the DKIM keys of a domain without a moment in which mail is not signed, or signed with what nobody can check. Pure.

    new keys (`replacing`)  ->  their records are seen in the DNS  ->  they sign, the old ones are retired
                            ->  DKIM_RETIRED_S later the old records and keys may be removed

Two selectors are published meanwhile, as receivers look up the one a mail names: mail signed before the change may still be on its way
or be checked again. Keys that a pool has for itself stay as they are: settings name them.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from posthouse.accounts.dns_records import PublishedKey, SendingDomain, seen_selectors
from posthouse.model import limits
from posthouse.wire.dkim_keys import Algorithm

_ENDINGS: Final = {Algorithm.RSA: "rsa", Algorithm.ED25519: "ed"}
_TRIES: Final = "abcdefghijklmnopqrstuvwxyz"
RETIRED_FOR: Final = timedelta(seconds=limits.DKIM_RETIRED_S)

IsCommon = Callable[[str], bool]
"""Whether a selector belongs to no pool in particular."""


class KeyState(StrEnum):
    """Where a key is in its life."""

    UNSEEN = "unseen"
    REPLACING = "replacing"
    SIGNING = "signing"
    RETIRED = "retired"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Turn:
    """The selectors that begin to sign, and those that end."""

    arrived: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()


def new_selectors(workspace_number: int, today: datetime, taken: Collection[str]) -> dict[str, Algorithm]:
    """Names nobody has used yet, with the day in them, for one key of each algorithm."""
    for extra in ("", *_TRIES):
        stem = f"ph{workspace_number}-{today:%Y%m%d}{extra}"
        names = {f"{stem}-{ending}": algorithm for algorithm, ending in _ENDINGS.items()}
        if not names.keys() & set(taken):
            return names
    raise AssertionError("a domain has far fewer keys")


def turn(keys: Sequence[PublishedKey], seen: Collection[str], is_common: IsCommon) -> Turn:
    """What changes now that these selectors are seen: each new key relieves the common ones of its algorithm."""
    arrived = [key for key in keys if key.replacing and key.selector in seen]
    relieved = {key.algorithm for key in arrived}
    leaving = (
        key.selector
        for key in keys
        if key.algorithm in relieved and not key.replacing and key.retired_at is None and is_common(key.selector)
    )
    return Turn(tuple(key.selector for key in arrived), tuple(leaving)) if arrived else Turn()


def under_way(domain: SendingDomain) -> bool:
    """Whether new keys wait for their records to be seen."""
    return any(key.replacing for key in domain.keys)


def state_of(key: PublishedKey, domain: SendingDomain, now: datetime) -> KeyState:
    """What a key does at present."""
    if key.retired_at is not None:
        return KeyState.OVER if key.retired_at + RETIRED_FOR <= now else KeyState.RETIRED
    if key.replacing:
        return KeyState.REPLACING
    return KeyState.SIGNING if key.selector in seen_selectors(domain.checks) else KeyState.UNSEEN


def removable_at(key: PublishedKey) -> datetime | None:
    """When a retired key's record and private half may go."""
    return key.retired_at + RETIRED_FOR if key.retired_at else None
