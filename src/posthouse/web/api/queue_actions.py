"""The operator's hands by JSON: an action on whatever a selection names, and suspensions."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from posthouse.intake import operate
from posthouse.intake.operate import Stop
from posthouse.intake.request_fields import instant
from posthouse.intake.request_problems import Problems
from posthouse.model.errors import FieldProblem
from posthouse.model.limits import (
    ADDRESS_OCTETS,
    ATTEMPTS_SOUGHT,
    MESSAGE_LIFETIME_S,
    OPERATOR_REASON_CHARS,
    PRIORITY_HIGHEST,
    PRIORITY_LOWEST,
    RECIPIENTS_PER_CALL,
    REPLY_SOUGHT_CHARS,
    SCHEDULE_AHEAD_S,
    TAG_CHARS,
)
from posthouse.model.words import Pool, State
from posthouse.outbox import suspensions
from posthouse.outbox.operator import ACTIONS, BOUNCE, Action, Selection, move_to
from posthouse.outbox.suspensions import Suspension
from posthouse.web.api.bodies import read_object
from posthouse.web.api.exchange import Answer, Exchange, answer
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.wire.addresses import to_a_label

_UUID: Final[Schema] = {"type": "string", "format": "uuid", "minLength": 36, "maxLength": 36}
_DOMAIN: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 253}
_POOL: Final[Schema] = {"type": "string", "enum": [*Pool]}
_PRIORITY: Final[Schema] = {"type": "integer", "minimum": PRIORITY_LOWEST, "maximum": PRIORITY_HIGHEST}
_REASON: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": OPERATOR_REASON_CHARS}
_SELECTION: Final[dict[str, Schema]] = {
    "message": {**_UUID, "description": "all recipients of this message"},
    "recipients": {
        "type": "array",
        "items": _UUID,
        "minItems": 1,
        "maxItems": RECIPIENTS_PER_CALL,
        "description": "the mail of these recipients, by id",
    },
    "domain": {**_DOMAIN, "description": "the recipient's domain"},
    "pool": {**_POOL, "description": "the pool it leaves by"},
    "state": {
        "type": "string",
        "enum": [State.WAITING, State.READY, State.HELD],
        "description": "only mail in this state",
    },
    "sender": {"type": "string", "minLength": 1, "maxLength": ADDRESS_OCTETS, "description": "the address in From"},
    "tag": {"type": "string", "minLength": 1, "maxLength": TAG_CHARS},
    "priority_from": {**_PRIORITY, "description": "at least this priority"},
    "priority_to": {**_PRIORITY, "description": "at most this priority"},
    "older_than": {
        "type": "integer",
        "minimum": 1,
        "maximum": SCHEDULE_AHEAD_S + MESSAGE_LIFETIME_S,
        "description": "seconds since it was accepted",
    },
    "attempts": {"type": "integer", "minimum": 1, "maximum": ATTEMPTS_SOUGHT, "description": "at least so many"},
    "reply": {
        "type": "string",
        "minLength": 1,
        "maxLength": REPLY_SOUGHT_CHARS,
        "description": "a part of the last reply, as the mail's reason quotes it",
    },
}
ACTION_BODY: Final[Schema] = {
    "type": "object",
    "properties": {
        "action": {"type": "string", "enum": [*ACTIONS, BOUNCE.name, "move"]},
        "selection": {
            "type": "object",
            "properties": _SELECTION,
            "additionalProperties": False,
            "description": "mail that is all of what is given; at least one condition",
        },
        "reason": {
            **_REASON,
            "description": "shown with the mail and kept in the audit log; needed to bounce and to force",
        },
        "pool": {**_POOL, "description": "where mail is moved to"},
        "force": {
            "type": "boolean",
            "default": False,
            "description": "moves marketing to the transactional pool too",
        },
        "dry_run": {"type": "boolean", "default": False, "description": "count, and change nothing"},
    },
    "required": ["action", "selection"],
    "additionalProperties": False,
}
SUSPENSION_BODY: Final[Schema] = {
    "type": "object",
    "properties": {
        "domain": {**_DOMAIN, "description": "mail for this destination; all of them when absent"},
        "pool": {**_POOL, "description": "mail of this pool; all of them when absent"},
        "mailing": {
            "type": "string",
            "minLength": 1,
            "maxLength": TAG_CHARS,
            "description": "marketing whose first tag this is, or without tags whose mailing type: instead of domain and pool",
        },
        "everything": {
            "type": "boolean",
            "default": False,
            "description": "all mail of the workspace: instead of domain, pool and mailing",
        },
        "drain": {
            "type": "boolean",
            "default": False,
            "description": "mail already taken from the queue still goes; else what is not on the wire goes back",
        },
        "until": {
            "type": "string",
            "format": "date-time",
            "maxLength": 64,
            "description": "when it ends by itself; until resumed when absent",
        },
        "reason": {**_REASON, "description": "told to whoever asks why the mail waits; needed unless draining"},
    },
    "additionalProperties": False,
}


class Acted(msgspec.Struct, frozen=True):
    """What an action did, or with `dry_run` would do."""

    action: str
    mails: Annotated[int, Meta(description="recipients' mail touched; what is being sent at this moment is not")]
    dry_run: bool


class SuspensionView(msgspec.Struct, frozen=True):
    """Mail that is stopped."""

    id: UUID
    domain: Annotated[str | None, Meta(description="null: every destination")]
    pool: Annotated[Pool | None, Meta(description="null: every pool")]
    sender_domain: Annotated[
        str | None,
        Meta(
            description="its bulk mail (every pool but the transactional one), held until it is resumed; null: not by From"
        ),
    ]
    mailing: Annotated[
        str | None,
        Meta(description="marketing of this name, held until it is resumed; null: not by mailing"),
    ]
    drain: bool
    reason: str
    created_by: Annotated[str, Meta(description="breaker: too much bounced or was complained about")]
    created_at: datetime
    until: Annotated[datetime | None, Meta(description="null: until it is resumed")]


class Suspensions(msgspec.Struct, frozen=True):
    """What is in force."""

    suspensions: Annotated[tuple[SuspensionView, ...], Meta(description="newest first")]


async def act(exchange: Exchange) -> Answer:
    """Do something to queued mail, or count what it would be done to."""
    body = read_object(exchange.body, ACTION_BODY)
    if isinstance(body, Answer):
        return body
    process, workspace_id = exchange.rooms.process, exchange.submitter.workspace_id
    action, selection = _action(body), _selection(body["selection"], process.clock.now())
    if isinstance(action, FieldProblem) or isinstance(selection, FieldProblem):
        return refusal(invalid([each for each in (action, selection) if isinstance(each, FieldProblem)]))
    reason, dry_run = body.get("reason", ""), body.get("dry_run", False)
    outlook = await operate.look(process, workspace_id, action, selection)
    shared = process.settings.delivery.shared_pool
    if problems := (*operate.refusal(action, reason, shared_pool=shared), *outlook.problems):
        return refusal(invalid(problems))
    if dry_run:
        return answer(Acted(action.name, outlook.mails, dry_run=True))
    mails = await operate.apply(process, workspace_id, action, selection, exchange.actor, reason)
    return answer(Acted(action.name, mails, dry_run=False))


async def list_suspensions(exchange: Exchange) -> Answer:
    """What is in force."""
    process, workspace_id = exchange.rooms.process, exchange.submitter.workspace_id
    async with process.pool.acquire() as connection:
        found = await suspensions.in_force(connection, workspace_id, process.clock.now())
    return answer(Suspensions(tuple(map(_view, found))))


async def suspend(exchange: Exchange) -> Answer:
    """Stop mail without touching it."""
    body = read_object(exchange.body, SUSPENSION_BODY)
    if isinstance(body, Answer):
        return body
    problems = Problems()
    until = instant(body["until"], "/until", problems) if "until" in body else None
    if problems:
        return refusal(invalid(problems.found()))
    pool = Pool(body["pool"]) if "pool" in body else None
    stop = Stop(**(body | {"pool": pool, "until": until}))
    made = await operate.suspend(exchange.rooms.process, exchange.submitter.workspace_id, stop, exchange.actor)
    return answer(_view(made), 201) if isinstance(made, Suspension) else refusal(invalid(made))


async def resume(exchange: Exchange) -> Answer:
    """Let stopped mail go."""
    suspension_id = _uuid(exchange.path["id"])
    process, workspace_id = exchange.rooms.process, exchange.submitter.workspace_id
    ended = suspension_id and await operate.resume(process, workspace_id, [suspension_id], exchange.actor)
    return Answer(204, b"") if ended else refuse(404, "There is no suspension with this id in force.")


def _action(body: dict[str, Any]) -> Action | FieldProblem:
    name = body["action"]
    if name in ACTIONS:
        return ACTIONS[name]
    if name == BOUNCE.name:
        return BOUNCE
    if "pool" not in body:
        return FieldProblem("/pool", "required", "Name the pool to move the mail to.")
    return move_to(Pool(body["pool"]), forced=body.get("force", False))


def _selection(given: dict[str, Any], now: datetime) -> Selection | FieldProblem:
    """The conditions as the outbox has them, or the first that names nothing."""
    if not given:
        return FieldProblem(
            "/selection", "required", "Give at least one condition: an action on everything is never meant."
        )
    if "domain" in given and to_a_label(given["domain"]) is None:
        return FieldProblem("/selection/domain", "invalid_domain", "This is not a domain name such as example.com.")
    message, recipients = _uuid(given.get("message", "")), [_uuid(text) for text in given.get("recipients", ())]
    if "message" in given and message is None:
        return FieldProblem("/selection/message", "invalid_id", "This is not an id.")
    if None in recipients:
        return FieldProblem(f"/selection/recipients/{recipients.index(None)}", "invalid_id", "This is not an id.")
    return Selection(
        message_id=message,
        recipient_ids=[each for each in recipients if each] or None,
        domain=to_a_label(given["domain"]) if "domain" in given else None,
        pool=Pool(given["pool"]) if "pool" in given else None,
        state=State(given["state"]) if "state" in given else None,
        sender=given.get("sender"),
        tag=given.get("tag"),
        priority_least=given.get("priority_from"),
        priority_most=given.get("priority_to"),
        accepted_before=now - timedelta(seconds=given["older_than"]) if "older_than" in given else None,
        attempts_least=given.get("attempts"),
        reply=given.get("reply"),
    )


def _uuid(text: str) -> UUID | None:
    """In its one form (RFC 9562 4), of the several that Python reads."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text.lower() else None


def _view(suspension: Suspension) -> SuspensionView:
    return SuspensionView(
        id=suspension.suspension_id,
        domain=suspension.domain,
        pool=suspension.pool,
        sender_domain=suspension.sender_domain,
        mailing=suspension.mailing,
        drain=suspension.drain,
        reason=suspension.reason,
        created_by=suspension.created_by,
        created_at=suspension.created_at,
        until=suspension.until,
    )
