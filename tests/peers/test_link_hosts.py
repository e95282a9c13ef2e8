"""Link hosts against a real name server: no CNAME, a wrong one, a chain, one that is removed later and one that comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.command_line import CommandLine
from tests.corridor import Corridor, MakeProcess, open_corridor
from tests.peers.test_bounce_domains import HOST, HOST_LINES
from tests.peers.validating_resolver import Zone, validating_resolver
from tests.verified import verified_domain

from posthouse.accounts import alerts, changes, domains, link_hosts, rechecking
from posthouse.accounts.directory import Directory
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.link_hosts import LinkHost
from posthouse.runtime.dns import Resolver
from posthouse.runtime.settings import Settings

WEB = {"public_url": f"https://{HOST}"}
ACTOR = "user:ann@x.test"
ACME_LINES = (
    f"links 300 IN CNAME {HOST}.",
    "chain 300 IN CNAME hop.acme.test.",
    f"hop 300 IN CNAME {HOST}.",
    "astray 300 IN CNAME elsewhere.acme.test.",
    "number 300 IN A 192.0.2.10",
    "ring 300 IN CNAME ring2.acme.test.",
    "ring2 300 IN CNAME ring.acme.test.",
)


@contextlib.asynccontextmanager
async def name_server(folder: Path, *lines: str) -> AsyncIterator[str]:
    zones = [
        Zone("test", (), signed=False),
        Zone("host.test", HOST_LINES, signed=False),
        Zone("acme.test", lines, signed=False),
    ]
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    async with validating_resolver(folder, zones) as address:
        yield address


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        opened.process = make_process("web", server={"hostname": HOST}, web=WEB)
        yield opened


@pytest.fixture
async def domain(corridor: Corridor) -> SendingDomain:
    return await verified_domain(corridor.process, corridor.submitter.workspace_id, "acme.test")


async def choose(corridor: Corridor, domain: SendingDomain, name: str, address: str) -> str:
    """The name of the link host, or what is wrong."""
    outcome = await link_hosts.choose(corridor.process, domain, name, Resolver([address]), ACTOR)
    return outcome.name if isinstance(outcome, LinkHost) else outcome[0].detail


async def test_an_alias_has_to_lead_here_before_it_is_chosen(
    corridor: Corridor, domain: SendingDomain, tmp_path: Path
) -> None:
    later = "New records take minutes, some providers up to 48 hours."
    async with name_server(tmp_path, *ACME_LINES) as address:
        said = {
            name: await choose(corridor, domain, f"{name}.acme.test", address)
            for name in ("none", "number", "astray", "ring", "chain", "links")
        }
    assert said == {
        "none": f"There is no CNAME at none.acme.test yet: expected {HOST}. {later}",
        "number": f"There is no CNAME at number.acme.test yet: expected {HOST}. {later}",
        "astray": f"The CNAME at astray.acme.test leads to elsewhere.acme.test: expected {HOST}.",
        "ring": f"The CNAME at ring.acme.test leads to ring.acme.test: expected {HOST}.",
        "chain": "chain.acme.test",
        "links": "links.acme.test",
    }


async def daily(corridor: Corridor, address: str) -> None:
    """A worker's daily look, with this name server, a day after the last one."""
    process = corridor.make_process("worker", server={"hostname": HOST}, web=WEB, delivery={"resolvers": [address]})
    yesterday = process.clock.now() - timedelta(days=1)
    await process.pool.execute("UPDATE sending_domains SET checked_at = $1", yesterday)
    await rechecking.advance(process, corridor.submitter.workspace_id)


async def troubles(corridor: Corridor) -> list[str]:
    found = await alerts.in_force(corridor.process.pool, corridor.submitter.workspace_id)
    return [each.trouble.sentence for each in found if each.trouble.kind == "link_host.broken"]


async def test_one_that_is_removed_later_is_noticed_within_a_day_and_used_again_when_it_is_back(
    corridor: Corridor, domain: SendingDomain, tmp_path: Path
) -> None:
    workspace_id, process = corridor.submitter.workspace_id, corridor.process
    async with name_server(tmp_path / "whole", *ACME_LINES) as address:
        assert await choose(corridor, domain, "", address) == "links.acme.test"
    async with Directory.open(process) as directory:
        assert await directory.link_host(workspace_id, "acme.test") == "links.acme.test"
        async with name_server(tmp_path / "gone", "www 300 IN A 192.0.2.10") as address:
            await daily(corridor, address)
        directory.forget()
        assert await directory.link_host(workspace_id, "acme.test") is None
        (sentence,) = await troubles(corridor)
        assert sentence.startswith(f"There is no CNAME at links.acme.test yet: expected {HOST}.")
        async with name_server(tmp_path / "back", f"links 300 IN CNAME {HOST}.") as address:
            await daily(corridor, address)
        directory.forget()
        assert await directory.link_host(workspace_id, "acme.test") == "links.acme.test"
    assert await troubles(corridor) == []


async def test_the_wizard_says_what_it_saw(corridor: Corridor, tmp_path: Path) -> None:
    async with changes.making(corridor.process, corridor.submitter.workspace_id, ACTOR) as change:
        domain = await domains.add(change, "acme.test")
    assert isinstance(domain, SendingDomain)
    seen = []
    for number, line in enumerate((f"links 300 IN CNAME {HOST}.", "links 300 IN CNAME astray.acme.test.", "")):
        async with name_server(tmp_path / str(number), line) as address:
            looked = await domains.verify(
                corridor.process, domain.workspace_id, domain.domain_id, Resolver([address]), ACTOR
            )
        assert looked is not None
        (check,) = [each for each in looked.checks if each.purpose == "links"]
        seen.append((check.passed, check.found, check.detail.partition(":")[0], check.lost))
    assert seen == [
        (True, (HOST,), "Published as it should be.", False),
        (False, ("astray.acme.test",), "The CNAME at links.acme.test leads to astray.acme.test.", True),
        (False, (), "There was a record at links.acme.test, and it is gone. Publish it again.", True),
    ]


async def test_it_is_done_by_command_too(
    corridor: Corridor, domain: SendingDomain, tmp_path: Path, settings: Settings, owner_dsn: str
) -> None:
    posthouse = CommandLine(settings.data, owner_dsn)
    async with name_server(tmp_path, *ACME_LINES) as address:
        here = {
            "POSTHOUSE_WEB_PUBLIC_URL": f"https://{HOST}",
            "POSTHOUSE_DELIVERY_RESOLVERS": f'["{address}"]',
        }
        astray = await posthouse("link-host", "choose", "acme.test", "astray.acme.test", **here)
        assert (astray.status, f"expected {HOST}." in astray.err) == (1, True)
        chosen = await posthouse("link-host", "choose", "acme.test", **here)
        assert (chosen.status, chosen.out) == (0, "Links in new mail from acme.test lead to https://links.acme.test.\n")
        assert (await posthouse("link-host", "verify", "acme.test", **here)).out == "links.acme.test leads here.\n"
        listed = (await posthouse("link-host", "list", "--json", **here)).json()
        assert listed["target"] == HOST
        assert [(each["domain"], each["name"], each["usable"]) for each in listed["link_hosts"]] == [
            ("acme.test", "links.acme.test", True)
        ]
    assert (await posthouse("link-host", "remove", "acme.test")).out == "Removed links.acme.test.\n"
    gone = await posthouse("link-host", "verify", "acme.test")
    assert (gone.status, "acme.test has no link host." in gone.err) == (1, True)
