"""Named statements."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import posthouse
from posthouse.runtime.queries import Queries, Query, QueryError, parse

SOURCES = Path(posthouse.__file__).parent
ROOMS = sorted(path.parent for path in SOURCES.rglob("queries.sql"))


def test_a_statement_has_a_name_an_intent_and_its_text() -> None:
    assert parse("-- a head\n\n-- name: claim\n-- ready -> claimed.\n-- Twice.\nSELECT 1\n  FROM t;\n", "room") == [
        Query("claim", "ready -> claimed.\nTwice.", "SELECT 1\n  FROM t")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1;\n-- name: a\nSELECT 1",
        "-- name: a\nSELECT 1\n-- name: a\nSELECT 2",
        "-- name: A b\nSELECT 1",
        "-- name: a\n-- only words\n",
    ],
    ids=["before the first name", "twice", "no identifier", "empty"],
)
def test_a_bad_file_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="room"):
        parse(text, "room")


def test_an_unknown_name_is_an_error_that_names_room_and_query() -> None:
    with pytest.raises(AttributeError, match="room has no query 'b'"):
        _ = Queries("room", [Query("a", "", "SELECT 1")]).b


def _used(room: Path) -> Iterator[str]:
    for module in room.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "SQL":
                yield node.attr


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_every_statement_is_used_and_every_used_name_exists(room: Path) -> None:
    names = {query.name for query in parse((room / "queries.sql").read_text(), room.name)}
    used = set(_used(room))
    assert used - names == set()
    assert names - used == set()
