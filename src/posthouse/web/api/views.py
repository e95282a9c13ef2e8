"""Messages as the API shows them: rows of outbox and ledger -> what is encoded as JSON. Pure."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from posthouse.ledger.timeline import EventRow
from posthouse.model.words import FINAL_STATES, EventKind, Kind, MailClass, Pool, Route, Source, State
from posthouse.outbox.messages import Listed, MessageRow, RecipientRow
from posthouse.outbox.situations import Situations
from posthouse.outbox.waiting import Situation, explain

PARTLY: Final = "partly_delivered"
_UNSETTLED: Final = (State.CLAIMED, State.READY, State.WAITING, State.HELD)  # the nearest to leaving first
_BASIS: Final = {
    MailClass.TRANSACTIONAL: "relationship",
    MailClass.BUSINESS: "relationship",
    MailClass.MARKETING: "consent",
}
Status = Annotated[
    str,
    Meta(
        description="the recipients' common state; with several recipients the state nearest to leaving while any is unsettled,"
        " and partly_delivered when they ended differently",
        extra_json_schema={"enum": [*State, PARTLY]},
    ),
]


class Compliance(msgspec.Struct, frozen=True, rename={"mail_class": "class"}):
    """On what ground the message may be sent."""

    mail_class: MailClass
    basis: Annotated[str, Meta(description="relationship: the recipient expects it; consent: the recipient opted in")]
    opt_out_shown: Annotated[bool, Meta(description="whether Posthouse put an opt-out into the message")]


class Tracking(msgspec.Struct, frozen=True):
    """What is known of the message after its delivery."""

    enabled: Annotated[bool, Meta(description="whether opens and clicks are recorded")]
    opens: int
    clicks: int
    complaints: int
    unsubscribes: int


class LastReply(msgspec.Struct, frozen=True):
    """What a receiver said last."""

    remote: str
    code: int
    enhanced: str | None


class RecipientView(msgspec.Struct, frozen=True):
    """One recipient's mail."""

    id: UUID
    address: str
    kind: Kind
    pool: Annotated[Pool, Meta(description="the processes it leaves by")]
    status: State
    reason: Annotated[str, Meta(description="where it is and why, with the rule named and the time it ends")]
    attempts: int
    next_attempt_at: Annotated[datetime | None, Meta(description="null when it is settled or may go at once")]
    settled_at: datetime | None
    last_reply: LastReply | None


class MessageSummary(msgspec.Struct, frozen=True, rename={"mail_class": "class", "sender": "from"}):
    """A line of the list of messages."""

    id: UUID
    status: Status
    sender: str
    subject: str
    mail_class: MailClass
    route: Route
    priority: int
    source: Source
    tags: tuple[str, ...]
    accepted_at: datetime
    recipient_count: int
    recipients: Annotated[tuple[str, ...], Meta(description="the first few addresses")]


class Page(msgspec.Struct, frozen=True):
    """Messages, newest first."""

    messages: tuple[MessageSummary, ...]
    next: Annotated[UUID | None, Meta(description="`cursor` of the next page; null on the last")]


class MessageView(msgspec.Struct, frozen=True, rename={"mail_class": "class", "sender": "from"}):
    """Everything about one message."""

    id: UUID
    message_id: Annotated[str, Meta(description="the Message-ID header")]
    status: Status
    route: Route
    reason: Annotated[str, Meta(description="why it takes this road")]
    mail_class: MailClass
    mailing_type: Annotated[str, Meta(description="of marketing; empty: of none")]
    pool: Annotated[Pool, Meta(description="the lane it leaves by")]
    priority: int
    source: Source
    tls: Annotated[str, Meta(description="verified: only to receivers that prove who they are; empty: no demand")]
    sender: str
    subject: str
    tags: tuple[str, ...]
    metadata: dict[str, str]
    accepted_at: datetime
    send_at: datetime | None
    expires_at: datetime
    size: Annotated[int, Meta(description="octets, without the signatures")]
    compliance: Compliance
    tracking: Tracking
    recipients: tuple[RecipientView, ...]


class EventView(msgspec.Struct, frozen=True):
    """One thing that happened to one recipient's mail."""

    id: UUID
    at: datetime
    kind: EventKind
    recipient_id: UUID
    recipient: str
    data: dict[str, Any]


class Events(msgspec.Struct, frozen=True):
    """Everything that happened to a message, oldest first."""

    events: tuple[EventView, ...]


def status_of(states: Collection[State]) -> str:
    """One word for a message whose recipients are in these states (see `Status`)."""
    for state in _UNSETTLED:
        if state in states:
            return state
    distinct = set(states)
    return PARTLY if len(distinct) != 1 else distinct.pop()


def summary(listed: Listed) -> MessageSummary:
    """A line of the list."""
    message = listed.message
    return MessageSummary(
        id=message.message_id,
        status=status_of(listed.states),
        sender=message.sender,
        subject=message.subject,
        mail_class=message.mail_class,
        route=message.route,
        priority=message.priority,
        source=message.source,
        tags=message.tags,
        accepted_at=message.accepted_at,
        recipient_count=message.recipient_count,
        recipients=tuple(recipient.address for recipient in listed.recipients),
    )


def detail(
    message: MessageRow,
    recipients: Sequence[RecipientRow],
    events: Sequence[EventRow],
    situations: Situations,
    now: datetime,
) -> MessageView:
    """The whole message."""
    return MessageView(
        id=message.message_id,
        message_id=message.message_id_header,
        status=status_of([recipient.state for recipient in recipients]),
        route=message.route,
        reason=message.route_reason,
        mail_class=message.mail_class,
        mailing_type=message.mailing_type,
        pool=recipients[0].pool,
        priority=message.priority,
        source=message.source,
        tls=message.tls,
        sender=message.sender,
        subject=message.subject,
        tags=message.tags,
        metadata=message.metadata,
        accepted_at=message.accepted_at,
        send_at=message.send_at,
        expires_at=message.expires_at,
        size=message.octets,
        compliance=Compliance(message.mail_class, _BASIS[message.mail_class], opt_out_shown=False),
        tracking=_tracking(events),
        recipients=tuple(_recipient(each, situations[each.recipient_id], now) for each in recipients),
    )


def timeline(events: Sequence[EventRow], recipients: Sequence[RecipientRow]) -> Events:
    """The events with the addresses they are about."""
    addresses = {recipient.recipient_id: recipient.address for recipient in recipients}
    return Events(
        tuple(
            EventView(
                each.event_id, each.occurred_at, each.kind, each.recipient_id, addresses[each.recipient_id], each.data
            )
            for each in events
        )
    )


def _tracking(events: Sequence[EventRow]) -> Tracking:
    kinds = [event.kind for event in events]
    # Links and images are not rewritten, so opens and clicks cannot be known: nothing recorded, and the view says so.
    return Tracking(
        enabled=False,
        opens=0,
        clicks=0,
        complaints=kinds.count(EventKind.COMPLAINED),
        unsubscribes=kinds.count(EventKind.UNSUBSCRIBED),
    )


def _recipient(recipient: RecipientRow, situation: Situation, now: datetime) -> RecipientView:
    pending = recipient.state not in FINAL_STATES and recipient.not_before > now
    return RecipientView(
        id=recipient.recipient_id,
        address=recipient.address,
        kind=recipient.kind,
        pool=recipient.pool,
        status=recipient.state,
        reason=explain(recipient, now, situation),
        attempts=recipient.attempts,
        next_attempt_at=recipient.not_before if pending else None,
        settled_at=recipient.settled_at,
        last_reply=LastReply(recipient.remote or "", recipient.code, recipient.enhanced) if recipient.code else None,
    )
