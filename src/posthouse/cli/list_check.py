"""`posthouse list`: whether a list of addresses is fit to be written to."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from posthouse.audience.hygiene import Advice, Finding
from posthouse.cli import console
from posthouse.cli.console import EXIT_REFUSED, HERE, Installation, Json, Number
from posthouse.cli.world import Where
from posthouse.intake import list_check
from posthouse.intake.list_check import Domains, ListReport
from posthouse.runtime.dns import Resolver

app: Final = App(name="list", help="Whether a list of addresses is fit to be written to.")

_SHOWN: Final = 20


@app.command
def check(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    offline: Annotated[bool, Parameter(negative="", help="Do not ask the DNS about domains.")] = False,
    alone: Annotated[
        bool, Parameter(negative="", help="Do not look at what earlier mail taught this installation.")
    ] = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Look at a list: spelling, duplicates, dead domains, typing errors, offices, throw-away addresses, earlier bounces and opt-outs.

    The file is one address a line, or a table (CSV) with a column of addresses; - is standard input. Nobody is written to, and nothing
    of the list is kept.

    Exit status: 0 nothing to remove or correct, 1 something is, 2 wrong usage, 3 no database.

    For example:

        posthouse list check customers.csv

        posthouse list check - --alone --offline < addresses.txt
    """
    text = _text(file)
    report = console.run(_check(where, workspace, text, offline=offline, alone=alone))
    console.show(view(report), lambda: _told(report), as_json=as_json)
    acted = report.summary.advice.get(Advice.REMOVE, 0) + report.summary.advice.get(Advice.CORRECT, 0)
    sys.exit(EXIT_REFUSED if acted else 0)


def view(report: ListReport) -> dict[str, Any]:
    """A report as programs read it."""
    return {
        "addresses": report.summary.addresses,
        "findings": {str(each): report.summary.findings.get(each, 0) for each in Finding},
        "advice": {str(each): report.summary.advice.get(each, 0) for each in Advice},
        "recommendations": report.summary.recommendations,
        "remarkable": [
            {
                "line": each.line,
                "address": each.address,
                "findings": each.findings,
                "advice": each.advice,
                "detail": each.detail,
                "suggestion": each.suggestion or None,
            }
            for each in report.remarkable
        ],
    }


def _text(file: Path) -> str:
    try:
        octets = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        print(f"{file}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    return octets.decode("utf-8", "replace")


async def _check(where: Where, number: int | None, text: str, *, offline: bool, alone: bool) -> ListReport:
    if alone:
        domains = None if offline else Domains(Resolver(where.settings().delivery.resolvers))
        return await list_check.check(None, None, text, domains, datetime.now(UTC))
    async with console.opened(where, number) as room:
        process = room.process
        domains = None if offline else Domains.of(process.settings, Resolver(process.settings.delivery.resolvers))
        return await list_check.check(process.pool, room.workspace.workspace_id, text, domains, process.clock.now())


def _told(report: ListReport) -> str:
    summary = report.summary
    lines = [f"{summary.addresses} addresses.", *summary.recommendations]
    if report.remarkable:
        lines.append("")
    for each in report.remarkable[:_SHOWN]:
        meant = f" -> {each.suggestion}" if each.suggestion else ""
        lines.append(f"line {each.line}: {each.address}{meant}: {each.advice}: {each.detail}")
    if len(report.remarkable) > _SHOWN:
        lines.append(f"... and {len(report.remarkable) - _SHOWN} more; --json has them all.")
    return "\n".join(lines)
