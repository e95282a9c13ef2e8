"""One installation for all tests of a file that say so: they leave nothing behind that the next could meet."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conftest import TestServer
from tests.corridor import open_corridor
from tests.e2e.receiving import House, MovableClock, Yard

from posthouse.runtime import postgres, vault
from posthouse.runtime.settings import Server, Settings


@pytest.fixture(scope="module")
async def house(postgres_server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Its clock only ever moves ahead."""
    folder: Path = tmp_path_factory.mktemp("house")
    vault.ensure_kek(folder / "kek")
    settings = Settings(server=Server(hostname="mail.test", data_dir=folder))
    name = await postgres_server.clone()
    dsn = postgres_server.app_dsn(name)
    database = await postgres.open_pool(dsn, size=20, name="test")
    yard = Yard(database, dsn, postgres_server.owner_dsn(name), settings, MovableClock())
    async with open_corridor(yard.process) as corridor:
        yield House(yard, corridor)
    database.terminate()
    postgres_server.drop(name)
