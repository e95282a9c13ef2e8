"""The pool, transactions and notifications on a real server."""

import asyncio
from collections import deque

import asyncpg
import pytest
import structlog

from posthouse.runtime.postgres import DATABASE_GONE, Listener, Pool, open_pool, transaction

UNTIL_IT_SLEEPS = """
DO $$ BEGIN
    WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%') LOOP
        PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
    END LOOP;
END $$
"""
TERMINATE_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


async def test_jsonb_is_python_values_both_ways(database: Pool) -> None:
    assert await database.fetchval("SELECT $1::jsonb", {"a": [1, None, "x"]}) == {"a": [1, None, "x"]}


async def test_processes_may_not_change_the_schema(database: Pool) -> None:
    assert await database.fetchval("SELECT has_schema_privilege('public', 'CREATE')") is False


async def test_a_transaction_commits_at_its_end_and_not_when_an_exception_leaves_it(owner: Pool) -> None:
    await owner.execute("CREATE TABLE kept (n integer)")
    async with transaction(owner) as connection:
        await connection.execute("INSERT INTO kept VALUES (1)")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await _in_one_transaction(owner, "INSERT INTO kept VALUES (2)", "SELECT 1 / 0")
    assert [row["n"] for row in await owner.fetch("SELECT n FROM kept")] == [1]


async def test_a_connection_lost_in_the_middle_of_a_statement_is_gone(database: Pool, owner: Pool) -> None:
    running = asyncio.create_task(database.fetchval("SELECT pg_sleep(60)"))
    await owner.execute(UNTIL_IT_SLEEPS)
    await owner.execute(TERMINATE_OTHERS)
    with pytest.raises(DATABASE_GONE):
        await running
    assert await database.fetchval("SELECT 1") == 1


async def test_a_connection_lost_between_two_statements_of_a_transaction_is_gone(database: Pool, owner: Pool) -> None:
    with pytest.raises(DATABASE_GONE):
        await _while_others_are_terminated(database, owner)
    assert await database.fetchval("SELECT 1") == 1


async def _while_others_are_terminated(database: Pool, owner: Pool) -> None:
    async with transaction(database) as connection:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        await owner.execute(TERMINATE_OTHERS)
        await lost.wait()
        await connection.fetchval("SELECT 1")


async def _in_one_transaction(pool: Pool, *statements: str) -> None:
    async with transaction(pool) as connection:
        for statement in statements:
            await connection.execute(statement)


async def test_a_mistake_of_ours_is_not_taken_for_a_lost_server(database: Pool) -> None:
    with pytest.raises(Exception, match="invalid input") as caught:
        await database.fetchval("SELECT $1::integer", "not a number")
    assert not isinstance(caught.value, DATABASE_GONE)


async def test_a_server_that_never_answers_is_reported_after_the_patience_is_over() -> None:
    with pytest.raises(DATABASE_GONE):
        await open_pool("postgresql://nobody@/none?host=/nonexistent", size=2, patience_s=0.2)


async def test_a_listener_hears_and_subscribes_again_after_its_connection_is_lost(
    database_dsn: str, owner: Pool
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with Listener(database_dsn, "outbox", heard.put_nowait, structlog.get_logger()), asyncio.timeout(20):
        assert await heard.get() == ""
        await owner.execute("NOTIFY outbox, 'one'")
        assert await heard.get() == "one"
        await owner.execute(TERMINATE_OTHERS)
        assert await heard.get() == ""
        await owner.execute("NOTIFY outbox, 'two'")
        assert await heard.get() == "two"


@pytest.mark.parametrize("many", [["a", "b"], ("a", "b"), {"a": 1, "b": 2}.keys(), deque(["a", "b"])])
async def test_whatever_has_elements_is_handed_over_as_an_array(database: Pool, many: object) -> None:
    assert await database.fetchval("SELECT array_length($1::text[], 1)", many) == 2


async def test_text_and_octets_are_no_arrays(database: Pool) -> None:
    assert await database.fetchval("SELECT $1::bytea[]", [b"ab", b""]) == [b"ab", b""]
    with pytest.raises(asyncpg.DataError):
        await database.fetchval("SELECT $1::text[]", "ab")
