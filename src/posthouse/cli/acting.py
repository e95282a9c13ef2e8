"""What is done to queued mail from the command line: says how many mails it is about, asks, does it, says how many."""

from typing import Final

from posthouse.cli import console
from posthouse.cli.console import Refused
from posthouse.cli.world import Where
from posthouse.intake import operate
from posthouse.outbox.operator import BOUNCE, CANCEL, HOLD, RELEASE, RETRY, Action, Selection

# What is asked before, and what is said after; {mails} is "1 mail" or "1,204 mails".
_WORDS: Final = {
    CANCEL.name: ("Cancel {mails}? This cannot be undone.", "Cancelled {mails}."),
    HOLD.name: ("Hold {mails} until released?", "Held {mails}."),
    RELEASE.name: ("Release {mails}?", "Released {mails}."),
    RETRY.name: ("Try {mails} at once?", "{mails} will be tried at once."),
    BOUNCE.name: ("Bounce {mails}? This cannot be undone.", "Bounced {mails}."),
    "move": ("Move {mails} to the pool {pool}?", "Moved {mails} to the pool {pool}."),
}


def act(
    where: Where,
    number: int | None,
    action: Action,
    selection: Selection,
    *,
    yes: bool,
    as_json: bool,
    reason: str = "",
) -> None:
    """The whole command. Mail that a worker is sending at this moment is not touched."""
    asked, told = _WORDS[action.name]
    found = console.run(_look(where, number, action, selection, reason))
    console.confirm(asked.format(mails=mails(found), pool=action.pool), yes=yes or found == 0)
    touched = console.run(_apply(where, number, action, selection, reason))
    result = {"action": action.name, "mails": touched}
    console.show(result, lambda: told.format(mails=mails(touched), pool=action.pool), as_json=as_json)


async def _look(where: Where, number: int | None, action: Action, selection: Selection, reason: str) -> int:
    """How many mails it would touch. Raises Refused when it is not to be done."""
    async with console.opened(where, number) as room:
        outlook = await operate.look(room.process, room.workspace.workspace_id, action, selection)
        shared = room.process.settings.delivery.shared_pool
    if problems := (*operate.refusal(action, reason, shared_pool=shared), *outlook.problems):
        raise Refused(*(f"--{problem.pointer.strip('/')}: {problem.detail}" for problem in problems))
    return outlook.mails


async def _apply(where: Where, number: int | None, action: Action, selection: Selection, reason: str) -> int:
    async with console.opened(where, number) as room:
        return await operate.apply(
            room.process, room.workspace.workspace_id, action, selection, console.actor(), reason
        )


def mails(count: int) -> str:
    """As a person says it."""
    return "1 mail" if count == 1 else f"{count:,} mails"
