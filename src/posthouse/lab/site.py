"""The web mailbox: pages for people, the same as JSON for scripts. It listens where the settings say, for whoever can reach it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import minijinja
from litestar import Litestar, MediaType, Request, Response, delete, get, post
from litestar.exceptions import NotFoundException, PermissionDeniedException, ValidationException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from litestar.static_files import create_static_files_router

from posthouse.lab import views
from posthouse.lab.behaviours import BEHAVIOURS, BROKEN_TLS_DOMAIN
from posthouse.lab.mailbox import Mailbox, Received
from posthouse.lab.verdict import Verdict, judge
from posthouse.model.limits import LAB_LISTED, LAB_SHOWN_OCTETS
from posthouse.wire.lookups import Lookups

App: TypeAlias = Litestar

_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "
        "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
# The mail's own HTML: no script, no origin, nothing loaded from anywhere.
_FRAME_HEADERS: Final = {
    **_HEADERS,
    "content-security-policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
    ),
}
_TABS: Final = (("preview", "Preview"), ("text", "Text"), ("headers", "Headers"), ("raw", "Raw"))


@dataclass(frozen=True, slots=True)
class Lab:
    """What the pages show: the mail, the lab's DNS to judge it by, the keys it publishes, and the time."""

    mailbox: Mailbox
    lookups: Lookups
    keys: Mapping[str, str]
    now: Callable[[], datetime]

    def find(self, number: int) -> Received:
        """One mail, or a page that says it is gone."""
        received = self.mailbox.get(number)
        if received is None:
            raise NotFoundException(f"Message {number} is not here: it was never received, or forgotten since.")
        return received

    async def verdict(self, received: Received) -> Verdict:
        """DKIM, SPF and DMARC of one mail."""
        return await judge(received, self.lookups, self.now())


def app(lab: Lab) -> App:
    """The ASGI application."""
    return Litestar(
        route_handlers=[*_pages(lab, _templates()), *_api(lab), _static()],
        openapi_config=None,
        exception_handlers={NotFoundException: _not_found},
        logging_config=None,
    )


def _pages(lab: Lab, page: Callable[..., Response[str]]) -> list[Any]:
    @get("/", sync_to_thread=False)
    def inbox(request: Request[Any, Any, Any], q: FromQuery[str] = "", to: FromQuery[str] = "") -> Response[str]:
        listed = list(islice(lab.mailbox.search(q, to), LAB_LISTED))
        name = "rows.html" if request.headers.get("hx-request") else "inbox.html"
        return page(
            name, here="messages", listed=listed, query=q, to=to, total=len(lab.mailbox), url=f"/?{request.url.query}"
        )

    @get("/messages/{number:int}")
    async def message(number: FromPath[int], tab: FromQuery[str] = "preview") -> Response[str]:
        received = lab.find(number)
        found = views.content(received)
        shown = tab if tab in dict(_TABS) else "preview"
        raw = received.content[:LAB_SHOWN_OCTETS].decode("utf-8", "replace") if shown == "raw" else ""
        return page(
            "message.html", here="messages", received=received, content=found, verdict=await lab.verdict(received),
            fields=views.header_fields(received), tabs=_TABS, shown=shown, raw=raw,
            raw_cut=len(received.content) > LAB_SHOWN_OCTETS,
        )  # fmt: skip

    @get("/messages/{number:int}/frame", sync_to_thread=False)
    def frame(number: FromPath[int]) -> Response[str]:
        document = views.frame_document(views.content(lab.find(number)).html)
        return Response(document, media_type="text/html; charset=utf-8", headers=_FRAME_HEADERS)

    @get("/messages/{number:int}/raw", sync_to_thread=False)
    def raw_download(number: FromPath[int]) -> Response[bytes]:
        return _raw(lab.find(number))

    @get("/addresses", sync_to_thread=False)
    def addresses() -> Response[str]:
        return page("addresses.html", here="addresses", behaviours=BEHAVIOURS, broken_tls=BROKEN_TLS_DOMAIN)

    @get("/keys", sync_to_thread=False)
    def keys() -> Response[str]:
        return page("keys.html", here="keys", keys=sorted(lab.keys.items()))

    @post("/clear", sync_to_thread=False)
    def clear(request: Request[Any, Any, Any]) -> Redirect:
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise PermissionDeniedException("Another site asked for this.")
        lab.mailbox.clear()
        return Redirect("/", status_code=303)

    return [inbox, message, frame, raw_download, addresses, keys, clear]


def _api(lab: Lab) -> list[Any]:
    @get("/api/messages", sync_to_thread=False)
    def messages(
        q: FromQuery[str] = "", to: FromQuery[str] = "", since: FromQuery[str] = "", limit: FromQuery[int] = LAB_LISTED
    ) -> dict[str, Any]:
        found = lab.mailbox.search(q, to, _instant(since) if since else None)
        listed = [views.summary(received) for received in islice(found, max(0, limit))]
        return {"messages": listed, "kept": len(lab.mailbox), "received": lab.mailbox.total}

    @get("/api/messages/{number:int}")
    async def one(number: FromPath[int]) -> dict[str, Any]:
        received = lab.find(number)
        return views.detail(received, await lab.verdict(received))

    @get("/api/messages/{number:int}/raw", sync_to_thread=False)
    def raw(number: FromPath[int]) -> Response[bytes]:
        return _raw(lab.find(number))

    @get("/api/keys", sync_to_thread=False)
    def keys() -> dict[str, Any]:
        return {"keys": [{"selector": selector, "txt": value} for selector, value in sorted(lab.keys.items())]}

    @get("/api/addresses", sync_to_thread=False)
    def addresses() -> dict[str, Any]:
        return {"addresses": [{"local_part": b.name, "does": b.act, "shows": b.shows} for b in BEHAVIOURS]}

    @delete("/api/messages", status_code=200, sync_to_thread=False)
    def forget() -> dict[str, int]:
        return {"forgotten": lab.mailbox.clear()}

    return [messages, one, raw, keys, addresses, forget]


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValidationException("since must be a date and time such as 2030-01-31T09:30:00Z") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _raw(received: Received) -> Response[bytes]:
    disposition = f'attachment; filename="{received.number}.eml"'
    return Response(
        received.content, media_type="message/rfc822", headers={**_HEADERS, "content-disposition": disposition}
    )


def _not_found(request: Request[Any, Any, Any], error: NotFoundException) -> Response[Any]:
    if request.url.path.startswith("/api/"):
        return Response({"title": "Not found", "status": 404, "detail": error.detail}, status_code=404)
    return Response(error.detail, status_code=404, media_type=MediaType.TEXT, headers=_HEADERS)


def _templates() -> Callable[..., Response[str]]:
    folder = files("posthouse.lab") / "templates"
    environment = minijinja.Environment(
        loader=lambda name: (folder / name).read_text("utf-8"), filters={"octets": views.octets}
    )

    def page(name: str, **context: Any) -> Response[str]:  # noqa: ANN401 - templates take anything
        html = environment.render_template(name, **context)
        return Response(html, media_type="text/html; charset=utf-8", headers=_HEADERS)

    return page


def _static() -> Any:  # noqa: ANN401 - a Litestar router
    """The product's own style sheet and scripts."""
    folder = Path(str(files("posthouse"))) / "web" / "pages" / "static"
    return create_static_files_router(path="/static", directories=[folder], include_in_schema=False)
