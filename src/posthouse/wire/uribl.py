"""Block lists of domains published in the DNS (RFC 5782 3), for what the links of a mail lead to: what to ask, and what an answer means. Pure.

SURBL and URIBL list the domain somebody registered, Spamhaus hosts as well. Where in a name the registered domain begins is known to a
list of suffixes, which we do not carry: a host is asked about together with the domains above it, down to two labels.
"""

import re
from ipaddress import IPv4Address
from typing import Final

from posthouse.model.dns import Answer
from posthouse.model.limits import LINK_NAMES
from posthouse.model.values import dataclass
from posthouse.wire import dnsbl
from posthouse.wire.dnsbl import Meaning, Said

NEVER_LISTED: Final = "invalid"  # RFC 5782 5: no list of domains has this name
_KEY: Final = re.compile(r"[a-z0-9]{16,}\.")  # a customer's, in front of the zones made for him


@dataclass(frozen=True, slots=True)
class _Operator:
    """What one says of his lists: the name that is always listed, and the bits of the last octet that mean spam, 0 for any."""

    always_listed: str
    spam: int = 0


_RFC_5782: Final = _Operator("test")
_OPERATORS: Final = {
    "spamhaus.org": _Operator("dbltest.com"),
    "spamhaus.net": _Operator("dbltest.com"),
    "surbl.org": _Operator("surbl-org-permanent-test-point.com"),
    # 2 is its black list; 4, grey, has newsletters people signed up for, and 8, red, whatever was registered lately.
    "uribl.com": _Operator("test.uribl.com", spam=2),
}


def names(host: str) -> tuple[str, ...]:
    """What to ask about a host, the shortest first: the domains above it from two labels on, and itself."""
    labels = host.split(".")
    parents = [".".join(labels[-count:]) for count in range(2, len(labels))]
    return (*parents[: LINK_NAMES - 1], host)


def question(name: str, zone: str) -> str:
    """The name that exists when the list has the domain."""
    return f"{name}.{zone}"


def always_listed(zone: str) -> str:
    """The name that the list has as long as it works."""
    return _operator(zone).always_listed


def meaning(answer: Answer[str], zone: str) -> Meaning:
    """What the A records of that name mean. A code of which no bit means spam is no listing."""
    found, spam = dnsbl.meaning(answer, zone), _operator(zone).spam
    if found.said is Said.LISTED and spam and not any(int(IPv4Address(code)) & spam for code in found.codes):
        return Meaning(Said.CLEAN, found.codes)
    return found


def shown(zone: str) -> str:
    """The list as it is named to people: without the key of whoever bought access."""
    return _KEY.sub("", zone, count=1) if _KEY.match(zone) else zone


def _operator(zone: str) -> _Operator:
    return _OPERATORS.get(".".join(zone.split(".")[-2:]), _RFC_5782)
