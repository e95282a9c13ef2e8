"""Holding, releasing, retrying and cancelling from the command line: says how many mails it is about, asks, does it, says how many."""

from typing import Final

from posthouse.cli import console
from posthouse.cli.world import Where
from posthouse.intake import operate
from posthouse.outbox import operator
from posthouse.outbox.operator import CANCEL, HOLD, RELEASE, RETRY, Action, Selection

# What is asked before, and what is said after; {mails} is "1 mail" or "1,204 mails".
_WORDS: Final = {
    CANCEL.name: ("Cancel {mails}? This cannot be undone.", "Cancelled {mails}."),
    HOLD.name: ("Hold {mails} until released?", "Held {mails}."),
    RELEASE.name: ("Release {mails}?", "Released {mails}."),
    RETRY.name: ("Try {mails} at once?", "{mails} will be tried at once."),
}


def act(where: Where, number: int | None, action: Action, selection: Selection, *, yes: bool, as_json: bool) -> None:
    """The whole command. Mail that a worker is sending at this moment is not touched."""
    asked, told = _WORDS[action.name]
    if not yes:
        found = console.run(_count(where, number, action, selection))
        console.confirm(asked.format(mails=_mails(found)), yes=found == 0)
    touched = console.run(_apply(where, number, action, selection))
    result = {"action": action.name, "mails": touched}
    console.show(result, lambda: told.format(mails=_mails(touched)), as_json=as_json)


async def _count(where: Where, number: int | None, action: Action, selection: Selection) -> int:
    async with console.opened(where, number) as room, room.process.pool.acquire() as connection:
        return await operator.count(connection, room.workspace.workspace_id, action, selection)


async def _apply(where: Where, number: int | None, action: Action, selection: Selection) -> int:
    async with console.opened(where, number) as room:
        return await operate.apply(room.process, room.workspace.workspace_id, action, selection, console.actor())


def _mails(count: int) -> str:
    return "1 mail" if count == 1 else f"{count:,} mails"
