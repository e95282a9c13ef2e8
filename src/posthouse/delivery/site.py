"""One destination site: the set of servers that take a domain's mail, and the paths to it from each source.

Domains with the same servers share a site, its connections and its limits. The site shares out the mail that is claimed for it among
its paths: a retry goes by the source of the attempt before it, other mail by the path with most room.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from posthouse.delivery.courier import Plan
from posthouse.delivery.fairness import Claimant, allot
from posthouse.delivery.gate import Wait
from posthouse.delivery.holding import Held
from posthouse.delivery.path import Path
from posthouse.delivery.rules import Limits
from posthouse.delivery.warming import Warming
from posthouse.outbox.sites import Standing


class Site:
    """The paths of one site in this process. All methods but `finish` run without waiting."""

    def __init__(
        self, plan: Plan, limits: Limits, paths: Sequence[Path], warming: Warming, former: Sequence[Path] = ()
    ) -> None:
        """`former` are paths of sources that left, which still have sessions at work."""
        self.plan = plan
        self.limits = limits
        self.paths = tuple(paths)
        self.former = tuple(former)
        self.retired = False  # another process is to own it
        self._warming = warming
        self._rounds = 0  # of sharing out
        self._served: dict[UUID, int] = {}  # in which of them each workspace last got some
        self.take_up()

    @property
    def name(self) -> str:
        """What it is called where it is written down: a domain with limits of its own is another site of the same servers."""
        alone = self.limits.group not in (self.plan.servers, self.limits.provider)
        return f"{self.limits.group} at {self.plan.site}" if alone else self.plan.site

    @property
    def quiet(self) -> bool:
        """Whether nothing is held and nobody is at work."""
        return all(path.quiet for path in (*self.paths, *self.former))

    @property
    def held(self) -> int:
        """How many mails wait in memory."""
        return sum(path.held for path in self.paths)

    @property
    def connections(self) -> int:
        """How many sessions there are."""
        return sum(path.connections for path in self.paths)

    def retire(self) -> None:
        """Another process is to own it: nothing more is claimed, and no connection waits for more."""
        self.retired = True
        for path in (*self.paths, *self.former):
            path.retire()

    def take_up(self) -> None:
        """It is ours after all."""
        self.retired = False
        for path in self.paths:
            path.retired = False

    def renew(self, plan: Plan, limits: Limits, now: float) -> None:
        """The DNS or the rules say something else now; what is on its way goes on."""
        self.plan, self.limits = plan, limits
        for path in self.paths:
            path.plan = plan
            if path.gate.limits != limits:
                path.gate.renew(limits, now)

    def room(self, priority: int) -> int:
        """How many mails may be claimed now for a destination whose best ready mail has this priority."""
        return 0 if self.retired else sum(self._room(path, priority) for path in self.paths)

    def room_for_retries(self, priority: int) -> int:
        """The same for mail that was tried before, where warm-up leaves room for no other."""
        if self.retired:
            return 0
        spent = (path for path in self.paths if self._warming.is_spent(path.source, self.limits.provider))
        return sum(path.room(priority) for path in spent)

    def allot(self, shares: Mapping[UUID, int], priority: int, room: int) -> Mapping[UUID, int]:
        """How much of the room each workspace gets that has ready mail of this priority; `shares` are theirs."""
        if len(shares) == 1:
            return dict.fromkeys(shares, room)
        held: dict[UUID, int] = {}
        for path in self.paths:
            for workspace_id, mails in path.held_of(priority).items():
                held[workspace_id] = held.get(workspace_id, 0) + mails
        claimants = [
            Claimant(each, share, held.get(each, 0), self._served.get(each, 0)) for each, share in shares.items()
        ]
        found = allot(claimants, room)
        self._rounds += 1
        self._served = {each: self._rounds if found[each] else self._served.get(each, 0) for each in shares}
        return found

    def add(self, held: Sequence[Held]) -> None:
        """Takes claimed mail."""
        if len(self.paths) == 1:
            self._warming.take(self.paths[0].source, self.limits.provider, held)
            self.paths[0].add(list(held))
            return
        chosen: dict[str, list[Held]] = {}
        for one in held:
            chosen.setdefault(self._path_for(one, chosen).source, []).append(one)
        for path in self.paths:
            if mails := chosen.get(path.source):
                self._warming.take(path.source, self.limits.provider, mails)
                path.add(mails)

    def scale(self) -> None:
        """Lets every path open what it needs."""
        for path in self.paths:
            path.scale()

    def take_out(self, which: Callable[[Held], bool]) -> list[Held]:
        """Takes back the mail no session has begun with for which this is true."""
        return [one for path in self.paths for one in path.take_out(which)]

    def empty(self) -> list[Held]:
        """Takes back all mail that no session has begun with."""
        return [one for path in (*self.paths, *self.former) for one in path.empty()]

    async def finish(self, patience_s: float) -> None:
        """Lets sessions end the mail they are at."""
        await asyncio.gather(*(path.finish(patience_s) for path in (*self.paths, *self.former)))

    def stopped(self, now: float) -> Wait | None:
        """What stops all its paths, if all are stopped: the wait that ends first."""
        waits = [path.stopped(now) for path in self.paths]
        known = [wait for wait in waits if wait is not None]
        return min(known, key=lambda wait: wait.until) if known and len(known) == len(waits) else None

    def limited(self, now: float) -> Wait | None:
        """What slows all the paths that are not stopped, if something does."""
        waits = [path.gate.wait(now) for path in self.paths if path.stopped(now) is None]
        known = [wait for wait in waits if wait is not None]
        return min(known, key=lambda wait: wait.until) if known and len(known) == len(waits) else None

    def standing(self, now: float) -> tuple[Standing, Wait | None]:
        """How the site is doing, and by what."""
        if not self.paths:
            return Standing.SUSPENDED, None
        if (stopped := self.stopped(now)) is not None:
            return Standing.SUSPENDED, stopped
        if (warming := self._warming.exhausted([p.source for p in self.paths], self.limits.provider, now)) is not None:
            return Standing.LIMITED, warming
        if (limited := self.limited(now)) is not None:
            return Standing.LIMITED, limited
        full = all(path.gate.open >= path.gate.connections(now) for path in self.paths)
        return (Standing.BUSY if full and self.held else Standing.FLOWING), None

    def mails_per_s(self, now: float) -> float:
        """How fast mail goes over all paths, as far as is known."""
        return sum(path.mails_per_s(now) for path in self.paths)

    def _room(self, path: Path, priority: int) -> int:
        return min(path.room(priority), self._warming.left(path.source, self.limits.provider))

    def _path_for(self, held: Held, chosen: Mapping[str, Sequence[Held]]) -> Path:
        priority = held.mail.priority
        if held.mail.attempt > 1:
            for path in self.paths:
                if path.source == held.mail.source and path.room(priority) > 0:
                    return path
        return max(self.paths, key=lambda path: self._room(path, priority) - len(chosen.get(path.source, ())))
