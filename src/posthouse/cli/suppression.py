"""`posthouse suppression`: the addresses that are not written to, and why."""

from datetime import datetime
from typing import Any, Final

from cyclopts import App
from rich.table import Table
from rich.text import Text

from posthouse.cli import console
from posthouse.cli.console import HERE, Installation, Json, Number, Refused
from posthouse.cli.world import Where
from posthouse.ledger import suppression
from posthouse.ledger.suppression import Suppressed

app: Final = App(name="suppression", help="Addresses that are not written to, and why.")

_EMPTY: Final = (
    "Nobody is suppressed. Addresses come here when a receiver says that they do not exist, or when people ask."
)


@app.command(name="list")
def list_suppressions(
    beginning: str = "", /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE
) -> None:
    """List suppressed addresses, all or those that begin so.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse suppression list
        posthouse suppression list anna@ --json
    """
    found = console.run(_listing(where, workspace, beginning))
    console.show([_view(each) for each in found], lambda: _table(found), as_json=as_json)


@app.command
def remove(address: str, /, *, workspace: Number = None, where: Installation = HERE) -> None:
    """Write to an address again, because it exists after all. The audit log keeps who said so.

    Exit status: 0 done, 1 the address is not suppressed, 2 wrong usage, 3 no database.

    For example:

        posthouse suppression remove anna@example.com
    """
    console.run(_remove(where, workspace, address))
    print(f"{address} is written to again.")


async def _listing(where: Where, number: int | None, beginning: str) -> list[Suppressed]:
    async with console.opened(where, number) as room:
        return await suppression.listing(room.process.pool, room.workspace.workspace_id, beginning)


async def _remove(where: Where, number: int | None, address: str) -> None:
    async with console.opened(where, number) as room, room.changing() as change:
        removed = await suppression.remove(change.connection, change.workspace_id, address)
        if not removed:
            raise Refused(f"{address} is not suppressed.")
        was = [f"{entry.scope}: {entry.reason}" for entry in removed]
        await change.record("suppression.remove", suppression.folded(address), was=was)


def _view(each: Suppressed) -> dict[str, Any]:
    since: datetime = each.created_at
    return {
        "address": each.address,
        "scope": each.entry.scope,
        "reason": each.entry.reason,
        "added_by": each.added_by,
        "since": since,
    }


def _table(found: list[Suppressed]) -> Table | Text:
    rows = [(each.address, each.entry.scope, each.entry.reason, each.added_by, each.created_at) for each in found]
    return console.table(("address", "not sent", "because", "said by", "since"), rows, _EMPTY)
