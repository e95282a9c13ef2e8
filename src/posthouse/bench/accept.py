"""How long POST /v1/messages takes to answer at a fixed rate, durably committed.

Requests leave when they are due, whether or not earlier ones have been answered, and a latency counts from the moment a request was
due: an installation that stalls cannot slow its own measurement down.
"""

import asyncio
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from posthouse.bench.figures import MAILS_PER_S, MS, Figure, Finding, quantiles_ms
from posthouse.bench.http_load import Client
from posthouse.bench.mails import MAIL_OCTETS, posted
from posthouse.bench.stand import FAST, Order, built, domain_of, warm_up

_PER_S: Final = 500
_SECONDS: Final = 20.0
_WARM_UP_S: Final = 2.0


@dataclass(slots=True)
class Load:
    """One open-loop run. `behind_s` is how late this process itself sent a request at worst: what it may be trusted to."""

    client: Client
    body: Callable[[str], bytes]
    latencies_s: list[float] = field(default_factory=list)
    behind_s: float = 0.0

    async def run(self, per_s: int, seconds: float) -> float:
        """Every request at its time, then the last answers; seconds from the first to the last."""
        began = time.monotonic()
        pending = []
        for number in range(max(1, round(per_s * seconds))):
            due = began + number / per_s
            await asyncio.sleep(due - time.monotonic())
            self.behind_s = max(self.behind_s, time.monotonic() - due)
            pending.append(asyncio.create_task(self._one(number, due)))
        await asyncio.gather(*pending)
        return time.monotonic() - began

    async def _one(self, number: int, due: float) -> None:
        await self.client.post(self.body(f"user-{number}"))
        self.latencies_s.append(time.monotonic() - due)


async def measure(order: Order) -> list[Finding]:
    """The accept benchmark."""
    seconds = order.seconds or _SECONDS
    async with built(order, FAST) as stand:
        await warm_up(stand)
        client, body = Client(stand.installation), posted(domain_of(FAST))
        await Load(client, body).run(_PER_S, min(_WARM_UP_S, seconds))
        order.tell(f"{_PER_S} requests/s for {seconds:g} s")
        load = Load(client, body)
        stand.meter.restart()
        gc.disable()
        try:
            took_s = await load.run(_PER_S, seconds)
        finally:
            gc.enable()
        cost = stand.meter.cost()
        client.close()
        answered = len(load.latencies_s)
        figures = (
            *quantiles_ms("answer", load.latencies_s, (0.5, 0.9, 0.99, 0.999)),
            Figure("answered", round(answered / took_s, 1), MAILS_PER_S),
            Figure("connections", client.connections, ""),
            Figure("sent late at worst", round(1000 * load.behind_s, 2), MS),
        )
        how = f"{_PER_S} requests/s for {seconds:g} s, one mail of {MAIL_OCTETS:,} octets each, while they are delivered as well"
        return [Finding("accept", how, figures, round(cost.seconds, 2), cost.others_share, cost.cpu_ms_each(answered))]
