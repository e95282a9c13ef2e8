"""Ports for the servers of tests, so that no two tests are ever given the same one.

A port the kernel hands out and takes back may be handed out again before its server listens: to another pytest worker, or to
any outgoing connection. Where both share it (SO_REUSEPORT), a test talks to a stranger. So ports come from below those of the
kernel, each pytest worker counts in a range of its own, and none comes again before the range is used up.
"""

import itertools
import os
import random
import socket

_FIRST, _EACH, _WORKERS = 20_000, 1_500, 8


def _range() -> range:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    return range(_FIRST + worker * _EACH, _FIRST + (worker + 1) * _EACH)


# Two runs on one machine start at different places.
_offsets = itertools.count(random.randrange(_EACH))


def free_ports(count: int) -> range:
    """So many free ports in a row."""
    mine = _range()
    free = range(0)
    for _ in range(_EACH):
        port = mine[next(_offsets) % _EACH]
        follows = free and port == free.stop
        free = (range(free.start if follows else port, port + 1)) if _is_free(port) else range(0)
        if len(free) == count:
            return free
    raise AssertionError(f"no {count} free ports in {mine}")


def free_port() -> int:
    """One free port."""
    return free_ports(1).start


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
