"""Group commit: who shares one, and who is withdrawn in time."""

import asyncio
from collections.abc import Sequence

import pytest

from posthouse.runtime.group import Group


class Database:
    """Commits when it is let."""

    def __init__(self) -> None:
        self.moving = asyncio.Event()
        self.committed: list[Sequence[str]] = []

    async def commit(self, items: Sequence[str]) -> Sequence[str]:
        await self.moving.wait()
        self.committed.append(items)
        return [item.upper() for item in items]


@pytest.fixture
async def database() -> Database:
    return Database()


@pytest.fixture
async def group(database: Database) -> Group[str, str]:
    return Group(database.commit, 10)


async def _ask(group: Group[str, str], item: str) -> asyncio.Task[str]:
    task = asyncio.create_task(group.add(item))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_what_arrives_while_a_commit_is_under_way_shares_the_next(
    database: Database, group: Group[str, str]
) -> None:
    asked = [await _ask(group, item) for item in "abc"]
    database.moving.set()
    assert [await each for each in asked] == ["A", "B", "C"]
    assert database.committed == [["a"], ["b", "c"]]


async def test_who_gives_up_in_line_is_never_committed_and_who_gives_up_under_way_is(
    database: Database, group: Group[str, str]
) -> None:
    under_way, in_line, patient = [await _ask(group, item) for item in "abc"]
    for impatient in (under_way, in_line):
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
    database.moving.set()
    assert await patient == "C"
    assert database.committed == [["a"], ["c"]]


async def test_closing_waits_for_what_is_under_way(database: Database, group: Group[str, str]) -> None:
    asked = await _ask(group, "a")
    database.moving.set()
    await group.close()
    assert await asked == "A"
