"""The language of SPF records: terms (RFC 7208 4.6, 5, 6) and macros (7)."""

import ipaddress
import re
from typing import Final
from urllib.parse import quote

from posthouse.model.values import dataclass

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

VERSION: Final = "v=spf1"
_DIRECTIVE: Final = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:([:/])(.*))?", re.IGNORECASE)
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)")
_PREFIXES: Final = re.compile(r"(.*?)(?:/(\d{1,3}))?(?://(\d{1,3}))?")
_MACRO: Final = re.compile(r"%(?:([%_-])|\{([slodiphcrtvSLODIPHCRTV])(\d{0,3})([rR]?)([.+,/_=-]*)\}|(.|$))")
_NEEDS_DOMAIN: Final = frozenset({"include", "exists"})
_TAKES_PREFIX: Final = frozenset({"a", "mx"})
_BITS: Final = (32, 128)
_EXPANDED_CHARS: Final = 253  # RFC 7208 7.3: longer names lose labels from the left


class SpfSyntaxError(ValueError):
    """The record breaks the grammar: a permanent error of its publisher (4.6)."""


@dataclass(frozen=True, slots=True)
class Term:
    """One directive. `argument` is a domain-spec with its macros, or the network of ip4 and ip6."""

    qualifier: str  # + - ~ ?
    mechanism: str
    argument: str = ""
    prefix4: int = 32
    prefix6: int = 128


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """A whole record."""

    terms: tuple[Term, ...]
    redirect: str = ""


@dataclass(frozen=True, slots=True)
class MacroValues:
    """What the macro letters stand for (7.2)."""

    ip: IpAddress
    local_part: str
    sender_domain: str
    domain: str
    helo: str


def parse(text: str) -> SpfRecord:
    """A record that begins with v=spf1. Raises `SpfSyntaxError`."""
    terms: list[Term] = []
    modifiers: dict[str, str] = {}
    for word in text.split(" ")[1:]:
        if not word:
            continue
        if modifier := _MODIFIER.fullmatch(word):
            _add_modifier(modifiers, modifier[1].lower(), modifier[2])
        else:
            terms.append(_directive(word))
    return SpfRecord(tuple(terms), modifiers.get("redirect", ""))


def expand(spec: str, values: MacroValues) -> str:
    """A domain-spec with its macros replaced (7). Raises `SpfSyntaxError`."""
    expanded = _MACRO.sub(lambda macro: _macro(macro, values), spec).rstrip(".")
    while len(expanded) > _EXPANDED_CHARS and "." in expanded:
        expanded = expanded.partition(".")[2]
    return expanded


def network(term: Term) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """The network of an ip4 or ip6 term. Raises `SpfSyntaxError`."""
    kind = ipaddress.IPv4Network if term.mechanism == "ip4" else ipaddress.IPv6Network
    try:
        return kind(term.argument, strict=False)
    except ValueError as error:
        raise SpfSyntaxError(f"{term.argument} is no network") from error


def _add_modifier(modifiers: dict[str, str], name: str, value: str) -> None:
    if name in {"redirect", "exp"} and (name in modifiers or not value):
        raise SpfSyntaxError(f"{name}= stands twice or says nothing")
    modifiers.setdefault(name, value)


def _directive(word: str) -> Term:
    found = _DIRECTIVE.fullmatch(word)
    if not found:
        raise SpfSyntaxError(f"unknown term {word[:60]}")
    qualifier, mechanism, separator, rest = found[1] or "+", found[2].lower(), found[3], found[4] or ""
    if (mechanism == "all" and separator) or (separator == ":" and not rest):
        raise SpfSyntaxError(f"{mechanism} has a wrong argument")
    if mechanism in {"ip4", "ip6"}:
        return _network_term(qualifier, mechanism, separator, rest)
    term = _domain_term(qualifier, mechanism, separator, rest)
    if mechanism in _NEEDS_DOMAIN and not term.argument:
        raise SpfSyntaxError(f"{mechanism} names no domain")
    return term


def _network_term(qualifier: str, mechanism: str, separator: str | None, rest: str) -> Term:
    if separator != ":":
        raise SpfSyntaxError(f"{mechanism} names no network")
    term = Term(qualifier, mechanism, rest)
    network(term)
    return term


def _domain_term(qualifier: str, mechanism: str, separator: str | None, rest: str) -> Term:
    text = f"/{rest}" if separator == "/" else rest
    if mechanism not in _TAKES_PREFIX:
        if separator == "/":
            raise SpfSyntaxError(f"{mechanism} takes no prefix length")
        return Term(qualifier, mechanism, _checked(text))
    found = _PREFIXES.fullmatch(text)
    assert found is not None
    lengths = tuple(int(given) if given else most for given, most in zip(found.groups()[1:], _BITS, strict=True))
    if lengths[0] > _BITS[0] or lengths[1] > _BITS[1]:
        raise SpfSyntaxError(f"{mechanism} has an impossible prefix length")
    return Term(qualifier, mechanism, _checked(found[1]), *lengths)


def _checked(spec: str) -> str:
    if not spec.isascii() or any(macro[6] is not None for macro in _MACRO.finditer(spec)):
        raise SpfSyntaxError(f"broken macro in {spec[:60]}")
    return spec


def _macro(macro: re.Match[str], values: MacroValues) -> str:
    literal, letter, digits, reverse, delimiters, broken = macro.groups()
    if broken is not None or (digits and int(digits) == 0):
        raise SpfSyntaxError("broken macro")
    if literal:
        return {"%": "%", "_": " ", "-": "%20"}[literal]
    pieces = re.split(f"[{re.escape(delimiters or '.')}]", _letter(letter.lower(), values))
    if reverse:
        pieces.reverse()
    expanded = ".".join(pieces[-int(digits) :] if digits else pieces)
    return quote(expanded, safe="") if letter.isupper() else expanded


def _letter(letter: str, values: MacroValues) -> str:
    if letter in "crt":
        raise SpfSyntaxError(f"%{{{letter}}} is for explanations only")
    if letter == "p":
        return "unknown"  # 7.3: validated names are costly and nobody should use them
    return {
        "s": f"{values.local_part}@{values.sender_domain}",
        "l": values.local_part,
        "o": values.sender_domain,
        "d": values.domain,
        "i": _dotted(values.ip),
        "h": values.helo,
        "v": "in-addr" if values.ip.version == 4 else "ip6",
    }[letter]


def _dotted(ip: IpAddress) -> str:
    return str(ip) if isinstance(ip, ipaddress.IPv4Address) else ".".join(ip.exploded.replace(":", ""))
