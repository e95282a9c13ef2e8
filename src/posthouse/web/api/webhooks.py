"""Webhooks by JSON: endpoints, what they were sent, and sending it once more."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from posthouse.accounts import changes
from posthouse.accounts.changes import Change
from posthouse.intake.request_fields import instant
from posthouse.intake.request_problems import Problems
from posthouse.model import limits
from posthouse.runtime.reach import Network, networks
from posthouse.web.api.bodies import read_object
from posthouse.web.api.exchange import Answer, Exchange, answer, id_of
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.webhooks import deliveries, endpoints, payload, replay
from posthouse.webhooks.deliveries import Attempt, Delivery
from posthouse.webhooks.endpoints import Endpoint, Made, Wish
from posthouse.webhooks.schedule import State

_UNKNOWN: Final = refuse(404, "There is no such webhook in the workspace.")
_URL: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": limits.WEBHOOK_URL_CHARS,
    "description": "an https address on the public internet; inside and by http only where webhooks.allowed_networks allows it",
}
_DESCRIPTION: Final[Schema] = {
    "type": "string",
    "maxLength": limits.WEBHOOK_DESCRIPTION_CHARS,
    "description": "what people call it",
}
_EVENTS: Final[Schema] = {
    "type": "array",
    "items": {"type": "string", "enum": [*payload.TYPES]},
    "maxItems": len(payload.TYPES),
    "description": "what it is told of; every event when empty",
}
NEW_BODY: Final[Schema] = {
    "type": "object",
    "properties": {"url": _URL, "description": _DESCRIPTION, "events": _EVENTS},
    "required": ["url"],
    "additionalProperties": False,
}
CHANGE_BODY: Final[Schema] = {
    "type": "object",
    "properties": {
        "url": _URL,
        "description": _DESCRIPTION,
        "events": _EVENTS,
        "enabled": {"type": "boolean", "description": "what happens while it is off is only sent by a replay"},
    },
    "additionalProperties": False,
}
REPLAY_BODY: Final[Schema] = {
    "type": "object",
    "properties": {
        "event": {
            "type": "string",
            "format": "uuid",
            "minLength": 36,
            "maxLength": 36,
            "description": "this event alone, its webhook-id",
        },
        "since": {
            "type": "string",
            "format": "date-time",
            "maxLength": 64,
            "description": "what has happened from then on, seven days ago at the earliest",
        },
        "failed": {"type": "boolean", "default": False, "description": "only what was given up"},
    },
    "additionalProperties": False,
}


class WebhookView(msgspec.Struct, frozen=True):
    """An endpoint, without its secret."""

    id: UUID
    url: str
    description: str
    events: Annotated[tuple[str, ...], Meta(description="empty: every event")]
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str
    failing_since: Annotated[datetime | None, Meta(description="nothing went well since then; null: the last try did")]
    previous_secret_until: Annotated[
        datetime | None, Meta(description="how long the secret before signs beside the new one")
    ]
    created_at: datetime
    created_by: str


class NewWebhook(msgspec.Struct, frozen=True):
    """An endpoint with a new secret."""

    secret: Annotated[str, Meta(description="signs what is sent: shown this once")]
    details: WebhookView


class Webhooks(msgspec.Struct, frozen=True):
    """Endpoints, oldest first."""

    webhooks: tuple[WebhookView, ...]


class WebhookAttempt(msgspec.Struct, frozen=True):
    """One try."""

    number: int
    started_at: datetime
    duration_ms: int
    status: int | None
    reason: Annotated[str, Meta(description="what went wrong; empty when it went well")]
    answer: Annotated[str, Meta(description="the first 1,024 octets of the answer")]
    remote: str


class WebhookDelivery(msgspec.Struct, frozen=True):
    """One event for one endpoint."""

    event_id: Annotated[UUID, Meta(description="the webhook-id")]
    message_id: Annotated[UUID | None, Meta(description="null for what happened to no message")]
    type: str
    occurred_at: datetime
    state: State
    tries: int
    next_attempt_at: Annotated[datetime | None, Meta(description="null when it is settled")]
    settled_at: datetime | None
    status: int | None
    reason: str
    attempts: Annotated[tuple[WebhookAttempt, ...], Meta(description="oldest first")]


class WebhookDeliveries(msgspec.Struct, frozen=True):
    """A page of deliveries, newest event first."""

    deliveries: tuple[WebhookDelivery, ...]
    next: Annotated[UUID | None, Meta(description="`cursor` of the next page; null on the last")]


class WebhookTest(msgspec.Struct, frozen=True):
    """A test on its way."""

    event_id: UUID


class WebhookReplay(msgspec.Struct, frozen=True):
    """What will be sent once more."""

    events: int
    next_since: Annotated[datetime | None, Meta(description="where the next replay begins; null: nothing is left")]


async def list_webhooks(exchange: Exchange) -> Answer:
    """The workspace's endpoints."""
    found = await endpoints.listing(exchange.rooms.process.pool, exchange.submitter.workspace_id)
    return answer(Webhooks(tuple(map(_view, found))))


async def show(exchange: Exchange) -> Answer:
    """One endpoint."""
    endpoint = await _found(exchange)
    return answer(_view(endpoint)) if endpoint else _UNKNOWN


async def create(exchange: Exchange) -> Answer:
    """Make an endpoint; its secret is in this answer only."""
    body = read_object(exchange.body, NEW_BODY)
    if isinstance(body, Answer):
        return body
    async with _changing(exchange) as change:
        made = await endpoints.add(change, _wish(body), _allowed(exchange))
    return (
        answer(NewWebhook(made.secret, _view(made.endpoint)), 201) if isinstance(made, Made) else refusal(invalid(made))
    )


async def alter(exchange: Exchange) -> Answer:
    """Change what is given, leave the rest."""
    body = read_object(exchange.body, CHANGE_BODY)
    if isinstance(body, Answer):
        return body
    endpoint = await _found(exchange)
    if endpoint is None:
        return _UNKNOWN
    async with _changing(exchange) as change:
        if body.keys() - {"enabled"}:
            wish = _wish(body, Wish(endpoint.url, endpoint.description, endpoint.kinds))
            changed = await endpoints.alter(change, endpoint.endpoint_id, wish, _allowed(exchange))
            if isinstance(changed, tuple):
                return refusal(invalid(changed))
        if "enabled" in body:
            await endpoints.switch(change, endpoint.endpoint_id, on=body["enabled"])
        now = await endpoints.find(change.connection, change.workspace_id, endpoint.endpoint_id)
    return answer(_view(now)) if now else _UNKNOWN


async def delete(exchange: Exchange) -> Answer:
    """End an endpoint."""
    return await _with(exchange, _deleted)


async def rotate(exchange: Exchange) -> Answer:
    """A new secret; it is in this answer only."""
    return await _with(exchange, _rotated)


async def send_test(exchange: Exchange) -> Answer:
    """An event that tells of nothing."""
    return await _with(exchange, _tested)


async def list_deliveries(exchange: Exchange) -> Answer:
    """What it was and is to be sent, with every attempt."""
    endpoint = await _found(exchange)
    if endpoint is None:
        return _UNKNOWN
    query, place = exchange.query, (exchange.submitter.workspace_id, endpoint.endpoint_id)
    state, cursor = query.get("state"), query.get("cursor")
    most = query.get("limit", limits.PAGE_ROWS_DEFAULT)
    assert isinstance(most, int)
    assert cursor is None or isinstance(cursor, UUID)
    async with exchange.rooms.process.pool.acquire() as connection:
        found = await deliveries.listing(connection, *place, State(str(state)) if state else None, cursor, most + 1)
        tried = await deliveries.attempts(connection, *place, [each.event_id for each in found])
    more = found[most - 1].event_id if len(found) > most else None
    shown = tuple(_delivery(each, tried[each.event_id]) for each in found[:most])
    return answer(WebhookDeliveries(shown, more))


async def send_again(exchange: Exchange) -> Answer:
    """One event, all since a time, or all that failed, once more."""
    body = read_object(exchange.body, REPLAY_BODY)
    if isinstance(body, Answer):
        return body
    problems = Problems()
    since = instant(body["since"], "/since", problems) if "since" in body else None
    event_id = id_of(body["event"]) if "event" in body else None
    if "event" in body and event_id is None:
        problems.add("/event", "invalid_id", "This is not an id.")
    if ("event" in body) == ("since" in body or body.get("failed", False)):
        problems.add("", "unclear", "Name one event, or a time, or what failed.")
    if problems:
        return refusal(invalid(problems.found()))

    async def again(change: Change, endpoint: Endpoint) -> Answer:
        done = await _replayed(change, endpoint, event_id, since, failed=body.get("failed", False))
        return answer(WebhookReplay(done.events, done.next_since), 202) if done else refuse(404, _NOT_KEPT)

    return await _with(exchange, again)


_NOT_KEPT: Final = "There is no such event in the workspace, or it is no longer kept."


async def _replayed(
    change: Change, endpoint: Endpoint, event_id: UUID | None, since: datetime | None, *, failed: bool
) -> replay.Replayed | None:
    if event_id is not None:
        return await replay.one(change, endpoint, event_id)
    if failed or since is None:
        return await replay.all_failed(change, endpoint, since)
    return await replay.all_since(change, endpoint, since)


async def _deleted(change: Change, endpoint: Endpoint) -> Answer:
    return Answer(204, b"") if await endpoints.delete(change, endpoint.endpoint_id) else _UNKNOWN


async def _rotated(change: Change, endpoint: Endpoint) -> Answer:
    made = await endpoints.rotate(change, endpoint.endpoint_id)
    return answer(NewWebhook(made.secret, _view(made.endpoint))) if made else _UNKNOWN


async def _tested(change: Change, endpoint: Endpoint) -> Answer:
    return answer(WebhookTest(await replay.test(change, endpoint)), 202)


async def _with(exchange: Exchange, do: Callable[[Change, Endpoint], Awaitable[Answer]]) -> Answer:
    """A change of the endpoint in the path."""
    endpoint = await _found(exchange)
    if endpoint is None:
        return _UNKNOWN
    async with _changing(exchange) as change:
        return await do(change, endpoint)


def _changing(exchange: Exchange) -> Any:  # noqa: ANN401 - a context manager of a Change
    submitter = exchange.submitter
    return changes.making(exchange.rooms.process, submitter.workspace_id, exchange.actor)


async def _found(exchange: Exchange) -> Endpoint | None:
    endpoint_id = exchange.path_id
    if endpoint_id is None:
        return None
    return await endpoints.find(exchange.rooms.process.pool, exchange.submitter.workspace_id, endpoint_id)


def _allowed(exchange: Exchange) -> Sequence[Network]:
    return networks(exchange.rooms.process.settings.webhooks.allowed_networks)


def _wish(body: Mapping[str, Any], before: Wish | None = None) -> Wish:
    known = before or Wish("")
    kinds = tuple(map(payload.kind_of, body["events"])) if "events" in body else known.kinds
    return Wish(body.get("url", known.url), body.get("description", known.description), kinds)


def _view(endpoint: Endpoint) -> WebhookView:
    return WebhookView(
        id=endpoint.endpoint_id,
        url=endpoint.url,
        description=endpoint.description,
        events=tuple(map(payload.type_of, endpoint.kinds)),
        enabled=endpoint.enabled,
        disabled_at=endpoint.disabled_at,
        disabled_reason=endpoint.disabled_reason,
        failing_since=endpoint.failing_since,
        previous_secret_until=endpoint.previous_until,
        created_at=endpoint.created_at,
        created_by=endpoint.created_by,
    )


def _delivery(each: Delivery, attempts: Sequence[Attempt]) -> WebhookDelivery:
    return WebhookDelivery(
        event_id=each.event_id,
        message_id=each.message_id if payload.is_of_mail(each.kind) else None,
        type=payload.type_of(each.kind),
        occurred_at=each.occurred_at,
        state=each.state,
        tries=each.tries,
        next_attempt_at=each.due_at if each.state is State.PENDING else None,
        settled_at=each.settled_at,
        status=each.status,
        reason=each.reason,
        attempts=tuple(
            WebhookAttempt(a.number, a.started_at, a.duration_ms, a.status, a.reason, a.answer, a.remote)
            for a in attempts
        ),
    )
