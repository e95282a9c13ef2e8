"""Every named statement on a live server."""

import importlib
from pathlib import Path

import pytest

import posthouse
from posthouse.runtime import queries
from posthouse.runtime.postgres import Pool

SOURCES = Path(posthouse.__file__).parent
ROOMS = sorted(path.parent.relative_to(SOURCES.parent) for path in SOURCES.rglob("queries.sql"))


async def test_every_statement_of_every_room_is_understood_by_the_server(database: Pool) -> None:
    for room in ROOMS:
        queries.load(importlib.import_module(".".join(room.parts)).__name__)
    async with database.acquire() as connection:
        await queries.prepare_all(connection)


async def test_a_statement_that_names_nothing_is_refused_with_its_room(
    database: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = queries.Queries("posthouse.room", [queries.Query("lost", "", "SELECT nothing FROM nowhere")])
    monkeypatch.setitem(queries._loaded, "posthouse.room", bad)
    async with database.acquire() as connection:
        with pytest.raises(queries.QueryError, match=r"posthouse\.room: lost: .*nowhere"):
            await queries.prepare_all(connection)
