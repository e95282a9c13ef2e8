"""The pool on a real server."""

from posthouse.runtime.postgres import Pool


async def test_jsonb_is_python_values_both_ways(database: Pool) -> None:
    assert await database.fetchval("SELECT $1::jsonb", {"a": [1, None, "x"]}) == {"a": [1, None, "x"]}


async def test_processes_may_not_change_the_schema(database: Pool) -> None:
    assert await database.fetchval("SELECT has_schema_privilege('public', 'CREATE')") is False
