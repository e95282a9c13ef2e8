"""`posthouse reputation`: how mail fared within a day, against the rates at which it is paused."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from posthouse.cli import console
from posthouse.cli.console import HERE, Installation, Json, Number
from posthouse.cli.world import Where
from posthouse.intake import reputation
from posthouse.intake.reputation import Reputation
from posthouse.ledger import reputation as counts
from posthouse.ledger.breakers import Rate
from posthouse.ledger.reputation import BulkSender
from posthouse.web.api.reputation import listing

_NONE = "No mail within 24 hours; what has just gone out shows half a minute later."


def reputation_command(*, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """Show bounces and complaints of the last 24 hours by pool, From domain, provider and mailing, and what is paused for them.

    What is paused goes again by `posthouse queue resume --id`.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse reputation

        posthouse reputation --json
    """
    found, bulk = console.run(_read(where, workspace))
    console.show(listing(found, bulk), lambda: _table(found), as_json=as_json)


async def _read(where: Where, number: int | None) -> tuple[list[Reputation], list[BulkSender]]:
    async with console.opened(where, number) as room, room.process.pool.acquire() as connection:
        workspace_id, now = room.workspace.workspace_id, room.process.clock.now()
        found = await reputation.read(connection, room.process.settings, workspace_id, now)
        return found, await counts.bulk_senders(connection, workspace_id)


def _table(found: Sequence[Reputation]) -> Table | Text:
    rows = [
        (
            f"{each.subject.scope} {each.subject.name}",
            "paused" if each.paused else each.standing.replace("_", " "),
            each.tally.sent,
            *map(_rate, each.rates),
            each.since or "",
            each.paused.suspension_id if each.paused else "",
        )
        for each in found
    ]
    return console.table(("WHAT", "STATE", "SENT", "BOUNCES", "COMPLAINTS", "SINCE", "SUSPENSION"), rows, _NONE)


def _rate(rate: Rate) -> str:
    limit = f", limit {rate.marks.pause:g} %" if rate.marks else ""
    return f"{rate.times} ({rate.percent:.3g} %{limit})"
