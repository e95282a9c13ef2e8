"""A password reset behind a newsletter: how long priority 9 waits behind a long priority-1 queue for the same slow receiver."""

from typing import Final

from posthouse.bench.figures import MAILS, Figure, Finding, quantile, quantiles_ms
from posthouse.bench.filling import fill
from posthouse.bench.probing import probe
from posthouse.bench.sink import Door
from posthouse.bench.stand import STALL_S, Order, built, domain_of

_MAILS: Final = 20_000
_SECONDS: Final = 20.0
_PER_S: Final = 2.0
_SLOW: Final = Door("slow", per_s=50.0)
_SETTLED_MAILS: Final = 200  # arrived before the first probe: the product has learnt how slow this receiver is


async def measure(order: Order) -> list[Finding]:
    """The pre-emption benchmark."""
    mails, seconds = order.mails or _MAILS, order.seconds or _SECONDS
    async with built(order, _SLOW) as stand:
        await fill(stand.installation, domain_of(_SLOW), range(mails), 1, order.tell)
        await stand.receiver.wait_for(_SLOW.name, min(_SETTLED_MAILS, mails // 2), STALL_S)
        order.tell(f"{_PER_S:g} mails/s of priority 9 behind {mails:,} of priority 1")
        stand.meter.restart()
        probes = await probe(stand, _SLOW, "urgent", _PER_S, seconds, priority=9)
        cost = stand.meter.cost()
        tally = await stand.receiver.tally(_SLOW.name)
        first = [each.went_first for each in probes]
        figures = (
            *quantiles_ms("posted to arrived", [each.to_arrival_s for each in probes], (0.5, 0.99)),
            Figure("mails that went first p50", quantile(first, 0.5), MAILS),
            Figure("mails that went first, most", max(first), MAILS),
            Figure("overtaken", mails + len(probes) - tally.mails, MAILS),
            Figure("connections", tally.most_connections, ""),
        )
        how = (
            f"{len(probes)} mails of priority 9 by the API, {_PER_S:g}/s, behind {mails:,} of priority 1"
            f" for a receiver that takes {_SLOW.per_s:g}/s"
        )
        return [Finding("preempt", how, figures, round(cost.seconds, 2), cost.others_share)]
