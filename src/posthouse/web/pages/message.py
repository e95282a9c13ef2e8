"""The page of one message: where it is and why, what happened, what is in it, and what can be done about it."""

import asyncio
from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from posthouse.accounts import credentials
from posthouse.accounts.sign_in import SignedIn
from posthouse.intake import operate
from posthouse.intake.contents import content
from posthouse.intake.resend import RESENT_FROM
from posthouse.ledger import timeline
from posthouse.ledger.timeline import AttemptRow
from posthouse.model.words import FINAL_STATES, Role
from posthouse.outbox import messages, situations
from posthouse.outbox.messages import MessageRow, RecipientRow
from posthouse.outbox.operator import ACTIONS, Selection
from posthouse.runtime.postgres import Connection
from posthouse.web.pages import reading, story, words
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech
from posthouse.web.pages.view import page, part, see
from posthouse.web.pages.words import N_
from posthouse.web.text import Speech

_TABS: Final = (
    ("preview", N_("Preview")),
    ("text", N_("Text")),
    ("headers", N_("Headers")),
    ("raw", N_("Source")),
)


@get("/messages/{message_id:uuid}", include_in_schema=False)
async def message_page(request: Page, person: Person, message_id: FromPath[UUID]) -> Response[str]:
    """The page, or its changing part alone."""
    workspace_id = person.workspace.workspace_id
    async with rooms(request).process.pool.acquire() as connection:
        message = await _found(connection, workspace_id, message_id)
        context = await _life(connection, message, person, speech(request, person))
        if "hx-request" in request.headers:
            return part(request, person, "message_life.html", message=message, **context)
        credential = await credentials.find(connection, workspace_id, message.credential_id)
    stored = await content(rooms(request).process, rooms(request).directory, workspace_id, message_id)
    shown = request.query_params.get("tab", "")
    shown = shown if shown in dict(_TABS) else "preview"
    images = request.query_params.get("images") == "1"
    facts = _facts(message, credential.name if credential else "")
    inside = await asyncio.to_thread(_inside, stored, speech(request, person))
    return page(
        request,
        person,
        "message.html",
        "messages",
        message=message,
        shown=shown,
        images=images,
        **context,
        **facts,
        **inside,
    )


@get("/messages/{message_id:uuid}/preview", include_in_schema=False)
async def message_preview(request: Page, person: Person, message_id: FromPath[UUID]) -> Response[str]:
    """The mail's own HTML, for the sandboxed frame only: its policy lets it do nothing but be looked at."""
    stored = await _content(request, person, message_id)
    read = await asyncio.to_thread(reading.read, stored)
    images = request.query_params.get("images") == "1"
    return Response(
        read.html or "",
        media_type="text/html; charset=utf-8",
        headers={
            "content-security-policy": reading.policy(images),
            "x-frame-options": "SAMEORIGIN",
            "cache-control": "no-store",
        },
    )


@get("/messages/{message_id:uuid}/raw", include_in_schema=False)
async def message_raw(request: Page, person: Person, message_id: FromPath[UUID]) -> Response[bytes]:
    """The mail as sent: the signatures of the last attempt, then the content as accepted. Never shown by the browser itself."""
    stored = await _content(request, person, message_id)
    workspace_id = person.workspace.workspace_id
    async with rooms(request).process.pool.acquire() as connection:
        recipients = await messages.recipients(connection, workspace_id, message_id)
        attempts = await _attempts(connection, workspace_id, message_id, recipients)
    signature = next((attempt.signature for attempt in reversed(attempts) if attempt.signature), b"")
    headers = {"content-disposition": f'attachment; filename="{message_id}.eml"', "cache-control": "no-store"}
    return Response(signature + stored, media_type="message/rfc822", headers=headers)


@post("/messages/{message_id:uuid}/{action:str}", include_in_schema=False)
async def message_act(request: Page, person: Person, message_id: FromPath[UUID], action: FromPath[str]) -> Redirect:
    """Retry, hold, release or cancel what is left of this message."""
    need(person, Role.SENDER)
    await form(request, person)
    if action not in ACTIONS:
        raise NotFoundException
    workspace_id = person.workspace.workspace_id
    async with rooms(request).process.pool.acquire() as connection:
        await _found(connection, workspace_id, message_id)
    selection = Selection(message_id=message_id)
    touched = await operate.apply(rooms(request).process, workspace_id, ACTIONS[action], selection, person.actor)
    return see(f"/messages/{message_id}?said={action if touched else 'nothing'}")


async def _found(connection: Connection, workspace_id: UUID, message_id: UUID) -> MessageRow:
    message = await messages.find(connection, workspace_id, message_id)
    if message is None:
        raise NotFoundException
    return message


async def _content(request: Page, person: SignedIn, message_id: UUID) -> bytes:
    stored = await content(rooms(request).process, rooms(request).directory, person.workspace.workspace_id, message_id)
    if stored is None:
        raise NotFoundException
    return stored


async def _attempts(
    connection: Connection, workspace_id: UUID, message_id: UUID, recipients: list[RecipientRow]
) -> list[AttemptRow]:
    ids = [recipient.recipient_id for recipient in recipients]
    return await timeline.attempts(connection, workspace_id, message_id, ids)


async def _life(connection: Connection, message: MessageRow, person: SignedIn, spoken: Speech) -> dict[str, Any]:
    """What changes while one looks."""
    workspace_id, message_id = person.workspace.workspace_id, message.message_id
    recipients = await messages.recipients(connection, workspace_id, message_id)
    events = await timeline.events(connection, workspace_id, message_id)
    attempts = await _attempts(connection, workspace_id, message_id, recipients)
    held_up = await situations.read(connection, workspace_id, recipients, spoken.now)
    states = [recipient.state for recipient in recipients]
    return {
        "recipients": [
            {"row": recipient, "why": words.why(recipient, held_up[recipient.recipient_id], spoken)}
            for recipient in recipients
        ],
        "totals": words.in_order({state: states.count(state) for state in set(states)}),
        "timeline": story.timeline(events, attempts, recipients, spoken),
        "actions": story.buttons(recipients, spoken) if person.may(Role.SENDER) else [],
        "again": person.may(Role.SENDER) and not FINAL_STATES.isdisjoint(states),
        "moving": story.is_moving(recipients),
    }


def _facts(message: MessageRow, credential: str) -> dict[str, Any]:
    """The words for the column at the side."""
    return {
        "route": words.ROUTES[message.route],
        "mail_class": words.CLASSES[message.mail_class],
        "source": words.SOURCES[message.source],
        "credential": credential,
        "resent_from": RESENT_FROM,
    }


def _inside(stored: bytes | None, spoken: Speech) -> dict[str, Any]:
    """What the tabs under the timeline show."""
    known: dict[str, Any] = {"tabs": [{"name": name, "label": label} for name, label in _TABS]}
    if stored is None:
        return known | {"has_content": False, "attachments": [], "has_html": False}
    read = reading.read(stored)
    raw, raw_cut = reading.source(stored)
    attachments = [
        {"name": part.filename or part.content_type, "size": spoken.size(len(part.body))} for part in read.attachments
    ]
    return known | {
        "has_content": True,
        "has_html": read.html is not None,
        "remote": read.remote,
        "text": read.text[: reading.RAW_SHOWN],
        "headers": read.headers[: reading.HEADERS_SHOWN],
        "raw": raw,
        "raw_cut": raw_cut,
        "attachments": attachments[: reading.ATTACHMENTS_SHOWN],
    }
