"""`posthouse doctor`: what is wrong with this machine, and what to do about it."""

import sys
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from posthouse.cli import checks
from posthouse.cli.checks import Finding, Verdict
from posthouse.cli.world import EXIT_FAILED, Where, open_world, run
from posthouse.runtime import log, network
from posthouse.runtime.embedded import Server
from posthouse.runtime.embedded_runner import EmbeddedError
from posthouse.runtime.migrate import MigrationError
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.runtime.settings import Settings
from posthouse.runtime.settings_source import SettingsError
from posthouse.runtime.vault import KekError

_MARKS: Final = {Verdict.OK: "ok     ", Verdict.WARNING: "WARNING", Verdict.FAILED: "FAILED "}
_NO_DATABASE: Final[tuple[type[Exception], ...]] = (*DATABASE_GONE, EmbeddedError, MigrationError, KekError)


def doctor_command(
    *,
    json: Annotated[bool, Parameter(negative="", help="Print the findings as one JSON list.")] = False,
    where: Annotated[Where, Parameter(name="*")] = Where(),  # noqa: B008 - frozen
) -> None:
    """Check settings, data folder, key, disk, clock, ports, opt-out links, malware scanner, database, schema,
    rights, block lists, and the DNS of this server: its name, the addresses mail leaves from, forth and back, the domains bounces return to,
    and whether the lists that a dry run asks about links answer.

    Where a DNS record is missing, the line to publish stands below. Changes nothing. Exit status 1 when something failed; warnings alone are 0.

    For example:

        posthouse doctor

        posthouse doctor --json --data data
    """
    findings = run(_examine(where))
    print(msgspec.json.encode(findings).decode() if json else as_text(findings))
    sys.exit(EXIT_FAILED if any(finding.verdict is Verdict.FAILED for finding in findings) else 0)


def as_text(findings: list[Finding]) -> str:
    """One line per finding, and below it what to copy."""
    return "\n".join(line for finding in findings for line in _lines(finding))


def _lines(finding: Finding) -> list[str]:
    fixes = [f"{'':9}{'':14}{line}" for line in finding.fix.splitlines()]
    return [f"{_MARKS[finding.verdict]}  {finding.check:<12}  {finding.detail}", *fixes]


async def _examine(where: Where) -> list[Finding]:
    try:
        settings = where.settings()
    except SettingsError as error:
        return [Finding("settings", Verdict.FAILED, problem) for problem in error.problems]
    findings = [
        Finding("settings", Verdict.OK, "complete"),
        checks.data_folder_state(settings),
        checks.key(settings),
        checks.disk_space(settings),
        checks.clock(),
        *checks.ports(settings),
        checks.opt_out_links(settings),
    ]
    findings += await checks.malware_scanner(settings, log.configure("command", "error", settings.server.log_format))
    findings += await _examine_database(settings)
    names = [finding async for finding in checks.names(settings, network.local_addresses())]
    if any(finding.check == "resolver" and finding.verdict is Verdict.FAILED for finding in names):
        return findings + names
    return findings + names + [finding async for finding in checks.link_lists(settings)]


async def _examine_database(settings: Settings) -> list[Finding]:
    if not settings.postgres.dsn and not Server.exists(settings.data):
        return [Finding("database", Verdict.OK, "the embedded one will be made at the first start")]
    try:
        async with open_world(settings, migrating=False) as process:
            found = [finding async for finding in checks.database(process)]
            return found + [finding async for finding in checks.block_lists(process)]
    except _NO_DATABASE as error:
        return [Finding("database", Verdict.FAILED, str(error) or type(error).__name__)]
