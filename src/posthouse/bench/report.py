"""Results as rows of a table, as a page of Markdown, and as the panels of a plot. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from posthouse.bench.chart import SHADES, Bar, Panel, number
from posthouse.bench.figures import MAILS_PER_S, MS, NOISY_SHARE, SHARE
from posthouse.bench.results import Machine, Result, family

QUESTIONS: Final = {
    "relay": "How much does the whole corridor carry: SMTP in, committed, signed, SMTP out?",
    "api": "How much when the mail comes by `POST /v1/messages`?",
    "depth": "Does a long queue slow anything down?",
    "preempt": "How long does priority 9 wait behind a long priority-1 queue for the same slow receiver?",
    "blast": "Does a marketing blast delay transactional mail?",
    "idle": "How soon after its acceptance is a mail first tried?",
    "accept": "How long does a request take that is answered after the commit?",
    "memory": "How much memory do all roles need with a long queue?",
    "steps": "Where does the CPU of one mail go?",
}
COLUMNS: Final = ("benchmark", "measure", "value", "unit", "")

_PAGE: Final = """\
# Benchmarks

Written by `posthouse bench --write`; do not edit. The results themselves are beside this page as JSON, the newest of each benchmark.

```sh
posthouse bench all --write {page}     # about nine minutes
posthouse bench depth --mails 5000000  # one of them, at another size
```

Each benchmark starts an installation of its own in a temporary folder with `posthouse up --lab`, settings as shipped: one PostgreSQL with
fsync on, every mail signed with RSA-2048. The load generator and the receiving SMTP server run on the same cores and are not counted
as the product's CPU. The receiver alone takes an order of magnitude more than is sent to it. Memory is proportional set size
(shared pages divided by those who share them), the peak of samples a second apart. *Others* is the share of the machine's CPU that
neither product nor benchmark used; above {noisy:.0f} % a result is marked noisy and should be taken again. Compare results of one
machine only.

![Rates, latencies and CPU]({plot})
"""


def rows(results: Sequence[Result]) -> Iterator[tuple[str, str, str, str, str]]:
    """One for each figure, under COLUMNS; the last says what to think of it."""
    for result in results:
        finding = result.finding
        for place, figure in enumerate(finding.figures):
            name = finding.benchmark if place == 0 else ""
            noise = f"noisy: others used {percent(finding.others_share)}" if result.noisy and place == 0 else ""
            yield name, figure.name, number(figure.value), figure.unit, noise


def page(results: Sequence[Result], page_name: str, plot_name: str) -> str:
    """The whole document."""
    blocks = [_PAGE.format(page=page_name, plot=plot_name, noisy=100 * NOISY_SHARE)]
    for name, of_one in groupby(results, family):
        blocks.append(f"## {name}\n\n{QUESTIONS[name]}\n")
        blocks += [_section(result) for result in of_one]
    blocks.append(_machines(results))
    return "\n".join(blocks)


def panels(results: Sequence[Result]) -> list[Panel]:
    """Rates, latencies and CPU by role; a panel that would be empty is left out."""
    made = (
        Panel("Mails a second: longer is better", tuple(_plotted(results, MAILS_PER_S))),
        Panel("Milliseconds: shorter is better", tuple(_plotted(results, MS))),
        _cpu(results),
    )
    return [panel for panel in made if panel.bars]


def percent(share: float) -> str:
    """0.034 as `3 %`."""
    return f"{100 * share:.0f} %"


def _section(result: Result) -> str:
    finding = result.finding
    head = [f"### {finding.benchmark}", ""] if finding.benchmark != family(result) else []
    lines = [*head, f"{finding.how[0].upper()}{finding.how[1:]}.", "", "| measure | value | unit |", "|---|---:|---|"]
    lines += [f"| {figure.name} | {_exact(figure.value, figure.unit)} | {figure.unit} |" for figure in finding.figures]
    lines += ["", *_by_role("CPU ms a mail", finding.cpu_ms_by_role), *_by_role("Memory in MB", finding.pss_mb_by_role)]
    noise = " **Noisy: take it again.**" if result.noisy else ""
    taken = f"{result.at:%Y-%m-%d %H:%M} UTC, {finding.seconds:,.0f} s; others used {percent(finding.others_share)}."
    return "\n".join([*lines, f"Taken {taken}{noise}", ""])


def _by_role(what: str, numbers: Mapping[str, float]) -> list[str]:
    if not numbers:
        return []
    told = ", ".join(f"{role} {number(value)}" for role, value in sorted(numbers.items(), key=lambda item: -item[1]))
    return [f"{what}: {told}.", ""]


def _exact(value: float, unit: str) -> str:
    return f"{value:+.1f}" if unit == SHARE and value < 0 else number(value)


def _machines(results: Sequence[Result]) -> str:
    places: dict[Machine, list[str]] = {}
    for result in results:
        places.setdefault(result.machine, []).append(result.finding.benchmark)
    lines = ["## Machine", ""]
    for machine, names in places.items():
        taken = "" if len(places) == 1 else f" For {'; '.join(names)}."
        lines.append(
            f"{machine.cores} cores, {machine.cpu}, {machine.memory_gb} GB, {machine.disk}, Linux {machine.kernel}, "
            f"PostgreSQL {machine.postgresql}, Python {machine.python}, Posthouse {machine.posthouse}.{taken}"
        )
    return "\n".join([*lines, ""])


def _plotted(results: Sequence[Result], unit: str) -> Iterator[Bar]:
    for result in results:
        for figure in result.finding.figures:
            if figure.plotted and figure.unit == unit:
                yield Bar(_label(result, figure.name), (figure.value,))


def _cpu(results: Sequence[Result]) -> Panel:
    """The largest roles by name, the rest together, in one order for all bars."""
    totals: dict[str, float] = {}
    for result in results:
        for role, ms in result.finding.cpu_ms_by_role.items():
            totals[role] = totals.get(role, 0.0) + ms
    named = tuple(sorted(totals, key=lambda role: -totals[role])[: SHADES - 1])
    bars = tuple(
        Bar(_label(result), (*(by_role.get(role, 0.0) for role in named), _rest(by_role, named)))
        for result in results
        if (by_role := result.finding.cpu_ms_by_role)
    )
    return Panel("CPU milliseconds a mail, by process: shorter is better", bars, (*named, "others"))


def _rest(by_role: Mapping[str, float], named: Sequence[str]) -> float:
    return sum(ms for role, ms in by_role.items() if role not in named)


def _label(result: Result, figure: str = "") -> str:
    noise = " (noisy)" if result.noisy else ""
    return (
        " ".join(filter(None, (f"{result.finding.benchmark}:" if figure else result.finding.benchmark, figure))) + noise
    )
