"""Webhooks: who is told of events, what they were sent, and sending it once more. A secret is in one answer and nowhere else."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from posthouse.accounts import changes
from posthouse.accounts.sign_in import SignedIn
from posthouse.model.words import Role
from posthouse.runtime.reach import networks
from posthouse.web.pages import query
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.settings_pages import tabs
from posthouse.web.pages.view import by_field, page, see
from posthouse.web.pages.words import N_
from posthouse.webhooks import deliveries, endpoints, payload, replay
from posthouse.webhooks.endpoints import Endpoint, Made, Wish
from posthouse.webhooks.schedule import State

_SHOWN: Final = 25
_EMPTY: Final[dict[str, Any]] = {"url": "", "description": "", "events": []}
STATES: Final = {
    State.PENDING: (N_("Waiting"), "wait", "clock"),
    State.DELIVERED: (N_("Delivered"), "good", "check"),
    State.FAILED: (N_("Given up"), "bad", "cross"),
}


@get("/webhooks", include_in_schema=False)
async def webhook_list(request: Page, person: Person) -> Response[str]:
    """Every endpoint of the workspace."""
    need(person, Role.ADMIN)
    workspace_id = person.workspace.workspace_id
    async with rooms(request).process.pool.acquire() as connection:
        found = await endpoints.listing(connection, workspace_id)
        counts = [await deliveries.counts(connection, workspace_id, each.endpoint_id) for each in found]
    shown = [_line(each) | {"pending": few[0], "failed": few[1]} for each, few in zip(found, counts, strict=True)]
    return _page(request, person, "webhooks.html", webhooks=shown)


@get("/webhooks/new", include_in_schema=False)
async def webhook_form(request: Page, person: Person) -> Response[str]:
    """The form for a new one."""
    need(person, Role.ADMIN)
    return _form(request, person, _EMPTY)


@post("/webhooks", status_code=200, include_in_schema=False)
async def webhook_add(request: Page, person: Person) -> Response[str]:
    """Makes it and shows the secret in this answer: a reload asks again, so nothing is stored to show it a second time."""
    need(person, Role.ADMIN)
    fields = await form(request, person)
    values: dict[str, Any] = {
        "url": text(fields, "url"),
        "description": text(fields, "description"),
        "events": [each for each in fields.getall("events", []) if each in payload.TYPES],
    }
    process = rooms(request).process
    wish = Wish(values["url"], values["description"], tuple(map(payload.kind_of, values["events"])))
    async with changes.making(process, person.workspace.workspace_id, person.actor) as change:
        made = await endpoints.add(change, wish, networks(process.settings.webhooks.allowed_networks))
    if isinstance(made, Made):
        return await _detail(request, person, made.endpoint, secret=made.secret)
    return _form(request, person, values, status=422, errors=by_field(made, speech(request, person)))


@get("/webhooks/{endpoint_id:uuid}", include_in_schema=False)
async def webhook_page(request: Page, person: Person, endpoint_id: FromPath[UUID]) -> Response[str]:
    """One endpoint with what it was sent."""
    need(person, Role.ADMIN)
    return await _detail(request, person, await _found(request, person, endpoint_id))


@post("/webhooks/{endpoint_id:uuid}/rotate", status_code=200, include_in_schema=False)
async def webhook_rotate(request: Page, person: Person, endpoint_id: FromPath[UUID]) -> Response[str]:
    """A new secret, shown in this answer."""
    need(person, Role.ADMIN)
    await form(request, person)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        made = await endpoints.rotate(change, endpoint_id)
    if made is None:
        raise NotFoundException
    return await _detail(request, person, made.endpoint, secret=made.secret)


@post("/webhooks/{endpoint_id:uuid}/act", include_in_schema=False)
async def webhook_act(request: Page, person: Person, endpoint_id: FromPath[UUID]) -> Redirect:
    """Tests it, switches it off or on, or sends once more: the button says which."""
    need(person, Role.ADMIN)
    fields = await form(request, person)
    endpoint = await _found(request, person, endpoint_id)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        done = await _acted(change, endpoint, fields)
    return see(f"/webhooks/{endpoint_id}?said={done}")


@get("/webhooks/{endpoint_id:uuid}/delete", include_in_schema=False)
async def webhook_delete_page(request: Page, person: Person, endpoint_id: FromPath[UUID]) -> Response[str]:
    """Says what deleting does, and asks."""
    need(person, Role.ADMIN)
    endpoint = await _found(request, person, endpoint_id)
    spoken = speech(request, person)
    return page(
        request,
        person,
        "sure.html",
        "settings",
        heading=spoken.say("Delete this webhook?"),
        back=f"/webhooks/{endpoint_id}",
        back_label=endpoint.url,
        back_is_name=True,
        touches=(spoken.say("It is told of nothing more, and what waits for it is not sent. This cannot be undone."),),
        tone="bad",
        action=f"/webhooks/{endpoint_id}/delete",
        fields={},
        label=spoken.say("Delete"),
        look="danger sure",
        possible=True,
    )


@post("/webhooks/{endpoint_id:uuid}/delete", include_in_schema=False)
async def webhook_delete(request: Page, person: Person, endpoint_id: FromPath[UUID]) -> Redirect:
    """Deletes it."""
    need(person, Role.ADMIN)
    await form(request, person)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        deleted = await endpoints.delete(change, endpoint_id)
    return see(f"/webhooks?said={'removed' if deleted else 'nothing'}")


async def _acted(change: changes.Change, endpoint: Endpoint, fields: FormMultiDict) -> str:
    """Does it; the word of `view.SAID` for what was done."""
    match text(fields, "act"):
        case "test":
            await replay.test(change, endpoint)
            return "replayed"
        case "on" | "off" as way:
            return "saved" if await endpoints.switch(change, endpoint.endpoint_id, on=way == "on") else "nothing"
        case "failed":
            return "replayed" if (await replay.all_failed(change, endpoint)).events else "nothing"
        case "event":
            done = await replay.one(change, endpoint, _uuid(text(fields, "event")))
            return "replayed" if done and done.events else "nothing"
        case _:
            raise NotFoundException


def _uuid(written: str) -> UUID:
    try:
        return UUID(written)
    except ValueError as error:
        raise NotFoundException from error


async def _found(request: Page, person: SignedIn, endpoint_id: UUID) -> Endpoint:
    found = await endpoints.find(rooms(request).process.pool, person.workspace.workspace_id, endpoint_id)
    if found is None:
        raise NotFoundException
    return found


async def _detail(request: Page, person: SignedIn, endpoint: Endpoint, secret: str = "") -> Response[str]:
    place = person.workspace.workspace_id, endpoint.endpoint_id
    state = query.word(State, request.query_params.get("state", ""))
    before = query.identifier(request.query_params.get("before", ""))
    async with rooms(request).process.pool.acquire() as connection:
        found = await deliveries.listing(connection, *place, state, before, _SHOWN + 1)
        shown = found[:_SHOWN]
        tried = await deliveries.attempts(connection, *place, [each.event_id for each in shown])
        counts = await deliveries.counts(connection, *place)
    at, kept = f"/webhooks/{endpoint.endpoint_id}", {"state": state or ""}
    older = f"{at}?{query.encoded(kept | {'before': str(shown[-1].event_id)})}" if len(found) > _SHOWN else ""
    return _page(
        request,
        person,
        "webhook.html",
        webhook=_line(endpoint),
        secret=secret,
        counts=dict(zip(("pending", "failed"), counts, strict=True)),
        lines=[
            {
                "d": each,
                "type": payload.type_of(each.kind),
                "of_mail": payload.is_of_mail(each.kind),
                "tries": tried[each.event_id],
            }
            for each in shown
        ],
        chosen=state or "",
        older=older,
        newer=f"{at}?{query.encoded(kept)}" if before else "",
    )


def _form(request: Page, person: SignedIn, values: dict[str, Any], **context: Any) -> Response[str]:  # noqa: ANN401
    return _page(request, person, "webhook_new.html", form=values, types=payload.TYPES, **context)


def _page(request: Page, person: SignedIn, name: str, **context: Any) -> Response[str]:  # noqa: ANN401
    known = {"settings_tabs": tabs(person), "tab_here": "webhooks", "progress": STATES}
    return page(request, person, name, "settings", **(known | context))


def _line(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.endpoint_id,
        "url": endpoint.url,
        "description": endpoint.description,
        "events": [payload.type_of(kind) for kind in endpoint.kinds],
        "enabled": endpoint.enabled,
        "reason": endpoint.disabled_reason,
        "failing_since": endpoint.failing_since,
        "previous_until": endpoint.previous_until,
        "created_at": endpoint.created_at,
        "created_by": endpoint.created_by.removeprefix("user:"),
    }
