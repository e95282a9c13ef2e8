"""Several hosts on one machine: a network namespace each, wired to a centre that holds the database and the receivers.

    one  --db--   centre (DATABASE, SINK on its loopback)   --db--   two
         --out--                                            --out--

Every host reaches the same two addresses, each over a cable of its own that can be pulled alone. Needs root; `skip_reason` says so.
"""

import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

DATABASE: Final = "10.203.0.2"
SINK: Final = "10.203.0.1"
Cable = Literal["db", "out"]
_CLONE_NEWNET: Final = 0x40000000
_libc: Final = ctypes.CDLL(None, use_errno=True)


def skip_reason() -> str:
    """Why there can be no namespaces here; empty when there can."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    name = f"ph{os.getpid()}-try"
    try:
        _ip("netns", "add", name)
        _ip("netns", "delete", name)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"network namespaces are refused here: {error}"
    return ""


@dataclass(frozen=True, slots=True)
class Namespace:
    """One host's network; `number` is 0 for the centre."""

    name: str
    number: int

    @property
    def address(self) -> str:
        """Where receivers see its mail come from, and its own doors are."""
        return f"10.203.{self.number}.6"

    def command(self, *words: str) -> tuple[str, ...]:
        """A command inside it; the process keeps the id it was started with."""
        return ("nsenter", f"--net=/run/netns/{self.name}", "--", *words)

    def tcp_socket(self) -> socket.socket:
        """A TCP socket that lives in it, whoever uses it."""
        made: list[socket.socket] = []
        maker = threading.Thread(
            target=self._make, args=(made,)
        )  # a namespace is a thread's own: this one ends with it
        maker.start()
        maker.join()
        return made[0]

    def listener(self, address: str, port: int = 0) -> socket.socket:
        """A listening socket in it."""
        made = self.tcp_socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen(1024)
        made.setblocking(False)
        return made

    def _make(self, made: list[socket.socket]) -> None:
        with open(f"/run/netns/{self.name}") as handle:  # noqa: PTH123 - a descriptor, not its content
            if _libc.setns(handle.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"cannot enter {self.name}")
        made.append(socket.socket())


@dataclass(frozen=True, slots=True)
class Network:
    """The centre and the hosts around it."""

    centre: Namespace
    hosts: Sequence[Namespace]

    def pull(self, host: Namespace, *cables: Cable) -> None:
        """Nothing passes any more; nobody is told."""
        self._set(host, cables, "down")

    def plug(self, host: Namespace, *cables: Cable) -> None:
        """As before."""
        self._set(host, cables, "up")

    def _set(self, host: Namespace, cables: Sequence[Cable], state: str) -> None:
        for cable in cables:
            _ip("-n", self.centre.name, "link", "set", f"{cable}{host.number}", state)


@contextlib.contextmanager
def network(hosts: int) -> Iterator[Network]:
    """A network with this many hosts for the time of the block."""
    prefix = f"ph{os.getpid()}"
    made = Network(Namespace(f"{prefix}-0", 0), [Namespace(f"{prefix}-{n}", n) for n in range(1, hosts + 1)])
    try:
        for each in (made.centre, *made.hosts):
            _ip("netns", "add", each.name)
            _ip("-n", each.name, "link", "set", "lo", "up")
        for address in (DATABASE, SINK):
            _ip("-n", made.centre.name, "address", "add", f"{address}/32", "dev", "lo")
        for host in made.hosts:
            _wire(made.centre, host, "db", DATABASE, 1)
            _wire(made.centre, host, "out", SINK, 5)
        yield made
    finally:
        for each in (made.centre, *made.hosts):
            subprocess.run(["ip", "netns", "delete", each.name], capture_output=True, check=False)


def _wire(centre: Namespace, host: Namespace, cable: Cable, target: str, first: int) -> None:
    """A cable with a /30 of its own, and the way to the address behind it."""
    near, far = f"10.203.{host.number}.{first}", f"10.203.{host.number}.{first + 1}"
    end = f"{cable}{host.number}"
    _ip("-n", centre.name, "link", "add", end, "type", "veth", "peer", "name", cable, "netns", host.name)
    for namespace, device, address in ((centre, end, near), (host, cable, far)):
        _ip("-n", namespace.name, "address", "add", f"{address}/30", "dev", device)
        _ip("-n", namespace.name, "link", "set", device, "up")
    _ip("-n", host.name, "route", "add", target, "via", near)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)
