"""One request as the API's operations see it, and what they answer: values, without sockets."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import msgspec

from posthouse.model.mail import Submitter
from posthouse.web.rooms import Rooms

JSON: Final = "application/json"
CSV: Final = "text/csv"
_encode: Final = msgspec.json.Encoder().encode

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Exchange:
    """An authenticated request: `path` holds the path's parameters, `query` the query's after reading, `headers` lower-case names.

    `arriving` is the body of an operation that reads it as it comes, for which `body` is empty.
    """

    rooms: Rooms
    submitter: Submitter
    target: str  # method, path and query string as sent
    path: Mapping[str, str]
    query: Mapping[str, object]
    headers: Mapping[str, str]
    body: bytes
    arriving: AsyncIterator[bytes] | None = None

    @property
    def actor(self) -> str:
        """The caller as the audit log knows it."""
        return f"key:{self.submitter.name}"

    @property
    def path_id(self) -> UUID | None:
        """The `id` of the path, None when it is none."""
        return id_of(self.path["id"])


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: `body`, or `pieces` that are sent as they are made."""

    status: int
    body: bytes
    content_type: str = JSON
    headers: Pairs = field(default=())
    pieces: AsyncIterator[bytes] | None = None


def id_of(text: str) -> UUID | None:
    """The id that is written there; None for anything else."""
    try:
        return UUID(text)
    except ValueError:
        return None


def answer(value: object, status: int = 200, headers: Pairs = ()) -> Answer:
    """An answer with `value` as JSON."""
    return Answer(status, _encode(value), JSON, headers)
