"""Who is looking: the cookie, the form token, and what a role may do. Every page that is not a sign-in page starts here."""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from litestar import Request
from litestar.datastructures import Cookie, FormMultiDict
from litestar.di import NamedDependency
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException

from posthouse.accounts import alerts, sign_in
from posthouse.accounts.sign_in import SignedIn
from posthouse.model.limits import RECIPIENTS_PER_MESSAGE
from posthouse.model.words import Role
from posthouse.web.rooms import Rooms
from posthouse.web.text import Speech, choose, zone
from posthouse.wire import headers, parts
from posthouse.wire.parts import Part
from posthouse.wire.report_values import line

Page = Request[Any, Any, Any]
Person = NamedDependency[SignedIn]  # what the handlers of the signed-in router are given by `provide_person`
COOKIE: Final = "posthouse_session"
ZONE_COOKIE: Final = "zone"
# what our forms are; the parser of the other kind need not be reachable
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_UPLOAD_TYPE: Final = "multipart/form-data"
_FORM_FIELDS: Final = RECIPIENTS_PER_MESSAGE + 10  # the longest form has a box for each recipient of a message


class Forged(Exception):  # noqa: N818 - a judgement about the request, not an error of ours
    """The form did not come from our page, or its page is too old."""


def rooms(request: Page) -> Rooms:
    """Database, directory and door, as the web process was built with them."""
    found: Rooms = request.app.state.rooms
    return found


async def provide_person(request: Page) -> SignedIn:
    """The signed-in person; without one the request ends at the sign-in page. Administrators bring along what every page tells them."""
    cookie = request.cookies.get(COOKIE, "")
    process = rooms(request).process
    if cookie:
        async with process.pool.acquire() as connection:
            person = await sign_in.person(connection, cookie, process.clock.now())
            if person is not None and person.may(Role.ADMIN) and "hx-request" not in request.headers:
                request.state["worst_alert"] = await alerts.worst(connection, person.workspace.workspace_id)
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


@dataclass(frozen=True, slots=True)
class Upload:
    """What a form with a file sends: its short fields, the name the file had, and its octets."""

    fields: dict[str, str]
    filename: str
    file: bytes


async def upload(request: Page, person: SignedIn) -> Upload:
    """A POST with a file from one of our own pages (RFC 7578); raises Forged for any other.

    Read by the same reader as the parts of a mail: its limits hold here too, and there is one parser less to be reached.
    """
    if not from_here(request) or request.content_type[0] != _UPLOAD_TYPE:
        raise Forged
    sent = parts_sent(request.headers["content-type"], await request.body())
    file = sent.pop("file", None)
    fields = {name: line(part.body.decode("utf-8", "replace")) for name, part in sent.items()}
    _check_token(request, person, fields.get("csrf"))
    if file is None:
        raise Forged
    return Upload(fields, line(file.filename), file.body)


def parts_sent(content_type: str, body: bytes) -> dict[str, Part]:
    """The fields of a multipart/form-data body by name (RFC 7578)."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    return {_field(part): part for part in parts.walk(head + body)}


def _field(part: Part) -> str:
    value = (headers.first(part.header, "Content-Disposition") or b"").decode("utf-8", "replace")
    return parts.parse_parameters(value)[1].get("name", "")


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
