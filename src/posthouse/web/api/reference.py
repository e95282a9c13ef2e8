"""The page at /docs: the OpenAPI document for people, rendered here. It loads nothing but its own stylesheet."""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

import minijinja

from posthouse.web.api.message_schema import MESSAGE
from posthouse.web.api.problems import TYPES

STYLE: Final = files(__package__).joinpath("reference.css").read_bytes()
_TEMPLATE: Final = files(__package__).joinpath("reference.html").read_text()


def page(document: Mapping[str, Any]) -> bytes:
    """The whole page for an OpenAPI document of ours."""
    operations = [
        _operation(method, path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]
    text = minijinja.Environment().render_str(
        _TEMPLATE,
        "reference.html",
        title=document["info"]["title"],
        version=document["info"]["version"],
        introduction=_prose(document["info"]["description"]),
        server=document["servers"][0]["url"],
        groups=[
            {"name": tag["name"], "operations": [each for each in operations if each["group"] == tag["name"]]}
            for tag in document["tags"]
        ],
        problems=[{"status": status, **_problem(status)} for status in TYPES],
    )
    return text.encode()


def _operation(method: str, path: str, described: Mapping[str, Any]) -> dict[str, Any]:
    media = next(iter(described.get("requestBody", {}).get("content", {}).values()), None)
    return {
        "anchor": described["operationId"],
        "group": described["tags"][0],
        "method": method.upper(),
        "path": path,
        "summary": described["summary"],
        "paragraphs": [_prose(each) for each in described["description"].split("\n\n")],
        "parameters": [
            _row(each["name"], each["schema"], each.get("description", ""), each["in"])
            for each in described["parameters"]
        ],
        "fields": _fields(media["schema"]) if media else [],
        "example": _example(media["example"]) if media and "example" in media else "",
        "replies": [
            {"status": status, "description": reply["description"]}
            for status, reply in described["responses"].items()
            if status < "300"
        ],
        "refusals": [status for status in described["responses"] if status >= "300"],
    }


def _example(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2)


def _fields(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    shown = MESSAGE if "anyOf" in schema else schema
    required = shown.get("required", ())
    return [
        _row(name, each, each.get("description", ""), "required" if name in required else "")
        for name, each in shown.get("properties", {}).items()
    ]


def _row(name: str, schema: Mapping[str, Any], description: str, place: str) -> dict[str, Any]:
    return {"name": name, "type": words(schema), "description": _prose(description), "place": place}


def words(schema: Mapping[str, Any]) -> str:
    """A JSON Schema in a few words: `integer 0 to 9, default 4`."""
    if "title" in schema:
        return str(schema["title"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(words(each) for each in schema["anyOf"]))
    if "enum" in schema:
        said = "one of " + ", ".join(schema["enum"])
    elif schema["type"] == "array":
        said = f"up to {schema['maxItems']} of: {words(schema['items'])}"
    elif schema["type"] == "object":
        inside = schema.get("properties")
        said = f"object ({', '.join(inside)})" if inside else f"object of up to {schema['maxProperties']} strings"
    else:
        said = f"{schema.get('format', schema['type'])}{_bounds(schema)}"
    return f"{said}, default {json.dumps(schema['default'])}" if schema.get("default") not in (None, "") else said


def _bounds(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema:
        return f" {schema['minimum']} to {schema['maximum']}"
    return f" of up to {schema['maxLength']} characters" if "maxLength" in schema else ""


def _problem(status: int) -> dict[str, Any]:
    kind = TYPES[status]
    return {"slug": kind.slug, "title": kind.title, "advice": _prose(kind.advice)}


def _prose(text: str) -> list[dict[str, Any]]:
    """Text with `code` in backticks, cut into runs of either."""
    return [{"text": run, "code": index % 2 == 1} for index, run in enumerate(text.split("`"))]
