"""The page an opt-out link leads to, and what is posted there: by the page itself, or with one click by a mail program."""

from typing import Final
from urllib.parse import parse_qsl

from litestar import HttpMethod, Response, post, route
from litestar.params import FromPath

from posthouse.intake import opt_out
from posthouse.intake.opt_out import PATH, Link, Standing
from posthouse.ledger.suppression import MARKETING
from posthouse.web.pages.session import Page, parts_sent, rooms, speech
from posthouse.web.pages.view import fragment, html
from posthouse.wire.list_unsubscribe import ONE_CLICK

_PATH: Final = PATH + "{token:str}"
_FIELDS: Final = 10  # the page sends one, a mail program one
_STOP, _UNDO = "stop", "undo"
TYPE, ALL = "type", "all"  # the values of both


@route(_PATH, http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False)
async def opt_out_page(request: Page, token: FromPath[str]) -> Response[str]:
    """Says what can be stopped, and what is; changes nothing."""
    link = await _named(request, token)
    if link is None:
        return _page(request, 404)
    return _standing(request, link, await opt_out.look(rooms(request).process, link))


@post(_PATH, status_code=200, include_in_schema=False)
async def opt_out_answer(request: Page, token: FromPath[str]) -> Response[str]:
    """Stops or takes back what is asked for, and says so."""
    link = await _named(request, token)
    if link is None:
        return _page(request, 404)
    wish = read(request.headers.get("content-type", ""), await request.body())
    process = rooms(request).process
    before = await opt_out.look(process, link)
    if wish is None or before is None:
        return _standing(request, link, before, 400)
    verb, scope = wish[0], MARKETING if wish[1] == ALL else before.type_scope
    if verb == _STOP:
        await opt_out.stop(process, link, scope)
    else:
        await opt_out.take_back(process, link, before, scope)
    return _standing(request, link, await opt_out.look(process, link), done=(verb, wish[1]))


def read(content_type: str, body: bytes) -> tuple[str, str] | None:
    """What a form asks for, as (verb, what); None for anything else. A mail program's one click is for the type of the mail. Pure."""
    fields = _fields(content_type, body)
    if ONE_CLICK in fields.items():
        return _STOP, TYPE
    return next(((verb, fields[verb]) for verb in (_STOP, _UNDO) if fields.get(verb) in (TYPE, ALL)), None)


def _fields(content_type: str, body: bytes) -> dict[str, str]:
    if content_type.lower().startswith("multipart/form-data"):
        sent = parts_sent(content_type, body)
        return {name: part.body.decode("latin-1").strip() for name, part in sent.items()}
    try:
        return dict(parse_qsl(body.decode("latin-1").strip(), max_num_fields=_FIELDS))
    except ValueError:
        return {}


async def _named(request: Page, token: str) -> Link | None:
    return await opt_out.named(rooms(request).process, rooms(request).directory, token)


def _standing(
    request: Page, link: Link, standing: Standing | None, status: int = 200, done: tuple[str, str] = ("", "")
) -> Response[str]:
    """The page for how things stand; 410 when nobody knows any more to whom the mail went."""
    if standing is None:
        return _page(request, 410, link)
    return _page(request, status, link, standing, done)


def _page(
    request: Page,
    status: int,
    link: Link | None = None,
    standing: Standing | None = None,
    done: tuple[str, str] = ("", ""),
) -> Response[str]:
    workspace = link.workspace if link else None
    context = {
        "status": status,
        "workspace": workspace,
        "standing": standing,
        "sender": (standing.sender if standing else "") or (workspace.name if workspace else ""),
        "address": masked(standing.address) if standing else "",
        "all_stopped": standing is not None and standing.has_stopped(MARKETING),
        "type_stopped": standing is not None and standing.has_stopped(standing.type_scope),
        "verb": done[0],
        "what": done[1],
    }
    answer = html(fragment("opt_out.html", speech(request), **context), status)
    answer.headers["x-robots-tag"] = "noindex, nofollow"
    return answer


def masked(address: str) -> str:
    """Enough of an address for its owner to know it by, too little for others to write to it. Pure."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"
