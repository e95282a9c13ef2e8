"""`posthouse suppression`: the addresses that are not written to, and why."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from posthouse.cli import console
from posthouse.cli.console import HERE, Installation, Json, Number, Refused, actor
from posthouse.cli.progress import Progress
from posthouse.cli.world import Where
from posthouse.intake import suppressing
from posthouse.intake.request_problems import Problems
from posthouse.intake.suppressing import Asked, Imported
from posthouse.intake.suppression_csv import HeaderError
from posthouse.ledger import suppression
from posthouse.ledger.suppression import Suppressed, Wanted

app: Final = App(name="suppression", help="Addresses that are not written to, and why.")

_EMPTY: Final = (
    "Nobody is suppressed. Addresses come here when a receiver says that they do not exist, or when people ask."
)
_PIECE: Final = 262_144
Scope = Annotated[str, Parameter(help="everything, marketing, channel:email, or mailing_type:NAME.")]
Reason = Annotated[str, Parameter(help=f"Why it is suppressed: {', '.join(suppression.REASONS)}.", name="--reason")]
Why = Annotated[str, Parameter(help="Why it is written to again; the audit log keeps it.", name="--reason")]
Until = Annotated[str, Parameter(help="When it ends by itself, as 2030-01-31T09:30:00+01:00. Without: never.")]


@app.command(name="list")
def list_suppressions(
    beginning: str = "",
    /,
    *,
    scope: Scope = "",
    reason: Reason = "",
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """List suppressed addresses, all or those that begin so, at most 10,000; `export` has no end.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse suppression list
        posthouse suppression list anna@ --json
        posthouse suppression list --reason complaint
    """
    wanted = Wanted(beginning, scope or None, reason or None)
    found = console.run(_listing(where, workspace, wanted))
    console.show([_view(each) for each in found], lambda: _table(found), as_json=as_json)


@app.command
def add(
    *addresses: str,
    scope: Scope = "",
    reason: Reason = "manual",
    note: str = "",
    until: Until = "",
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Stop writing to addresses. Without --scope complaints and unsubscribes stop marketing, all else stops everything.

    Exit status: 0 done, 1 refused (with the reason), 2 wrong usage, 3 no database.

    For example:

        posthouse suppression add anna@example.com --note "asked by telephone"
        posthouse suppression add anna@example.com --scope marketing --reason unsubscribe
    """
    asked = [Asked(address, scope, reason, note, until) for address in addresses]
    added = console.run(_add(where, workspace, asked))
    print(f"{_addresses(added)} newly suppressed.")


@app.command
def remove(
    address: str,
    /,
    *,
    why: Why,
    scope: Annotated[str | None, Parameter(help="Lift this scope alone. Without: all that stands against it.")] = None,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Write to an address again. The audit log keeps who said so, and why.

    Exit status: 0 done, 1 the address is not suppressed, 2 wrong usage, 3 no database.

    For example:

        posthouse suppression remove anna@example.com --reason "the mailbox exists again"
    """
    console.run(_remove(where, workspace, address, scope, why))
    print(f"{address} is written to again.")


@app.command(name="import")
def import_(
    file: Annotated[Path, Parameter(help="What to read; - for standard input.", allow_leading_hyphen=True)],
    /,
    *,
    scope: Scope = "",
    reason: Reason = "imported",
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Add the addresses of a CSV file.

    Columns are address, scope, reason, note and expires_at, in any order and all but the first optional; --scope and --reason hold where
    they say nothing. Lines that cannot be read are named and passed over. Importing a file again changes nothing.

    Exit status: 0 done, 1 some lines were refused, 2 wrong usage, 3 no database.

    For example:

        posthouse suppression import optouts.csv --reason unsubscribe
    """
    done = console.run(_import(where, workspace, file, Asked("", scope, reason)))
    console.show(_told(done), lambda: Text(_words(done)), as_json=as_json)
    if done.refused:
        sys.exit(console.EXIT_REFUSED)


@app.command
def export(
    file: Annotated[
        Path, Parameter(help="Where to write it; - for standard output.", allow_leading_hyphen=True)
    ] = Path("-"),
    /,
    *,
    scope: Scope = "",
    reason: Reason = "",
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Write the list as CSV, in order of addresses. Cells that a spreadsheet would run begin with an apostrophe.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse suppression export suppressions.csv
        posthouse suppression export --reason hard_bounce | wc -l
    """
    wanted = Wanted("", scope or None, reason or None)
    if str(file) == "-":
        console.run(_export(where, workspace, wanted, sys.stdout.buffer))
        return
    with file.open("wb") as out:
        console.run(_export(where, workspace, wanted, out))


async def _listing(where: Where, number: int | None, wanted: Wanted) -> list[Suppressed]:
    async with console.opened(where, number) as room, room.process.pool.acquire() as connection:
        return await suppression.listing(connection, room.workspace.workspace_id, wanted)


async def _add(where: Where, number: int | None, asked: list[Asked]) -> int:
    async with console.opened(where, number) as room:
        now, new = room.process.clock.now(), []
        for each in asked:
            problems = Problems()
            if (one := suppressing.read(each, now, "", problems)) is None:
                raise Refused(*(f"{each.address}: {problem.detail}" for problem in problems.found()))
            new.append(one)
        return await suppressing.add(room.process, room.workspace.workspace_id, actor(), new)


async def _remove(where: Where, number: int | None, address: str, scope: str | None, why: str) -> None:
    async with console.opened(where, number) as room:
        if not why.strip():
            raise Refused("Say why: the audit log keeps it.")
        workspace_id = room.workspace.workspace_id
        if not await suppressing.remove(room.process, workspace_id, actor(), [address], scope, why.strip()):
            if await suppressing.only_readers_can(room.process, workspace_id, [address], scope):
                raise Refused(suppressing.OWN_WISH)
            raise Refused(f"{address} is not suppressed.")


async def _import(where: Where, number: int | None, file: Path, default: Asked) -> Imported:
    async with console.opened(where, number) as room:
        try:
            with _opened(file) as source:
                return await suppressing.import_csv(
                    room.process, room.workspace.workspace_id, actor(), _pieces(source), default
                )
        except OSError as error:
            raise Refused(f"{file}: {error.strerror}.") from error
        except HeaderError as error:
            raise Refused(f"{file}: {error}") from error


def _opened(file: Path) -> BinaryIO:
    return sys.stdin.buffer if str(file) == "-" else file.open("rb")


async def _pieces(source: BinaryIO) -> AsyncIterator[bytes]:
    progress = Progress("Importing", os.fstat(source.fileno()).st_size or None)
    while piece := source.read(_PIECE):
        yield piece
        progress.advance(len(piece))
    progress.end()


async def _export(where: Where, number: int | None, wanted: Wanted, out: BinaryIO) -> None:
    async with console.opened(where, number) as room:
        async for piece in suppressing.export_csv(room.process, room.workspace.workspace_id, wanted):
            out.write(piece)
    out.flush()


def _view(each: Suppressed) -> dict[str, Any]:
    return {
        "address": each.address,
        "scope": each.entry.scope,
        "reason": each.entry.reason,
        "added_by": each.added_by,
        "note": each.note,
        "since": each.created_at,
        "expires_at": each.entry.expires_at,
        "message_id": each.message_id,
    }


def _table(found: list[Suppressed]) -> Table | Text:
    rows = [
        (each.address, each.entry.scope, each.entry.reason, each.added_by, each.created_at, each.entry.expires_at)
        for each in found
    ]
    return console.table(("address", "not sent", "because", "said by", "since", "until"), rows, _EMPTY)


def _told(done: Imported) -> dict[str, Any]:
    problems = [{"line": each.number, "detail": each.detail} for each in done.problems]
    return {"lines": done.lines, "added": done.added, "refused": done.refused, "problems": problems}


def _words(done: Imported) -> str:
    lines = [f"{_addresses(done.added)} newly suppressed, of {done.lines:,} lines."]
    lines += [f"line {each.number}: {each.detail}" for each in done.problems]
    if done.refused > len(done.problems):
        lines.append(f"... and {done.refused - len(done.problems):,} more lines were refused.")
    return "\n".join(lines)


def _addresses(count: int) -> str:
    return "1 address" if count == 1 else f"{count:,} addresses"
