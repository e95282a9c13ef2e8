"""What a connection is told so that a host without a network is forgotten, and what counts as "the database is away"."""

import asyncio
import errno

import asyncpg
import pytest

from posthouse.model import limits
from posthouse.runtime.postgres import DATABASE_GONE, Pool

SILENCE = f"{limits.DATABASE_SILENCE_S:.0f}s"


async def test_a_transaction_that_stands_still_is_ended_by_the_server(database: Pool) -> None:
    assert await database.fetchval("SHOW idle_in_transaction_session_timeout") == SILENCE


async def test_its_locks_are_free_again_afterwards(database: Pool) -> None:
    with pytest.raises(DATABASE_GONE):
        await _stand_still_until_somebody_else_has_the_lock(database)


async def _stand_still_until_somebody_else_has_the_lock(database: Pool) -> None:
    lock = "SELECT pg_advisory_xact_lock(1)"
    async with database.acquire() as stuck, stuck.transaction():
        await stuck.execute("SET LOCAL idle_in_transaction_session_timeout = 100")
        await stuck.execute(lock)
        async with asyncio.timeout(30), database.acquire() as other, other.transaction():
            await other.execute(lock)
        await stuck.execute("SELECT 1")


@pytest.mark.parametrize(
    "trouble",
    [
        OSError(errno.EHOSTUNREACH, "No route to host"),
        OSError(errno.ENETUNREACH, "Network is unreachable"),
        ConnectionRefusedError(),
        TimeoutError(),
        asyncpg.exceptions.DiskFullError(),
        asyncpg.exceptions.TooManyConnectionsError(),
        asyncpg.exceptions.OutOfMemoryError(),
        asyncpg.exceptions.ReadOnlySQLTransactionError(),
        asyncpg.exceptions.IdleInTransactionSessionTimeoutError(),
    ],
    ids=lambda trouble: type(trouble).__name__,
)
def test_what_passes_by_itself_counts_as_away(trouble: Exception) -> None:
    assert isinstance(trouble, DATABASE_GONE)


@pytest.mark.parametrize(
    "mistake", [asyncpg.exceptions.UndefinedColumnError(), asyncpg.exceptions.UniqueViolationError(), ValueError()]
)
def test_our_own_mistakes_do_not(mistake: Exception) -> None:
    assert not isinstance(mistake, DATABASE_GONE)
