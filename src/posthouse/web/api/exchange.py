"""One request as the API's operations see it, and what they answer: values, without sockets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from posthouse.model.mail import Submitter
from posthouse.web.rooms import Rooms

JSON: Final = "application/json"
_encode: Final = msgspec.json.Encoder().encode

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Exchange:
    """An authenticated request: `path` holds the path's parameters, `query` the query's after reading, `headers` lower-case names."""

    rooms: Rooms
    submitter: Submitter
    target: str  # method, path and query string as sent
    path: Mapping[str, str]
    query: Mapping[str, object]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Pairs = field(default=())


def answer(value: object, status: int = 200, headers: Pairs = ()) -> Answer:
    """An answer with `value` as JSON."""
    return Answer(status, _encode(value), JSON, headers)
