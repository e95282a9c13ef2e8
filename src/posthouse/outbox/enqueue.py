"""Writes promises: the rows of one group of accepted messages, in the caller's transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from posthouse.model.words import Kind, MailClass, Pool, Route, Source, State
from posthouse.outbox.sql import SQL
from posthouse.runtime.postgres import Connection

_TAG_SEPARATOR = "\x1f"  # tags hold no control characters, so they can cross as one text


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One row of `messages` and its body; `encoding` and `stored` come from `bodies.pack`."""

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
    tags: tuple[str, ...]
    metadata: dict[str, str]
    send_at: datetime | None
    expires_at: datetime
    octets: int
    smtputf8: bool
    credential_id: UUID
    recipient_count: int
    encoding: int
    stored: bytes
    tls: str = ""  # "verified": rather not at all than to an unproven receiver


@dataclass(frozen=True, slots=True)
class NewRecipient:
    """One row of `outbox`: the promise to deliver to one address."""

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


async def insert(connection: Connection, messages: Sequence[NewMessage], recipients: Sequence[NewRecipient]) -> None:
    """Writes the promises of a group. They count from the caller's commit on."""
    await connection.execute(SQL.insert_messages, *_message_columns(messages))
    await connection.execute(
        SQL.insert_bodies,
        [m.workspace_id for m in messages],
        [m.message_id for m in messages],
        [m.encoding for m in messages],
        [m.stored for m in messages],
    )
    await connection.execute(SQL.insert_recipients, *_recipient_columns(recipients))


async def announce(connection: Connection, pools: set[Pool]) -> None:
    """Wakes the delivery processes of these pools once the caller has committed."""
    await connection.execute(SQL.announce, ",".join(sorted(pools)))


def _message_columns(messages: Sequence[NewMessage]) -> tuple[list[object], ...]:
    return (
        [m.workspace_id for m in messages],
        [m.message_id for m in messages],
        [m.accepted_at for m in messages],
        [m.source for m in messages],
        [m.mail_class for m in messages],
        [m.route for m in messages],
        [m.route_reason for m in messages],
        [m.sender for m in messages],
        [m.subject for m in messages],
        [m.message_id_header for m in messages],
        [m.priority for m in messages],
        [_TAG_SEPARATOR.join(m.tags) for m in messages],
        [json.dumps(m.metadata) if m.metadata else "{}" for m in messages],
        [m.send_at for m in messages],
        [m.expires_at for m in messages],
        [m.octets for m in messages],
        [m.smtputf8 for m in messages],
        [m.credential_id for m in messages],
        [m.recipient_count for m in messages],
        [m.tls for m in messages],
    )


def _recipient_columns(recipients: Sequence[NewRecipient]) -> tuple[list[object], ...]:
    return (
        [r.workspace_id for r in recipients],
        [r.recipient_id for r in recipients],
        [r.message_id for r in recipients],
        [r.address for r in recipients],
        [r.domain for r in recipients],
        [r.kind for r in recipients],
        [r.pool for r in recipients],
        [r.state for r in recipients],
        [r.priority for r in recipients],
        [r.not_before for r in recipients],
        [r.expires_at for r in recipients],
        [r.settled_at for r in recipients],
        [r.reason for r in recipients],
    )
