"""Who is looking: the cookie, the form token, and what a role may do. Every page that is not a sign-in page starts here."""

import hmac
import re
from hashlib import sha256
from typing import Any, Final

from litestar import Request
from litestar.datastructures import Cookie, FormMultiDict
from litestar.di import NamedDependency
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException

from posthouse.accounts import sign_in
from posthouse.accounts.sign_in import SignedIn
from posthouse.model.limits import RECIPIENTS_PER_MESSAGE
from posthouse.model.words import Role
from posthouse.web.rooms import Rooms
from posthouse.web.text import Speech, choose, zone

Page = Request[Any, Any, Any]
Person = NamedDependency[SignedIn]  # what the handlers of the signed-in router are given by `provide_person`
COOKIE: Final = "posthouse_session"
ZONE_COOKIE: Final = "zone"
_FORM_TYPE: Final = (
    "application/x-www-form-urlencoded"  # what our forms are; the parser of the other kind need not be reachable
)
_FORM_FIELDS: Final = RECIPIENTS_PER_MESSAGE + 10  # the longest form has a box for each recipient of a message

_PART_NAME: Final = re.compile(rb';\s*name="([^"]{1,100})"')


class Forged(Exception):  # noqa: N818 - a judgement about the request, not an error of ours
    """The form did not come from our page, or its page is too old."""


def rooms(request: Page) -> Rooms:
    """Database, directory and door, as the web process was built with them."""
    found: Rooms = request.app.state.rooms
    return found


async def provide_person(request: Page) -> SignedIn:
    """The signed-in person; without one the request ends at the sign-in page."""
    cookie = request.cookies.get(COOKIE, "")
    process = rooms(request).process
    if cookie:
        async with process.pool.acquire() as connection:
            person = await sign_in.person(connection, cookie, process.clock.now())
        if person is not None:
            return person
    raise NotAuthorizedException


def speech(request: Page, person: SignedIn | None = None) -> Speech:
    """The reader's language and zone: chosen in the settings, else asked for by the browser."""
    asked = choose(request.headers.get("accept-language", ""))
    code = person.user.locale if person and asked != "en-XA" else asked
    now = rooms(request).process.clock.now()
    return Speech(code, zone(request.cookies.get(ZONE_COOKIE, "").replace("%2F", "/")), now)


def need(person: SignedIn, role: Role) -> None:
    """Ends the request with 403 for a person who may not do this."""
    if not person.may(role):
        raise PermissionDeniedException


def form_token(request: Page, person: SignedIn) -> str:
    """What our forms carry and others cannot know: bound to the session and to a key only this installation has."""
    secret = rooms(request).process.vault.derive("form-token")
    return hmac.new(secret, person.session_hash, sha256).hexdigest()[:32]


async def form(request: Page, person: SignedIn | None = None) -> FormMultiDict:
    """The fields of a POST that came from one of our own pages; raises Forged for any other."""
    if not from_here(request) or request.content_type[0] != _FORM_TYPE:
        raise Forged
    fields = await request.form()
    if len(fields) > _FORM_FIELDS:
        raise Forged
    if person is not None:
        _check_token(request, person, fields.get("csrf"))
    return fields


def _check_token(request: Page, person: SignedIn, sent: object) -> None:
    if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), form_token(request, person).encode()):
        raise Forged


async def upload(request: Page, person: SignedIn) -> tuple[dict[str, str], bytes]:
    """The short fields and the file of a form that has one (RFC 7578); raises Forged for any that is not from our own page.

    Its size is bounded as that of every form, so it is taken apart in memory, and by as little code as that needs.
    """
    media, options = request.content_type
    if not from_here(request) or media != "multipart/form-data" or not options.get("boundary"):
        raise Forged
    fields, file = {}, b""
    for part in (b"\r\n" + await request.body()).split(b"\r\n--" + options["boundary"].encode())[1:_FORM_FIELDS]:
        head, _, content = part.partition(b"\r\n\r\n")
        if not (named := _PART_NAME.search(head)):
            continue
        if b"filename=" in head:
            file = content
        else:
            fields[named[1].decode("latin-1")] = content.decode("utf-8", "replace").replace("\0", "").strip()
    _check_token(request, person, fields.get("csrf"))
    return fields, file


def from_here(request: Page) -> bool:
    """What the browser itself says about the page the request was made from (Fetch Metadata, else Origin)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    # An origin is scheme://host and nothing more (RFC 6454 6.1).
    return origin is None or origin.partition("://")[2] == request.headers.get("host", "")


def session_cookie(request: Page, value: str, max_age_s: int) -> Cookie:
    """The session's cookie; unreadable to scripts, and only sent over TLS where the public address has it."""
    secure = rooms(request).process.settings.public_url.startswith("https:")
    return Cookie(COOKIE, value=value, max_age=max_age_s, path="/", httponly=True, secure=secure, samesite="lax")


def text(fields: FormMultiDict, name: str) -> str:
    """One field as text, stripped; empty when it is missing. Without NUL, which no browser sends and PostgreSQL cannot hold."""
    value = fields.get(name)
    return value.replace("\0", "").strip() if isinstance(value, str) else ""
