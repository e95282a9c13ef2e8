"""Signing in and out: by password, or by a one-time link that only a button press redeems, since mail scanners follow links."""

from urllib.parse import urlsplit

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from posthouse.accounts import sign_in
from posthouse.accounts.sign_in import Cookie, Gate, TooMany
from posthouse.web.api.caller import client_ip
from posthouse.web.pages.session import COOKIE, Page, Person, form, rooms, session_cookie, speech, text
from posthouse.web.pages.view import fragment, html, see
from posthouse.web.pages.words import N_
from posthouse.web.text import Speech

_LINK_PATH = "/sign-in/{token:str}"


@get("/sign-in", include_in_schema=False)
async def sign_in_page(request: Page) -> Response[str]:
    """The form."""
    return _form(request, "", "", request.query_params.get("next", "/"))


@post("/sign-in", status_code=200, include_in_schema=False)
async def sign_in_by_password(request: Page) -> Response[str] | Redirect:
    """Checks the password; a wrong one and an unknown address look alike."""
    fields = await form(request)
    email, wanted = text(fields, "email"), text(fields, "next")
    password = fields.get("password")
    outcome = await gate(request).by_password(
        email, password if isinstance(password, str) else "", client_ip(request.scope)
    )
    if isinstance(outcome, Cookie):
        return _welcome(request, outcome, wanted)
    return _form(request, _problem(request, outcome, N_("Email or password is wrong.")), email, wanted, 422)


@get(_LINK_PATH, include_in_schema=False)
async def sign_in_link_page(request: Page, token: FromPath[str]) -> Response[str]:
    """Shows a button and uses nothing up."""
    return html(fragment("sign_in_link.html", speech(request), problem=""))


@post(_LINK_PATH, status_code=200, include_in_schema=False)
async def sign_in_by_link(request: Page, token: FromPath[str]) -> Response[str] | Redirect:
    """Redeems the link."""
    await form(request)
    outcome = await gate(request).by_link(token, client_ip(request.scope))
    if isinstance(outcome, Cookie):
        return _welcome(request, outcome, "/")
    sentence = _problem(request, outcome, N_("This link was used already or has expired."))
    return html(fragment("sign_in_link.html", speech(request), problem=sentence), 422)


@post("/sign-out", include_in_schema=False)
async def sign_out(request: Page, person: Person) -> Redirect:
    """Ends this session."""
    await form(request, person)
    async with rooms(request).process.pool.acquire() as connection:
        await sign_in.sign_out(connection, request.cookies[COOKIE])
    answer = see("/sign-in")
    answer.delete_cookie(COOKIE)
    return answer


def gate(request: Page) -> Gate:
    """One per web process: it counts attempts."""
    state = request.app.state
    if "gate" not in state:
        state.gate = Gate(rooms(request).process, rooms(request).directory.turned_away)
    found: Gate = state.gate
    return found


def _form(request: Page, problem: str, email: str, wanted: str, status: int = 200) -> Response[str]:
    spoken = speech(request)
    return html(fragment("sign_in.html", spoken, problem=problem, email=email, next=local(wanted)), status)


def _problem(request: Page, outcome: object, wrong: str) -> str:
    spoken = speech(request)
    return too_many(spoken, outcome) if isinstance(outcome, TooMany) else spoken.say(wrong)


def too_many(spoken: Speech, outcome: TooMany) -> str:
    """When to try again, in minutes."""
    minutes = -(-outcome.retry_after_s // 60)
    return spoken.count(
        "Too many attempts. Try again in one minute.", "Too many attempts. Try again in {n} minutes.", minutes
    )


def _welcome(request: Page, cookie: Cookie, wanted: str) -> Redirect:
    answer = see(local(wanted))
    answer.set_cookie(session_cookie(request, cookie.value, cookie.max_age_s))
    return answer


def local(wanted: str) -> str:
    """The path to go on to, never another site: `//host` and `https://host` become the front page."""
    try:
        parts = urlsplit(wanted.replace("\\", "/"))
    except ValueError:  # `//[`
        return "/"
    inside = parts.path.startswith("/") and not parts.path.startswith("//") and not parts.scheme and not parts.netloc
    return wanted if inside and not wanted.startswith("//") and wanted.isprintable() else "/"
