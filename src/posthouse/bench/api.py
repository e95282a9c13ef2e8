"""The whole corridor as `relay`, with the mail brought by POST /v1/messages: one a request, and a hundred a request."""

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from posthouse.bench.figures import Finding
from posthouse.bench.http_load import Client
from posthouse.bench.mails import MAIL_OCTETS, posted
from posthouse.bench.relay import Passage, as_finding
from posthouse.bench.stand import FAST, SESSIONS, STALL_S, Order, Stand, built, domain_of, warm_up

_MAILS: Final = 20_000
_BATCHES: Final = (1, 100)  # mails a request
_CONNECTIONS: Final = {1: SESSIONS, 100: 4}


async def measure(order: Order) -> list[Finding]:
    """The API benchmark, once for each size of request."""
    mails = order.mails or _MAILS
    return [await _measure(order, mails, batch) for batch in _BATCHES]


async def _measure(order: Order, mails: int, batch: int) -> Finding:
    connections = _CONNECTIONS[batch]
    async with built(order, FAST) as stand:
        await warm_up(stand)
        order.tell(f"{mails:,} mails in by the API, {batch} a request, and out")
        async with stand.memory.watched():
            passage = await _through(stand, mails, batch, connections)
        how = f"{mails:,} mails of {MAIL_OCTETS:,} octets over {connections} HTTP connections, {batch} a request, each signed with RSA-2048"
        return as_finding(f"api, {batch} a request", how, stand, passage)


async def _through(stand: Stand, mails: int, batch: int, connections: int) -> Passage:
    before = (await stand.receiver.tally(FAST.name)).mails
    client = Client(stand.installation)
    await client.post(_bodies_of(range(1)))  # the connection and the key are known
    stand.meter.restart()
    began = time.monotonic()
    requests = requests_of(range(mails), batch)
    await asyncio.gather(*(post_all(client, requests) for _ in range(connections)))
    took_s = time.monotonic() - began
    arrived = await stand.receiver.wait_for(FAST.name, before + 1 + mails, STALL_S)
    client.close()
    return Passage(mails, mails / took_s, mails / (arrived.last_at - began), stand.meter.cost())


async def post_all(client: Client, requests: Iterator[bytes]) -> None:
    """Sends the next request whenever the last one is answered; several of these may share the requests."""
    for request in requests:
        await client.post(request)


def requests_of(numbers: range, batch: int) -> Iterator[bytes]:
    """The bodies of all requests, made when their turn comes."""
    for first in range(0, len(numbers), batch):
        yield _bodies_of(numbers[first : first + batch])


_ONE: Final = posted(domain_of(FAST))


def _bodies_of(numbers: range) -> bytes:
    bodies = [_ONE(f"user-{number}") for number in numbers]
    return bodies[0] if len(bodies) == 1 else b"[%b]" % b",".join(bodies)
