"""The rows of a promise, which intake writes in its one statement; and the word to those who deliver."""

import json
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from posthouse.model.words import Kind, MailClass, Pool, Route, Source, State
from posthouse.outbox import announcements
from posthouse.outbox.sql import SQL
from posthouse.runtime.postgres import Connection

_TAG_SEPARATOR = "\x1f"  # tags hold no control characters, so they can cross as one text


class NewMessage(NamedTuple):
    """One row of `messages` and its body, in the order of the columns; `encoding` and `stored` come from `bodies.pack`."""

    workspace_id: UUID
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
    tags: str  # of `tag_text`
    metadata: str  # of `metadata_text`
    send_at: datetime | None
    expires_at: datetime
    octets: int
    smtputf8: bool
    credential_id: UUID
    recipient_count: int
    tls: str  # "verified": rather not at all than to an unproven receiver; else ""
    mailing_type: str
    encoding: int
    stored: bytes


class NewRecipient(NamedTuple):
    """One row of `outbox`, in the order of the columns: the promise to deliver to one address."""

    workspace_id: UUID
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
    settled_at: datetime | None
    reason: str


async def announce(connection: Connection, pools: Set[Pool], domains: Set[str] = frozenset()) -> None:
    """Wakes the delivery processes of these pools that send to one of these domains, or to any, once the caller has committed."""
    await connection.execute(SQL.announce, announcements.text(pools, domains))


async def tell_news(connection: Connection) -> None:
    """Has every delivery process look around once the caller has committed: who is there, and what is suspended."""
    await connection.execute(SQL.announce, announcements.NEWS)


def columns(rows: Sequence[tuple[object, ...]]) -> list[Sequence[object]]:
    """The columns of at least one row, as statements take them."""
    return list(zip(*rows, strict=True))


def tag_text(tags: Sequence[str]) -> str:
    """Tags as one text."""
    return _TAG_SEPARATOR.join(tags)


def metadata_text(metadata: Mapping[str, str]) -> str:
    """Metadata as JSON."""
    return json.dumps(metadata) if metadata else "{}"
