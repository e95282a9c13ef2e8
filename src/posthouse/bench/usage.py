"""What a run costs, read from /proc: CPU and memory of each process of the product, and what others did meanwhile."""

import asyncio
import contextlib
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from posthouse.bench.failure import BenchError

POSTGRES: Final = "postgres"
LAB: Final = "lab"
_PROC: Final = Path("/proc")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_SAMPLE_S: Final = 1.0
_KB_PER_MB: Final = 1_000
_BUSY_FIELDS: Final = (0, 1, 2, 5, 6, 7)  # of the line `cpu` in /proc/stat: user nice system irq softirq steal


@dataclass(frozen=True, slots=True)
class Cost:
    """Between two readings: wall seconds, CPU seconds by role, and the share of the machine's CPU burnt by others."""

    seconds: float
    cpu_s: Mapping[str, float]
    others_share: float

    def cpu_ms_each(self, mails: int) -> dict[str, float]:
        """CPU milliseconds a mail by role, the largest first; roles that did next to nothing are left out."""
        each = {role: round(1000 * seconds / mails, 3) for role, seconds in self.cpu_s.items()}
        return {role: ms for role, ms in sorted(each.items(), key=lambda item: -item[1]) if ms >= 0.001}


@dataclass(frozen=True, slots=True)
class _Stat:
    """One process of /proc: its parent, its own CPU and that of children it has buried, seconds."""

    parent: int
    own_s: float
    buried_s: float


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float
    cpu_s: Mapping[str, float]
    bench_s: float
    busy_s: float


class Meter:
    """Measures the processes `pids` (by name: web, web.2 ...) against the machine; `bench` are the benchmark's own."""

    def __init__(self, pids: Mapping[str, int], bench: Collection[int]) -> None:
        self._pids = pids
        self._bench = {os.getpid(), *bench}
        self._before = self._read()

    def restart(self) -> None:
        """Measure from now on."""
        self._before = self._read()

    def cost(self) -> Cost:
        """What was used since the last `restart`. Raises BenchError when a process of the product ended meanwhile."""
        before, after = self._before, self._read()
        cpu_s = {role: after.cpu_s[role] - before.cpu_s[role] for role in before.cpu_s}
        seconds = after.at - before.at
        known = sum(cpu_s.values()) + after.bench_s - before.bench_s
        others = max(0.0, after.busy_s - before.busy_s - known) / (seconds * (os.cpu_count() or 1))
        return Cost(seconds, cpu_s, round(others, 3))

    def _read(self) -> _Reading:
        stats = _processes()
        if missing := [name for name, pid in self._pids.items() if pid not in stats]:
            raise BenchError(f"{', '.join(missing)} ended while it was measured")
        cpu_s: dict[str, float] = defaultdict(float)
        for pid, name in _members(self._pids, stats).items():
            cpu_s[role_of(name)] += stats[pid].own_s
        if postmaster := self._pids.get(POSTGRES):
            cpu_s[POSTGRES] += stats[postmaster].buried_s
        bench_s = sum(stats[pid].own_s for pid in self._bench if pid in stats)
        return _Reading(time.monotonic(), dict(cpu_s), bench_s, _busy_s())


def role_of(name: str) -> str:
    """web of web.2."""
    return name.partition(".")[0]


def _members(pids: Mapping[str, int], stats: Mapping[int, _Stat]) -> dict[int, str]:
    """Every process of the product by name: those in `pids`, and under its name what one has started (backends, signers)."""
    found = {pid: name for name, pid in pids.items()}
    for pid in stats:
        line = [pid]
        while line[-1] not in found and line[-1] in stats:
            line.append(stats[line[-1]].parent)
        if name := found.get(line[-1]):
            found |= dict.fromkeys(line, name)
    return found


def _processes() -> dict[int, _Stat]:
    """Every process of the machine (proc(5), /proc/PID/stat)."""
    found = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                found[int(folder.name)] = _stat((folder / "stat").read_text())
    return found


def _stat(line: str) -> _Stat:
    fields = line[line.rindex(")") + 2 :].split()  # the name before it may hold anything
    user, system, buried_user, buried_system = (int(field) / _TICKS_PER_S for field in fields[11:15])
    return _Stat(int(fields[1]), user + system, buried_user + buried_system)


def _busy_s() -> float:
    fields = [int(field) for field in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:]]
    return sum(fields[place] for place in _BUSY_FIELDS) / _TICKS_PER_S


class Memory:
    """The peak of each role's proportional set size in MB, PostgreSQL apart; `watched` samples while a block runs.

    `peak_total` is of all roles together at one moment, without the lab, which an installation in earnest has not.
    """

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self.peaks: dict[str, float] = {}
        self.peak_total = 0.0

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Samples now, every second, and at the end."""
        sampling = asyncio.create_task(self._sample_for_ever())
        try:
            yield
        finally:
            sampling.cancel()
            self.sample()

    def sample(self) -> None:
        """One reading."""
        now: dict[str, float] = defaultdict(float)
        for pid, name in _members(self._pids, _processes()).items():
            if name != POSTGRES:
                now[role_of(name)] += _pss_mb(pid)
        self.peak_total = max(self.peak_total, sum(now.values()) - now[LAB])
        for role, mb in now.items():
            self.peaks[role] = max(self.peaks.get(role, 0.0), round(mb, 1))

    def with_postgres(self) -> dict[str, float]:
        """The peaks, and what PostgreSQL has now; read once, as its shared memory takes long to walk."""
        if POSTGRES not in self._pids:
            return self.peaks
        backends = [pid for pid, name in _members(self._pids, _processes()).items() if name == POSTGRES]
        return self.peaks | {POSTGRES: round(sum(map(_pss_mb, backends)), 1)}

    async def _sample_for_ever(self) -> None:
        while True:
            self.sample()
            await asyncio.sleep(_SAMPLE_S)


def _pss_mb(pid: int) -> float:
    """The proportional set size; 0.0 of a process that ended."""
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1.024 / _KB_PER_MB
    return 0.0
