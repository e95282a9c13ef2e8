"""Timed mails at a steady rate: each posted when it is due, whether or not earlier ones were answered, and looked for at the receiver."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from posthouse.bench.failure import BenchError
from posthouse.bench.http_load import Client
from posthouse.bench.mails import TIMED, posted
from posthouse.bench.sink import Arrival, Door
from posthouse.bench.stand import Stand, domain_of

PROBE_OCTETS: Final = 1_500
_ARRIVE_S: Final = 120.0
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Probe:
    """One timed mail, monotonic seconds; `before` and `arrival.number` count the receiver's mails at acceptance and arrival."""

    due_at: float
    answered_at: float
    before: int
    arrival: Arrival

    @property
    def to_first_attempt_s(self) -> float:
        """From the answer 202 to RCPT at the receiver, which may be first."""
        return max(0.0, self.arrival.begun_at - self.answered_at)

    @property
    def to_arrival_s(self) -> float:
        """From the moment it was due to the receiver's 250."""
        return self.arrival.taken_at - self.due_at

    @property
    def went_first(self) -> int:
        """How many other mails arrived between its acceptance and its arrival."""
        return self.arrival.number - self.before - 1


@dataclass(frozen=True, slots=True)
class _Accepted:
    due_at: float
    answered_at: float
    before: int


async def probe(
    stand: Stand, door: Door, batch: str, per_s: float, seconds: float, **fields: object
) -> Sequence[Probe]:
    """Posts a timed mail every 1/per_s seconds and waits for all. `batch` tells runs on one stand apart. Raises BenchError."""
    client = Client(stand.installation)
    body = posted(domain_of(door), PROBE_OCTETS, **fields)
    names = [f"{TIMED}{batch}-{number}" for number in range(max(1, round(per_s * seconds)))]
    began = time.monotonic()
    try:
        posting = [_post(stand, door, client, body(name), began + number / per_s) for number, name in enumerate(names)]
        accepted = await asyncio.gather(*posting)
        arrivals = await _arrivals(stand, door, names)
    finally:
        client.close()
    return [
        Probe(each.due_at, each.answered_at, each.before, arrivals[name])
        for name, each in zip(names, accepted, strict=True)
    ]


async def _post(stand: Stand, door: Door, client: Client, body: bytes, due_at: float) -> _Accepted:
    await asyncio.sleep(due_at - time.monotonic())
    await client.post(body)
    answered_at = time.monotonic()
    return _Accepted(due_at, answered_at, (await stand.receiver.tally(door.name)).mails)


async def _arrivals(stand: Stand, door: Door, names: Sequence[str]) -> dict[str, Arrival]:
    end = time.monotonic() + _ARRIVE_S
    while True:
        timed = (await stand.receiver.tally(door.name)).timed
        missing = [name for name in names if name not in timed]
        if not missing:
            return timed
        if time.monotonic() > end:
            raise BenchError(f"{len(missing)} of {len(names)} timed mails did not arrive within {_ARRIVE_S:g} s")
        await asyncio.sleep(_POLL_S)
