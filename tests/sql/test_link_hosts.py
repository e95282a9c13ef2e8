"""Link hosts in the database: one for a domain, one domain's over all workspaces, in use and out of it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.verified import verified_domain

from posthouse.accounts import alerts, audit, changes, domains, link_hosts, workspaces
from posthouse.accounts.directory import Directory
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.link_hosts import LinkHost
from posthouse.accounts.workspaces import Workspace
from posthouse.model.dns import Answer, DnsStatus
from posthouse.runtime.process import Process

TARGET = "mail.host.test"
ACTOR = "user:ann@x.test"


class Aliases:
    """A DNS of CNAMEs; without any given, all names lead here."""

    def __init__(self, **known: str) -> None:
        self.known: dict[str, str] | None = known or None
        self.silent = False

    async def lookup(self, name: str, rdtype: str) -> Answer[str]:
        assert rdtype == "CNAME"
        if self.silent:
            return Answer(DnsStatus.TIMEOUT, detail="no server answered")
        target = TARGET if self.known is None else self.known.get(name)
        return Answer(DnsStatus.NOERROR, (f"{target}.",)) if target else Answer(DnsStatus.NXDOMAIN)

    async def txt(self, name: str) -> Answer[str]:
        del name
        return Answer(DnsStatus.NXDOMAIN)

    def lead(self, **known: str) -> None:
        self.known = known


@pytest.fixture
def process(make_process: Callable[..., Process]) -> Process:
    return make_process("web", web={"public_url": f"https://{TARGET}"})


@pytest.fixture
def dns() -> Aliases:
    return Aliases()


async def new_workspace(process: Process, name: str) -> Workspace:
    async with changes.making(process, process.ids.new(), "cli:test") as change:
        return await workspaces.create(change, name)


async def domain_of(process: Process, name: str = "acme.test", workspace: str = "Shop") -> SendingDomain:
    """A verified domain in a workspace of its own."""
    return await verified_domain(process, (await new_workspace(process, workspace)).workspace_id, name)


async def choose(process: Process, domain: SendingDomain, dns: Aliases, name: str = "") -> LinkHost | str:
    """The link host, or the code it was refused with."""
    outcome = await link_hosts.choose(process, domain, name, dns, ACTOR)
    return outcome if isinstance(outcome, LinkHost) else outcome[0].code


async def verify(process: Process, domain: SendingDomain, dns: Aliases) -> LinkHost:
    kept = await link_hosts.verify(process, domain.workspace_id, domain.domain_id, dns, "daily check")
    assert kept is not None
    return kept


async def entries(process: Process, domain: SendingDomain) -> list[tuple[str, str, Any]]:
    page = await audit.page(process.pool, domain.workspace_id, None, 20)
    return [(each.action, each.subject, each.detail) for each in page if each.action.startswith("link_host")][::-1]


async def test_the_suggested_host_is_chosen_by_no_name(process: Process, dns: Aliases) -> None:
    domain = await domain_of(process)
    host = await choose(process, domain, dns)
    assert isinstance(host, LinkHost)
    assert (host.domain, host.name, host.broken_at) == ("acme.test", "links.acme.test", None)
    known = await domains.find(process.pool, domain.workspace_id, "acme.test")
    assert known is not None
    assert known.link_host == "links.acme.test"
    (record,) = [each for each in domains.records(process, known) if each.purpose == "links"]
    assert (record.name, record.value) == ("links.acme.test", TARGET)


async def test_a_domain_has_one_and_another_takes_its_place(process: Process, dns: Aliases) -> None:
    domain = await domain_of(process)
    for name in ("links.acme.test", "GO.acme.test"):
        assert isinstance(await choose(process, domain, dns, name), LinkHost)
    assert [each.name for each in await link_hosts.listing(process.pool, domain.workspace_id)] == ["go.acme.test"]
    assert await entries(process, domain) == [
        ("link_host.choose", "links.acme.test", {"domain": "acme.test"}),
        ("link_host.choose", "go.acme.test", {"domain": "acme.test", "instead_of": "links.acme.test"}),
    ]


async def test_a_host_is_one_domain_s_over_all_workspaces(process: Process, dns: Aliases) -> None:
    mine, theirs = await domain_of(process), await domain_of(process, workspace="Other")
    below = await verified_domain(process, mine.workspace_id, "news.acme.test")
    assert isinstance(await choose(process, mine, dns, "links.news.acme.test"), LinkHost)
    assert await choose(process, theirs, dns, "links.news.acme.test") == "taken"
    assert await choose(process, below, dns) == "taken"
    assert isinstance(await choose(process, theirs, dns), LinkHost)
    async with changes.making(process, mine.workspace_id, ACTOR) as change:
        assert await link_hosts.remove(change, mine.domain_id)
    assert isinstance(await choose(process, below, dns), LinkHost)


async def test_of_two_who_ask_at_once_one_gets_it(process: Process, dns: Aliases) -> None:
    asking = [await domain_of(process, workspace=f"W{each}") for each in range(4)]
    outcomes = await asyncio.gather(*(choose(process, each, dns) for each in asking))
    assert [each for each in outcomes if isinstance(each, str)] == ["taken"] * 3
    assert await process.pool.fetchval("SELECT count(*) FROM link_hosts") == 1


async def test_no_workspace_touches_another_s(process: Process, dns: Aliases) -> None:
    mine, theirs = await domain_of(process), await domain_of(process, workspace="Other")
    await choose(process, mine, dns)
    assert await link_hosts.listing(process.pool, theirs.workspace_id) == []
    assert await link_hosts.find(process.pool, theirs.workspace_id, mine.domain_id) is None
    assert await link_hosts.verify(process, theirs.workspace_id, mine.domain_id, dns, ACTOR) is None
    async with changes.making(process, theirs.workspace_id, ACTOR) as change:
        assert not await link_hosts.remove(change, mine.domain_id)
    assert await link_hosts.in_use(process.pool, "links.acme.test")


async def test_only_a_verified_domain_of_a_public_installation_gets_one(
    make_process: Callable[..., Process], process: Process, dns: Aliases
) -> None:
    workspace = await new_workspace(process, "Shop")
    async with changes.making(process, workspace.workspace_id, ACTOR) as change:
        unverified = await domains.add(change, "acme.test")
    assert isinstance(unverified, SendingDomain)
    assert await choose(process, unverified, dns) == "not_verified"
    verified = await verified_domain(process, workspace.workspace_id, "other.test")
    assert await choose(make_process(), verified, dns) == "no_public_address"
    async with changes.making(process, workspace.workspace_id, ACTOR) as change:
        await domains.remove(change, verified.domain_id)
    assert await choose(process, verified, dns) == "not_verified"  # it went while the DNS was asked


async def test_while_it_leads_elsewhere_it_is_not_used_and_then_it_is_again(process: Process, dns: Aliases) -> None:
    domain = await domain_of(process)
    directory = Directory(process.pool, process.clock, process.vault)

    async def used() -> tuple[str | None, bool]:
        directory.forget()
        return (
            await directory.link_host(domain.workspace_id, "acme.test"),
            await directory.is_link_host("links.acme.test"),
        )

    assert await used() == (None, False)
    await choose(process, domain, dns)
    assert await used() == ("links.acme.test", True)
    assert await directory.link_host(domain.workspace_id, "news.acme.test") is None

    dns.lead(**{"links.acme.test": "elsewhere.test"})
    broken = await verify(process, domain, dns)
    assert broken.problem == "The CNAME at links.acme.test leads to elsewhere.test: expected mail.host.test."
    assert await used() == (None, False)
    (alert,) = await alerts.in_force(process.pool, domain.workspace_id)
    assert (alert.trouble.kind, alert.trouble.subject) == ("link_host.broken", "links.acme.test")
    assert "links in new mail lead to this server's own address" in alert.trouble.sentence
    assert alert.trouble.path == f"/domains/{domain.domain_id}"

    dns.silent = True
    assert (await verify(process, domain, dns)).broken_at == broken.broken_at
    dns.silent = False
    dns.lead(**{"links.acme.test": TARGET})
    assert (await verify(process, domain, dns)).broken_at is None
    assert await used() == ("links.acme.test", True)
    assert await alerts.in_force(process.pool, domain.workspace_id) == []
    assert [action for action, _, _ in await entries(process, domain)] == [
        "link_host.choose", "link_host.broken", "link_host.mended",
    ]  # fmt: skip


async def test_without_a_public_address_none_is_used(
    make_process: Callable[..., Process], process: Process, dns: Aliases
) -> None:
    domain = await domain_of(process)
    await choose(process, domain, dns)
    kept = await verify(make_process(), domain, dns)
    assert kept.broken_at is not None
    assert "web.public_url" in kept.problem


async def test_an_answer_about_a_host_that_was_replaced_meanwhile_counts_for_nothing(
    process: Process, dns: Aliases
) -> None:
    domain = await domain_of(process)
    await choose(process, domain, dns)

    class Slow(Aliases):
        async def lookup(self, name: str, rdtype: str) -> Answer[str]:
            await choose(process, domain, dns, "go.acme.test")
            return await super().lookup(name, rdtype)

    gone = Slow(nothing="nowhere")
    assert await link_hosts.verify(process, domain.workspace_id, domain.domain_id, gone, ACTOR) is None
    (kept,) = await link_hosts.listing(process.pool, domain.workspace_id)
    assert (kept.name, kept.broken_at) == ("go.acme.test", None)


async def test_it_goes_with_its_domain_and_so_does_its_alert(process: Process, dns: Aliases) -> None:
    domain = await domain_of(process)
    await choose(process, domain, dns)
    dns.lead(nothing="nowhere")
    await verify(process, domain, dns)
    assert len(await alerts.in_force(process.pool, domain.workspace_id)) == 1
    async with changes.making(process, domain.workspace_id, ACTOR) as change:
        assert await domains.remove(change, domain.domain_id)
    assert await link_hosts.listing(process.pool, domain.workspace_id) == []
    assert await alerts.in_force(process.pool, domain.workspace_id) == []
    assert (await entries(process, domain))[-1][0] == "link_host.remove"


async def test_another_choice_ends_the_alert(process: Process, dns: Aliases) -> None:
    domain = await domain_of(process)
    await choose(process, domain, dns)
    dns.lead(**{"go.acme.test": TARGET})
    await verify(process, domain, dns)
    assert isinstance(await choose(process, domain, dns, "go.acme.test"), LinkHost)
    assert await alerts.in_force(process.pool, domain.workspace_id) == []
