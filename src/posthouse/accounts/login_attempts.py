"""Logins that were refused, before it is known whether they name anybody: how they add up, and what was wrong with each. Pure."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from posthouse.accounts.networks import Network, address_of, longest_prefix, place_of
from posthouse.model import limits
from posthouse.runtime.ids import uuid7_at

_COUNT_MOST: Final = 2**31 - 1  # what the column holds


class LoginDoor(StrEnum):
    """Where somebody wanted to come in."""

    PAGES = "pages"
    SMTP = "smtp"
    API = "api"


class Reason(StrEnum):
    """Why nobody was let in. `NETWORK`: all was right but the address it came from."""

    WRONG = "wrong_secret"
    REVOKED = "revoked"
    EXPIRED = "expired"
    DISABLED = "disabled"
    NETWORK = "network"


class Attempt(NamedTuple):
    """One refusal. `account` is what was named, '' for a link; `proof` the SHA-256 of what was shown, where that decides the reason.

    `peer` is the address it came from, `quarter` the beginning of the quarter of an hour.
    """

    door: LoginDoor
    account: str
    proof: bytes
    peer: str
    quarter: datetime


class Tally(NamedTuple):
    """How often, from when to when."""

    attempts: int
    first_at: datetime
    last_at: datetime

    def with_(self, other: "Tally") -> "Tally":
        """Both together."""
        attempts = min(self.attempts + other.attempts, _COUNT_MOST)
        return Tally(attempts, min(self.first_at, other.first_at), max(self.last_at, other.last_at))


class Failure(NamedTuple):
    """What is counted together in a quarter of an hour."""

    workspace_id: UUID
    door: LoginDoor
    account: str
    source: str
    reason: Reason
    quarter: datetime

    @property
    def failure_id(self) -> UUID:
        """The same in every process, so that they count in one row. Sorts by time."""
        named = "\0".join((self.door, self.account, self.source, self.reason))
        digest = int.from_bytes(hashlib.sha256(named.encode()).digest()[:16])
        return uuid7_at(self.quarter, digest >> 116, digest)


class Collected:
    """Refusals that wait to be written, alike ones as one. At most `most`: a stranger may show us as many names as he likes."""

    def __init__(self, most: int = limits.LOGIN_FAILURES_PENDING) -> None:
        self._most = most
        self._tallies: dict[Attempt, Tally] = {}

    def __bool__(self) -> bool:
        return bool(self._tallies)

    def add(self, attempt: Attempt, at: datetime) -> bool:
        """Count one more. False when there is no room."""
        known, one = self._tallies.get(attempt), Tally(1, at, at)
        if known is None and len(self._tallies) >= self._most:
            return False
        self._tallies[attempt] = known.with_(one) if known else one
        return True

    def take(self) -> dict[Attempt, Tally]:
        """All of them, which are forgotten here."""
        taken, self._tallies = self._tallies, {}
        return taken


@dataclass(frozen=True, slots=True)
class Person:
    """One membership of a person who exists. `token_hash` is the link's that led there, else empty."""

    workspace_id: UUID
    email: str
    disabled: bool
    token_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Known:
    """A credential that exists, live or revoked."""

    workspace_id: UUID
    hint: str
    secret_hash: bytes
    networks: tuple[Network, ...]
    revoked: bool

    def admits(self, peer: str) -> bool:
        """Whether it may be used from there."""
        address = address_of(peer)
        return not self.networks or (address is not None and longest_prefix(self.networks, address) is not None)


@dataclass(frozen=True, slots=True)
class Named:
    """Everybody whom some attempts may have meant."""

    people: Collection[Person] = ()
    credentials: Collection[Known] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be kept, by workspace, and how many attempts named somebody ("known") or nobody ("unknown"), by door."""

    failures: dict[UUID, dict[Failure, Tally]]
    attempts: Counter[tuple[LoginDoor, str]]


def sort_out(collected: Mapping[Attempt, Tally], named: Named) -> Outcome:
    """Whose failures these are. What names nobody is counted, and kept nowhere."""
    outcome = Outcome({}, Counter())
    for attempt, tally in collected.items():
        found = _of_people(attempt, named.people) or _of_credential(attempt, named.credentials)
        outcome.attempts[attempt.door, "known" if found else "unknown"] += tally.attempts
        for failure in found:
            kept = outcome.failures.setdefault(failure.workspace_id, {})
            kept[failure] = kept[failure].with_(tally) if failure in kept else tally
    return outcome


def quarter_of(moment: datetime) -> datetime:
    """The beginning of the quarter of an hour it is in."""
    return moment - timedelta(minutes=moment.minute % 15, seconds=moment.second, microseconds=moment.microsecond)


def _of_people(attempt: Attempt, people: Iterable[Person]) -> list[Failure]:
    """A person may belong to several workspaces; each of them is told."""
    if attempt.door is not LoginDoor.PAGES:
        return []
    if attempt.account:
        wrong, meant = Reason.WRONG, [each for each in people if each.email == attempt.account and not each.token_hash]
    else:
        wrong, meant = Reason.EXPIRED, [each for each in people if each.token_hash and each.token_hash == attempt.proof]
    return [
        _failure(attempt, each.workspace_id, each.email, Reason.DISABLED if each.disabled else wrong) for each in meant
    ]


def _of_credential(attempt: Attempt, credentials: Iterable[Known]) -> list[Failure]:
    """The one whose secret it was, else the one whose name it was, a live one first. Nothing when it has become right meanwhile."""
    alike = [each for each in credentials if each.hint == attempt.account and attempt.door is not LoginDoor.PAGES]
    if not alike:
        return []
    meant = min(alike, key=lambda each: (each.secret_hash != attempt.proof, each.revoked))
    if meant.revoked:
        reason = Reason.REVOKED
    elif meant.secret_hash != attempt.proof:
        reason = Reason.WRONG
    elif not meant.admits(attempt.peer):
        reason = Reason.NETWORK
    else:
        return []
    return [_failure(attempt, meant.workspace_id, meant.hint, reason)]


def _failure(attempt: Attempt, workspace_id: UUID, account: str, reason: Reason) -> Failure:
    return Failure(workspace_id, attempt.door, account, place_of(attempt.peer), reason, attempt.quarter)
