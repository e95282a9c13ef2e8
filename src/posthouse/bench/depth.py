"""Whether a long queue slows anything down: the relay's load beside a short and beside a long backlog for a stalled receiver.

Each mail has an address and a Message-ID of its own, and each backlog gets some time before it is measured beside: what was queued is
counted half a minute later (`ledger.counting`), and that is the work of the filling, not of the mails that are carried then.
"""

import asyncio
from collections.abc import Sequence
from statistics import median
from typing import Final

from posthouse.bench.figures import MAILS, MAILS_PER_S, SHARE, Figure, Finding
from posthouse.bench.filling import fill
from posthouse.bench.mails import BACKLOG_OCTETS
from posthouse.bench.relay import Passage, through
from posthouse.bench.stand import FAST, STALLED, Order, Stand, built, domain_of, warm_up
from posthouse.ledger.counting import SETTLED_S

_MAILS: Final = 200_000
_SHALLOW: Final = 10_000
_LOAD: Final = 10_000  # mails that are carried beside the backlog at a time
_TIMES: Final = 3
_SETTLES_S: Final = SETTLED_S + 10.0


async def measure(order: Order) -> list[Finding]:
    """The depth benchmark."""
    deep = order.mails or _MAILS
    shallow, load = min(_SHALLOW, max(1, deep // 10)), min(_LOAD, deep)
    async with built(order, FAST, STALLED) as stand:
        await warm_up(stand)
        before = await _beside(stand, order, range(shallow), load, 1)
        after = await _beside(stand, order, range(shallow, deep), load, 1 + _TIMES)
        pss_mb = stand.memory.with_postgres()
    short, long = (median(each.end_to_end_per_s for each in passages) for passages in (before, after))
    figures = (
        Figure(f"end to end, {shallow:,} queued", round(short, 1), MAILS_PER_S, plotted=True),
        Figure(f"end to end, {deep:,} queued", round(long, 1), MAILS_PER_S, plotted=True),
        Figure("of the short queue's rate", round(100 * long / short, 1), SHARE),
        Figure("queued", deep, MAILS),
        stand.memory_figure(),
    )
    how = (
        f"{_TIMES} times {load:,} mails by SMTP beside a backlog of {BACKLOG_OCTETS:,} octets a mail for a receiver that does not"
        " answer, the median"
    )
    others = max(each.cost.others_share for each in (*before, *after))
    seconds = round(sum(each.cost.seconds for each in (*before, *after)), 2)
    middle = sorted(after, key=lambda each: each.end_to_end_per_s)[_TIMES // 2]
    return [Finding("depth", how, figures, seconds, others, middle.cost.cpu_ms_each(load), pss_mb)]


async def _beside(stand: Stand, order: Order, backlog: range, load: int, first: int) -> Sequence[Passage]:
    """Queues a backlog more and carries mails beside all there is; `first` counts passages, each with mails of its own."""
    await fill(stand.installation, domain_of(STALLED), backlog, None, order.tell)
    settles_s = order.seconds or _SETTLES_S
    order.tell(f"{backlog.stop:,} queued; they are counted and written out for {settles_s:g} s")
    await asyncio.sleep(settles_s)
    passages = []
    for number in range(first, first + _TIMES):
        passages.append(await through(stand, range(number * load, (number + 1) * load)))
        stand.memory.sample()
        order.tell(f"{load:,} mails beside {backlog.stop:,} queued: {passages[-1].end_to_end_per_s:,.0f}/s")
    return passages
