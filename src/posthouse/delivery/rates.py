"""How many in how long: rates and durations as people write them, and buckets that keep to them. Pure.

All times are seconds on a monotonic clock, passed in.
"""

import re
from typing import Final

from posthouse.model.values import dataclass

UNITS: Final = {"s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
# so much of a rate may go at once: receivers judge by the second or the minute, and nobody likes a volley
BURST_S: Final = 1.0
_NO_TIME_S: Final = 1e-6  # shorter waits are rounding, and a timer set to one may not move a clock on at all

_RATE: Final = re.compile(r"([0-9][0-9_]{0,11})/(s|min|h|d)")
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(s|min|h|d)")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in every `per_s` seconds."""

    count: int
    per_s: float

    @property
    def interval_s(self) -> float:
        """Seconds from one to the next when they are spread evenly."""
        return self.per_s / self.count

    def __str__(self) -> str:
        unit = next((unit for unit, length_s in UNITS.items() if length_s == self.per_s), f"{self.per_s:g}s")
        return f"{self.count}/{unit}"


def parse(text: str) -> Rate:
    """A rate written as `100/s`, `30/min`, `10000/h` or `5000/d`. ValueError for anything else, none at all included."""
    match = _RATE.fullmatch(text.replace(" ", ""))
    count = int(match[1].replace("_", "")) if match else 0
    if match is None or count < 1:
        raise ValueError(
            f'{text!r} is no rate: write a count and a time, as in "100/s", "30/min", "10000/h" or "5000/d"'
        )
    return Rate(count, UNITS[match[2]])


def seconds(text: str) -> float:
    """A duration written as `30s`, `90min`, `2h` or `3d`, in seconds. ValueError for anything else."""
    match = _DURATION.fullmatch(text.replace(" ", ""))
    if match is None:
        raise ValueError(f'{text!r} is no duration: write a number and its unit, as in "30s", "90min", "2h" or "3d"')
    return float(match[1]) * UNITS[match[2]]


def words(duration_s: float) -> str:
    """A duration as `seconds` reads it, in the largest unit that leaves a whole number."""
    unit = next((unit for unit in reversed(UNITS) if duration_s >= UNITS[unit] and duration_s % UNITS[unit] == 0), "s")
    return f"{duration_s / UNITS[unit]:g}{unit}"


class Bucket:
    """Keeps one stream to a rate, evenly: after a second's worth at once, one every `interval_s`.

    The generic cell rate algorithm: all it remembers is the moment at which the stream would be exactly on time.
    """

    __slots__ = ("_interval_s", "_on_time_at", "_tolerance_s", "rate")

    def __init__(self, rate: Rate, now: float) -> None:
        burst = max(1, int(BURST_S / rate.interval_s))
        self.rate = rate
        self._interval_s = rate.interval_s
        self._tolerance_s = (burst - 1) * rate.interval_s
        self._on_time_at = now

    def wait_s(self, now: float) -> float:
        """Seconds until one may go; 0.0 when one may go now."""
        wait_s = self._on_time_at - self._tolerance_s - now
        return wait_s if wait_s > _NO_TIME_S else 0.0

    def take(self, now: float) -> None:
        """One goes. Whoever takes without waiting makes all later ones wait longer."""
        self._on_time_at = max(self._on_time_at, now) + self._interval_s
