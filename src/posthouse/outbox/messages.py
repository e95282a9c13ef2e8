"""Reads what was promised: one message, its recipients, its content, and searches over many."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from posthouse.model.values import dataclass
from posthouse.model.words import Kind, MailClass, Pool, Route, Source, State
from posthouse.outbox import search_terms
from posthouse.outbox.search_terms import AddressRange, MessageId, Words
from posthouse.outbox.sql import SQL
from posthouse.runtime.ids import uuid7_floor
from posthouse.runtime.postgres import Connection, Record

_SHOWN_RECIPIENTS = 3
_RECENT = 5_000  # newest messages looked through for words before their index is asked


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One accepted message."""

    message_id: UUID
    accepted_at: datetime
    source: Source
    mail_class: MailClass
    route: Route
    route_reason: str
    sender: str
    subject: str
    message_id_header: str
    priority: int
    tags: tuple[str, ...]
    metadata: dict[str, str]
    send_at: datetime | None
    expires_at: datetime
    octets: int
    credential_id: UUID
    recipient_count: int
    tls: str = ""  # "verified": rather not at all than to an unproven receiver
    mailing_type: str = ""  # of marketing; "" for none


@dataclass(frozen=True, slots=True)
class RecipientRow:
    """One recipient's mail: its state and the last thing a receiver said."""

    recipient_id: UUID
    message_id: UUID
    address: str
    domain: str
    kind: Kind
    pool: Pool
    state: State
    priority: int
    not_before: datetime
    expires_at: datetime
    attempts: int
    claimed_at: datetime | None
    settled_at: datetime | None
    reason: str
    code: int | None
    enhanced: str | None
    remote: str | None


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of messages is narrowed by; a filter left out does not count."""

    query: str = ""
    state: State | None = None
    domain: str = ""
    tag: str = ""
    source: Source | None = None
    since: datetime | None = None
    until: datetime | None = None
    mail_class: MailClass | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list: the message, its first recipients, and how many recipients are in which state."""

    message: MessageRow
    recipients: tuple[RecipientRow, ...]
    states: dict[State, int]


async def find(connection: Connection, workspace_id: UUID, message_id: UUID) -> MessageRow | None:
    """One message of this workspace."""
    row = await connection.fetchrow(SQL.find_message, workspace_id, message_id)
    return _message(row) if row else None


async def several(connection: Connection, workspace_id: UUID, message_ids: Sequence[UUID]) -> list[MessageRow]:
    """These messages of this workspace, newest first."""
    return [_message(row) for row in await connection.fetch(SQL.messages_by_id, workspace_id, message_ids)]


async def recipients(connection: Connection, workspace_id: UUID, message_id: UUID) -> list[RecipientRow]:
    """Its recipients in the order given."""
    return [_recipient(row) for row in await connection.fetch(SQL.message_recipients, workspace_id, message_id)]


async def recipients_of(connection: Connection, workspace_id: UUID, message_ids: Sequence[UUID]) -> list[RecipientRow]:
    """The recipients of many messages, message by message from the oldest."""
    rows = await connection.fetch(SQL.recipients_of_many, workspace_id, message_ids)
    return [_recipient(row) for row in rows]


async def addresses(connection: Connection, workspace_id: UUID, recipient_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The addresses of these recipients."""
    rows = await connection.fetch(SQL.addresses, workspace_id, recipient_ids)
    return {row["recipient_id"]: row["address"] for row in rows}


async def recipient(connection: Connection, workspace_id: UUID, recipient_id: UUID) -> RecipientRow | None:
    """One recipient of this workspace."""
    row = await connection.fetchrow(SQL.find_recipient, workspace_id, recipient_id)
    return _recipient(row) if row else None


async def stored_body(connection: Connection, workspace_id: UUID, message_id: UUID) -> tuple[int, bytes] | None:
    """(encoding, octets) of the MIME as accepted; None when the message is unknown or its retention has passed."""
    row = await connection.fetchrow(SQL.find_content, workspace_id, message_id)
    return (row["encoding"], row["content"]) if row else None


async def search(
    connection: Connection, workspace_id: UUID, filters: Filters, after: UUID | None, limit: int
) -> list[Listed]:
    """Messages newest first, below the cursor `after` (the last message_id of the page before).

    Fewer than `limit` come back only when there are no more.
    """
    found: list[Listed] = []
    while len(found) < limit:
        candidates = await _candidates(connection, workspace_id, filters, after, limit)
        if candidates is None:
            rows = await _walk(connection, workspace_id, filters, after, limit)
            return await _listed(connection, workspace_id, rows, filters)
        rows = await connection.fetch(SQL.messages_by_id, workspace_id, candidates)
        found += await _listed(connection, workspace_id, rows, filters)
        if len(candidates) < limit:
            break
        after = candidates[-1]
    return found[:limit]


async def _candidates(
    connection: Connection, workspace_id: UUID, filters: Filters, after: UUID | None, limit: int
) -> list[UUID] | None:
    """Ids through the narrowest index there is for these filters; None when the messages have to be walked."""
    match search_terms.read(filters.query):
        case MessageId(text):
            rows = await connection.fetch(SQL.list_by_header, workspace_id, text, after, limit)
        case AddressRange(first, past):
            rows = await connection.fetch(SQL.list_by_address, workspace_id, first, past, after, limit)
        case Words(text):
            words = search_terms.words(text) or ""
            recent, indexed = SQL.list_recent_by_words, SQL.list_by_words
            rows = await _recent_or_indexed(connection, workspace_id, words, after, limit, recent, indexed)
        case None if filters.tag:
            recent, indexed = SQL.list_recent_by_tag, SQL.list_by_tag
            rows = await _recent_or_indexed(connection, workspace_id, filters.tag, after, limit, recent, indexed)
        case None if filters.state and filters.state is not State.DELIVERED:
            rows = await connection.fetch(
                SQL.list_by_state, workspace_id, filters.state, after, limit, filters.domain or None
            )
        case _:
            return None
    return [row["message_id"] for row in rows]


async def _recent_or_indexed(
    connection: Connection, workspace_id: UUID, wanted: str, after: UUID | None, limit: int, recent: str, indexed: str
) -> list[Record]:
    """What is common is found among the newest messages, what is rare through its index; neither reads many rows."""
    rows = await connection.fetch(recent, workspace_id, wanted, after, _RECENT, limit)
    if len(rows) == limit:
        return rows
    return await connection.fetch(indexed, workspace_id, wanted, after, limit)


async def _walk(
    connection: Connection, workspace_id: UUID, filters: Filters, after: UUID | None, limit: int
) -> Sequence[Record]:
    return await connection.fetch(
        SQL.list_messages,
        workspace_id,
        after,
        uuid7_floor(filters.since) if filters.since else None,
        uuid7_floor(filters.until) if filters.until else None,
        filters.source,
        filters.state,
        filters.domain or None,
        limit,
        filters.mail_class,
    )


async def _listed(connection: Connection, workspace_id: UUID, rows: Iterable[Record], filters: Filters) -> list[Listed]:
    """The lines of these messages, but those a filter leaves out that no index has applied."""
    found = [_message(row) for row in rows]
    by_message: dict[UUID, list[RecipientRow]] = {m.message_id: [] for m in found}
    for each in await recipients_of(connection, workspace_id, list(by_message)):
        by_message[each.message_id].append(each)
    return [
        Listed(m, tuple(people[:_SHOWN_RECIPIENTS]), dict(Counter(r.state for r in people)))
        for m in found
        for people in [by_message[m.message_id]]
        if _fits(m, people, filters)
    ]


def _fits(message: MessageRow, people: Sequence[RecipientRow], filters: Filters) -> bool:
    return (
        (filters.source is None or message.source == filters.source)
        and (filters.mail_class is None or message.mail_class == filters.mail_class)
        and (not filters.tag or filters.tag in message.tags)
        and (filters.since is None or message.accepted_at >= filters.since)
        and (filters.until is None or message.accepted_at < filters.until)
        and any(
            (filters.state is None or r.state is filters.state) and (not filters.domain or r.domain == filters.domain)
            for r in people
        )
    )


def _message(row: Record) -> MessageRow:
    values = dict(row.items())
    values["source"] = Source(values["source"])
    values["mail_class"] = MailClass(values["mail_class"])
    values["route"] = Route(values["route"])
    values["tags"] = tuple(values["tags"])
    return MessageRow(**values)


def _recipient(row: Record) -> RecipientRow:
    values = dict(row.items())
    values["kind"] = Kind(values["kind"])
    values["pool"] = Pool(values["pool"])
    values["state"] = State(values["state"])
    return RecipientRow(**values)


async def recipients_between(
    connection: Connection, workspace_id: UUID, after: UUID, before: UUID, most: int
) -> list[dict[str, object]]:
    """Recipients with their messages in the order of their ids, each by the names of the columns."""
    rows = await connection.fetch(SQL.recipients_between, workspace_id, after, before, most)
    return [dict(row.items()) for row in rows]


async def count_between(connection: Connection, workspace_id: UUID, after: UUID, before: UUID) -> int:
    """How many recipients there are between these ids."""
    found: int = await connection.fetchval(SQL.count_recipients_between, workspace_id, after, before)
    return found
