"""Reading /proc: processes with any name, roles, and what a busy child costs."""

import asyncio
import os
import signal
import sys

import pytest

from posthouse.bench import usage
from posthouse.bench.failure import BenchError
from posthouse.bench.usage import Cost, Memory, Meter
from posthouse.runtime.child import Child

_BURN = "import time\nwhile time.process_time() < 0.3: pass\ntime.sleep(60)"


def test_a_process_whose_name_has_brackets_and_blanks_is_read() -> None:
    line = "42 (a) b (c) S 7 42 42 0 -1 0 0 0 0 0 150 50 30 20 20 0 1 0 0 0 0\n"
    stat = usage._stat(line)
    ticks = usage._TICKS_PER_S
    assert (stat.parent, stat.own_s, stat.buried_s) == (7, 200 / ticks, 50 / ticks)


@pytest.mark.parametrize(("name", "role"), [("web", "web"), ("web.2", "web"), ("transactional.12", "transactional")])
def test_every_process_of_a_role_counts_for_it(name: str, role: str) -> None:
    assert usage.role_of(name) == role


def test_what_a_process_has_started_counts_for_it() -> None:
    # The supervisor 10 has a delivery process 11, which has a signer 12; 20 is the benchmark that started it all.
    parents = {1: 0, 20: 1, 10: 20, 11: 10, 12: 11, 13: 10, 21: 20}
    stats = {pid: usage._Stat(parent, 0.0, 0.0) for pid, parent in parents.items()}
    found = usage._members({"supervisor": 10, "transactional": 11}, stats)
    assert found == {10: "supervisor", 11: "transactional", 12: "transactional", 13: "supervisor"}


def test_cpu_a_mail_is_told_largest_first_without_idle_roles() -> None:
    cost = Cost(2.0, {"web": 0.5, "postgres": 1.0, "inbound": 0.0}, 0.0)
    assert list(cost.cpu_ms_each(1_000).items()) == [("postgres", 1.0), ("web", 0.5)]


async def test_the_cpu_of_a_busy_child_is_counted_for_its_role_and_not_for_others() -> None:
    child = Child.start([sys.executable, "-c", _BURN])
    try:
        meter = Meter({"web": child.pid}, [])
        async with asyncio.timeout(20):
            while meter.cost().cpu_s["web"] < 0.25:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        assert 0 <= meter.cost().others_share <= 1
        memory = Memory({"web": child.pid})
        memory.sample()
        assert 1 < memory.peaks["web"] < 100
        assert memory.peak_total == pytest.approx(memory.peaks["web"], abs=0.1)
    finally:
        child.send(signal.SIGKILL)
        await child.wait()


async def test_a_process_that_ended_spoils_the_measurement() -> None:
    child = Child.start([sys.executable, "-c", "import time; time.sleep(60)"])
    meter = Meter({"web": child.pid, "own": os.getpid()}, [])
    child.send(signal.SIGKILL)
    await child.wait()
    with pytest.raises(BenchError, match="web ended"):
        meter.cost()
