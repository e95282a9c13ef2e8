"""The web as one ASGI application: the API, its reference and the probes in front, the pages behind."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from litestar import Litestar
from litestar.datastructures import State

from posthouse.intake import opt_out
from posthouse.model.limits import FORM_OCTETS, OPT_OUT_OCTETS, UPLOAD_OCTETS
from posthouse.web import pages, tls_ask, track
from posthouse.web.api import openapi, reference
from posthouse.web.api.bodies import Held, Receive, bounded
from posthouse.web.api.exchange import JSON, Answer
from posthouse.web.api.problems import refuse
from posthouse.web.api.router import Api, write
from posthouse.web.api.table import OPERATIONS
from posthouse.web.hosts import NOTHING_HERE, Hosts
from posthouse.web.rooms import Rooms
from posthouse.web.security import Send, secured
from posthouse.web.tls_ask import TlsAsk

if TYPE_CHECKING:
    from litestar.types import ExceptionHandlersMap

UPLOADS: Final = "/reports"  # the one form with a file in it
Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_TEXT: Final = "text/plain; charset=utf-8"


def build(rooms: Rooms) -> "Front":
    """The application of a process."""
    described = openapi.document(OPERATIONS, rooms.process.settings.public_url)
    fixed = {
        "/openapi.json": Answer(200, msgspec.json.encode(described), JSON),
        "/docs": Answer(200, reference.page(described), "text/html; charset=utf-8"),
        "/docs.css": Answer(200, reference.STYLE, "text/css; charset=utf-8"),
        "/healthz": Answer(200, b"alive\n", _TEXT),
    }
    return Front(rooms, Api(rooms, OPERATIONS), fixed, _pages(rooms), Hosts.of(rooms.process.settings), TlsAsk(rooms))


class Front:
    """Sends each request to what answers it; every response leaves with the security headers."""

    def __init__(
        self, rooms: Rooms, api: Application, fixed: dict[str, Answer], behind: Litestar, hosts: Hosts, tls_ask: TlsAsk
    ) -> None:
        self._rooms = rooms
        self._api = api
        self._fixed = fixed
        self._behind = behind
        self._hosts = hosts
        self._tls_ask = tls_ask
        self._forms = Held()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan of the application."""
        path = scope.get("path", "")
        if scope["type"] != "http":
            await self._behind(scope, receive, send)  # type: ignore[arg-type]
        elif self._hosts.keeps_from(path, scope["headers"]):
            await write(Answer(404, NOTHING_HERE, _TEXT), send)
        elif path == "/v1" or path.startswith("/v1/"):
            await self._api(scope, receive, send)
        elif path == tls_ask.PATH:
            await write(await self._tls_ask.answer(scope), send)
        elif answer := await self._plain(path, scope["method"]):
            await write(answer, send)
        else:
            with bounded(receive, self._forms, _most(path)) as receiving:
                await self._behind(scope, receiving, secured(send))  # type: ignore[arg-type]

    async def _plain(self, path: str, method: str) -> Answer | None:
        answer = self._fixed.get(path) or await self._probe(path)
        if answer and method not in ("GET", "HEAD"):
            return refuse(405, f"{path} answers GET.", (("allow", "GET, HEAD"),))
        return answer

    async def _probe(self, path: str) -> Answer | None:
        # No /metrics here: it tells what only an operator needs to know, and has a port of its own.
        if path != "/readyz":
            return None
        ready, reason = await self._rooms.process.health.state()
        return Answer(200 if ready else 503, f"{reason}\n".encode(), _TEXT)


def _most(path: str) -> int:
    """How large a form may be that is posted there."""
    if path.startswith(opt_out.PATH):
        return OPT_OUT_OCTETS
    return UPLOAD_OCTETS if path == UPLOADS else FORM_OCTETS


def _pages(rooms: Rooms) -> Litestar:
    return Litestar(
        route_handlers=[*track.routes, *pages.routes],
        exception_handlers=cast("ExceptionHandlersMap", pages.exception_handlers),
        middleware=pages.middleware,
        openapi_config=None,
        state=State({"rooms": rooms}),
        debug=False,
    )
