"""Which domain bounces of a mail return to. Pure.

SPF is checked for the domain of the return path, and counts for DMARC only where that belongs to the same organisation as From
(RFC 9989, relaxed alignment). Without a domain of the customer's own the installation's is used: SPF passes then, but for us.
"""

from collections.abc import Iterable


def choose(bounce_domains: Iterable[str], from_domain: str) -> str | None:
    """The bounce domain that aligns best with a From domain: most labels in common, then by name; None when none aligns."""
    aligned = [name for name in bounce_domains if is_aligned(name, from_domain)]
    return min(aligned, key=lambda name: (-_shared_labels(name, from_domain), name), default=None)


def is_aligned(bounce_domain: str, from_domain: str) -> bool:
    """Whether both are of one organisation, as far as names tell: one zone holds the bounce domain and From is it, above or below."""
    zone = bounce_domain.partition(".")[2]
    return "." in zone and (_is_within(from_domain, zone) or _is_within(zone, from_domain))


def _is_within(name: str, zone: str) -> bool:
    return "." in zone and (name == zone or name.endswith(f".{zone}"))


def _shared_labels(one: str, other: str) -> int:
    pairs = zip(reversed(one.split(".")), reversed(other.split(".")), strict=False)
    count = 0
    for mine, theirs in pairs:
        if mine != theirs:
            break
        count += 1
    return count
