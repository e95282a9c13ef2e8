"""Which addresses may be connected to when a stranger has chosen the name. Pure.

Somebody else's DNS, or somebody's text in a form, must not make us fetch or post what only we can reach: our own services, a
neighbour's, or a cloud's metadata. So names are resolved by us, each address is judged here, and the one judged is the one dialled.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Beside what the standard library knows not to be global: it has learned of some of these only in later versions.
_CLOSED: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this network" (RFC 1122 3.2.1.3): Linux takes all of it for itself
        "100.64.0.0/10",  # shared by carriers (RFC 6598); a cloud's metadata too
        "168.63.129.16/32",  # public by number, but what a virtual machine on Azure finds there is its host
        "192.0.0.0/24",  # RFC 6890; a cloud's metadata too
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "240.0.0.0/4",  # reserved, and broadcast
        "::/96",  # IPv4-compatible (RFC 4291 2.5.5.1), unspecified and loopback
        "64:ff9b:1::/48",  # translation inside a network (RFC 8215)
        "100::/64",  # discarded (RFC 6666)
        "2001::/23",  # protocol assignments, Teredo among them, which carries an IPv4 address in disguise
        "2001:db8::/32",  # documentation
        "3fff::/20",
        "5f00::/16",  # segment routing (RFC 9602)
        "fc00::/7",  # unique local; metadata of a cloud too
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local (RFC 3879)
        "ff00::/8",  # multicast
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052: the last four octets are the IPv4 address that is reached
_6TO4: Final = IPv6Network("2002::/16")  # RFC 3056: the third to the sixth are


class Reach:
    """Addresses of the public internet, and those in `allowed`."""

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def may_connect(self, text: str) -> bool:
        """Whether this IP address may be dialled. False for what is none."""
        address = _address(text)
        return address is not None and (is_public(address) or self._is_allowed(address))

    def is_allowed(self, text: str) -> bool:
        """Whether this IP address is in a network that was allowed by name."""
        address = _address(text)
        return address is not None and self._is_allowed(address)

    def _is_allowed(self, address: Address) -> bool:
        return any(address in network for network in self._allowed)


ANYWHERE: Final = Reach((IPv4Network("0.0.0.0/0"), IPv6Network("::/0")))
PUBLIC: Final = Reach()


def is_public(address: Address) -> bool:
    """Whether it is a unicast address of the public internet, the IPv4 address inside it too where there is one."""
    if isinstance(address, IPv6Address):
        address = _inner(address) or address
    return address.is_global and not address.is_multicast and not any(address in network for network in _CLOSED)


def _address(text: str) -> Address | None:
    """As it is judged: IPv4 mapped into IPv6 is the IPv4 address that the kernel will dial."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(address.packed[12:])
    if address in _6TO4:
        return IPv4Address(address.packed[2:6])
    return address.ipv4_mapped


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """CIDR blocks and addresses as networks. Raises ValueError that names the first that is neither."""
    return tuple(ip_network(text.strip()) for text in texts)
