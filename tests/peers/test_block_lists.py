"""Our addresses on block lists that a real name server publishes: found, told, kept out of use, and forgotten when they are gone."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.corridor import Corridor, MakeProcess, open_corridor
from tests.peers.validating_resolver import Zone, validating_resolver

from posthouse.accounts import alerts
from posthouse.accounts.alerts import Level
from posthouse.cli import checks
from posthouse.cli.checks import Verdict
from posthouse.delivery import block_lists
from posthouse.delivery.block_lists import ACTOR, Watch
from posthouse.intake import operate
from posthouse.model.words import Pool
from posthouse.outbox import suspensions
from posthouse.runtime.dns import Resolver
from posthouse.runtime.process import Process

ONE, TWO, SIX = "5.9.0.1", "5.9.0.2", "2a01:4f8::1"
TEST_POINT = "2.0.0.127 60 IN A 127.0.0.2"
LISTED = ("1.0.9.5 60 IN A 127.0.0.4", '1.0.9.5 60 IN TXT "Spam seen, https://bl.test/why/5.9.0.1"')
SIX_LISTED = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.f.4.0.1.0.a.2 60 IN A 127.0.0.2"


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        yield opened


@contextlib.asynccontextmanager
async def lists(folder: Path, **zones: Sequence[str]) -> AsyncIterator[str]:
    """A name server with these lists: `bl` is bl.test."""
    published = [
        Zone("test", (), signed=False),
        *(Zone(f"{name}.test", lines, signed=False) for name, lines in zones.items()),
    ]
    async with validating_resolver(folder, published) as address:
        yield address


def worker(corridor: Corridor, resolver: str, *sources: str, action: str = "pause", **lists: Any) -> Process:
    zones = lists.get("zones", ("bl.test",))
    delivery = {"resolvers": [resolver], "sources": list(sources)}
    return corridor.make_process("worker", delivery=delivery, block_lists={"zones": zones, "action": action})


async def look(process: Process) -> None:
    """A round after the hour is over."""
    await process.pool.execute("UPDATE ip_listings SET next_at = now() - interval '1 minute'")
    await Watch(process.settings)(process)


async def open_alerts(corridor: Corridor) -> list[alerts.Alert]:
    return await alerts.in_force(corridor.process.pool, corridor.submitter.workspace_id)


async def stopped(corridor: Corridor) -> set[Pool | None]:
    process = corridor.process
    async with process.pool.acquire() as connection:
        found = await suspensions.in_force(connection, corridor.submitter.workspace_id, process.clock.now())
    assert all(each.created_by == ACTOR for each in found)
    return {each.pool for each in found}


async def out_of_rotation(process: Process) -> frozenset[str]:
    async with process.pool.acquire() as connection:
        return await block_lists.listed_of(connection, process.settings, Pool.MARKETING)


async def test_a_listing_is_told_pauses_what_has_no_other_address_and_ends_by_itself(
    corridor: Corridor, tmp_path: Path
) -> None:
    (tmp_path / "clean").mkdir()
    async with lists(tmp_path, bl=(TEST_POINT, *LISTED)) as address:
        process = worker(corridor, address, ONE)
        await look(process)
        (alert,) = await open_alerts(corridor)
        assert (alert.trouble.kind, alert.trouble.subject, alert.trouble.level) == (
            "ip.listed", f"{ONE} on bl.test", Level.CRITICAL,
        )  # fmt: skip
        assert "https://bl.test/why/5.9.0.1" in alert.trouble.sentence
        assert await stopped(corridor) == set(Pool)
        failed = [each async for each in checks.block_lists(process) if each.verdict is Verdict.FAILED]
        assert [ONE in each.detail and "Spam seen" in each.detail for each in failed] == [True]
        assert not await out_of_rotation(process)  # there is no other
    async with lists(tmp_path / "clean", bl=(TEST_POINT,)) as address:
        process = worker(corridor, address, ONE)
        await look(process)
        assert len(await open_alerts(corridor)) == 1  # one clean look may be an accident
        await look(process)
        assert await open_alerts(corridor) == []
        assert await stopped(corridor) == set()
        assert [each.verdict async for each in checks.block_lists(process)] == [Verdict.OK]


async def test_an_address_leaves_rotation_while_others_remain(corridor: Corridor, tmp_path: Path) -> None:
    async with lists(tmp_path, bl=(TEST_POINT, *LISTED, SIX_LISTED)) as address:
        process = worker(corridor, address, ONE, TWO, SIX)
        await Watch(process.settings)(process)  # the first look comes at once
        assert await out_of_rotation(process) == {ONE, SIX}
        assert (await stopped(corridor), len(await open_alerts(corridor))) == (set(), 2)
        warned = worker(corridor, address, ONE, action="warn")
        await look(warned)
        assert (await out_of_rotation(warned), await stopped(corridor)) == (frozenset(), set())


async def test_whoever_resumes_a_pool_is_not_overruled_by_the_same_listing(corridor: Corridor, tmp_path: Path) -> None:
    async with lists(tmp_path, bl=(TEST_POINT, *LISTED)) as address:
        process = worker(corridor, address, ONE)
        await look(process)
        async with process.pool.acquire() as connection:
            found = await suspensions.in_force(connection, corridor.submitter.workspace_id, process.clock.now())
        ids = [each.suspension_id for each in found if each.pool is Pool.TRANSACTIONAL]
        await operate.resume(process, corridor.submitter.workspace_id, ids, "user:ann")
        await look(process)
        assert await stopped(corridor) == set(Pool) - {Pool.TRANSACTIONAL}


@pytest.mark.parametrize(
    "lines",
    [
        ("2.0.0.127 60 IN A 127.255.255.254", "1.0.9.5 60 IN A 127.255.255.254"),  # a public resolver is refused
        ("* 60 IN A 127.0.0.2",),  # a list that was given up
        ("* 60 IN A 198.51.100.9",),  # and sold
        LISTED,  # without its test address
        (TEST_POINT, "1.0.9.5 60 IN CNAME listed.else.test."),
        (),
    ],
)
async def test_a_list_that_does_not_work_lists_nobody(corridor: Corridor, tmp_path: Path, lines: Sequence[str]) -> None:
    elsewhere = ("listed 60 IN A 127.0.0.2",)
    async with lists(tmp_path, bl=lines, **{"else": elsewhere}) as address:
        process = worker(corridor, address, ONE)
        await look(process)
        assert (await open_alerts(corridor), await stopped(corridor)) == ([], set())
        (finding,) = [each async for each in checks.block_lists(process) if each.verdict is not Verdict.OK]
        assert finding.verdict is Verdict.WARNING


async def test_a_silent_list_changes_nothing_and_one_taken_from_the_settings_ends_its_alert(
    corridor: Corridor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lists(tmp_path, bl=(TEST_POINT, *LISTED), other=(TEST_POINT,)) as address:
        process = worker(corridor, address, ONE)
        await look(process)
        dead = worker(corridor, "127.0.0.1:9", ONE)
        with monkeypatch.context() as patch:
            patch.setitem(Resolver.__init__.__kwdefaults__, "timeout_s", 0.2)
            for _ in range(3):
                await look(dead)
        assert (len(await open_alerts(corridor)), await stopped(corridor)) == (1, set(Pool))
        await look(worker(corridor, address, ONE, zones=("other.test",)))
        assert (await open_alerts(corridor), await stopped(corridor)) == ([], set())


async def test_private_addresses_and_those_behind_a_next_hop_are_not_asked_about(
    corridor: Corridor, tmp_path: Path
) -> None:
    private = "4.3.2.10 60 IN A 127.0.0.2"
    host = ("mail 60 IN A 5.9.0.1",)
    async with lists(tmp_path, bl=(TEST_POINT, *LISTED, private), host=host) as address:
        await look(worker(corridor, address, "10.2.3.4", "127.0.0.1"))
        smart = worker(corridor, address, ONE)
        await look(corridor.make_process(
            "worker", delivery={"resolvers": [address], "sources": [ONE], "routes": {"*": "127.0.0.1:25"}},
            block_lists={"zones": ("bl.test",)},
        ))  # fmt: skip
        assert await block_lists.listings(smart.pool) == []
        own = corridor.make_process(
            "worker", server={"hostname": "mail.host.test"}, delivery={"resolvers": [address]}, block_lists={"zones": ("bl.test",)}
        )  # fmt: skip
        await look(own)
        assert [each.address for each in await block_lists.listings(own.pool)] == [ONE]
        assert await stopped(corridor) == set(Pool)
