"""`posthouse bench`: the product measured by itself, on an installation of its own."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from posthouse.bench import chart, report, results
from posthouse.bench.failure import BenchError
from posthouse.bench.results import Result
from posthouse.bench.stand import Order
from posthouse.cli import console
from posthouse.cli.console import Json, Refused
from posthouse.runtime.clock import SystemClock

Name = Literal["relay", "api", "depth", "preempt", "blast", "idle", "accept", "memory", "steps", "all"]


def bench_command(
    name: Annotated[Name, Parameter(help="Which one; all takes about nine minutes.")] = "all",
    /,
    *,
    mails: Annotated[int | None, Parameter(help="Mails sent or queued; each benchmark has its own default.")] = None,
    seconds: Annotated[
        float | None,
        Parameter(help="Length of benchmarks that run at a fixed rate, and how long depth lets a queue settle."),
    ] = None,
    folder: Annotated[
        Path | None, Parameter(help="Make the installation in here: on the disk that is to be measured.")
    ] = None,
    write: Annotated[
        Path | None, Parameter(help="Markdown page to write, with a plot (.svg) and the results (.json) beside it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure rates, latencies, CPU and memory on a fresh installation of its own, fsync on, every mail signed.

    relay    SMTP in, committed, signed, SMTP out
    api      the same through POST /v1/messages, one mail and a hundred a request
    depth    the same beside a short and beside a long queue
    preempt  priority 9 behind a long priority-1 queue for a slow receiver
    blast    transactional mail while a marketing blast comes in, and stalls
    idle     accepted to first attempt when there is nothing else to do
    accept   answers of the API at 500 requests a second
    memory   what all roles hold with a long queue
    steps    where the CPU of one mail goes, step by step

    Installations in use are not touched; everything is on 127.0.0.1, in a
    temporary folder, and is ended and removed afterwards. A result during which
    others used more than a tenth of the machine is marked noisy. --write adds
    to the page what was not measured this time, from its last results.

    Exit status: 0 measured, 1 something did not work, 2 wrong usage.

    For example:

        posthouse bench relay

        posthouse bench depth --mails 5000000 --folder /srv

        posthouse bench all --write docs/benchmarks.md
    """
    if (mails is not None and mails < 1) or (seconds is not None and seconds <= 0):
        console.leave("--mails and --seconds must be above zero.", status=2)
    names = list(results.BENCHMARKS) if name == "all" else [name]
    taken = console.run(_take(names, Order(mails, seconds, folder, _tell)))
    if write is not None:
        write_page(write, taken)
    console.show(taken, lambda: _table(taken), as_json=as_json)


def write_page(page: Path, taken: Sequence[Result]) -> None:
    """Writes the page, its plot and the results, earlier ones of other benchmarks included."""
    kept, plot = page.with_suffix(".json"), page.with_suffix(".svg")
    everything = results.merged(results.read(kept), taken)
    results.write(kept, everything)
    plot.write_text(chart.svg("Posthouse benchmarks", report.panels(everything)), encoding="utf-8")
    page.write_text(report.page(everything, str(page), plot.name), encoding="utf-8")


async def _take(names: Sequence[str], order: Order) -> list[Result]:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # as Ctrl-C: leave nothing behind
    try:
        return await results.take(names, order, SystemClock())
    except BenchError as error:
        raise Refused(str(error)) from error


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _table(taken: Sequence[Result]) -> Table | Text:
    return console.table(report.COLUMNS, report.rows(taken), "Nothing was measured.")
