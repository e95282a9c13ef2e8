"""The delivery role: one dispatcher per pool over one courier, one settler and one lease."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from random import SystemRandom
from typing import Final

from posthouse.accounts.directory import Directory
from posthouse.delivery.courier import SitePolicy, TlsPolicy
from posthouse.delivery.courier_mx import MxCourier
from posthouse.delivery.dispatch import Dispatcher
from posthouse.delivery.lease import Lease
from posthouse.delivery.prepare import Preparer
from posthouse.delivery.settle import Settler
from posthouse.model.words import Pool
from posthouse.outbox import claims
from posthouse.runtime.dns import Resolver
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.runtime.process import Process

_PEERS_S: Final = 2.0


async def main(process: Process) -> None:
    """Delivers until the process stops."""
    async with Directory.open(process) as directory, Lease(process) as lease:
        settler = Settler(process)
        dispatchers = _dispatchers(process, directory, lease, settler)

        def wake(_: str) -> None:
            for dispatcher in dispatchers:
                dispatcher.wake()

        async with process.listener("outbox", wake), _knowing_peers(process, dispatchers):
            process.ready()
            await asyncio.gather(*(dispatcher.run() for dispatcher in dispatchers))


def _dispatchers(process: Process, directory: Directory, lease: Lease, settler: Settler) -> list[Dispatcher]:
    delivery = process.settings.delivery
    courier = MxCourier(
        helo_name=process.settings.server.hostname,
        resolver=Resolver(delivery.resolvers),
        routes=delivery.routes,
        allow_private=delivery.allow_private_mx,
    )
    policy = SitePolicy(
        tls=TlsPolicy(delivery.tls), local_addr=delivery.source_ip or None
    )
    preparer = Preparer(process, directory)
    return [Dispatcher(process, pool, courier, preparer, settler, lease, policy, SystemRandom()) for pool in Pool]


@contextlib.asynccontextmanager
async def _knowing_peers(process: Process, dispatchers: list[Dispatcher]) -> AsyncIterator[None]:
    task = asyncio.create_task(_watch_peers(process, dispatchers), name="peers")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


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
