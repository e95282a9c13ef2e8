"""The delivery roles: a dispatcher over a courier for one pool, or in one process for each of them.

The roles `transactional`, `notification` and `marketing` serve the pool of that name; the role `delivery` serves all three, each with
a lease, a settler and sites of its own.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from random import Random, SystemRandom
from typing import Any, Final

from posthouse.accounts.directory import Directory
from posthouse.delivery import block_lists, internet, signing
from posthouse.delivery.courier import Courier
from posthouse.delivery.dispatch import Dispatcher
from posthouse.delivery.lease import Lease
from posthouse.delivery.prepare import Preparer
from posthouse.delivery.shaping_file import ShapingFile
from posthouse.model.words import Pool
from posthouse.outbox import announcements, claims, suspensions, workers
from posthouse.runtime import crypto_mb
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.runtime.process import Process

ALL_POOLS: Final = "delivery"  # the role that serves every pool
_LOOK_S: Final = 2.0
_STRANGERS_S: Final = 5.0
_NOTES_S: Final = 1.0
_CLAIM_S: Final = 10.0  # no claim takes that long to come back


async def main(process: Process) -> None:
    """Delivers until the process stops: the pool that is its role, or all of them."""
    async with internet.opened(process) as road:
        await serve(process, road.courier, SystemRandom())


async def serve(process: Process, courier: Courier, random: Random) -> None:
    """The same over any courier."""
    pools = [pool for pool in Pool if process.role in (pool, ALL_POOLS)]
    shaping = ShapingFile(process.settings, process.log)
    async with Directory.open(process) as directory, contextlib.AsyncExitStack() as leases:
        lanes = crypto_mb.lanes() if process.settings.delivery.sign_together else None
        preparer = Preparer(process, directory, await leases.enter_async_context(signing.opened(process.log, lanes)))
        desks = [
            _Desk(
                process,
                pool,
                await leases.enter_async_context(Lease(process, pool)),
                preparer,
                courier,
                shaping,
                random,
            )
            for pool in pools
        ]
        for desk in desks:
            await desk.look_around()

        def wake(said: str) -> None:
            for desk in desks:
                desk.hear(said)

        rounds = [each for desk in desks for each in desk.rounds()]
        async with process.listener(announcements.CHANNEL, wake), asyncio.TaskGroup() as group:
            endless = [group.create_task(each) for each in rounds]  # one that breaks takes the process with it
            process.ready()
            await asyncio.gather(*(desk.dispatcher.run() for desk in desks))
            for task in endless:
                task.cancel()


class _Desk:
    """One pool's dispatcher, with the rounds that keep what it knows of the world up to date."""

    def __init__(
        self,
        process: Process,
        pool: Pool,
        lease: Lease,
        preparer: Preparer,
        courier: Courier,
        shaping: ShapingFile,
        random: Random,
    ) -> None:
        self._process = process
        self._pool = pool
        self._lease = lease
        self._news = asyncio.Event()
        self.dispatcher = Dispatcher(process, pool, courier, preparer, lease, shaping, random)

    def hear(self, said: str) -> None:
        """A notice on the channel of the queue: mail, or that something is new around us."""
        if said in {announcements.NEWS, announcements.ANYTHING}:
            self._news.set()
        if said != announcements.NEWS:
            self.dispatcher.hear(announcements.read(said))

    def rounds(self) -> list[Coroutine[Any, Any, None]]:
        """All of them; they never end."""
        return [
            self._every(_LOOK_S, self.look_around, self._news),
            self._every(_STRANGERS_S, self.return_strangers),
            self._every(_NOTES_S, self.dispatcher.board.note),
            self._lease.watch(),
        ]

    async def look_around(self) -> None:
        """Whether we are to hand over; who else delivers, which decides which sites are ours; what operators have suspended; who gets
        how much; which of our addresses are on a block list."""
        async with self._process.pool.acquire() as connection:
            now = self._process.clock.now()
            self._lease.draining = await workers.is_draining(connection, self._lease.worker_id)
            self.dispatcher.owned.peers = await claims.live_workers(connection, self._pool, now)
            self.dispatcher.shares = await claims.shares(connection)
            active = await suspensions.active(connection, now)
            self.dispatcher.board.rotation.listed = await block_lists.listed_of(
                connection, self._process.settings, self._pool
            )
        await self.dispatcher.suspend(active)

    async def return_strangers(self) -> None:
        """Gives back what is claimed in our name and not in our hands: the answer to its claim was lost, it was never dialled."""
        before = self._process.clock.now() - timedelta(seconds=_CLAIM_S)
        async with self._process.pool.acquire() as connection:
            claimed = await claims.in_name_of(connection, self._lease.worker_id, before)
            for workspace_id, recipient_id in self.dispatcher.hands.strangers(claimed):
                self._process.log.warning("claim.given_back", recipient_id=str(recipient_id))
                await claims.give_back(connection, workspace_id, [recipient_id], self._lease.worker_id)

    async def _every(
        self, period_s: float, do: Callable[[], Awaitable[None]], sooner: asyncio.Event | None = None
    ) -> None:
        """Does it again and again, `sooner` when there is news."""
        news = sooner or asyncio.Event()
        while True:
            news.clear()
            try:
                await do()
            except DATABASE_GONE as error:
                self._process.log.warning("delivery.waits", pool=self._pool, round=do.__name__, error=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(period_s):
                    await news.wait()
