"""SMTP in, committed, signed, SMTP out: the whole corridor under full load.

`through` is also what `depth` measures with: how fast a stand carries mails from its submission port to its fast door.
"""

import time
from dataclasses import dataclass
from typing import Final

from posthouse.bench import smtp_load
from posthouse.bench.figures import CPU_MS, MAILS_PER_S, Figure, Finding
from posthouse.bench.mails import MAIL_OCTETS, envelopes
from posthouse.bench.stand import FAST, SESSIONS, STALL_S, Order, Stand, built, domain_of, warm_up
from posthouse.bench.usage import Cost

_MAILS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Passage:
    """Some mails from the door to the receiver: rates in mails a second, and what they cost."""

    mails: int
    in_per_s: float
    end_to_end_per_s: float
    cost: Cost

    @property
    def cpu_ms(self) -> float:
        """CPU a mail of everything, PostgreSQL and the lab included."""
        return round(1000 * sum(self.cost.cpu_s.values()) / self.mails, 2)


async def measure(order: Order) -> list[Finding]:
    """The relay benchmark."""
    mails = order.mails or _MAILS
    async with built(order, FAST) as stand:
        await warm_up(stand)
        order.tell(f"{mails:,} mails in by SMTP and out")
        async with stand.memory.watched():
            passage = await through(stand, range(mails))
        how = f"{mails:,} mails of {MAIL_OCTETS:,} octets over {SESSIONS} SMTP sessions, each signed with RSA-2048"
        return [as_finding("relay", how, stand, passage)]


async def through(stand: Stand, numbers: range) -> Passage:
    """Sends the mails with these numbers by SMTP and waits until the last one has arrived."""
    mails = len(numbers)
    before = (await stand.receiver.tally(FAST.name)).mails
    stand.meter.restart()
    began = time.monotonic()
    took_s = await smtp_load.send(stand.installation.submission, envelopes(domain_of(FAST)), numbers, SESSIONS)
    arrived = await stand.receiver.wait_for(FAST.name, before + mails, STALL_S)
    return Passage(mails, mails / took_s, mails / (arrived.last_at - began), stand.meter.cost())


def as_finding(benchmark: str, how: str, stand: Stand, passage: Passage) -> Finding:
    """The figures of a passage."""
    figures = (
        Figure("in", round(passage.in_per_s, 1), MAILS_PER_S, plotted=True),
        Figure("end to end", round(passage.end_to_end_per_s, 1), MAILS_PER_S, plotted=True),
        Figure("CPU", passage.cpu_ms, CPU_MS),
        stand.memory_figure(),
    )
    cost = passage.cost
    cpu_ms, pss_mb = cost.cpu_ms_each(passage.mails), stand.memory.with_postgres()
    return Finding(benchmark, how, figures, round(cost.seconds, 2), cost.others_share, cpu_ms, pss_mb)
