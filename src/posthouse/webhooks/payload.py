"""What a consumer is told of an event: the same octets at every try. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from posthouse.ledger.feed import Fact
from posthouse.model.words import EventKind
from posthouse.outbox.messages import MessageRow
from posthouse.webhooks import news
from posthouse.webhooks.news import News

TEST_KIND: Final = "test"
_TEST_TYPE: Final = "webhook.test"


KINDS: Final = (*EventKind, *news.KINDS)
"""What an endpoint may ask for, as it is stored: events of mail without their prefix, news in full."""
TYPES: Final = tuple(f"message.{kind}" for kind in EventKind) + news.KINDS
"""The same as consumers say it."""


class MessageData(msgspec.Struct, frozen=True, rename={"mail_class": "class", "sender": "from"}):
    """The data of an event of one recipient's mail."""

    event_id: UUID
    message_id: UUID
    message_id_header: str
    recipient_id: UUID
    recipient: str
    sender: str
    mail_class: str
    reason: str
    code: int | None
    status: str | None
    tags: tuple[str, ...]
    metadata: dict[str, str]
    details: dict[str, Any]


class Body(msgspec.Struct, frozen=True):
    """The body Standard Webhooks asks for."""

    type: str
    timestamp: datetime
    data: MessageData | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of the message an event is about."""

    message: MessageRow
    recipient: str


def type_of(kind: str) -> str:
    """The type as consumers see it; it never changes its meaning."""
    if kind == TEST_KIND:
        return _TEST_TYPE
    return kind if kind in news.KINDS else f"message.{kind}"


def kind_of(type_: str) -> str:
    """The kind of event a type stands for; what stands for none stays as it is."""
    return type_.removeprefix("message.")


def body(fact: Fact, context: Context) -> bytes:
    """The JSON of an event."""
    happened, message, data = fact.happened, context.message, fact.data
    told = MessageData(
        event_id=happened.event_id,
        message_id=happened.message_id,
        message_id_header=message.message_id_header,
        recipient_id=happened.recipient_id,
        recipient=context.recipient,
        sender=message.sender,
        mail_class=message.mail_class,
        reason=str(data.get("reason") or data.get("text") or ""),
        code=_code(data.get("code")),
        status=_text(data.get("enhanced") or data.get("status")),
        tags=message.tags,
        metadata=message.metadata,
        details=data,
    )
    return msgspec.json.encode(Body(type_of(happened.kind), happened.occurred_at, told))


def news_body(told: News) -> bytes:
    """The JSON of news: its own data beside its id."""
    happened = told.happened
    data = {"event_id": str(happened.event_id), **told.data}
    return msgspec.json.encode(Body(happened.kind, happened.occurred_at, data))


def is_of_mail(kind: str) -> bool:
    """Whether it happened to a message."""
    return kind != TEST_KIND and kind not in news.KINDS


def test_body(event_id: UUID, at: datetime) -> bytes:
    """The JSON of a test: nothing has happened."""
    said = "This is a test: nothing has happened to any mail."
    return msgspec.json.encode(Body(_TEST_TYPE, at, {"event_id": str(event_id), "reason": said}))


def _code(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: object) -> str | None:
    return str(value) if value else None
