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
    """It is in line, and those before it are under way."""
    task = asyncio.create_task(group.add(item))
    await _passes(20)
    return task


async def _passes(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_who_is_just_arriving_shares_the_commit_of_the_first(database: Database, group: Group[str, str]) -> None:
    database.moving.set()

    async def arrive(item: str, passes: int) -> str:
        await _passes(passes)
        return await group.add(item)

    assert await asyncio.gather(*(arrive(item, 3 * number) for number, item in enumerate("abc"))) == ["A", "B", "C"]
    assert database.committed == [["a", "b", "c"]]


async def test_a_stream_without_end_does_not_hold_up_the_first(database: Database) -> None:
    group: Group[str, str] = Group(database.commit, 1_000_000)
    database.moving.set()
    first = asyncio.create_task(group.add("a"))
    others = []
    while not first.done():
        others.append(asyncio.create_task(group.add("b")))
        await asyncio.sleep(0)
    assert await first == "A"
    assert len(database.committed) == 1
    await asyncio.gather(*others)


async def test_no_more_than_so_many_share_one(database: Database, group: Group[str, str]) -> None:
    database.moving.set()
    await asyncio.gather(*(group.add(str(number)) for number in range(25)))
    assert [len(each) for each in database.committed] == [10, 10, 5]


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
