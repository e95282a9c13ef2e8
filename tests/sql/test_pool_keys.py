"""Domains by class and DKIM keys by pool: made, published, used, and answered for by the directory."""

from collections.abc import Callable

import pytest
from tests.sql.test_accounts_domains import Zone, new_workspace, submitter

from posthouse.accounts import audit, changes, domains
from posthouse.accounts.directory import Directory
from posthouse.accounts.dns_records import Purpose
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.selectors import Selectors
from posthouse.accounts.workspaces import Workspace
from posthouse.model.words import MailClass, Pool
from posthouse.runtime.process import Process

MakeProcess = Callable[..., Process]


@pytest.fixture
async def workspace(process: Process) -> Workspace:
    return await new_workspace(process, "Shop")


async def add(process: Process, workspace: Workspace, **classes: object) -> SendingDomain:
    async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
        domain = await domains.add(change, "shop.test", Selectors.of(process.settings).all, **classes)
    assert isinstance(domain, SendingDomain), domain
    return domain


async def verify(process: Process, domain: SendingDomain, zone: Zone) -> SendingDomain:
    verified = await domains.verify(process, domain.workspace_id, domain.domain_id, zone, "user:ann@x.test")
    assert verified is not None
    return verified


async def signing(process: Process, domain: SendingDomain, pool: Pool | None) -> list[str]:
    directory = Directory(process.pool, process.clock, process.vault, Selectors.of(process.settings))
    return [key.selector for key in await directory.signing_keys(domain.workspace_id, "shop.test", pool)]


async def test_a_pool_signs_with_its_own_keys_once_they_are_published(
    make_process: MakeProcess, workspace: Workspace
) -> None:
    process, zone = make_process(marketing={"selectors": ("mk1", "mk1-ed")}), Zone()
    domain = await add(process, workspace)
    common = [f"ph{workspace.number}-rsa", f"ph{workspace.number}-ed"]
    zone.publish(process, domain, Purpose.OWNERSHIP, Purpose.DKIM)
    published = dict(zone.texts)
    for name in [name for name in zone.texts if name.startswith("mk1")]:
        del zone.texts[name]
    await verify(process, domain, zone)
    assert await signing(process, domain, Pool.MARKETING) == common
    zone.texts = published
    await verify(process, domain, zone)
    assert await signing(process, domain, Pool.MARKETING) == ["mk1", "mk1-ed"]
    assert await signing(process, domain, Pool.TRANSACTIONAL) == common
    assert await signing(process, domain, None) == common


async def test_a_pool_that_gets_selectors_later_gets_keys_at_the_next_verification(
    process: Process, make_process: MakeProcess, workspace: Workspace
) -> None:
    domain = await add(process, workspace)
    later = make_process(marketing={"selectors": ("mk1",)})
    checked = await verify(later, domain, Zone())
    assert "mk1" in {key.selector for key in checked.keys}
    (record,) = [each for each in domains.records(later, checked) if each.name.startswith("mk1.")]
    assert record.pools == (Pool.MARKETING,)
    assert not record.required


async def test_further_keys_are_made_by_name_and_never_twice(process: Process, workspace: Workspace) -> None:
    domain = await add(process, workspace)
    async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
        more = await domains.add_keys(change, domain, ["MK1", "mk1-ed"])
        assert isinstance(more, SendingDomain)
        again = await domains.add_keys(change, more, ["mk1", "no_name", "x", "x"])
    algorithms = {key.selector: key.algorithm for key in more.keys}
    assert (algorithms["mk1"], algorithms["mk1-ed"]) == ("rsa-sha256", "ed25519-sha256")
    assert isinstance(again, tuple)
    assert [(problem.pointer, problem.code) for problem in again] == [
        ("/selectors/0", "taken"),
        ("/selectors/1", "invalid_selector"),
        ("/selectors/3", "taken"),
    ]


async def test_what_a_domain_is_for_is_kept_audited_and_known_to_the_directory(
    process: Process, workspace: Workspace
) -> None:
    domain, zone = await add(process, workspace, classes={MailClass.MARKETING}), Zone()
    assert domain.mail_classes == {MailClass.MARKETING}
    zone.publish(process, domain, Purpose.OWNERSHIP, Purpose.DKIM)
    async with changes.making(process, workspace.workspace_id, "user:ann@x.test") as change:
        await domains.assign(change, domain.domain_id, {MailClass.BUSINESS, MailClass.TRANSACTIONAL})
        assert await domains.assign(change, process.ids.new(), ()) is None
    verified = await verify(process, domain, zone)
    assert verified.mail_classes == {MailClass.BUSINESS, MailClass.TRANSACTIONAL}
    directory = Directory(process.pool, process.clock, process.vault)
    assert await directory.domain_classes(workspace.workspace_id, "shop.test") == verified.mail_classes
    assert await directory.domain_classes(workspace.workspace_id, "other.test") == frozenset()
    assert await directory.may_send_as(submitter(workspace), "shop.test")
    async with process.pool.acquire() as connection:
        entries = await audit.page(connection, workspace.workspace_id, None, 10)
    (told,) = [entry for entry in entries if entry.action == "domain.classes"]
    assert told.detail["classes"] == {"from": ["marketing"], "to": ["business", "transactional"]}
