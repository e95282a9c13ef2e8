"""Which process sends to a group of sites, so that its limits are exact however many processes run.

`owner` (pure) says who should; the table `site_owners` says who does. A process that should and does not yet asks for the group and gets
it when nobody alive has it; one that has and should not lets its last connection end, then lets go. Between the two nobody dials,
and never do both.
"""

from collections.abc import Collection, Iterable
from hashlib import blake2b
from uuid import UUID

from posthouse.delivery.lease import Lease
from posthouse.model.words import Pool
from posthouse.outbox import enqueue, sites
from posthouse.runtime.process import Process


def owner(group: str, workers: Collection[UUID]) -> UUID:
    """The worker that should send to a group, by rendezvous hashing: when one joins or leaves, only its share moves."""
    name = group.encode()
    return max(workers, key=lambda worker: blake2b(name, digest_size=8, key=worker.bytes).digest())


class Owned:
    """The groups this process owns in one pool. Everything is lost with the lease under which it was owned."""

    def __init__(self, process: Process, pool: Pool, lease: Lease) -> None:
        self.peers: Collection[UUID] = (lease.worker_id,)
        self._process = process
        self._pool = pool
        self._lease = lease
        self._worker_id = lease.worker_id
        self._groups: set[str] = set()
        self._should: dict[str, bool] = {}
        self._asked_of: frozenset[UUID] = frozenset()

    def should(self, group: str) -> bool:
        """Whether this process is the one that should send there, as far as it knows who is alive."""
        if self._lease.draining:
            return False
        workers = frozenset({*self.peers, self._lease.worker_id})
        if workers != self._asked_of:
            self._asked_of = workers
            self._should.clear()
        if group not in self._should:
            self._should[group] = owner(group, workers) == self._lease.worker_id
        return self._should[group]

    def has(self, group: str) -> bool:
        """Whether it is ours to send there now."""
        if self._worker_id != self._lease.worker_id:
            self._worker_id = self._lease.worker_id
            self._groups.clear()
        return group in self._groups

    @property
    def groups(self) -> frozenset[str]:
        """All of them."""
        return frozenset(self._groups) if self._worker_id == self._lease.worker_id else frozenset()

    async def take(self, groups: Iterable[str]) -> set[str]:
        """Asks for groups; those it got now."""
        wanted = [group for group in groups if not self.has(group)]
        if not wanted:
            return set()
        worker_id, now = self._lease.worker_id, self._process.clock.now()
        async with self._process.pool.acquire() as connection:
            got = await sites.own(connection, self._pool, wanted, worker_id, now)
        if worker_id != self._lease.worker_id:
            return set()
        self._groups |= got
        return got

    async def let_go(self, groups: Collection[str]) -> None:
        """Others may have these: no connection of ours to them is open any more. Those who should, and may be waiting, hear of it."""
        self._groups.difference_update(groups)
        async with self._process.pool.acquire() as connection:
            await sites.disown(connection, self._pool, groups, self._worker_id)
            if not all(self.should(group) for group in groups):
                await enqueue.announce(connection, {self._pool})
