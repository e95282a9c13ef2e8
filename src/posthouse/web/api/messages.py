"""Reading messages, taking them back, and sending them again."""

from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from posthouse.intake.contents import content
from posthouse.intake.operate import apply
from posthouse.intake.request import Call
from posthouse.intake.resend import compose
from posthouse.ledger import timeline
from posthouse.ledger.timeline import AttemptRow
from posthouse.model.limits import ADDRESS_OCTETS, DISPLAY_NAME_CHARS, PAGE_ROWS_DEFAULT, RECIPIENTS_PER_MESSAGE
from posthouse.model.mail import Refused
from posthouse.outbox import messages, situations
from posthouse.outbox.messages import Filters, MessageRow
from posthouse.outbox.operator import CANCEL, Selection
from posthouse.runtime.postgres import Connection
from posthouse.web.api import views
from posthouse.web.api.bodies import read_object
from posthouse.web.api.exchange import Answer, Exchange, answer
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.web.api.submit import Response, hand_over, idempotency_key

RFC822 = "message/rfc822"
RESEND_BODY: Final[Schema] = {
    "type": "object",
    "properties": {
        "to": {
            "type": "array",
            "minItems": 1,
            "maxItems": RECIPIENTS_PER_MESSAGE,
            "items": {"type": "string", "minLength": 1, "maxLength": 2 * ADDRESS_OCTETS + DISPLAY_NAME_CHARS},
            "description": "those of its recipients who get it again; left out, all of them",
        },
    },
}


class Cancelled(msgspec.Struct, frozen=True):
    """How many recipients' mail was taken back; the rest had left, or was leaving."""

    cancelled: int


async def search(exchange: Exchange) -> Answer:
    """A page of messages, newest first."""
    query = cast("dict[str, Any]", dict(exchange.query))
    limit = query.pop("limit", PAGE_ROWS_DEFAULT)
    after = query.pop("cursor", None)
    filters = Filters(query=query.pop("q", ""), mail_class=query.pop("class", None), **query)
    async with exchange.rooms.process.pool.acquire() as connection:
        listed = await messages.search(connection, exchange.submitter.workspace_id, filters, after, limit)
    following = listed[-1].message.message_id if len(listed) == limit else None
    return answer(views.Page(tuple(map(views.summary, listed)), following))


async def show(exchange: Exchange) -> Answer:
    """One message with its recipients."""
    async with exchange.rooms.process.pool.acquire() as connection:
        message = await _find(connection, exchange)
        if message is None:
            return _unknown()
        workspace_id, message_id = exchange.submitter.workspace_id, message.message_id
        recipients = await messages.recipients(connection, workspace_id, message_id)
        events = await timeline.events(connection, workspace_id, message_id)
        now = exchange.rooms.process.clock.now()
        held_up = await situations.read(connection, workspace_id, recipients, now)
    return answer(views.detail(message, recipients, events, held_up, now))


async def events(exchange: Exchange) -> Answer:
    """What happened to a message."""
    async with exchange.rooms.process.pool.acquire() as connection:
        message = await _find(connection, exchange)
        if message is None:
            return _unknown()
        workspace_id, message_id = exchange.submitter.workspace_id, message.message_id
        recipients = await messages.recipients(connection, workspace_id, message_id)
        found = await timeline.events(connection, workspace_id, message_id)
    return answer(views.timeline(found, recipients))


async def raw(exchange: Exchange) -> Answer:
    """The message as sent: the signatures of the last attempt, then the content as accepted."""
    rooms, workspace_id = exchange.rooms, exchange.submitter.workspace_id
    async with rooms.process.pool.acquire() as connection:
        message = await _find(connection, exchange)
        if message is None:
            return _unknown()
        recipients = await messages.recipients(connection, workspace_id, message.message_id)
        ids = [recipient.recipient_id for recipient in recipients]
        attempts = await timeline.attempts(connection, workspace_id, message.message_id, ids)
    stored = await content(rooms.process, rooms.directory, workspace_id, message.message_id)
    if stored is None:
        return _emptied()
    return Answer(200, _last_signature(attempts) + stored, RFC822)


async def cancel(exchange: Exchange) -> Answer:
    """Take back what has not left."""
    async with exchange.rooms.process.pool.acquire() as connection:
        message = await _find(connection, exchange)
    if message is None:
        return _unknown()
    submitter = exchange.submitter
    selection = Selection(message_id=message.message_id)
    cancelled = await apply(exchange.rooms.process, submitter.workspace_id, CANCEL, selection, exchange.actor)
    return answer(Cancelled(cancelled))


async def resend(exchange: Exchange) -> Answer:
    """Send a message again, to all its recipients or to some; 202 after COMMIT."""
    key = idempotency_key(exchange)
    if isinstance(key, Answer):
        return key
    asked = read_object(exchange.body or b"{}", RESEND_BODY)
    if isinstance(asked, Answer):
        return asked
    rooms = exchange.rooms
    async with rooms.process.pool.acquire() as connection:
        message = await _find(connection, exchange)
    if message is None:
        return _unknown()
    composed = await compose(rooms.process, rooms.directory, exchange.submitter, message, asked.get("to"))
    if composed is None:
        return _emptied()
    if isinstance(composed, Refused):
        return refusal(invalid(composed.problems, composed.status))
    return await hand_over(exchange, [composed], key, Response(Call(True, (composed,)), dry=False))


async def _find(connection: Connection, exchange: Exchange) -> MessageRow | None:
    message_id = exchange.path_id
    return await messages.find(connection, exchange.submitter.workspace_id, message_id) if message_id else None


def _last_signature(attempts: Sequence[AttemptRow]) -> bytes:
    return next((attempt.signature for attempt in reversed(attempts) if attempt.signature), b"")


def _unknown() -> Answer:
    return refuse(404, "There is no message with this id in the workspace.")


def _emptied() -> Answer:
    return refuse(404, "The content of this message is not kept any more.")
