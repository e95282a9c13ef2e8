"""The delivery roles: a dispatcher over a courier for one pool, or in one process for each of them.

The roles `transactional`, `notification` and `marketing` serve the pool of that name; the role `delivery` serves all three, each with
a lease, a settler and sites of its own.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from random import Random, SystemRandom
from typing import Any, Final

from posthouse.accounts.directory import Directory
from posthouse.delivery.courier import Courier, SitePolicy, TlsPolicy
from posthouse.delivery.courier_mx import MxCourier
from posthouse.delivery.dispatch import Dispatcher
from posthouse.delivery.hands import Hands
from posthouse.delivery.lease import Lease
from posthouse.delivery.prepare import Preparer
from posthouse.delivery.settle import Settler
from posthouse.model.words import Pool
from posthouse.outbox import claims
from posthouse.runtime import network
from posthouse.runtime.dns import Resolver
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.runtime.process import Process

ALL_POOLS: Final = "delivery"  # the role that serves every pool
_PEERS_S: Final = 2.0
_STRANGERS_S: Final = 5.0
_CLAIM_S: Final = 10.0  # no claim takes that long to come back


async def main(process: Process) -> None:
    """Delivers until the process stops: the pool that is its role, or all of them."""
    settings = process.settings.delivery
    courier = MxCourier(
        helo_name=process.settings.server.hostname,
        resolver=Resolver(settings.resolvers),
        routes=settings.routes,
        allow_private=settings.allow_private_mx,
        own_addresses=network.own_addresses(process.settings),
    )
    await serve(process, courier, SystemRandom())


async def serve(process: Process, courier: Courier, random: Random) -> None:
    """The same over any courier."""
    pools = [pool for pool in Pool if process.role in (pool, ALL_POOLS)]
    async with Directory.open(process) as directory, contextlib.AsyncExitStack() as leases:
        preparer = Preparer(process, directory)
        desks = [
            _Desk(process, pool, await leases.enter_async_context(Lease(process, pool)), preparer, courier, random)
            for pool in pools
        ]

        def wake(pools: str) -> None:
            for desk in desks:
                desk.dispatcher.wake(pools)

        rounds = [each for desk in desks for each in (desk.watch_peers(), desk.return_strangers())]
        async with process.listener("outbox", wake), _meanwhile(*rounds):
            process.ready()
            await asyncio.gather(*(desk.dispatcher.run() for desk in desks))


class _Desk:
    """One pool's dispatcher with what belongs to it alone: its lease, what it holds, and who else works for the pool."""

    def __init__(
        self, process: Process, pool: Pool, lease: Lease, preparer: Preparer, courier: Courier, random: Random
    ) -> None:
        self._process = process
        self._pool = pool
        self._lease = lease
        self._hands = Hands()
        limits = process.settings.pool(pool)
        source = limits.sources[0].partition(" ")[0] if limits.sources else None
        policy = SitePolicy(tls=TlsPolicy(process.settings.delivery.tls), local_addr=source)
        settler = Settler(process, self._hands)
        self.dispatcher = Dispatcher(process, pool, courier, preparer, settler, self._hands, lease, policy, random)

    async def watch_peers(self) -> None:
        """Keeps the dispatcher's knowledge of who else delivers, which decides which destinations are its own."""
        while True:
            try:
                async with self._process.pool.acquire() as connection:
                    peers = await claims.live_workers(connection, self._pool, self._process.clock.now())
                self.dispatcher.peers = peers
            except DATABASE_GONE as error:
                self._process.log.warning("peers.unknown", pool=self._pool, error=str(error))
            await asyncio.sleep(_PEERS_S)

    async def return_strangers(self) -> None:
        """Gives back what is claimed in our name and not in our hands: the answer to its claim was lost, it was never dialled."""
        while True:
            await asyncio.sleep(_STRANGERS_S)
            before = self._process.clock.now() - timedelta(seconds=_CLAIM_S)
            try:
                async with self._process.pool.acquire() as connection:
                    claimed = await claims.in_name_of(connection, self._lease.worker_id, before)
                    for workspace_id, recipient_id in self._hands.strangers(claimed):
                        self._process.log.warning("claim.given_back", recipient_id=str(recipient_id))
                        await claims.give_back(connection, workspace_id, [recipient_id], self._lease.worker_id)
            except DATABASE_GONE as error:
                self._process.log.warning("claims.unknown", pool=self._pool, error=str(error))


@contextlib.asynccontextmanager
async def _meanwhile(*rounds: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs these endless rounds while the block runs."""
    tasks = [asyncio.create_task(each) for each in rounds]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
