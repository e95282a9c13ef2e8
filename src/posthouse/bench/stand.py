"""A test stand: a receiver, an installation whose mail goes there, and the instruments on them."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from posthouse.bench import smtp_load
from posthouse.bench.figures import MB, Figure
from posthouse.bench.installation import Installation, running
from posthouse.bench.mails import envelopes
from posthouse.bench.receiver import Receiver, receiving
from posthouse.bench.sink import Door
from posthouse.bench.usage import Memory, Meter

FAST: Final = Door("fast")
STALLED: Final = Door("stalled", stalled=True)
SESSIONS: Final = 20
STALL_S: Final = 60.0  # without a single mail arriving: then something is wrong, not slow
_WARM_UP_MAILS: Final = 500


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for; None leaves a size to the benchmark. `tell` takes lines about what is under way."""

    mails: int | None
    seconds: float | None
    parent: Path | None
    tell: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Stand:
    """One benchmark's world."""

    receiver: Receiver
    installation: Installation
    meter: Meter
    memory: Memory

    def memory_figure(self) -> Figure:
        """The peak of all roles together that an installation in earnest has: neither PostgreSQL nor the lab."""
        return Figure("memory of all roles", round(self.memory.peak_total, 1), MB)


@contextlib.asynccontextmanager
async def built(order: Order, *doors: Door) -> AsyncIterator[Stand]:
    """A stand with these doors while the block runs: mail to anybody at DOOR.test goes to the door."""
    async with receiving(doors) as receiver:
        order.tell("starting an installation")
        async with running(_routes(receiver, doors), order.parent) as installation:
            pids = installation.said.pids
            try:
                yield Stand(receiver, installation, Meter(pids, [receiver.pid]), Memory(pids))
            finally:
                await receiver.release()  # nobody drains into a closed door


def domain_of(door: Door) -> str:
    """The domain whose mail goes to a door."""
    return f"{door.name}.test"


async def warm_up(stand: Stand) -> None:
    """Some mails nobody measures: code is loaded, connections are open, the first pages are there."""
    address, before = stand.installation.submission, (await stand.receiver.tally(FAST.name)).mails
    await smtp_load.send(address, envelopes(domain_of(FAST)), range(_WARM_UP_MAILS), SESSIONS)
    await stand.receiver.wait_for(FAST.name, before + _WARM_UP_MAILS, STALL_S)


def _routes(receiver: Receiver, doors: Sequence[Door]) -> dict[str, str]:
    return {domain_of(door): f"127.0.0.1:{receiver.ports[door.name]}" for door in doors}
