"""Addresses that are not to be written to: the rule (pure) and its rows.

`everything` blocks every road (the address does not exist); `marketing` blocks marketing only: a person who complained or
unsubscribed still gets the receipt for what she bought.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from posthouse.ledger.sql import SQL
from posthouse.model import limits
from posthouse.model.words import MailClass
from posthouse.runtime.postgres import Connection, Executor

EVERYTHING, MARKETING = "everything", "marketing"

_WORDS = {
    "hard_bounce": "the address does not exist: an earlier mail bounced for good",
    "complaint": "the recipient reported an earlier mail as spam",
    "unsubscribe": "the recipient unsubscribed",
    "manual": "the address was put on the suppression list by hand",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One suppression of one address."""

    scope: str
    reason: str


@dataclass(frozen=True, slots=True)
class Suppressed:
    """One row of the list."""

    address: str
    entry: Entry
    added_by: str
    created_at: datetime


def blocking(entries: Sequence[Entry], mail_class: MailClass) -> str | None:
    """Why mail of this class may not go to an address with these entries, in words; None when it may."""
    for entry in entries:
        if entry.scope == EVERYTHING or mail_class is MailClass.MARKETING:
            return f"Suppressed: {_WORDS[entry.reason]}."
    return None


def folded(address: str) -> str:
    """The form in which an address is compared: almost no receiver tells upper from lower case."""
    return address.casefold()


async def entries_of(connection: Connection, workspace_id: UUID, addresses: Collection[str]) -> dict[str, list[Entry]]:
    """Entries by folded address, for the addresses that have any."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for row in await connection.fetch(SQL.suppressions_of, workspace_id, [folded(a) for a in addresses]):
        found[row["address"]].append(Entry(row["scope"], row["reason"]))
    return found


async def add(
    connection: Connection,
    workspace_id: UUID,
    address: str,
    entry: Entry,
    message_id: UUID | None,
    added_by: str,
    now: datetime,
) -> None:
    """Suppresses an address; an entry of the same scope that is there already stays as it is."""
    await connection.execute(
        SQL.add_suppression, workspace_id, folded(address), entry.scope, entry.reason, message_id, added_by, now
    )


async def listing(connection: Executor, workspace_id: UUID, beginning: str = "") -> list[Suppressed]:
    """The suppressed addresses that begin so, at most SUPPRESSIONS_LISTED, in order."""
    first = folded(beginning)
    rows = await connection.fetch(
        SQL.list_suppressions, workspace_id, first, first + "\U0010ffff", limits.SUPPRESSIONS_LISTED
    )
    return [
        Suppressed(row["address"], Entry(row["scope"], row["reason"]), row["added_by"], row["created_at"])
        for row in rows
    ]


async def remove(connection: Connection, workspace_id: UUID, address: str) -> list[Entry]:
    """Writes to the address again; what stood against it, for the audit log of the caller."""
    rows = await connection.fetch(SQL.remove_suppressions, workspace_id, folded(address))
    return [Entry(row["scope"], row["reason"]) for row in rows]
