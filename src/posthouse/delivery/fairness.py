"""How workspaces share a site inside one priority: start-time fair queueing, weighted by their shares. Pure.

Each mail gets a tag when it is taken in, mails go in the order of their tags, and a workspace's tags are the further apart the
smaller its share. Who was idle begins at the present, not in the past, so nobody saves up a right to crowd others out.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from uuid import UUID

from posthouse.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Claimant:
    """One workspace that wants some of a site: its share in relation to the others', what it has there, when it last got some."""

    workspace_id: UUID
    share: int
    held: int
    served: int = 0


def allot(claimants: Sequence[Claimant], room: int) -> Mapping[UUID, int]:
    """How many mails each workspace may add to a site with `room` for more, so that all together come close to their shares."""
    total = room + sum(claimant.held for claimant in claimants)
    shares = sum(claimant.share for claimant in claimants)
    found: dict[UUID, int] = {}
    for claimant in sorted(claimants, key=lambda each: (each.held / each.share, each.served)):
        due = ceil(total * claimant.share / shares) - claimant.held
        found[claimant.workspace_id] = max(0, min(due, room))
        room -= found[claimant.workspace_id]
    return found


class Turns:
    """The tags of one site. `now` in it is the tag of the mail that went last, for each priority."""

    def __init__(self) -> None:
        self._now: dict[int, float] = {}
        self._next: dict[tuple[UUID, int], float] = {}

    def tag(self, workspace_id: UUID, priority: int, share: int) -> float:
        """The tag of one more mail of a workspace."""
        tag = max(self._now.get(priority, 0.0), self._next.get((workspace_id, priority), 0.0))
        self._next[workspace_id, priority] = tag + 1.0 / share
        return tag

    def went(self, priority: int, tag: float) -> None:
        """The mail with this tag has gone."""
        self._now[priority] = max(tag, self._now.get(priority, 0.0))

    def forget(self) -> None:
        """Nothing is held: everybody begins anew."""
        self._now.clear()
        self._next.clear()
