"""Block lists published in the DNS (RFC 5782): what to ask about an address, and what the answer means. Pure."""

import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, ip_address
from typing import Final

from posthouse.model.dns import Answer, DnsStatus
from posthouse.model.limits import BLOCK_LIST_REASON_CHARS
from posthouse.model.values import dataclass

ALWAYS_LISTED: Final = "127.0.0.2"  # RFC 5782 5: a list that works lists this address
NEVER_LISTED: Final = "127.0.0.1"  # ... and not this one: a zone that has been given up often answers to everything
_ANSWERS: Final = IPv4Network("127.0.0.0/8")
# Spamhaus: asked through a public resolver, too often, or for no zone of theirs
_ERRORS: Final = IPv4Network("127.255.255.0/24")
_REFUSED: Final = {
    IPv4Address("127.0.0.1"),  # never a listing; SURBL, URIBL and others tell those they do not serve so
    IPv4Address("127.0.1.255"),  # Spamhaus: a list of domains was asked about an address
}
_URL: Final = re.compile(r"https?://[^\s\"'<>]+")
_REMOVAL: Final = {
    "spamhaus.org": "https://check.spamhaus.org/",
    "spamcop.net": "https://www.spamcop.net/bl.shtml",
    "spamhaus.net": "https://check.spamhaus.org/",  # the zones of a customer's own
    "barracudacentral.org": "https://www.barracudacentral.org/rbl/removal-request",
    "surbl.org": "https://surbl.org/surbl-analysis",
    "uribl.com": "https://lookup.uribl.com/",
}


class Said(StrEnum):
    """What a list says of an address. `UNKNOWN`: it did not answer, or not to us."""

    LISTED = "listed"
    CLEAN = "clean"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an answer means; `codes` are the addresses it consists of, `detail` why it says nothing."""

    said: Said
    codes: tuple[str, ...] = ()
    detail: str = ""


def question(address: str, zone: str) -> str:
    """The name that exists when the list has the address: octets or nibbles from the last to the first (RFC 5782 2.1, 2.4)."""
    reverse = ip_address(address).reverse_pointer
    return f"{reverse.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"


def meaning(answer: Answer[str], zone: str) -> Meaning:
    """What the A records of that name mean. An alias that leads out of the zone is somebody else's answer."""
    if answer.name and answer.name != zone and not answer.name.endswith(f".{zone}"):
        return Meaning(Said.UNKNOWN, detail=f"the answer leads to {answer.name}")
    if answer.status in {DnsStatus.NXDOMAIN, DnsStatus.NODATA}:
        return Meaning(Said.CLEAN)
    if answer.status is not DnsStatus.NOERROR:
        return Meaning(Said.UNKNOWN, detail=answer.detail or str(answer.status))
    codes = tuple(sorted(set(answer.records)))
    told = [IPv4Address(code) for code in codes]
    if not all(code in _ANSWERS and code not in _ERRORS and code not in _REFUSED for code in told):
        return Meaning(Said.UNKNOWN, codes, f"the list does not answer us: {', '.join(codes)}")
    return Meaning(Said.LISTED, codes)


def works(listed: Meaning, unlisted: Meaning) -> bool:
    """Whether a list may be believed that says so of what every list has, and of what none has."""
    return listed.said is Said.LISTED and unlisted.said is not Said.LISTED


def trouble(listed: Meaning, unlisted: Meaning) -> str:
    """Why a list that says so of its two test points is not to be believed, "" when it is."""
    if works(listed, unlisted):
        return ""
    return "it lists everything" if unlisted.said is Said.LISTED else listed.detail or "it does not list its test point"


def reason(texts: tuple[str, ...]) -> str:
    """What the list itself says, from the TXT records of the name, on one line of printable text."""
    said = " ".join(" ".join(texts).split())
    return "".join(each for each in said if each.isprintable())[:BLOCK_LIST_REASON_CHARS]


def removal(zone: str, reason: str) -> str:
    """Where to ask for removal: what the list says, else what is known of its operator; "" for neither."""
    if found := _URL.search(reason):
        return found[0].rstrip(".,;)")
    return next((url for name, url in _REMOVAL.items() if zone == name or zone.endswith(f".{name}")), "")
