"""Mail in hand: claimed, in memory, and waiting its turn at one path."""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import field
from typing import Final
from uuid import UUID

from posthouse.delivery.fairness import Turns
from posthouse.model.values import dataclass
from posthouse.outbox.claims import Claimed

_NEAR: Final = 31  # five levels of the heap: the smallest n are within its first n levels


@dataclass(slots=True, eq=False)
class Held:
    """A claimed mail in memory, with the worker id it was claimed under, and its workspace's share of what it competes for.

    `asked_at` (monotonic) is when its address was last known not to be suppressed, `grant` the
    source and provider whose warm-up it counts for, if it has not been tried before.
    """

    mail: Claimed
    worker_id: UUID
    share: int = 1
    asked_at: float = 0.0
    grant: tuple[str, str] | None = None


@dataclass(slots=True)
class Holding:
    """Mail in hand: by priority, inside one by turns of the workspaces, inside a workspace first come first served."""

    turns: Turns = field(default_factory=Turns)
    heap: list[tuple[int, float, UUID, Held]] = field(default_factory=list)
    by_priority: Counter[int] = field(default_factory=Counter)

    def at_least(self, priority: int) -> int:
        """How many have this priority or a higher one."""
        return sum(number for each, number in self.by_priority.items() if each >= priority)

    def push(self, held: Held) -> None:
        """One more."""
        mail = held.mail
        tag = self.turns.tag(mail.workspace_id, mail.priority, held.share)
        heapq.heappush(self.heap, (-mail.priority, tag, mail.recipient_id, held))
        self.by_priority[mail.priority] += 1

    def pop(self) -> Held:
        """The one whose turn it is."""
        _, tag, _, held = heapq.heappop(self.heap)
        self.turns.went(held.mail.priority, tag)
        self.by_priority[held.mail.priority] -= 1
        if not self.heap:
            self.turns.forget()
        return held

    def next(self, number: int) -> list[Held]:
        """About the next ones, in order: the first five for certain, the others nearly always."""
        near = sorted(self.heap[:_NEAR], key=lambda entry: entry[:3])
        return [held for *_, held in near[:number]]

    def all(self) -> Iterator[Held]:
        """All of them, in no order."""
        return (entry[3] for entry in self.heap)

    def clear(self) -> list[Held]:
        """All of them, in order."""
        held = [one for *_, one in sorted(self.heap, key=lambda entry: entry[:3])]
        self.heap.clear()
        self.by_priority.clear()
        self.turns.forget()
        return held
