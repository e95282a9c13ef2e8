"""`posthouse backup` and `posthouse restore`: what comes back is what was there."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import CommandLine
from tests.corridor import Corridor, open_corridor

from posthouse.cli.world import open_world
from posthouse.ledger import suppression
from posthouse.ledger.suppression import EVERYTHING, Entry
from posthouse.runtime import postgres
from posthouse.runtime.postgres import Connection, Pool
from posthouse.runtime.settings import Settings

_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"


@pytest.fixture
async def corridor(make_process: Callable[..., Any]) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as made:
        yield made


@pytest.fixture
async def full(corridor: Corridor, settings: Settings, owner_dsn: str, database: Pool) -> CommandLine:
    """An installation with mail in the queue and an address that is not to be written to."""
    for number in range(20):
        await corridor.send(f"bob{number}@there.test", f"cy{number}@other.test")
    async with database.acquire() as connection:
        await suppression.add(
            connection,
            corridor.submitter.workspace_id,
            "gone@there.test",
            Entry(EVERYTHING, "hard_bounce"),
            None,
            "delivery",
            corridor.process.clock.now(),
        )
    return CommandLine(settings.data, owner_dsn)


async def contents(connection: Connection) -> dict[str, tuple[int, str]]:
    """Rows and a digest of every table but those that change by looking."""
    names = [row["relname"] for row in await connection.fetch(_TABLES)]
    found = {}
    for name in names:
        if name in {"schema_migrations", "mass_sightings"}:  # what doors have seen is told a second later
            continue
        row = await connection.fetchrow(
            f"SELECT count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {name} t"
        )
        assert row is not None
        found[name] = (row[0], row[1])
    return found


async def contents_of(dsn: str) -> dict[str, tuple[int, str]]:
    connection = await postgres.connect(dsn)
    try:
        return await contents(connection)
    finally:
        await connection.close()


async def test_a_backup_restored_into_an_empty_folder_is_the_same_installation(
    full: CommandLine, owner_dsn: str, settings: Settings, tmp_path: Path
) -> None:
    file, fresh = tmp_path / "monday.tar", tmp_path / "fresh"
    before = await contents_of(owner_dsn)
    assert (await full("backup", file, "--json")).json()["key_included"] is True
    restored = (await CommandLine(fresh)("restore", file, "--json")).json()
    assert restored["queue"] == {"ready": 40}
    assert restored["hostname"] == "mail.test"
    assert (fresh / "kek").read_bytes() == (settings.data / "kek").read_bytes()
    async with open_world(settings.with_("server", data_dir=fresh)) as process:
        connection = await postgres.connect(process.owner_dsn or "")
        after = await contents(connection)
        await connection.close()
        async with process.pool.acquire() as connection:
            assert await connection.fetchval("SELECT count(*) FROM suppressions") == 1, "the role may read it"
    assert after == before


async def test_a_backup_is_readable_by_its_owner_alone_and_says_that_it_has_the_key(
    full: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "monday.tar"
    said = await full("backup", file)
    assert said.status == 0, said.err
    assert "It contains the key-encryption key" in said.out
    assert file.stat().st_mode & 0o777 == 0o600
    assert not file.with_name("monday.tar.part").exists()


async def test_a_backup_never_overwrites(full: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "monday.tar"
    file.write_text("mine")
    said = await full("backup", file)
    assert said.status == 1
    assert "never overwritten" in said.err
    assert file.read_text() == "mine"


async def test_a_backup_without_the_key_needs_that_key_and_no_other(
    full: CommandLine, settings: Settings, tmp_path: Path
) -> None:
    file, fresh = tmp_path / "nokey.tar", tmp_path / "fresh"
    said = await full("backup", file, "--without-key")
    assert "does not contain the key-encryption key" in said.out
    secret = (settings.data / "kek").read_text().strip()
    assert secret.encode() not in file.read_bytes()
    missing = await CommandLine(fresh)("restore", file)
    assert missing.status == 1
    assert "made without its key-encryption key" in missing.err
    wrong = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
    other = await CommandLine(fresh)("restore", file, POSTHOUSE_SERVER_KEK=wrong)
    assert other.status == 1
    assert "another key-encryption key" in other.err
    assert not (fresh / "postgres").exists()
    right = await CommandLine(fresh)("restore", file, "--json", POSTHOUSE_SERVER_KEK=secret)
    assert right.json()["queue"] == {"ready": 40}


async def test_restoring_over_something_is_refused_and_changes_nothing(full: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "monday.tar"
    await full("backup", file)
    said = await full("restore", file)
    assert said.status == 1
    assert "the database is not empty" in said.err


async def test_a_damaged_or_cut_backup_is_refused_before_anything_is_made(full: CommandLine, tmp_path: Path) -> None:
    file, fresh = tmp_path / "monday.tar", tmp_path / "fresh"
    await full("backup", file)
    whole = bytearray(file.read_bytes())
    cut, damaged = tmp_path / "cut.tar", tmp_path / "damaged.tar"
    cut.write_bytes(whole[: len(whole) // 2])
    whole[4000] ^= 1
    damaged.write_bytes(whole)
    for bad, sentence in ((cut, "no whole backup"), (damaged, "is damaged: database.dump")):
        said = await CommandLine(fresh)("restore", bad)
        assert said.status == 1
        assert sentence in said.err
    assert not (fresh / "kek").exists()


async def test_a_backup_goes_into_an_empty_database_elsewhere(
    full: CommandLine, owner: Pool, owner_dsn: str, database_name: str, settings: Settings, tmp_path: Path
) -> None:
    file, name = tmp_path / "monday.tar", f"{database_name}_restored"
    await full("backup", file)
    await owner.execute(f"CREATE DATABASE {name}")
    dsn = owner_dsn.replace(f"/{database_name}?", f"/{name}?")
    try:
        fresh = CommandLine(tmp_path / "elsewhere", dsn)
        assert (await fresh("restore", file, "--json")).json()["queue"] == {"ready": 40}
        assert await contents_of(dsn) == await contents_of(owner_dsn)
    finally:
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
