"""Who may send to a group of sites: never two at once, whoever joins, leaves or dies."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

import pytest
from tests.conftest import ManualClock
from tests.corridor import MakeProcess

from posthouse.delivery.lease import LEASE_S, Lease
from posthouse.delivery.ownership import Owned
from posthouse.model.words import Pool
from posthouse.outbox import claims
from posthouse.runtime.process import Process

GROUPS = [f"mx{number}.test" for number in range(30)]


@dataclass(eq=False)
class Worker:
    """A delivery process as far as ownership goes; it knows of the others what it last read."""

    process: Process
    lease: Lease
    owned: Owned

    async def look_around(self) -> None:
        async with self.process.pool.acquire() as connection:
            self.owned.peers = await claims.live_workers(connection, Pool.MARKETING, self.process.clock.now())

    async def take(self) -> set[str]:
        await self.owned.take([group for group in GROUPS if self.owned.should(group)])
        return self.has

    async def let_go(self, groups: Sequence[str] = GROUPS) -> None:
        """As at the end of the last connection to each group that is another's to send to."""
        await self.owned.let_go([group for group in groups if self.owned.has(group) and not self.owned.should(group)])

    @property
    def has(self) -> set[str]:
        return {group for group in GROUPS if self.owned.has(group)}

    async def dies(self) -> None:
        """Without a word: the supervisor sees it and ends its lease."""
        await _end(self.process, self.lease.worker_id, self.process.clock.now())


async def _end(process: Process, worker_id: UUID, now: datetime) -> None:
    async with process.pool.acquire() as connection:
        await claims.end_lease(connection, worker_id, now)


@dataclass
class Yard:
    """Where workers come and go."""

    make_process: MakeProcess
    clock: ManualClock
    stack: contextlib.AsyncExitStack

    async def worker(self) -> Worker:
        process = self.make_process("marketing")
        process.clock = self.clock
        lease = await self.stack.enter_async_context(Lease(process, Pool.MARKETING))
        worker = Worker(process, lease, Owned(process, Pool.MARKETING, lease))
        await worker.look_around()
        return worker


@pytest.fixture
async def yard(make_process: MakeProcess, clock: ManualClock) -> AsyncIterator[Yard]:
    async with contextlib.AsyncExitStack() as stack:
        yield Yard(make_process, clock, stack)


async def test_one_that_joins_gets_its_share_only_when_the_other_has_let_it_go(yard: Yard) -> None:
    ann = await yard.worker()
    assert await ann.take() == set(GROUPS)
    ben = await yard.worker()
    assert await ben.take() == set()
    await ann.look_around()
    assert ann.has == set(GROUPS), "its connections are still open"
    await ann.let_go()
    assert await ben.take() == set(GROUPS) - ann.has
    assert 5 < len(ben.has) < 25


async def test_one_that_leaves_in_order_leaves_nothing_behind(yard: Yard) -> None:
    ann, ben = await yard.worker(), await yard.worker()
    await ann.look_around()
    await ann.take()
    await ben.take()
    ann.lease.draining = True
    await ann.let_go()
    await ann.dies()
    await ben.look_around()
    assert await ben.take() == set(GROUPS)
    assert ann.has == set()


async def test_what_a_dead_one_owned_goes_to_the_living_and_not_before_its_lease_has_ended(yard: Yard) -> None:
    ann = await yard.worker()
    await ann.take()
    ben = await yard.worker()
    ben.owned.peers = {ben.lease.worker_id}  # it believes itself alone
    assert await ben.take() == set()
    await ann.dies()
    assert await ben.take() == set(GROUPS)


async def test_one_without_a_living_lease_gets_nothing(yard: Yard) -> None:
    ann = await yard.worker()
    yard.clock.advance(LEASE_S + 1)
    assert await ann.take() == set()


async def test_with_a_lease_everything_owned_under_it_is_lost(yard: Yard) -> None:
    ann = await yard.worker()
    await ann.take()
    ann.lease.worker_id = ann.process.ids.new()
    assert ann.has == set()
    assert ann.owned.groups == frozenset()


async def test_pools_own_the_same_site_each_for_itself(yard: Yard) -> None:
    ann = await yard.worker()
    other = Owned(ann.process, Pool.NOTIFICATION, ann.lease)
    await ann.take()
    await other.take(GROUPS)
    assert other.has(GROUPS[0])


@pytest.mark.parametrize("seed", range(5))
async def test_there_are_never_two_owners_whatever_happens(yard: Yard, seed: int) -> None:
    chance = Random(seed)
    living = [await yard.worker()]
    served: set[str] = set()
    for _ in range(150):
        worker = chance.choice(living)
        match chance.choice(["join", "die", "leave", *["look"] * 4, *["take"] * 6, *["let go"] * 4]):
            case "join" if len(living) < 4:
                living.append(await yard.worker())
            case "die" if len(living) > 1:
                await worker.dies()
                living.remove(worker)
            case "leave" if len(living) > 1:
                worker.lease.draining = True
                await worker.let_go()
                await worker.dies()
                living.remove(worker)
            case "look":
                await worker.look_around()
            case "take":
                served |= await worker.take()
            case "let go":
                await worker.let_go(chance.sample(GROUPS, 10))
        owned = [group for each in living for group in each.has]
        assert len(owned) == len(set(owned))
    for _ in range(2):
        for worker in living:
            await worker.look_around()
            await worker.let_go()
            await worker.take()
    for worker in living:
        await worker.take()
    assert {group for worker in living for group in worker.has} == served == set(GROUPS)
