"""How long an accepted mail waits for its first attempt when there is nothing else to do."""

from typing import Final

from posthouse.bench.figures import Finding, quantiles_ms
from posthouse.bench.probing import probe
from posthouse.bench.stand import FAST, Order, built, warm_up

PER_S: Final = 10.0
_SECONDS: Final = 20.0


async def measure(order: Order) -> list[Finding]:
    """The idle benchmark."""
    seconds = order.seconds or _SECONDS
    async with built(order, FAST) as stand:
        await warm_up(stand)
        order.tell(f"{PER_S:g} mails/s for {seconds:g} s")
        stand.meter.restart()
        probes = await probe(stand, FAST, "idle", PER_S, seconds)
        cost = stand.meter.cost()
        figures = (
            *quantiles_ms("accepted to first attempt", [each.to_first_attempt_s for each in probes], (0.5, 0.99)),
            *quantiles_ms("posted to arrived", [each.to_arrival_s for each in probes], (0.5, 0.99)),
        )
        how = f"{PER_S:g} mails/s by the API for {seconds:g} s, nothing else to do"
        return [Finding("idle", how, figures, round(cost.seconds, 2), cost.others_share)]
