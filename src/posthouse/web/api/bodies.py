"""Bodies of requests: reading them off the connection within bounds, and decoding the small ones against their schema."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from posthouse.intake.request_problems import Problems
from posthouse.model.limits import (
    BODY_READ_S,
    CALL_OCTETS,
    CALLS_OCTETS,
    CSV_IDLE_S,
    CSV_OCTETS,
    DATA_DISCARD_OCTETS,
    FORMS_OCTETS,
)
from posthouse.web.api.exchange import Answer
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.web.api.shapes import check

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_CLOSE: Final = (("connection", "close"),)
_BUSY: Final = refuse(503, "Too many large requests at once.", (("retry-after", "1"), *_CLOSE))
_decode: Final = msgspec.json.Decoder().decode


class ClientGoneError(Exception):
    """The client hung up before its request was complete: there is nobody to answer."""


@dataclass(slots=True)
class Held:
    """Octets of request bodies in memory, of all requests of the process together; those half arrived count as well."""

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
        return _BUSY
    chunks: list[bytes] = []
    size = kept = 0
    try:
        while size <= DATA_DISCARD_OCTETS:
            chunk, more = await _chunk(receive)
            size += len(chunk)
            # What is too large is read to its end but not kept: a client that is cut off while it writes never sees the answer.
            if size > CALL_OCTETS:
                chunks.clear()
            else:
                chunks.append(chunk)
            now_kept = size if chunks else 0
            held.octets += now_kept - kept
            kept = now_kept
            if held.octets > CALLS_OCTETS:
                return _BUSY
            if not more:
                break
        if size > CALL_OCTETS:
            return refuse(413, f"The body is larger than {CALL_OCTETS} octets.", _CLOSE)
        kept = 0  # the caller's from here
        return b"".join(chunks)
    finally:
        held.octets -= kept


async def _chunk(receive: Receive) -> tuple[bytes, bool]:
    """The next octets of a body, and whether there are more. Raises ClientGoneError."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message.get("body", b""), message.get("more_body", False)


class BodyRefusedError(Exception):
    """A body that is read as it arrives is too large or stands still."""

    def __init__(self, refusal: Answer) -> None:
        super().__init__(refusal.status)
        self.refusal = refusal


async def arriving(receive: Receive) -> AsyncIterator[bytes]:
    """The octets of a body as they come, none of them kept. Raises BodyRefusedError and ClientGoneError."""
    size, more = 0, True
    while more:
        try:
            async with asyncio.timeout(CSV_IDLE_S):
                chunk, more = await _chunk(receive)
        except TimeoutError:
            detail = f"Nothing arrived for {CSV_IDLE_S:.0f} seconds. What was read so far is kept; send it all again."
            raise BodyRefusedError(refuse(408, detail, _CLOSE)) from None
        size += len(chunk)
        if size > CSV_OCTETS:
            raise BodyRefusedError(refuse(413, f"The body is larger than {CSV_OCTETS} octets.", _CLOSE))
        yield chunk


@contextlib.contextmanager
def bounded(receive: Receive, held: Held, most: int) -> Iterator[Receive]:
    """`receive` for what reads bodies itself (forms): past `most` octets, the time, or what all forms together may hold, the client is
    as good as gone. What it held is given back at the end of the block.
    """
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
        chunk = len(message.get("body", b""))
        size += chunk
        held.octets += chunk
        complete = complete or not message.get("more_body")
        return message if size <= most and held.octets <= FORMS_OCTETS else {"type": "http.disconnect"}

    try:
        yield receiving
    finally:
        held.octets -= size


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
