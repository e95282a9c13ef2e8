"""Findings with the machine they were taken on and the time: what is printed, kept and compared."""

import os
import platform
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import gettempdir
from typing import Final

import msgspec

from posthouse import __version__
from posthouse.bench import accept, api, blast, depth, idle, memory, preempt, relay, steps
from posthouse.bench.figures import Finding
from posthouse.bench.stand import Order
from posthouse.runtime import embedded
from posthouse.runtime.clock import Clock

BENCHMARKS: Final[dict[str, Callable[[Order], Awaitable[list[Finding]]]]] = {
    "relay": relay.measure,
    "api": api.measure,
    "depth": depth.measure,
    "preempt": preempt.measure,
    "blast": blast.measure,
    "idle": idle.measure,
    "accept": accept.measure,
    "memory": memory.measure,
    "steps": steps.measure,
}
"""Every benchmark by name, in the order they are run and shown."""

_VERSION_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Machine:
    """Where something was measured; `disk` is the file system whose fsync was waited for."""

    cores: int
    cpu: str
    memory_gb: int
    disk: str
    kernel: str
    python: str
    postgresql: str
    posthouse: str


@dataclass(frozen=True, slots=True)
class Result:
    """A finding that can be judged later."""

    at: datetime
    machine: Machine
    noisy: bool
    finding: Finding


async def take(names: Sequence[str], order: Order, clock: Clock) -> list[Result]:
    """Runs these benchmarks one after the other. Raises BenchError, and DATABASE_GONE when PostgreSQL went away."""
    where = machine(order.parent or Path(gettempdir()))
    results: list[Result] = []
    for name in names:
        findings = await BENCHMARKS[name](replace(order, tell=_tell_of(name, order)))
        results += [Result(clock.now(), where, finding.noisy, finding) for finding in findings]
    return results


def merged(kept: Sequence[Result], new: Sequence[Result]) -> list[Result]:
    """Results of earlier runs and of this one: the newer of each benchmark, in the order of BENCHMARKS."""
    latest = {result.finding.benchmark: result for result in (*kept, *new)}
    places = list(BENCHMARKS)
    return sorted(latest.values(), key=lambda result: (places.index(family(result)), result.finding.benchmark))


def family(result: Result) -> str:
    """The benchmark a result belongs to: api of `api, 100 a request`."""
    return result.finding.benchmark.partition(",")[0]


def read(file: Path) -> list[Result]:
    """What `write` kept; nothing when there is no such file yet."""
    return msgspec.json.decode(file.read_bytes(), type=list[Result]) if file.exists() else []


def write(file: Path, results: Sequence[Result]) -> None:
    """Keeps results as JSON, for the next run to add to."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(list(results))) + b"\n")


def machine(folder: Path) -> Machine:
    """This machine, with the disk that holds a folder."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        cpu=_field(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        memory_gb=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        disk=file_system(Path("/proc/self/mounts").read_text(), folder.resolve()),
        kernel=platform.release(),
        python=platform.python_version(),
        postgresql=_postgresql(),
        posthouse=__version__,
    )


def file_system(mounts: str, folder: Path) -> str:
    """The type of file system a folder is on, from the text of /proc/mounts: the innermost mount point above it, the last mounted."""
    found = [
        (len(place), kind) for _, place, kind, *_ in map(str.split, mounts.splitlines()) if _is_above(place, folder)
    ]
    longest = max(length for length, _ in found)
    return [kind for length, kind in found if length == longest][-1]


def _is_above(place: str, folder: Path) -> bool:
    return folder.is_relative_to(place.replace("\\040", " "))


def _field(file: Path, name: str) -> str:
    for line in file.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _postgresql() -> str:
    command = [str(embedded.program("postgres")), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_VERSION_S)  # noqa: S603 - ours
    return done.stdout.split()[-1]


def _tell_of(name: str, order: Order) -> Callable[[str], None]:
    return lambda line: order.tell(f"{name}: {line}")
