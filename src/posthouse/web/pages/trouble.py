"""What a person sees when a page cannot be shown: what happened, and where to go on."""

from typing import Any, Final
from urllib.parse import quote

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from posthouse.intake.scan import ScannerError
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.web.pages.session import Forged, Page, rooms, speech
from posthouse.web.pages.view import fragment, html, see
from posthouse.web.pages.words import N_

# status: heading, sentence, label of the button (it leads to the front page)
_TROUBLES: Final = {
    403: (
        N_("Not allowed"),
        N_("Your role in this workspace does not include this. An administrator can change that."),
    ),
    404: (N_("Not found"), N_("There is nothing at this address, or its retention has passed.")),
    405: (N_("Not found"), N_("There is nothing at this address, or its retention has passed.")),
    409: (
        N_("This form is out of date"),
        N_("It was made for an earlier sign-in or came from elsewhere. Nothing was changed; open the page again."),
    ),
    500: (
        N_("Something broke"),
        N_("This is a defect of Posthouse, and its log says more. Nothing you entered was kept."),
    ),
    503: (N_("Back in a moment"), N_("The database cannot be reached. Nothing was lost; try again in some seconds.")),
}
_SCANNER_SILENT: Final = N_(
    "The malware scanner cannot be asked, and no mail is sent without it. Try again in some seconds."
)


def http_trouble(request: Page, error: HTTPException) -> Response[str] | Redirect:
    """The page for what Litestar or a handler refused; 401 leads to the sign-in page."""
    if error.status_code == 401:
        return _to_sign_in(request)
    return _told(request, error.status_code if error.status_code in _TROUBLES else 404)


def forged(request: Page, _: Forged) -> Response[str]:
    """A form from elsewhere or from an earlier session."""
    return _told(request, 409)


def database_gone(request: Page, _: BaseException) -> Response[str]:
    """PostgreSQL is away."""
    return _told(request, 503)


def scanner_silent(request: Page, _: ScannerError) -> Response[str]:
    """Nothing can be sent for the moment."""
    return _told(request, 503, _SCANNER_SILENT)


def defect(request: Page, error: Exception) -> Response[str]:
    """Our own bug: logged with its trace and the page, not the path, which may hold a sign-in token; told without either."""
    rooms(request).process.log.error("page.failed", page=request.scope.get("path_template", ""), exc_info=error)
    return _told(request, 500)


def _told(request: Page, status: int, instead: str = "") -> Response[str]:
    spoken = speech(request)
    heading, sentence = _TROUBLES[status]
    context = {
        "heading": spoken.say(heading),
        "sentence": spoken.say(instead or sentence),
        "href": "/",
        "action": spoken.say("Go to Home"),
    }
    return html(fragment("trouble.html", spoken, **context), status)


def _to_sign_in(request: Request[Any, Any, Any]) -> Response[str] | Redirect:
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = "/sign-in" if wanted == "/" or request.method != "GET" else f"/sign-in?next={quote(wanted, safe='/')}"
    if "hx-request" in request.headers:  # a live part of a page whose session has ended
        answer = html("", 200)
        answer.headers["hx-redirect"] = "/sign-in"
        return answer
    return see(target)


exception_handlers: Final = {
    HTTPException: http_trouble,
    Forged: forged,
    **dict.fromkeys(DATABASE_GONE, database_gone),
    ScannerError: scanner_silent,
    Exception: defect,
}
