"""The delivery role: one dispatcher per pool over one courier, one settler and one lease."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from random import SystemRandom
from typing import Any, Final

from posthouse.accounts.directory import Directory
from posthouse.delivery.courier import SitePolicy, TlsPolicy
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

_PEERS_S: Final = 2.0
_STRANGERS_S: Final = 5.0
_CLAIM_S: Final = 10.0  # no claim takes that long to come back


async def main(process: Process) -> None:
    """Delivers until the process stops."""
    async with Directory.open(process) as directory, Lease(process) as lease:
        hands = Hands()
        dispatchers = _dispatchers(process, directory, lease, hands)

        def wake(pools: str) -> None:
            for dispatcher in dispatchers:
                dispatcher.wake(pools)

        rounds = (_watch_peers(process, dispatchers), _return_strangers(process, lease, hands))
        async with process.listener("outbox", wake), _meanwhile(*rounds):
            process.ready()
            await asyncio.gather(*(dispatcher.run() for dispatcher in dispatchers))


def _dispatchers(process: Process, directory: Directory, lease: Lease, hands: Hands) -> list[Dispatcher]:
    delivery = process.settings.delivery
    courier = MxCourier(
        helo_name=process.settings.server.hostname,
        resolver=Resolver(delivery.resolvers),
        routes=delivery.routes,
        allow_private=delivery.allow_private_mx,
        own_addresses=network.own_addresses(process.settings),
    )
    policy = SitePolicy(tls=TlsPolicy(delivery.tls), local_addr=delivery.source_ip or None)
    preparer, settler = Preparer(process, directory), Settler(process, hands)
    return [
        Dispatcher(process, pool, courier, preparer, settler, hands, lease, policy, SystemRandom()) for pool in Pool
    ]


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


async def _watch_peers(process: Process, dispatchers: list[Dispatcher]) -> None:
    """Keeps the dispatchers' knowledge of who else delivers, which decides which destinations are theirs."""
    while True:
        try:
            async with process.pool.acquire() as connection:
                peers = await claims.live_workers(connection, process.role, process.clock.now())
            for dispatcher in dispatchers:
                dispatcher.peers = peers
        except DATABASE_GONE as error:
            process.log.warning("peers.unknown", error=str(error))
        await asyncio.sleep(_PEERS_S)


async def _return_strangers(process: Process, lease: Lease, hands: Hands) -> None:
    """Gives back what is claimed in our name and not in our hands: the answer to its claim was lost, so it was never dialled."""
    while True:
        await asyncio.sleep(_STRANGERS_S)
        before = process.clock.now() - timedelta(seconds=_CLAIM_S)
        try:
            async with process.pool.acquire() as connection:
                claimed = await claims.in_name_of(connection, lease.worker_id, before)
                for workspace_id, recipient_id in hands.strangers(claimed):
                    process.log.warning("claim.given_back", recipient_id=str(recipient_id))
                    await claims.give_back(connection, workspace_id, [recipient_id], lease.worker_id)
        except DATABASE_GONE as error:
            process.log.warning("claims.unknown", error=str(error))
