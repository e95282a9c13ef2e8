"""What the API can do, as values: each operation is routed, checked and documented from the same row."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from posthouse.model.words import Scope
from posthouse.web.api.exchange import JSON, Answer, Exchange

ANY_MEDIA: Final = "application/octet-stream"
"""A body that is told by its content, whatever the client calls it; it comes whole, within the bounds of every body."""

Schema = Mapping[str, Any]  # JSON Schema 2020-12, as OpenAPI 3.1 uses it


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter: `schema` also says how its text is read (`shapes.from_text`)."""

    name: str
    schema: Schema
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """One way an operation ends well: `types` are what its JSON is encoded from, one of them; none when it is no JSON."""

    description: str
    types: tuple[type, ...] = ()
    media: str = JSON


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `problems` are the statuses it refuses with beside those every operation has.

    A body of another `media` than JSON or ANY_MEDIA is handed over as it arrives.
    """

    method: str
    path: str
    name: str
    summary: str
    scope: Scope
    run: Callable[[Exchange], Awaitable[Answer]]
    replies: Mapping[int, Reply]
    problems: tuple[int, ...] = ()
    description: str = ""
    query: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    body: Schema | None = None
    body_required: bool = True
    media: str = JSON
    example: Any = None
    group: str = "Messages"
    path_parameters: Mapping[str, Schema] = field(default_factory=dict)
