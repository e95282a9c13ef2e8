"""Results: kept, merged, told as rows, page and panels."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from posthouse.bench import report, results
from posthouse.bench.figures import CPU_MS, MAILS_PER_S, MS, Figure, Finding
from posthouse.bench.results import Machine, Result
from posthouse.cli.bench import write_page

AT = datetime(2026, 11, 22, 5, 20, tzinfo=UTC)
MACHINE = Machine(2, "A CPU", 24, "ext4", "6.1", "3.11.7", "18.6", "0.1.0")


def result(benchmark: str, value: float = 1234.5, others_share: float = 0.02) -> Result:
    figures = (
        Figure("in", value, MAILS_PER_S, plotted=True),
        Figure("CPU", 1.5, CPU_MS),
        Figure("p99", 7.25, MS, plotted=True),
    )
    finding = Finding(
        benchmark, "some mails", figures, 3.0, others_share, {"transactional": 0.9, "postgres": 0.5}, {"web": 50.0}
    )
    return Result(AT, MACHINE, finding.noisy, finding)


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    assert results.read(file) == []
    results.write(file, [result("relay")])
    assert results.read(file) == [result("relay")]


def test_of_each_benchmark_the_newer_result_stays_in_the_order_they_are_run() -> None:
    kept = [result("memory", 1), result("api, 1 a request", 2), result("relay", 3)]
    new = [result("relay", 4), result("api, 100 a request", 5)]
    merged = [(each.finding.benchmark, each.finding.figures[0].value) for each in results.merged(kept, new)]
    assert merged == [("relay", 4), ("api, 1 a request", 2), ("api, 100 a request", 5), ("memory", 1)]


def test_every_benchmark_has_its_question() -> None:
    assert report.QUESTIONS.keys() == results.BENCHMARKS.keys()


def test_rows_name_a_benchmark_once_and_say_when_it_was_noisy() -> None:
    rows = list(report.rows([result("relay", others_share=0.25)]))
    assert rows[0] == ("relay", "in", "1,234", "mails/s", "noisy: others used 25 %")
    assert rows[1] == ("", "CPU", "1.5", "ms CPU a mail", "")


def test_a_page_has_every_figure_the_machine_and_the_plot(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    write_page(page, [result("relay")])
    write_page(page, [result("api, 1 a request", 17, others_share=0.5)])
    text = page.read_text()
    for part in (
        "| in | 1,234 | mails/s |",
        "| in | 17 | mails/s |",
        "### api, 1 a request",
        "transactional 0.9, postgres 0.5",
        "2 cores, A CPU, 24 GB, ext4",
        "Taken 2026-11-22 05:20 UTC, 3 s; others used 2 %.",
        "**Noisy: take it again.**",
        "](benchmarks.svg)",
    ):
        assert part in text
    assert "relay: in" in (tmp_path / "benchmarks.svg").read_text()


def test_machines_are_told_apart_when_there_were_several() -> None:
    other = replace(result("api, 1 a request"), machine=replace(MACHINE, cores=8))
    text = report.page([result("relay"), other], "b.md", "b.svg")
    assert "2 cores, A CPU" in text
    assert "Posthouse 0.1.0. For api, 1 a request." in text


def test_the_cpu_panel_names_the_largest_roles_and_sums_up_the_rest() -> None:
    finding = replace(
        result("relay").finding, cpu_ms_by_role={"a": 5.0, "b": 4.0, "c": 3.0, "d": 2.0, "e": 1.0, "f": 0.5}
    )
    panel = report.panels([replace(result("relay"), finding=finding)])[-1]
    assert panel.legend == ("a", "b", "c", "d", "others")
    assert panel.bars[0].parts == (5.0, 4.0, 3.0, 2.0, 1.5)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/tmp/x", "tmpfs"), ("/tmpx", "ext4"), ("/home/me", "ext4"), ("/mnt/my disk/x", "xfs"), ("/over", "overlay")],
)
def test_the_disk_of_a_folder_is_that_of_the_innermost_mount(folder: str, kind: str) -> None:
    mounts = "\n".join(
        [
            "/dev/vda / ext4 rw 0 0",
            "proc /proc proc rw 0 0",
            "tmpfs /tmp tmpfs rw 0 0",
            "/dev/vdb /mnt/my\\040disk xfs rw 0 0",
            "/dev/vdc /over ext4 rw 0 0",
            "overlay /over overlay rw 0 0",
        ]
    )
    assert results.file_system(mounts, Path(folder)) == kind


def test_this_machine_is_described_in_full() -> None:
    machine = results.machine(Path("/"))
    assert machine.cores >= 1
    assert machine.memory_gb >= 1
    assert all([machine.cpu, machine.disk, machine.kernel, machine.python, machine.posthouse])
    assert machine.postgresql[0].isdigit()
