"""Who waits for a connection where all that may be open are taken: paths through one gate, or all paths of a process.

Whoever has none is served before those who want another. A session that has nothing to do makes room at once, one at work after
a while, when it is between two mails.
"""

from typing import Final, Protocol

# a session at work that others wait for goes on for so long: connections are dear, turns need not be short
TENURE_S: Final = 1.0


class Waiter(Protocol):
    """A path, as far as it stands in line."""

    @property
    def connections(self) -> int: ...
    def scale(self) -> None: ...
    def spare(self) -> bool: ...


class Line:
    """First come, first served. `leaving` are the sessions that are about to end and make room."""

    def __init__(self) -> None:
        self.leaving = 0
        self._members: dict[Waiter, None] = {}  # those with sessions
        self._waiting: dict[Waiter, None] = {}

    def opened(self, path: Waiter) -> None:
        """It has a session and need not wait for now."""
        self._members[path] = None
        self._waiting.pop(path, None)

    def closed(self, path: Waiter) -> None:
        """One of its sessions has ended: the next in line may have its place."""
        if path.connections == 0:
            self._members.pop(path, None)
        if first := next(iter(self._waiting), None):
            del self._waiting[first]
            first.scale()

    def join(self, path: Waiter) -> None:
        """It would have a session if there were one left; somebody idle makes room."""
        if path not in self._waiting:
            self._waiting[path] = None
            for other in list(self._members):
                if other is not path and other.spare():
                    break

    def is_wanted(self, path: Waiter) -> bool:
        """Whether others wait for more connections than are about to end: an idle one is theirs."""
        return len(self._waiting) - (path in self._waiting) > self.leaving

    def must_yield(self, path: Waiter) -> bool:
        """Whether more paths have nothing at all than there are sessions already leaving for them."""
        if not self._waiting:
            return False
        starving = sum(waiter.connections == 0 for waiter in self._waiting if waiter is not path)
        return starving > self.leaving
