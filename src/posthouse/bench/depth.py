"""Whether a long queue slows anything down: the relay's load beside a short and beside a long backlog for a stalled receiver."""

from typing import Final

from posthouse.bench.figures import MAILS, MAILS_PER_S, SHARE, Figure, Finding
from posthouse.bench.filling import fill
from posthouse.bench.mails import BACKLOG_OCTETS
from posthouse.bench.relay import through
from posthouse.bench.stand import FAST, STALLED, Order, built, domain_of, warm_up

_MAILS: Final = 200_000
_SHALLOW: Final = 10_000
_LOAD: Final = 10_000  # mails that are carried beside the backlog


async def measure(order: Order) -> list[Finding]:
    """The depth benchmark."""
    deep = order.mails or _MAILS
    shallow, load = min(_SHALLOW, max(1, deep // 10)), min(_LOAD, deep)
    async with built(order, FAST, STALLED) as stand:
        await warm_up(stand)
        await fill(stand.installation, domain_of(STALLED), range(shallow), None, order.tell)
        order.tell(f"{load:,} mails beside {shallow:,} queued")
        first = await through(stand, load)
        await fill(stand.installation, domain_of(STALLED), range(shallow, deep), None, order.tell)
        order.tell(f"{load:,} mails beside {deep:,} queued")
        async with stand.memory.watched():
            last = await through(stand, load)
        figures = (
            Figure(f"end to end, {shallow:,} queued", round(first.end_to_end_per_s, 1), MAILS_PER_S, plotted=True),
            Figure(f"end to end, {deep:,} queued", round(last.end_to_end_per_s, 1), MAILS_PER_S, plotted=True),
            Figure("of the short queue's rate", round(100 * last.end_to_end_per_s / first.end_to_end_per_s, 1), SHARE),
            Figure("queued", deep, MAILS),
            stand.memory_figure(),
        )
        how = f"{load:,} mails by SMTP beside a backlog of {BACKLOG_OCTETS:,} octets a mail for a receiver that does not answer"
        others = max(first.cost.others_share, last.cost.others_share)
        seconds = round(first.cost.seconds + last.cost.seconds, 2)
        pss_mb = stand.memory.with_postgres()
        return [Finding("depth", how, figures, seconds, others, last.cost.cpu_ms_each(load), pss_mb)]
