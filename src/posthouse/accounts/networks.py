"""IP networks as people write them, and the question whether an address is in one."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from posthouse.model import limits

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_REMEMBERED: Final = 4_096


@lru_cache(_REMEMBERED)
def address_of(text: str) -> Address | None:
    """The address, IPv4 mapped into IPv6 as plain IPv4 (a dual-stack socket reports it so); None for anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def place_of(text: str) -> str:
    """What is kept of an address: an IPv4 address, or the /64 that one IPv6 customer has all of; '' when it is neither."""
    address = address_of(text)
    if address is None:
        return ""
    return str(address) if isinstance(address, IPv4Address) else str(IPv6Network((address, 64), strict=False))


def network_of(text: str) -> Network | None:
    """A CIDR block or a single address; None when it is neither, or has bits set to the right of its mask."""
    try:
        return ip_network(text.strip())
    except ValueError:
        return None


def longest_prefix(networks: Iterable[Network], address: Address) -> int | None:
    """The prefix length of the most specific network that has the address; None when it is in none."""
    return max((network.prefixlen for network in networks if address in network), default=None)


def contains(wide: Network, narrow: Network) -> bool:
    """Whether every address of `narrow` is in `wide`."""
    if isinstance(wide, IPv4Network):
        return isinstance(narrow, IPv4Network) and narrow.subnet_of(wide)
    return isinstance(narrow, IPv6Network) and narrow.subnet_of(wide)


def is_narrow(network: Network) -> bool:
    """Whether submission without AUTH may be allowed from here: private, or small enough to be one owner's."""
    least = limits.OPEN_NETWORK_PREFIX_V4 if network.version == 4 else limits.OPEN_NETWORK_PREFIX_V6
    return network.prefixlen >= least or (network.is_private and network.prefixlen > 0)
