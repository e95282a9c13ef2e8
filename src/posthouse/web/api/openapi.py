"""The OpenAPI 3.1 document, made from the rows that route and check the requests."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from posthouse import __version__
from posthouse.web.api.message_schema import MESSAGE
from posthouse.web.api.operation import Operation, Parameter, Reply
from posthouse.web.api.problems import PROBLEM_JSON, TYPES, Problem

_REF: Final = "#/components/schemas/{name}"
_ALWAYS: Final = (401, 403, 422, 500, 503)
_RESPONSE_HEADERS: Final = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "how to authenticate"}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds to wait"}},
}
_DESCRIPTION: Final = """\
Send mail and follow it. Authenticate with `Authorization: Bearer ph_...`, or with HTTP Basic and the key as user name.
Errors are problem details (RFC 9457); `errors` names every bad field. Times are RFC 3339, ids are UUIDs that sort by time."""


def document(operations: Sequence[Operation], server: str) -> dict[str, Any]:
    """The whole document; `server` is the public address of the API."""
    types = [each for operation in operations for reply in operation.replies.values() for each in reply.types]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=_REF)
    by_type = dict(zip(types, schemas, strict=False))
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Posthouse",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "security": [{"key": []}, {"keyAsUser": []}],
        "tags": [{"name": name} for name in dict.fromkeys(operation.group for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": {"Message": MESSAGE, **components},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "bearerFormat": "ph_..."},
                "keyAsUser": {"type": "http", "scheme": "basic", "description": "the key as user name, any password"},
            },
        },
    }


def _operation(operation: Operation, by_type: dict[type, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"{operation.description}\n\nNeeds the scope `{operation.scope}`.".strip(),
        "tags": [operation.group],
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": schema}
                for name, schema in operation.path_parameters.items()
            ),
            *(_parameter(each, "query") for each in operation.query),
            *(_parameter(each, "header") for each in operation.headers),
        ],
        "responses": {
            **{str(status): _reply(reply, by_type) for status, reply in operation.replies.items()},
            **{str(status): _problem(status) for status in sorted({*operation.problems, *_ALWAYS})},
        },
    }
    if operation.body is not None:
        media = {"schema": operation.body} | ({} if operation.example is None else {"example": operation.example})
        described["requestBody"] = {"required": operation.body_required, "content": {operation.media: media}}
    return described


def _parameter(parameter: Parameter, place: str) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": place,
        "required": parameter.required,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _reply(reply: Reply, by_type: dict[type, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": reply.description}
    if reply.types:
        schemas = [by_type[each] for each in reply.types]
        described["content"] = {reply.media: {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}
    elif reply.media:
        described["content"] = {reply.media: {"schema": {"type": "string"}}}
    return described


def _problem(status: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": f"{TYPES[status].title}. {TYPES[status].advice}",
        "content": {PROBLEM_JSON: {"schema": {"$ref": _REF.format(name="Problem")}}},
    }
    if status in _RESPONSE_HEADERS:
        described["headers"] = _RESPONSE_HEADERS[status]
    return described
