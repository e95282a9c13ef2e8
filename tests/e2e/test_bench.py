"""`posthouse bench` as a person runs it, at sizes that say nothing about speed."""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import CommandLine

from posthouse.bench.results import BENCHMARKS


async def measured(folder: Path, name: str, *arguments: object) -> dict[str, dict[str, float]]:
    """The figures of each finding, by its name; nothing of the installation is left behind."""
    workplace = folder / "work"
    workplace.mkdir(exist_ok=True)
    ran = await CommandLine(folder)("bench", name, "--folder", workplace, "--json", *arguments)
    found: list[dict[str, Any]] = ran.json()
    assert list(workplace.iterdir()) == []
    assert all(result["machine"]["cores"] == len(os.sched_getaffinity(0)) for result in found)
    return {
        result["finding"]["benchmark"]: {figure["name"]: figure["value"] for figure in result["finding"]["figures"]}
        for result in found
    }


async def test_the_relay_is_measured_told_and_written_down(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    figures = (await measured(tmp_path, "relay", "--mails", 60, "--write", page))["relay"]
    assert figures["in"] > 0
    assert figures["end to end"] > 0
    assert 0 < figures["CPU"] < 1_000
    assert 50 < figures["memory of all roles"] < 2_000
    assert "## relay" in page.read_text()
    assert page.with_suffix(".svg").read_text().startswith("<svg")


async def test_priority_9_overtakes_a_queue_of_priority_1(tmp_path: Path) -> None:
    figures = (await measured(tmp_path, "preempt", "--mails", 400, "--seconds", 1))["preempt"]
    assert figures["mails that went first, most"] < figures["overtaken"]
    assert figures["posted to arrived p99"] < 4_000  # the queue in front takes 8 s


async def test_transactional_mail_is_timed_beside_a_blast(tmp_path: Path) -> None:
    figures = (await measured(tmp_path, "blast", "--mails", 200, "--seconds", 1))["blast"]
    assert figures["idle p95"] > 0
    assert figures["while it stalls p95"] > 0
    assert figures["blast accepted"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
async def test_every_benchmark_finds_something(tmp_path: Path, name: str) -> None:
    found = await measured(tmp_path, name, "--mails", 300, "--seconds", 1)
    assert all(found.values())


async def test_a_size_that_measures_nothing_is_refused(tmp_path: Path) -> None:
    ran = await CommandLine(tmp_path)("bench", "relay", "--mails", 0)
    assert ran.status == 2
    assert "above zero" in ran.err
