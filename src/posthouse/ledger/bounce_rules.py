"""The rules of `bounces.toml`, read once and ready to be asked. Pure but for reading the file beside this module."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final

from posthouse.model.values import dataclass
from posthouse.wire.notice_addresses import ADDRESS

_READ_CHARS: Final = 4_000
_GRAM: Final = 3
_BLANKS: Final = re.compile(r"\s+")


class BounceClass(StrEnum):
    """What a failure says about the address."""

    HARD = "hard"
    SOFT = "soft"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A class and the reason, one word of the fixed list; `rule` is what decided."""

    bounce_class: BounceClass
    reason: str
    rule: str


@dataclass(frozen=True, slots=True)
class OwnRule:
    """A rule somebody wrote for one workspace: these words (lower case, "*" bridges any text) under this status code mean that.

    Either may be empty; `status` is a whole code or its beginning.
    """

    match: str
    bounce_class: BounceClass
    reason: str
    status: str = ""


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    bounce_class: BounceClass
    reason: str
    words: tuple[str, ...]  # any of these in the text
    bridged: tuple[tuple[str, ...], ...]  # or all pieces of one of these, in this order
    codes: tuple[str, ...]  # "550", or "4" for all of 4yz; empty for any
    hosts: tuple[str, ...]  # ends of names; empty for any

    def meaning(self, text: str, code: str) -> Meaning | None:
        if self.codes and not code.startswith(self.codes):
            return None
        phrases = (*((word,) for word in self.words), *self.bridged)
        return next((self.because(pieces) for pieces in phrases if _in_order(pieces, text)), None)

    def because(self, pieces: Sequence[str]) -> Meaning:
        """The meaning, with what was found."""
        found = "*".join(pieces)
        return Meaning(self.bounce_class, self.reason, f"{self.name} ({found.strip()})")


@dataclass(frozen=True, slots=True)
class _Phrase:
    """What one rule looks for, all pieces in this order; `rank` is its place among all of them."""

    rank: int
    rule: _Rule
    pieces: tuple[str, ...]

    def fits(self, text: str, code: str) -> bool:
        return (not self.rule.codes or code.startswith(self.rule.codes)) and _in_order(self.pieces, text)


@dataclass(frozen=True, slots=True)
class Rules:
    """All that is known; `reasons` are the fixed words with what people read.

    There are over a thousand phrases, and nearly none is in a text: each is kept under three of its characters (`phrases`, those that
    are too short under nothing), and only those are looked for whose three the text has anywhere.
    """

    reasons: dict[str, str]
    ordered: tuple[_Rule, ...]
    phrases: dict[str, tuple[_Phrase, ...]]
    known: frozenset[str]
    by_host: tuple[_Rule, ...]
    statuses: dict[str, Meaning]
    codes: dict[str, Meaning]

    def of_text(self, text: str, code: str) -> Meaning | None:
        """What the first rule that fits says of a text; None when it says nothing we know."""
        plain = normal(text)
        has = {plain[at : at + _GRAM] for at in range(len(plain) - _GRAM + 1)}
        best: _Phrase | None = None
        for gram in ("", *(self.known & has)):
            for phrase in self.phrases.get(gram, ()):
                if (best is None or phrase.rank < best.rank) and phrase.fits(plain, code):
                    best = phrase
        return best.rule.because(best.pieces) if best else None

    def of_hosts(self, hosts: Sequence[str], texts: Sequence[str], code: str) -> Meaning | None:
        """What these receivers alone mean by what they say, wherever it stands."""
        told = [rule for rule in self.by_host if any(host.endswith(rule.hosts) for host in hosts)]
        plain = normal(" ".join(texts)) if told else ""
        return next((found for rule in told if (found := rule.meaning(plain, code))), None)

    def of_status(self, status: str) -> Meaning | None:
        """What an enhanced status code means by itself; None when it says no more than its class."""
        subject = ".".join(status.split(".")[:2])
        return self.statuses.get(status) or (self.statuses.get(subject) if not status.endswith(".0.0") else None)

    def of_code(self, code: str) -> Meaning | None:
        """What an SMTP code means by itself; None when it may be anything."""
        return self.codes.get(code)


def own(rules: tuple[OwnRule, ...], texts: Sequence[str], code: str, enhanced: str) -> Meaning | None:
    """What the first of a workspace's own rules that fits says. Each text is read once per piece of a rule, however it is written."""
    plain = [normal(text) for text in texts]
    for status, rule in _compiled(rules):
        if status and not f"{enhanced}.".startswith(f"{status}."):
            continue
        if found := next((meaning for text in plain if (meaning := rule.meaning(text, code))), None):
            return found
    return None


@lru_cache(64)
def _compiled(rules: tuple[OwnRule, ...]) -> tuple[tuple[str, _Rule], ...]:
    return tuple((each.status, _own_rule(number, each)) for number, each in enumerate(rules, 1))


def _own_rule(number: int, rule: OwnRule) -> _Rule:
    pieces = tuple(rule.match.split("*"))
    words, bridged = ((), (pieces,)) if len(pieces) > 1 else (pieces, ())
    return _Rule(f"own rule {number}", rule.bounce_class, rule.reason, words, bridged, (), ())


def normal(text: str) -> str:
    """A text as rules compare it: lower case, no addresses, single blanks, one at either end."""
    lower = text[:_READ_CHARS].lower().replace("\u2019", "'")
    without = ADDRESS.sub("@", lower) if "@" in lower else lower
    return f" {_BLANKS.sub(' ', without)} "


@cache
def shipped() -> Rules:
    """The rules that come with this version."""
    return read(resources.files(__package__).joinpath("bounces.toml").read_text(encoding="utf-8"))


def read(written: str) -> Rules:
    """Rules from TOML; ValueError for a reason or class that is not in the list."""
    tables = tomllib.loads(written)
    reasons: dict[str, str] = tables["reasons"]
    rules = [_rule(table, reasons) for table in tables["rule"]]
    ordered = tuple(rule for rule in rules if not rule.hosts)
    phrases = _by_gram(ordered)
    return Rules(
        reasons=reasons,
        ordered=ordered,
        phrases=phrases,
        known=frozenset(phrases),
        by_host=tuple(rule for rule in rules if rule.hosts),
        statuses=dict(_meanings("status", tables["status"], reasons)),
        codes=dict(_meanings("code", tables["code"], reasons)),
    )


def _by_gram(rules: Iterable[_Rule]) -> dict[str, tuple[_Phrase, ...]]:
    """Every phrase under the three of its characters that the fewest phrases have."""
    listed = [(rule, pieces) for rule in rules for pieces in (*((word,) for word in rule.words), *rule.bridged)]
    common = Counter(gram for _, pieces in listed for gram in _grams(pieces))
    kept: dict[str, list[_Phrase]] = {}
    for rank, (rule, pieces) in enumerate(listed):
        gram = min(_grams(pieces), key=lambda each: (common[each], each), default="")
        kept.setdefault(gram, []).append(_Phrase(rank, rule, pieces))
    return {gram: tuple(phrases) for gram, phrases in kept.items()}


def _grams(pieces: Iterable[str]) -> set[str]:
    return {piece[at : at + _GRAM] for piece in pieces for at in range(len(piece) - _GRAM + 1)}


def _in_order(pieces: Sequence[str], text: str) -> bool:
    at = 0
    for piece in pieces:
        at = text.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


def _rule(table: dict[str, Any], reasons: Iterable[str]) -> _Rule:
    return _Rule(
        name=table["name"],
        bounce_class=BounceClass(table["class"]),
        reason=_known(table["reason"], reasons),
        words=tuple(text for text in table["match"] if "*" not in text),
        bridged=tuple(tuple(text.split("*")) for text in table["match"] if "*" in text),
        codes=tuple(code.removesuffix("xx") for code in table.get("codes", ())),
        hosts=tuple(table.get("from", ())),
    )


def _meanings(kind: str, table: dict[str, list[str]], reasons: Iterable[str]) -> Iterable[tuple[str, Meaning]]:
    for key, (bounce_class, reason) in table.items():
        yield key, Meaning(BounceClass(bounce_class), _known(reason, reasons), f"{kind} {key}")


def _known(reason: str, reasons: Iterable[str]) -> str:
    if reason not in reasons:
        raise ValueError(f"{reason!r} is no reason")
    return reason
