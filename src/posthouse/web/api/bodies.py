"""Bodies of requests: reading them off the connection within bounds, and decoding the small ones against their schema."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from posthouse.intake.request_problems import Problems
from posthouse.model.limits import BODY_READ_S, CALL_OCTETS, CALLS_OCTETS, DATA_DISCARD_OCTETS
from posthouse.web.api.exchange import Answer
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.web.api.shapes import check

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_CLOSE: Final = (("connection", "close"),)
_decode: Final = msgspec.json.Decoder().decode


class ClientGoneError(Exception):
    """The client hung up before its request was complete: there is nobody to answer."""


@dataclass(slots=True)
class Held:
    """Octets of request bodies in memory, of all requests of the process together."""

    octets: int = 0


async def read_body(receive: Receive, declared: str, held: Held) -> bytes | Answer:
    """The whole body, or the refusal of one that is too large, too slow or too much right now.

    `declared` is the Content-Length header or "". The caller gives the octets back to `held` when it is done with the body.
    """
    try:
        async with asyncio.timeout(BODY_READ_S):
            return await _read(receive, held, int(declared) if declared.isdigit() else 0)
    except TimeoutError:
        return refuse(408, f"The body did not arrive within {BODY_READ_S:.0f} seconds.", _CLOSE)


async def _read(receive: Receive, held: Held, declared: int) -> bytes | Answer:
    if held.octets + declared > CALLS_OCTETS:
        return refuse(503, "Too many large requests at once.", (("retry-after", "1"), *_CLOSE))
    chunks: list[bytes] = []
    size = 0
    while size <= DATA_DISCARD_OCTETS:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        # What is too large is read to its end but not kept: a client that is cut off while it writes never sees the answer.
        if size <= CALL_OCTETS:
            chunks.append(chunk)
        else:
            chunks.clear()
        if not message.get("more_body"):
            break
    if size > CALL_OCTETS:
        return refuse(413, f"The body is larger than {CALL_OCTETS} octets.", _CLOSE)
    held.octets += size
    return b"".join(chunks)


def bounded(receive: Receive) -> Receive:
    """`receive` for what reads bodies itself (forms): past the size or the time a body may take, the client is as good as gone."""
    size = 0
    deadline = asyncio.get_running_loop().time() + BODY_READ_S
    complete = False

    async def receiving() -> MutableMapping[str, Any]:
        nonlocal size, complete
        try:
            async with asyncio.timeout_at(None if complete else deadline):
                message = await receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        size += len(message.get("body", b""))
        complete = complete or not message.get("more_body")
        return message if size <= CALL_OCTETS else {"type": "http.disconnect"}

    return receiving


def read_object(body: bytes, schema: Schema) -> dict[str, Any] | Answer:
    """The JSON object in `body`, or the refusal that names everything in it that is not as `schema` says."""
    try:
        value = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return refuse(400, f"The body is not usable JSON: {error}.")
    problems = Problems()
    check(value, schema, "", problems)
    if problems:
        return refusal(invalid(problems.found()))
    assert isinstance(value, dict)
    return value
