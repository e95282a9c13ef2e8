"""The list of invalid addresses, for those who keep the customers' files: read on from where one stopped, nothing missed or told twice.

The order of ids or clocks would not do: an address added by a transaction that takes long would appear before the place a reader has
passed already. So an address gets its place when it is first read, after it is committed, and places are given by one at a time.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.ledger.sql import SQL
from posthouse.ledger.suppression import folded
from posthouse.model import limits
from posthouse.runtime.postgres import Connection, Record

_LAST_PLACE: Final = 2**63 - 1
# at a time: more than is read at a time, so that a page knows whether there is another
_PLACED: Final = 2 * limits.INVALID_PAGE


@dataclass(frozen=True, slots=True)
class Invalid:
    """One address nobody can be written to at, and the message that showed it (None when somebody said so).

    `external_id` is what that message's metadata called the person, "" when it did not.
    """

    place: int
    address: str
    reason: str
    since: datetime
    said_by: str
    note: str
    message_id: UUID | None
    external_id: str


@dataclass(frozen=True, slots=True)
class Cleared:
    """One entry that was lifted or replaced."""

    reason: str
    since: datetime


async def after(
    connection: Connection, workspace_id: UUID, place: int, most: int, since: datetime | None = None
) -> list[Invalid]:
    """The next addresses after a place, in the order of their places."""
    await _give_places(connection, workspace_id)
    return [_invalid(row) for row in await connection.fetch(SQL.invalid_after, workspace_id, place, since, most)]


async def newest(
    connection: Connection, workspace_id: UUID, before: int | None, most: int, beginning: str = ""
) -> list[Invalid]:
    """Addresses that begin so, the last found first, before a place."""
    await _give_places(connection, workspace_id)
    first = folded(beginning)
    async with connection.transaction():
        await connection.execute(SQL.plan_anew)
        rows = await connection.fetch(
            SQL.invalid_before, workspace_id, before or _LAST_PLACE, first, first + "\U0010ffff", most
        )
    return [_invalid(row) for row in rows]


async def revalidated(connection: Connection, workspace_id: UUID, address: str) -> list[Cleared]:
    """Writes to the address again: it exists after all. What people wished about it stays."""
    rows = await connection.fetch(SQL.lift_invalid, workspace_id, folded(address))
    return [Cleared(row["reason"], row["created_at"]) for row in rows]


async def replaced(connection: Connection, workspace_id: UUID, address: str, by: str) -> list[Cleared]:
    """Takes the address from the list: its owner is written to elsewhere. It stays blocked."""
    rows = await connection.fetch(SQL.replace_invalid, workspace_id, folded(address), folded(by))
    return [Cleared(row["reason"], row["created_at"]) for row in rows]


async def count_since(connection: Connection, workspace_id: UUID, since: datetime) -> int:
    """How many addresses became invalid since then and still are."""
    found: int = await connection.fetchval(SQL.count_invalid, workspace_id, since)
    return found


async def _give_places(connection: Connection, workspace_id: UUID) -> None:
    async with connection.transaction():
        await connection.execute(SQL.lock_invalid, workspace_id)
        await connection.execute(SQL.place_invalid, workspace_id, _PLACED)


def _invalid(row: Record) -> Invalid:
    return Invalid(
        row["listed"],
        row["address"],
        row["reason"],
        row["created_at"],
        row["added_by"],
        row["note"],
        row["message_id"],
        row["external_id"] or "",
    )
