"""DKIM keys replaced: the new ones take over in the very commit that saw them, the former ones go a week later."""

from datetime import timedelta

import pytest
from tests.sql.test_accounts_domains import Zone, add, new_workspace, verify

from posthouse.accounts import audit, changes, domains
from posthouse.accounts.directory import Directory
from posthouse.accounts.dns_records import Purpose
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.rotation import RETIRED_FOR
from posthouse.accounts.selectors import Selectors
from posthouse.accounts.workspaces import Workspace
from posthouse.model.words import Pool
from posthouse.runtime.process import Process

OLD = ["ph{}-rsa", "ph{}-ed"]


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
async def workspace(process: Process) -> Workspace:
    return await new_workspace(process, "Shop")


@pytest.fixture
async def domain(process: Process, workspace: Workspace, zone: Zone) -> SendingDomain:
    added = await add(process, workspace, "shop.test")
    zone.publish(process, added, Purpose.OWNERSHIP, Purpose.DKIM)
    return await verify(process, added, zone)


async def rotate(process: Process, domain: SendingDomain) -> SendingDomain | tuple[str, ...]:
    async with changes.making(process, domain.workspace_id, "user:ann@x.test") as change:
        outcome = await domains.rotate(change, domain, Selectors.of(process.settings))
    return outcome if isinstance(outcome, SendingDomain) else tuple(problem.code for problem in outcome)


async def remove(process: Process, domain: SendingDomain, selector: str) -> str:
    async with changes.making(process, domain.workspace_id, "user:ann@x.test") as change:
        outcome = await domains.remove_key(change, domain, selector)
    return "removed" if isinstance(outcome, SendingDomain) else outcome[0].code if outcome else "unknown"


async def signing(process: Process, domain: SendingDomain, pool: Pool | None = None) -> list[str]:
    directory = Directory(process.pool, process.clock, process.vault, Selectors.of(process.settings))
    return [key.selector for key in await directory.signing_keys(domain.workspace_id, "shop.test", pool)]


def new_of(domain: SendingDomain) -> list[str]:
    return [key.selector for key in domain.keys if key.replacing]


def publish(zone: Zone, domain: SendingDomain, *selectors: str) -> None:
    for key in domain.keys:
        if key.selector in selectors:
            zone.texts[f"{key.selector}._domainkey.{domain.name}"] = [key.value]


async def test_the_present_keys_sign_until_the_new_ones_are_seen(process, workspace, zone, domain) -> None:
    old = [name.format(workspace.number) for name in OLD]
    rotating = await rotate(process, domain)
    assert isinstance(rotating, SendingDomain)
    rsa, ed = new_of(rotating)
    assert await signing(process, rotating) == old
    assert await signing(process, await verify(process, rotating, zone)) == old
    publish(zone, rotating, rsa)
    assert await signing(process, await verify(process, rotating, zone)) == [rsa, old[1]]
    publish(zone, rotating, ed)
    turned = await verify(process, rotating, zone)
    assert await signing(process, turned) == [rsa, ed]
    assert {key.selector for key in turned.keys if key.retired_at} == set(old)
    published = {record.name.partition(".")[0] for record in domains.records(process, turned)}
    assert set(old) | {rsa, ed} <= published
    async with process.pool.acquire() as connection:
        told = [entry.action for entry in await audit.page(connection, workspace.workspace_id, None, 10)]
    assert told.count("domain.keys.turn") == 2


async def test_a_domain_lives_on_its_new_keys_alone(process, workspace, zone, domain) -> None:
    rotating = await rotate(process, domain)
    assert isinstance(rotating, SendingDomain)
    publish(zone, rotating, *new_of(rotating))
    turned = await verify(process, rotating, zone)
    for name in OLD:
        del zone.texts[f"{name.format(workspace.number)}._domainkey.shop.test"]
    checked = await verify(process, turned, zone)
    assert checked.incomplete is turned.incomplete
    assert await signing(process, checked) == new_of(rotating)


async def test_a_silent_dns_makes_no_key_take_over(process, workspace, zone, domain) -> None:
    rotating = await rotate(process, domain)
    assert isinstance(rotating, SendingDomain)
    publish(zone, rotating, *new_of(rotating))
    zone.silent = True
    await verify(process, rotating, zone)
    assert await signing(process, rotating) == [name.format(workspace.number) for name in OLD]


async def test_a_key_goes_before_it_signed_or_a_week_after(process, workspace, zone, domain, database) -> None:
    old = [name.format(workspace.number) for name in OLD]
    assert [await remove(process, domain, each) for each in (old[0], "none")] == ["in_use", "unknown"]
    rotating = await rotate(process, domain)
    assert isinstance(rotating, SendingDomain)
    rsa, ed = new_of(rotating)
    assert await remove(process, rotating, ed) == "removed"
    publish(zone, rotating, rsa)
    turned = await verify(process, rotating, zone)
    assert [await remove(process, turned, each) for each in (rsa, old[0])] == ["in_use", "in_use"]
    past = process.clock.now() - RETIRED_FOR - timedelta(seconds=1)
    await database.execute("UPDATE dkim_keys SET retired_at = $1 WHERE retired_at IS NOT NULL", past)
    over = await domains.find(process.pool, workspace.workspace_id, "shop.test")
    assert over is not None
    assert await remove(process, over, old[0]) == "removed"
    left = await database.fetch("SELECT selector FROM dkim_keys WHERE workspace_id = $1", workspace.workspace_id)
    assert {row["selector"] for row in left} == {rsa, old[1]}


async def test_one_rotation_at_a_time_and_only_of_a_verified_domain(process, workspace, zone, domain) -> None:
    other = await add(process, workspace, "other.test")
    assert await rotate(process, other) == ("not_verified",)
    rotating = await rotate(process, domain)
    assert isinstance(rotating, SendingDomain)
    assert await rotate(process, rotating) == ("under_way",)
    publish(zone, rotating, *new_of(rotating))
    again = await rotate(process, await verify(process, rotating, zone))
    assert isinstance(again, SendingDomain)
    assert len(new_of(again)) == 2


async def test_the_keys_of_a_pool_stay(make_process, zone) -> None:
    process = make_process(marketing={"selectors": ("mk1",)})
    workspace = await new_workspace(process, "Shop")
    added = await add(process, workspace, "shop.test")
    await verify(process, added, zone)  # makes the pool's key
    known = await domains.find(process.pool, workspace.workspace_id, "shop.test")
    assert known is not None
    zone.publish(process, known, Purpose.OWNERSHIP, Purpose.DKIM)
    rotating = await rotate(process, await verify(process, known, zone))
    assert isinstance(rotating, SendingDomain)
    publish(zone, rotating, *new_of(rotating))
    turned = await verify(process, rotating, zone)
    assert await signing(process, turned, Pool.MARKETING) == ["mk1"]
    assert await signing(process, turned) == new_of(rotating)
