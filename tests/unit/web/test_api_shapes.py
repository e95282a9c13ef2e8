"""What the published schemas say is what is checked."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from posthouse.intake.request_problems import Problems
from posthouse.web.api.reference import words
from posthouse.web.api.shapes import check, from_text

BODY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 3},
        "kinds": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "minItems": 1, "maxItems": 2},
        "count": {"type": "integer", "minimum": 1, "maximum": 5},
        "open": {"type": "boolean"},
    },
    "required": ["name"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"name": "abc", "kinds": ["a"], "count": 5, "open": True}, []),
        ([], [("", "wrong_type")]),
        ({}, [("/name", "required")]),
        ({"name": ""}, [("/name", "wrong_length")]),
        ({"name": "abcd"}, [("/name", "wrong_length")]),
        ({"name": "a\n"}, [("/name", "control_character")]),
        ({"name": None}, [("/name", "wrong_type")]),
        ({"name": "a", "kinds": []}, [("/kinds", "wrong_length")]),
        ({"name": "a", "kinds": ["a", "c"]}, [("/kinds/1", "unknown_value")]),
        ({"name": "a", "count": 0}, [("/count", "out_of_range")]),
        ({"name": "a", "count": True}, [("/count", "wrong_type")]),
        ({"name": "a", "count": 1.0}, [("/count", "wrong_type")]),
        ({"name": "a", "open": 1}, [("/open", "wrong_type")]),
        ({"name": 1, "x/y": 2}, [("/name", "wrong_type"), ("/x~1y", "unknown_field")]),
    ],
)
def test_everything_wrong_with_a_body_is_found(value: Any, wrong: list[tuple[str, str]]) -> None:
    problems = Problems()
    check(value, BODY, "", problems)
    assert [(problem.pointer, problem.code) for problem in problems.found()] == wrong


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("5", {"type": "integer", "minimum": 1, "maximum": 5}, 5),
        ("1", {"type": "boolean"}, True),
        ("false", {"type": "boolean"}, False),
        (
            "2026-11-21T13:00:00+01:00",
            {"type": "string", "format": "date-time"},
            datetime(2026, 11, 21, 12, tzinfo=UTC),
        ),
        (str(UUID(int=7)), {"type": "string", "format": "uuid"}, UUID(int=7)),
        ("é", {"type": "string", "maxLength": 1}, "é"),
    ],
)
def test_a_query_parameter_is_read_by_its_schema(text: str, schema: dict[str, Any], value: object) -> None:
    problems = Problems()
    assert from_text(text, schema, "?x", problems) == value
    assert not problems


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("6", {"type": "integer", "minimum": 1, "maximum": 5}),
        ("-1", {"type": "integer", "minimum": 1, "maximum": 5}),
        ("٣", {"type": "integer", "minimum": 1, "maximum": 5}),
        ("9" * 5000, {"type": "integer", "minimum": 1, "maximum": 5}),
        ("yes", {"type": "boolean"}),
        ("now", {"type": "string", "format": "date-time"}),
        ("7", {"type": "string", "format": "uuid"}),
    ],
)
def test_a_query_parameter_that_is_not_what_it_should_be_is_named(text: str, schema: dict[str, Any]) -> None:
    problems = Problems()
    from_text(text, schema, "?x", problems)
    assert [problem.pointer for problem in problems.found()] == ["?x"]


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "integer", "minimum": 0, "maximum": 9, "default": 4}, "integer 0 to 9, default 4"),
        ({"type": "string", "enum": ["a", "b"]}, "one of a, b"),
        (BODY["properties"]["kinds"], "up to 2 of: one of a, b"),
        (BODY, "object (name, kinds, count, open)"),
        ({"anyOf": [{"type": "string"}, {"type": "boolean"}]}, "string or boolean"),
    ],
)
def test_a_schema_is_told_in_words(schema: dict[str, Any], said: str) -> None:
    assert words(schema) == said
