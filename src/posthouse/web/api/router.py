"""The JSON API as an ASGI application: route -> authenticate -> scope -> query -> body -> operation -> one answer.

It stands in front of the framework that serves the pages: one way for all operations to be authenticated, bounded and refused, at a
tenth of the framework's cost per request, which is what `POST /v1/messages` needs.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from posthouse.intake.request_problems import Problems
from posthouse.intake.scan import ScannerError
from posthouse.model import limits
from posthouse.model.mail import Submitter
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.web.api.bodies import BodyRefusedError, ClientGoneError, Held, Receive, arriving, read_body
from posthouse.web.api.caller import api_key, client_ip
from posthouse.web.api.exchange import JSON, Answer, Exchange
from posthouse.web.api.operation import ANY_MEDIA, Operation
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.web.api.shapes import from_text
from posthouse.web.rooms import Rooms
from posthouse.web.security import SECURITY_HEADERS

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Scope = MutableMapping[str, Any]

_RETRY: Final = (("retry-after", "5"),)
_CHALLENGE: Final = (("www-authenticate", 'Bearer realm="posthouse"'),)
_Done = TypeVar("_Done")
_Route = tuple[re.Pattern[str], dict[str, Operation]]


class Api:
    """Answers everything below /v1."""

    def __init__(self, rooms: Rooms, operations: Sequence[Operation]) -> None:
        self._rooms = rooms
        self._exact: dict[str, dict[str, Operation]] = {}
        self._patterns: list[_Route] = []
        self._held = Held()
        self._seconds = rooms.process.metrics.histogram(
            "api_seconds", "Time from the request's head to its answer.", ("operation", "status")
        )
        for operation in operations:
            self._add(operation)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        try:
            name, answer = await self._answer(scope, receive)
        except ClientGoneError:
            return
        self._seconds.labels(name, answer.status).observe(time.perf_counter() - started)
        await (write(answer, send) if answer.pieces is None else stream(answer, receive, send))

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[str, Answer]:
        methods, parameters = self._match(scope["path"])
        if methods is None:
            return "none", refuse(404, "There is no such resource; see the reference at /docs.")
        operation = methods.get("GET" if scope["method"] == "HEAD" else scope["method"])
        if operation is None:
            allowed = (*methods, "HEAD") if "GET" in methods else tuple(methods)
            return "none", refuse(
                405, f"{scope['path']} answers {', '.join(methods)}.", (("allow", ", ".join(allowed)),)
            )
        try:
            return operation.name, await self._perform(operation, parameters, scope, receive)
        except DATABASE_GONE:
            return operation.name, refuse(503, "The database does not answer. Repeat the request.", _RETRY)
        except ScannerError as error:
            return operation.name, refuse(503, str(error), _RETRY)
        except BodyRefusedError as error:
            return operation.name, error.refusal
        except ClientGoneError:
            raise
        except Exception:
            self._rooms.process.log.exception("api.failed", operation=operation.name)
            return operation.name, refuse(500, "Posthouse failed at this request; its log has the details.")

    async def _perform(
        self, operation: Operation, parameters: dict[str, str], scope: Scope, receive: Receive
    ) -> Answer:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        submitter = await _in_time(self._authenticated(headers, scope))
        if submitter is None:
            return refuse(
                401, "There is no such key, it is revoked, or it may not be used from this address.", _CHALLENGE
            )
        if operation.scope not in submitter.scopes:
            return refuse(403, f"The key “{submitter.name}” lacks the scope {operation.scope}.")
        query = _query(operation, scope["query_string"])
        if isinstance(query, Answer):
            return query
        if operation.body is None:
            return await _in_time(operation.run(Exchange(self._rooms, submitter, "", parameters, query, headers, b"")))
        if operation.media != ANY_MEDIA and (refused := _media_refused(headers, operation.media)):
            return refused
        if operation.media not in {JSON, ANY_MEDIA}:
            chunks = arriving(receive)
            return await operation.run(Exchange(self._rooms, submitter, "", parameters, query, headers, b"", chunks))
        body = await read_body(receive, headers.get("content-length", ""), self._held)
        if isinstance(body, Answer):
            return body
        try:
            target = f"{operation.method} {scope['path']}?{scope['query_string'].decode('latin-1')}"
            asked = Exchange(self._rooms, submitter, target, parameters, query, headers, body)
            return await _in_time(operation.run(asked))
        finally:
            self._held.octets -= len(body)

    async def _authenticated(self, headers: dict[str, str], scope: Scope) -> Submitter | None:
        key = api_key(headers)
        return await self._rooms.directory.by_api_key(key, client_ip(scope)) if key else None

    def _add(self, operation: Operation) -> None:
        if "{" not in operation.path:
            self._exact.setdefault(operation.path, {})[operation.method] = operation
            return
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.path))
        for known, methods in self._patterns:
            if known.pattern == pattern.pattern:
                methods[operation.method] = operation
                return
        self._patterns.append((pattern, {operation.method: operation}))

    def _match(self, path: str) -> tuple[dict[str, Operation] | None, dict[str, str]]:
        if exact := self._exact.get(path):
            return exact, {}
        for pattern, methods in self._patterns:
            if match := pattern.fullmatch(path):
                return methods, match.groupdict()
        return None, {}


async def _in_time(work: Awaitable[_Done]) -> _Done:
    """Its result. TimeoutError after ACCEPT_S: a database that stands still says nothing, and the client shall hear 503."""
    async with asyncio.timeout(limits.ACCEPT_S):
        return await work


async def write(answer: Answer, send: Send) -> None:
    """Send a whole answer with the headers every response has."""
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"cache-control", b"no-store"),
        *SECURITY_HEADERS,
        *((name.encode(), value.encode("latin-1")) for name, value in answer.headers),
    ]
    if answer.status == 204:
        headers = headers[2:]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def stream(answer: Answer, receive: Receive, send: Send) -> None:
    """Send an answer as it is made, for as long as somebody is there. One that breaks off lacks its end, which clients see."""
    assert answer.pieces is not None
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"cache-control", b"no-store"),
        *SECURITY_HEADERS,
        *((name.encode(), value.encode("latin-1")) for name, value in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    gone = asyncio.create_task(_until_gone(receive))
    try:
        async for piece in answer.pieces:
            if gone.done():
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _query(operation: Operation, query_string: bytes) -> dict[str, object] | Answer:
    """The query's values by name, or the refusal that names every bad one."""
    if not query_string:
        return {}
    known = {parameter.name: parameter.schema for parameter in operation.query}
    problems = Problems()
    values: dict[str, object] = {}
    for name, text in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=None):
        at = f"?{name[:50]}"
        if name not in known:
            problems.add(at, "unknown_parameter", "There is no such parameter; see the reference at /docs.")
        elif name in values:
            problems.add(at, "repeated_parameter", "This parameter may be given once.")
        else:
            values[name] = from_text(text, known[name], at, problems)
    return refusal(invalid(problems.found())) if problems else values


def _media_refused(headers: dict[str, str], wanted: str) -> Answer | None:
    media = headers.get("content-type", wanted).partition(";")[0].strip().lower()
    if media == wanted or (wanted == JSON and media.endswith("+json")):
        return None
    return refuse(415, f"The body must be {wanted}, not {media[:100]}.")
