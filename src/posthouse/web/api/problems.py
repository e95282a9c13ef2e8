"""Errors as RFC 9457 problem details. Every type has one row here, and the reference page explains each under its own anchor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from posthouse.model.errors import FieldProblem
from posthouse.web.api.exchange import Answer, Pairs

PROBLEM_JSON: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Type:
    """One kind of problem: the last part of its URI, its title, and what to do about it."""

    slug: str
    title: str
    advice: str


TYPES: Final = {
    400: Type(
        "malformed",
        "The request is malformed",
        "The body is not JSON, or an encoding is broken. Nothing was read from it.",
    ),
    401: Type(
        "unauthorized",
        "The key is missing or not valid",
        "Send `Authorization: Bearer ph_...` with a key that is not revoked.",
    ),
    403: Type(
        "forbidden",
        "The key may not do this",
        "Use a key with the scope, sender domain or entitlement named in the detail.",
    ),
    404: Type(
        "not-found", "There is no such thing", "It does not exist in this workspace, or its retention has passed."
    ),
    405: Type(
        "method-not-allowed", "The method is not allowed", "The `Allow` header names the methods of this resource."
    ),
    408: Type("too-slow", "The request took too long to arrive", "Send the body without pauses."),
    409: Type(
        "conflict", "The request conflicts with an earlier one", "Use a new `Idempotency-Key` for a new request."
    ),
    413: Type(
        "too-large",
        "The request is too large",
        "The detail names the limit. Link to large files instead of attaching them.",
    ),
    415: Type("unsupported-media-type", "The body has the wrong media type", "Send `Content-Type: application/json`."),
    422: Type("invalid", "Some fields are not valid", "Every bad field is named under `errors`. Nothing was kept."),
    429: Type(
        "too-many",
        "This is mass mail",
        "Send it as marketing, or as a notification, or say in `mass_reason` why the same text goes to so many.",
    ),
    500: Type("internal", "Posthouse failed", "This is a defect of Posthouse; its log has the details."),
    503: Type("unavailable", "Not available right now", "Nothing was accepted. Try again after `Retry-After` seconds."),
}


class FieldError(msgspec.Struct, frozen=True):
    """One bad field."""

    pointer: Annotated[
        str,
        Meta(description="JSON pointer (RFC 6901) into the body; `?name` for a query parameter, or a header's name"),
    ]
    code: Annotated[str, Meta(description="stable word for programs")]
    detail: Annotated[str, Meta(description="one sentence for people")]


class Problem(msgspec.Struct, frozen=True):
    """Problem details (RFC 9457)."""

    type: Annotated[str, Meta(description="URI reference of the explanation")]
    title: str
    status: int
    detail: str
    errors: Annotated[tuple[FieldError, ...], Meta(description="every bad field; empty when no field is to blame")]


def problem(status: int, detail: str, errors: Sequence[FieldProblem] = ()) -> Problem:
    """The problem of `status` with this detail."""
    kind = TYPES[status]
    fields = tuple(FieldError(each.pointer, each.code, each.detail) for each in errors)
    return Problem(f"/docs#problem-{kind.slug}", kind.title, status, detail, fields)


def invalid(errors: Sequence[FieldProblem], status: int = 422) -> Problem:
    """The problem of fields that are not valid; a single one is told in the detail too."""
    detail = errors[0].detail if len(errors) == 1 else f"{len(errors)} fields are not valid."
    return problem(status, detail, errors)


def refusal(found: Problem, headers: Pairs = ()) -> Answer:
    """The answer that carries a problem."""
    return Answer(found.status, msgspec.json.encode(found), PROBLEM_JSON, headers)


def refuse(status: int, detail: str, headers: Pairs = ()) -> Answer:
    """The answer to a request no field of which is to blame."""
    return refusal(problem(status, detail), headers)
