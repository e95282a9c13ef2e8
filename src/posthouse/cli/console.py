"""What commands about a workspace share: finding it, and printing for people (tables) or programs (JSON).

Exit status of all of them: 0 done, 1 refused or not found, 2 wrong usage or settings, 3 the database cannot be reached.
"""

import contextlib
import getpass
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Never, TypeAlias, TypeVar

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from posthouse.accounts import changes, workspaces
from posthouse.accounts.changes import Change
from posthouse.accounts.workspaces import Workspace
from posthouse.cli import world
from posthouse.cli.world import Where
from posthouse.model.errors import FieldProblem
from posthouse.runtime.process import Process

_Result = TypeVar("_Result")

EXIT_REFUSED: Final = 1

Json: TypeAlias = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON, for programs.")]
Number: TypeAlias = Annotated[
    int | None, Parameter(name="--workspace", help="Number of the workspace, where there are several.")
]
Installation: TypeAlias = Annotated[Where, Parameter(name="*")]
Yes: TypeAlias = Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")]
HERE: Final = Where()
PIPE_COLUMNS: Final = 250  # of a table that a program reads after all: nothing is cut off


class Refused(Exception):  # noqa: N818 - an outcome, not an error of ours
    """The command ends with exit status 1 and these lines."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Room:
    """The installation and the workspace a command is about."""

    process: Process
    workspace: Workspace

    def changing(self) -> contextlib.AbstractAsyncContextManager[Change]:
        """A change in the name of whoever is at the machine."""
        return changes.making(self.process, self.workspace.workspace_id, actor(), operator=True)


def actor() -> str:
    """As the audit log calls the person at the machine."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a user id without a name, as in containers
        return "cli"


@contextlib.asynccontextmanager
async def opened(where: Where, number: int | None) -> AsyncIterator[Room]:
    """The workspace with this number, or the only one. Raises Refused when that is nobody or not clear."""
    async with world.open_world(where.settings()) as process:
        yield Room(process, _choose(await workspaces.listing(process.pool), number))


def run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a command; a refusal is told on standard error."""
    try:
        return world.run(coroutine)
    except Refused as refused:
        leave(*refused.lines)


def leave(*lines: str, status: int = EXIT_REFUSED) -> Never:
    """End with this exit status and these lines."""
    for line in lines:
        print(f"posthouse: {line}", file=sys.stderr)
    sys.exit(status)


def accepted(outcome: _Result | tuple[FieldProblem, ...]) -> _Result:
    """What was made. Raises Refused with every problem when it was not."""
    if isinstance(outcome, tuple) and (not outcome or isinstance(outcome[0], FieldProblem)):
        raise Refused(*(_told(problem) for problem in outcome))
    return outcome  # type: ignore[return-value]  # what is left is not a tuple of problems


def show(value: object, lines: Callable[[], object], *, as_json: bool) -> None:
    """Print `value` as JSON, or what `lines` makes of it for people: a Table or text."""
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(value, enc_hook=str)).decode())
    else:
        Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_COLUMNS).print(lines())


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> Table | Text:
    """Rows under headings; `empty` says what to do when there are none."""
    found = [[each if isinstance(each, Text) else Text(_cell(each)) for each in row] for row in rows]
    if not found:
        return Text(empty)
    drawn = Table(*columns, box=None, header_style="bold", pad_edge=False)
    drawn.columns[0].no_wrap = True  # what one copies into the next command
    for row in found:
        drawn.add_row(*row)
    return drawn


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is destroyed; without a terminal to ask on, `--yes` is needed. Raises SystemExit when the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        leave(f"{question} Say --yes to do it without being asked.")
    if input(f"{question} [y/N] ").strip().lower() not in {"y", "yes"}:
        leave("Nothing was changed.")


def _choose(known: Sequence[Workspace], number: int | None) -> Workspace:
    if not known:
        raise Refused("There is no workspace yet: `posthouse up` makes the first one.")
    chosen = [each for each in known if number in (None, each.number)]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(f"{each.number} ({each.name})" for each in known)
    raise Refused(f"Say which workspace with --workspace: {names}.")


def _told(problem: FieldProblem) -> str:
    name, _, index = problem.pointer.strip("/").partition("/")
    field = f"{name} {int(index) + 1}" if index.isdecimal() else name
    return f"{field}: {problem.detail}" if field else problem.detail


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M")
    if isinstance(value, (tuple, list, frozenset)):
        return ", ".join(sorted(map(str, value)))
    return "" if value is None else str(value)
