"""`posthouse alert`: what administrators have to know."""

from typing import Annotated, Any, Final
from uuid import UUID

from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from posthouse.accounts import alerts
from posthouse.accounts.alerts import Alert, Level
from posthouse.cli import console
from posthouse.cli.console import HERE, Installation, Json, Number, Refused
from posthouse.cli.world import Where
from posthouse.model import limits

app: Final = App(name="alert", help="What administrators have to know.")

_EMPTY: Final = "Nothing is wrong."
_STYLES: Final = {Level.CRITICAL: "bold red", Level.WARNING: "yellow"}


@app.command(name="list")
def list_alerts(
    *,
    ended: Annotated[bool, Parameter(negative="", help="Those that have ended, too.")] = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """List open alerts, the worst first.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse alert list
        posthouse alert list --ended --json
    """
    found = console.run(_listing(where, workspace, ended=ended))
    console.show([_view(each) for each in found], lambda: _table(found), as_json=as_json)


@app.command
def dismiss(alert: UUID, /, *, workspace: Number = None, where: Installation = HERE) -> None:
    """End an alert that somebody has seen; it comes back if the trouble is found again. ALERT is its id, as `list` shows it.

    Exit status: 0 done, 1 not open, 2 wrong usage, 3 no database.

    For example:

        posthouse alert dismiss 01a2043a-aee3-736f-b195-66f51085d51e
    """
    console.run(_dismiss(where, workspace, alert))
    print(f"Dismissed {alert}.")


async def _listing(where: Where, number: int | None, *, ended: bool) -> list[Alert]:
    async with console.opened(where, number) as room:
        pool, workspace_id = room.process.pool, room.workspace.workspace_id
        if ended:
            return await alerts.latest(pool, workspace_id, limits.ALERTS_LISTED)
        return await alerts.in_force(pool, workspace_id)


async def _dismiss(where: Where, number: int | None, alert_id: UUID) -> None:
    async with console.opened(where, number) as room, room.changing() as change:
        if not await alerts.dismiss(change.connection, change.workspace_id, alert_id, change.actor, change.now):
            raise Refused(f"There is no open alert {alert_id} in the workspace {room.workspace.name}.")


def _view(alert: Alert) -> dict[str, Any]:
    trouble = alert.trouble
    return {
        "id": alert.alert_id,
        "kind": trouble.kind,
        "subject": trouble.subject,
        "level": trouble.level,
        "sentence": trouble.sentence,
        "path": trouble.path,
        "raised_at": alert.raised_at,
        "mailed_at": alert.told_at,
        "ended_at": alert.ended_at,
        "ended_by": alert.ended_by,
    }


def _table(found: list[Alert]) -> Table | Text:
    columns = ("id", "level", "since", "alert")
    rows = [
        (each.alert_id, _level(each), f"{each.raised_at.astimezone():%Y-%m-%d %H:%M}", each.trouble.sentence)
        for each in found
    ]
    return console.table(columns, rows, _EMPTY)


def _level(alert: Alert) -> Text:
    level = alert.trouble.level
    return Text("ended") if alert.ended_at else Text(level, style=_STYLES[level])
