"""Whether a newsletter delays a receipt: transactional mail while a marketing blast comes in, and while its receiver stalls.

The slowest twentieth of some hundred mails is as much the disk's mood as ours, so idle and stalled are measured several times, and a
quantile is the middle one of theirs.
"""

import asyncio
import time
from collections.abc import Sequence
from statistics import median
from typing import Final

from posthouse.bench.figures import MAILS_PER_S, MS, SHARE, Figure, Finding, quantile
from posthouse.bench.http_load import Client
from posthouse.bench.mails import posted
from posthouse.bench.probing import Probe, probe
from posthouse.bench.stand import FAST, STALLED, Order, Stand, built, domain_of, warm_up
from posthouse.model.words import MailClass

_MAILS: Final = 50_000
_SECONDS: Final = 20.0
_PER_S: Final = 10.0
_TIMES: Final = 3
_BATCH: Final = 100
_MARKETING_OCTETS: Final = 5_000

_Passages = Sequence[Sequence[Probe]]


async def measure(order: Order) -> list[Finding]:
    """The blast benchmark: idle, while the blast comes in, while it waits for its receiver."""
    mails, seconds = order.mails or _MAILS, order.seconds or _SECONDS
    async with built(order, FAST, STALLED) as stand:
        await warm_up(stand)
        order.tell(f"{_PER_S:g} transactional mails/s for {_TIMES} times {seconds:g} s, idle")
        stand.meter.restart()
        idle = await _several(stand, "idle", seconds)
        order.tell(f"the same while {mails:,} marketing mails come in")
        took_s, coming = await _while_coming_in(stand, mails)
        order.tell("the same as at first while their receiver stalls")
        stalled = await _several(stand, "stalled", seconds)
        cost = stand.meter.cost()
    figures = (
        *(Figure(f"{name} p{100 * share:g}", round(1000 * _quantile(passages, share), 2), MS, plotted=True)
          for name, passages in (("idle", idle), ("while it comes in", (coming,)), ("while it stalls", stalled))
          for share in (0.5, 0.95)),
        Figure("while it stalls, p95 over idle", _over(stalled, idle), SHARE),
        Figure("while it comes in, p95 over idle", _over((coming,), idle), SHARE),
        Figure("blast accepted", round(mails / took_s, 1), MAILS_PER_S),
    )  # fmt: skip
    how = (
        f"{_PER_S:g} transactional mails/s of default priority by the API, posted to arrived, beside {mails:,} marketing mails"
        f" posted {_BATCH} a request for a receiver that does not answer; idle and stalled {_TIMES} times {seconds:g} s, of each quantile"
        " the median"
    )
    return [Finding("blast", how, figures, round(cost.seconds, 2), cost.others_share)]


async def _several(stand: Stand, batch: str, seconds: float) -> _Passages:
    return [await probe(stand, FAST, f"{batch}-{number}", _PER_S, seconds) for number in range(_TIMES)]


async def _while_coming_in(stand: Stand, mails: int) -> tuple[float, Sequence[Probe]]:
    """Posts the blast, one request at a time, and probes until it is in; the seconds it took, and the probes."""
    blast = asyncio.create_task(_post_blast(stand, mails))
    probes: list[Probe] = []
    try:
        while not probes or not blast.done():
            probes += await probe(stand, FAST, f"coming-{len(probes)}", _PER_S, 1.0)
        return await blast, probes
    finally:
        blast.cancel()


async def _post_blast(stand: Stand, mails: int) -> float:
    client = Client(stand.installation)
    body = posted(domain_of(STALLED), _MARKETING_OCTETS, **{"class": MailClass.MARKETING.value})
    began = time.monotonic()
    try:
        for first in range(0, mails, _BATCH):
            several = (body(f"reader-{number}") for number in range(first, min(first + _BATCH, mails)))
            await client.post(b"[%b]" % b",".join(several))
    finally:
        client.close()
    return time.monotonic() - began


def _quantile(passages: _Passages, share: float) -> float:
    """Seconds from due to arrived; the median of what each passage found."""
    return median(quantile([each.to_arrival_s for each in probes], share) for probes in passages)


def _over(passages: _Passages, idle: _Passages) -> float:
    """By how much their p95 is above that of `idle`, in per cent."""
    return round(100 * (_quantile(passages, 0.95) / _quantile(idle, 0.95) - 1), 1)
