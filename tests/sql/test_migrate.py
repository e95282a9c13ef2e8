"""Migrations on a real server."""

from uuid import uuid4

import pytest

from posthouse.runtime import migrate
from posthouse.runtime.migrate import MigrationError
from posthouse.runtime.postgres import Pool, connect


async def test_a_second_run_applies_nothing(owner_dsn: str) -> None:
    assert await migrate.migrate(owner_dsn) == []


async def test_a_changed_file_refuses_to_start(owner: Pool, owner_dsn: str) -> None:
    await owner.execute("UPDATE schema_migrations SET checksum = 'other' WHERE number = 1")
    with pytest.raises(MigrationError, match="was changed after it had been applied"):
        await migrate.migrate(owner_dsn)


async def test_processes_see_what_is_outstanding(database: Pool, owner: Pool) -> None:
    async with database.acquire() as connection:
        assert await migrate.outstanding(connection) == []
        last = await owner.fetchval(
            "DELETE FROM schema_migrations WHERE number = (SELECT max(number) FROM schema_migrations) RETURNING name"
        )
        assert [migration.name for migration in await migrate.outstanding(connection)] == [last]


async def test_a_migration_that_fails_leaves_nothing_behind(owner: Pool, owner_dsn: str) -> None:
    await owner.execute("DELETE FROM schema_migrations WHERE number = (SELECT max(number) FROM schema_migrations)")
    with pytest.raises(MigrationError, match="already exists"):
        await migrate.migrate(owner_dsn)
    assert await owner.fetchval("SELECT count(*) FROM schema_migrations") == len(migrate.shipped()) - 1


async def test_an_owner_who_may_step_into_the_role_of_the_processes_does(owner_dsn: str) -> None:
    connection = await connect(await migrate.app_dsn(owner_dsn))
    assert await connection.fetchval("SELECT current_user") == migrate.APP_ROLE
    await connection.close()


async def test_an_owner_who_may_not_stays_who_he_is(owner: Pool, owner_dsn: str) -> None:
    name = f"plain_{uuid4().hex}"
    await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x'")
    try:
        head, _, tail = owner_dsn.partition("@")
        dsn = f"postgresql://{name}:x@{tail}"
        assert head.startswith("postgresql://")
        assert await migrate.app_dsn(dsn) == dsn
    finally:
        await owner.execute(f"DROP ROLE {name}")
