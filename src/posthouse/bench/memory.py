"""What all roles hold in memory while a long queue waits and mail passes by it."""

from typing import Final

from posthouse.bench.figures import MAILS, Figure, Finding
from posthouse.bench.filling import fill
from posthouse.bench.relay import through
from posthouse.bench.stand import FAST, STALLED, Order, built, domain_of, warm_up

_MAILS: Final = 200_000
_LOAD: Final = 5_000


async def measure(order: Order) -> list[Finding]:
    """The memory benchmark: the peak from the first queued mail on."""
    mails = order.mails or _MAILS
    load = min(_LOAD, mails)
    async with built(order, FAST, STALLED) as stand:
        await warm_up(stand)
        stand.meter.restart()
        async with stand.memory.watched():
            await fill(stand.installation, domain_of(STALLED), range(mails), None, order.tell)
            order.tell(f"{load:,} mails beside {mails:,} queued")
            passage = await through(stand, range(load))
        how = f"{mails:,} mails queued for a receiver that does not answer, {load:,} mails relayed beside them; the lab is not counted"
        figures = (stand.memory_figure(), Figure("queued", mails, MAILS))
        cost = passage.cost
        pss_mb = stand.memory.with_postgres()
        return [Finding("memory", how, figures, round(cost.seconds, 2), cost.others_share, pss_mb_by_role=pss_mb)]
