"""Mail that will not arrive, read in order by whoever tells its senders, with a cursor of its own."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from posthouse.ledger.counting import SETTLED_S
from posthouse.ledger.sql import SQL
from posthouse.model.words import EventKind
from posthouse.runtime.ids import uuid7_floor
from posthouse.runtime.postgres import Connection, Record


@dataclass(frozen=True, slots=True)
class Failure:
    """One recipient's mail that ended badly. `said` is the receiver's last reply, "" when it never gave one."""

    event_id: UUID
    occurred_at: datetime
    message_id: UUID
    recipient_id: UUID
    kind: EventKind
    status: str  # enhanced status code (RFC 3463)
    said: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some failures in order. `reached` is where the next page begins, `last` when there is none yet."""

    failures: tuple[Failure, ...]
    reached: UUID
    last: bool


async def page(connection: Connection, workspace_id: UUID, reader: str, now: datetime, most: int) -> Page:
    """What `reader` has not passed yet and no late commit can come before. A new reader begins with what happens now."""
    past = uuid7_floor(now - timedelta(seconds=SETTLED_S))
    await connection.execute(SQL.start_cursor, workspace_id, reader, past)
    since = await connection.fetchval(SQL.cursor, workspace_id, reader)
    rows = await connection.fetch(SQL.failures, workspace_id, since, past, most)
    failures = tuple(map(_failure, rows))
    last = len(failures) < most
    return Page(failures, past if last else UUID(int=failures[-1].event_id.int + 1), last)


async def passed(connection: Connection, workspace_id: UUID, reader: str, page: Page) -> None:
    """The page is done with. Another process that read it too may have said so before."""
    await connection.fetchrow(SQL.advance_cursor, workspace_id, reader, page.reached)


def _failure(row: Record) -> Failure:
    kind, data = EventKind(row["kind"]), row["data"]
    # A code that says "later" cannot be the reason why it is over: without a final one, time was (RFC 3463 3.5).
    status = str(data.get("enhanced") or data.get("status") or "")
    if not status.startswith("5"):
        status = "4.4.7" if kind is EventKind.EXPIRED else "5.0.0"
    words = (str(data[name]) for name in ("code", "enhanced", "text") if data.get(name))
    return Failure(
        row["event_id"], row["occurred_at"], row["message_id"], row["recipient_id"], kind, status, " ".join(words)
    )
