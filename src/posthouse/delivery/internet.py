"""The road to the internet as a process uses it: resolver, receivers' TLS policies and the counters of how sessions fared."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from posthouse.delivery.courier_mx import MxCourier
from posthouse.delivery.sts_store import StsStore
from posthouse.delivery.tls_results import TlsResults
from posthouse.model.values import dataclass
from posthouse.runtime import network
from posthouse.runtime.dns import Resolver
from posthouse.runtime.https import HttpsClient
from posthouse.runtime.process import Process


@dataclass(frozen=True, slots=True)
class World:
    """What a test has instead of the internet: other ports, an authority of its own."""

    smtp_port: int = 25
    https_port: int = 443
    ca_file: str | None = None


INTERNET = World()


@dataclass(frozen=True, slots=True)
class Road:
    """The courier, and who knows and counts for it."""

    courier: MxCourier
    resolver: Resolver
    policies: StsStore
    results: TlsResults


async def built(process: Process, world: World = INTERNET) -> Road:
    """The road of the settings, with the policies that are known by now. Raises DATABASE_GONE."""
    delivery = process.settings.delivery
    resolver = Resolver(delivery.resolvers)
    results = TlsResults(process.pool, process.clock, process.metrics, process.log)
    https = HttpsClient(resolver, port=world.https_port, ca_file=world.ca_file, allow_private=delivery.allow_private_mx)
    policies = StsStore(process.pool, resolver, https, process.clock, process.log, results)
    await policies.load()
    courier = MxCourier(
        helo_name=process.settings.server.hostname,
        resolver=resolver,
        routes=delivery.routes,
        allow_private=delivery.allow_private_mx,
        own_addresses=network.own_addresses(process.settings),
        port=world.smtp_port,
        ca_file=world.ca_file,
        policies=policies,
        tally=results,
        clock=process.clock,
    )
    return Road(courier, resolver, policies, results)


@contextlib.asynccontextmanager
async def opened(process: Process, world: World = INTERNET) -> AsyncIterator[Road]:
    """The same, with policies kept fresh and counters written down while the block runs."""
    road = await built(process, world)
    rounds = [asyncio.create_task(each) for each in (road.policies.run(), road.results.run())]
    try:
        yield road
    finally:
        for task in rounds:
            task.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)
