"""Appends what happened, in the transaction in which it became true."""

import json
from collections.abc import Sequence
from dataclasses import field
from datetime import datetime
from uuid import UUID

from posthouse.ledger.sql import SQL
from posthouse.model.values import dataclass
from posthouse.model.words import EventKind
from posthouse.runtime.postgres import Connection


@dataclass(frozen=True, slots=True)
class Event:
    """One fact about one recipient's mail. `data` is what a reader needs beside the kind: reply, reason, host."""

    workspace_id: UUID
    event_id: UUID
    occurred_at: datetime
    message_id: UUID
    recipient_id: UUID
    kind: EventKind
    data: dict[str, object] = field(default_factory=dict)


async def append(connection: Connection, events: Sequence[Event]) -> None:
    """Writes the events of one commit."""
    if events:
        await connection.execute(SQL.append_events, *columns(events))


def columns(events: Sequence[Event]) -> tuple[list[object], ...]:
    """The columns of the table, as statements take them."""
    return (
        [e.workspace_id for e in events],
        [e.event_id for e in events],
        [e.occurred_at for e in events],
        [e.message_id for e in events],
        [e.recipient_id for e in events],
        [e.kind for e in events],
        [json.dumps(e.data) if e.data else "{}" for e in events],
    )


async def times(
    connection: Connection, workspace_id: UUID, message_id: UUID, recipient_id: UUID, kind: EventKind
) -> int:
    """How often this was recorded of one recipient's mail."""
    found: int = await connection.fetchval(SQL.events_of_kind, workspace_id, message_id, recipient_id, kind)
    return found
