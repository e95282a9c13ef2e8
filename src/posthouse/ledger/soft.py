"""Addresses that marketing cannot be delivered to for weeks, though they may exist: the rule (pure) and its counters.

A message counts once, when it is given up. Mail of other classes is never stopped by it. Nobody's clicks or answers are known here,
so everybody has the same patience.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from posthouse.ledger.bounce_rules import BounceClass
from posthouse.ledger.sql import SQL
from posthouse.ledger.suppression import folded
from posthouse.model.values import dataclass
from posthouse.runtime.postgres import Connection

MESSAGES: Final = 7
SPAN: Final = timedelta(days=14)
"""What a workspace has that chose no other (requirements AMB-25)."""


@dataclass(frozen=True, slots=True)
class Soft:
    """One message that was given up at one address."""

    address: str
    message_id: UUID


@dataclass(frozen=True, slots=True)
class Counter:
    """Messages given up in a row."""

    messages: int
    first_at: datetime
    last_at: datetime


def is_soft(bounce_class: BounceClass) -> bool:
    """Whether a message that was given up so counts against its address; unclear ones do (requirements AMB-25)."""
    return bounce_class in {BounceClass.SOFT, BounceClass.UNKNOWN}


def counted(before: Counter | None, delivered: bool, now: datetime) -> Counter:
    """The counter after one more message; `delivered`: another arrived since the last one that counts."""
    if before is None or delivered:
        return Counter(1, now, now)
    return replace(before, messages=before.messages + 1, last_at=now)


def exhausted(counter: Counter, messages: int = MESSAGES, span: timedelta = SPAN) -> bool:
    """Whether marketing to the address stops; with `messages` 0 it never does."""
    return 0 < messages <= counter.messages and counter.last_at - counter.first_at >= span


async def counters_of(connection: Connection, workspace_id: UUID, addresses: Collection[str]) -> dict[str, Counter]:
    """By folded address, for those that have one; nobody else changes them in this transaction's time."""
    rows = await connection.fetch(SQL.soft_bounces_of, workspace_id, [folded(each) for each in addresses])
    return {row["address"]: Counter(row["messages"], row["first_at"], row["last_at"]) for row in rows}


async def note(connection: Connection, workspace_id: UUID, counters: Iterable[tuple[Soft, Counter]]) -> None:
    """Writes counters down, one for each address."""
    rows = sorted((folded(soft.address), counter, soft.message_id) for soft, counter in counters)
    await connection.execute(
        SQL.note_soft_bounces,
        workspace_id,
        [address for address, _, _ in rows],
        [counter.messages for _, counter, _ in rows],
        [counter.first_at for _, counter, _ in rows],
        [counter.last_at for _, counter, _ in rows],
        [message_id for _, _, message_id in rows],
    )
