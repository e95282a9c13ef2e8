"""What a benchmark found, as values. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final

# of the machine's CPU burnt by others: above it the figures say as much about them as about us
NOISY_SHARE: Final = 0.10

MAILS_PER_S: Final = "mails/s"
MS: Final = "ms"
CPU_MS: Final = "ms CPU a mail"
MB: Final = "MB"
SHARE: Final = "%"
MAILS: Final = "mails"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its unit; `plotted` when a bar says more than the number alone."""

    name: str
    value: float
    unit: str
    plotted: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What one run of one benchmark found.

    `how` says in one line what was done, with its sizes. `cpu_ms_by_role` is CPU a mail, `pss_mb_by_role` the peak proportional set size;
    both have `postgres`. `others_share` is the part of the machine's CPU burnt by neither product nor benchmark.
    """

    benchmark: str
    how: str
    figures: tuple[Figure, ...]
    seconds: float
    others_share: float
    cpu_ms_by_role: Mapping[str, float] = field(default_factory=dict)
    pss_mb_by_role: Mapping[str, float] = field(default_factory=dict)

    @property
    def noisy(self) -> bool:
        """Whether others used so much of the machine that this should be measured again."""
        return self.others_share > NOISY_SHARE


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least this share of them does not exceed (nearest rank)."""
    assert values, "a quantile of nothing"
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def quantiles_ms(name: str, seconds: Sequence[float], shares: Sequence[float]) -> tuple[Figure, ...]:
    """`name p50`, `name p99` ... in milliseconds, each a bar."""
    return tuple(
        Figure(f"{name} p{100 * share:g}".strip(), round(1000 * quantile(seconds, share), 2), MS, plotted=True)
        for share in shares
    )
