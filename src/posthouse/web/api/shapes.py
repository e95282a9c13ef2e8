"""Checking decoded JSON and query texts against the same JSON Schemas the reference publishes.

Only the part of JSON Schema the API uses is understood (type, enum, format date-time and uuid, lengths, ranges, items, properties,
required); a keyword outside it is a mistake of ours and found by `tests/e2e/test_api_reference.py`.
"""

from typing import Any, Final
from uuid import UUID

from posthouse.intake.request_fields import CONTROL, instant
from posthouse.intake.request_problems import Problems, step
from posthouse.web.api.operation import Schema

_TYPES: Final = {
    "string": (str, "a string"),
    "integer": (int, "an integer"),
    "boolean": (bool, "a boolean"),
    "array": (list, "an array"),
    "object": (dict, "an object"),
}


def check(value: object, schema: Schema, at: str, problems: Problems) -> None:
    """Add to `problems` everything about `value` that is not as `schema` says."""
    wanted, words = _TYPES[schema["type"]]
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        problems.wrong_type(at, words, value)
    elif isinstance(value, dict):
        _check_object(value, schema, at, problems)
    elif isinstance(value, list):
        _check_array(value, schema, at, problems)
    elif isinstance(value, str):
        _check_string(value, schema, at, problems)
    elif "minimum" in schema and not schema["minimum"] <= value <= schema["maximum"]:
        problems.add(at, "out_of_range", f"This must be from {schema['minimum']} to {schema['maximum']}.")


def from_text(text: str, schema: Schema, at: str, problems: Problems) -> Any:  # noqa: ANN401
    """The value a query parameter's text stands for: str, int, bool, datetime or UUID. None together with a problem."""
    kind = schema.get("format") or schema["type"]
    reader = _TEXTS.get(kind)
    if reader:
        return reader(text, at, problems)
    value: object = text
    if kind == "integer":
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text
    check(value, schema, at, problems)
    return value


def _check_object(value: dict[str, object], schema: Schema, at: str, problems: Problems) -> None:
    properties = schema["properties"]
    for name in schema.get("required", ()):
        if name not in value:
            problems.add(f"{at}/{name}", "required", f"The field {name} is missing.")
    for name, item in value.items():
        if name in properties:
            check(item, properties[name], step(at, name), problems)
        else:
            problems.add(step(at, name), "unknown_field", "There is no such field; see the reference at /docs.")


def _check_array(value: list[object], schema: Schema, at: str, problems: Problems) -> None:
    if not schema.get("minItems", 0) <= len(value) <= schema["maxItems"]:
        problems.add(at, "wrong_length", f"This must have {schema.get('minItems', 0)} to {schema['maxItems']} items.")
        return
    for index, item in enumerate(value):
        check(item, schema["items"], f"{at}/{index}", problems)


def _check_string(value: str, schema: Schema, at: str, problems: Problems) -> None:
    if "enum" in schema:
        if value not in schema["enum"]:
            problems.add(at, "unknown_value", f"This must be one of {', '.join(schema['enum'])}.")
    elif not schema.get("minLength", 0) <= len(value) <= schema["maxLength"]:
        problems.add(
            at, "wrong_length", f"This must have {schema.get('minLength', 0)} to {schema['maxLength']} characters."
        )
    elif CONTROL.search(value):
        problems.add(at, "control_character", "Line breaks and other control characters are not allowed here.")


def _uuid(text: str, at: str, problems: Problems) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        problems.add(at, "invalid_id", "This is not an id.")
        return None


def _flag(text: str, at: str, problems: Problems) -> bool | None:
    if text in ("1", "true", "0", "false"):
        return text in ("1", "true")
    problems.add(at, "wrong_type", "This must be 1, true, 0 or false.")
    return None


_TEXTS: Final = {"uuid": _uuid, "boolean": _flag, "date-time": instant}
