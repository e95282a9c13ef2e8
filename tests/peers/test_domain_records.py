"""Sending domains and this server against a real name server: a record that goes, keys that are replaced, addresses looked up back."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.corridor import Corridor, MakeProcess, open_corridor
from tests.lab_servers import sink
from tests.peers import mail_server
from tests.peers.test_bounce_domains import HOST, HOST_LINES
from tests.peers.validating_resolver import Zone, validating_resolver

from posthouse.accounts import alerts, changes, domains, rechecking
from posthouse.accounts.dns_records import DnsRecord, Need
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.rotation import KeyState, state_of
from posthouse.accounts.selectors import Selectors
from posthouse.cli import checks
from posthouse.model.mail import Submitter
from posthouse.runtime.dns import Resolver
from posthouse.runtime.process import Process
from posthouse.runtime.settings import Settings
from posthouse.wire import headers

NAME = "acme.test"
BOB = "bob@there.test"
LOCAL = ("127.0.0.1", "10.0.0.7")


@contextlib.asynccontextmanager
async def name_server(folder: Path, records: Sequence[DnsRecord], *lines: str) -> AsyncIterator[str]:
    """The zones of the server, of the domain with these records, and back from addresses."""
    await asyncio.to_thread(folder.mkdir)
    own = [each.zone_line for each in records if each.name.endswith(NAME)]
    zones = [
        Zone("test", (), signed=False),
        Zone("host.test", HOST_LINES, signed=False),
        Zone(NAME, own, signed=False),
        Zone("2.0.192.in-addr.arpa", lines, signed=False),
    ]
    async with validating_resolver(folder, zones) as address:
        yield address


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        opened.process = make_process("web", server={"hostname": HOST})
        yield opened


async def added(corridor: Corridor) -> SendingDomain:
    async with changes.making(corridor.process, corridor.submitter.workspace_id, "user:ann@x.test") as change:
        domain = await domains.add(change, NAME)
    assert isinstance(domain, SendingDomain)
    return domain


async def verified(process: Process, domain: SendingDomain, address: str) -> SendingDomain:
    found = await domains.verify(process, domain.workspace_id, domain.domain_id, Resolver([address]), "user:ann@x.test")
    assert found is not None
    return found


def worthwhile(process: Process, domain: SendingDomain) -> list[DnsRecord]:
    return [each for each in domains.records(process, domain) if each.need is not Need.OPTIONAL]


def ordinary(submitter: Submitter) -> Submitter:
    """One who may only send from verified domains."""
    return replace(submitter, any_domain=False)


async def daily(corridor: Corridor, address: str) -> None:
    """A worker's daily look, with this name server, a day after the last one."""
    process = corridor.make_process("worker", server={"hostname": HOST}, delivery={"resolvers": [address]})
    yesterday = process.clock.now() - timedelta(days=1)
    await process.pool.execute("UPDATE sending_domains SET checked_at = $1", yesterday)
    await rechecking.advance(process, corridor.submitter.workspace_id)


async def test_a_broken_record_is_told_within_a_day_and_mail_still_goes(corridor: Corridor, tmp_path: Path) -> None:
    domain = await added(corridor)
    records = worthwhile(corridor.process, domain)
    async with name_server(tmp_path / "whole", records) as address:
        whole = await verified(corridor.process, domain, address)
    assert all(check.passed for check in whole.checks if check.need is not Need.OPTIONAL)
    rest = [each for each in records if not each.name.startswith(("_posthouse", "_dmarc"))]
    async with name_server(tmp_path / "broken", rest) as address:
        await daily(corridor, address)
    (alert,) = await alerts.in_force(corridor.process.pool, domain.workspace_id)
    assert alert.trouble.kind == "domain.incomplete"
    assert "_posthouse.acme.test, _dmarc.acme.test" in alert.trouble.sentence
    corridor.submitter = ordinary(corridor.submitter)
    async with sink() as receiver, corridor.delivering(receiver.port):
        await corridor.settled([await corridor.send(BOB, sender=f"ann@{NAME}")])
    assert len(receiver.mails) == 1
    async with name_server(tmp_path / "mended", records) as address:
        await daily(corridor, address)
    assert await alerts.in_force(corridor.process.pool, domain.workspace_id) == []


async def test_mail_signed_before_and_after_the_keys_change_passes_while_both_are_published(
    corridor: Corridor, tmp_path: Path
) -> None:
    domain = await added(corridor)
    async with name_server(tmp_path / "before", worthwhile(corridor.process, domain)) as address:
        domain = await verified(corridor.process, domain, address)
    async with changes.making(corridor.process, domain.workspace_id, "user:ann@x.test") as change:
        rotating = await domains.rotate(change, domain, Selectors.of(corridor.process.settings))
    assert isinstance(rotating, SendingDomain)
    records = worthwhile(corridor.process, rotating)
    keys = {each.name: each.value for each in records if "._domainkey." in each.name}
    assert len(keys) == 4
    with mail_server.running(keys) as receiver:
        async with corridor.delivering(0, routes=receiver.routes):
            await corridor.settled([await corridor.send(BOB, sender=f"ann@{NAME}", content=_mail(1))])
            async with name_server(tmp_path / "during", records) as address:
                await daily(corridor, address)
            await corridor.settled([await corridor.send(BOB, sender=f"ann@{NAME}", content=_mail(2))])
        mails = await asyncio.to_thread(receiver.mails, BOB, 2)
    old = {key.selector for key in domain.keys}
    new = {key.selector for key in rotating.keys} - old
    assert {_subject(mail): _passed(mail) for mail in mails} == {"1": old, "2": new}
    turned = await domains.find(corridor.process.pool, domain.workspace_id, NAME)
    assert turned is not None
    now = corridor.process.clock.now()
    assert {key.selector: state_of(key, turned, now) for key in turned.keys} == {
        **dict.fromkeys(old, KeyState.RETIRED),
        **dict.fromkeys(new, KeyState.SIGNING),
    }


def _mail(number: int) -> bytes:
    fields = f"From: Ann <ann@{NAME}>\r\nTo: {BOB}\r\nSubject: {number}\r\nMessage-ID: <{number}@{NAME}>\r\n"
    return f"{fields}Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\nHello\r\n".encode()


def _subject(mail: bytes) -> str:
    return headers.decode(headers.first(headers.split(mail)[0], "Subject") or b"")


def _passed(mail: bytes) -> set[str]:
    """The selectors whose signatures OpenDKIM says have passed."""
    block = headers.split(mail)[0]
    (result,) = [value for value in headers.values(block, "Authentication-Results") if b"mx.there.test" in value]
    return {found.decode() for found in re.findall(rb"dkim=pass [^;]*header\.s=([a-z0-9-]+)", result)}


def settings(address: str, *sources: str) -> Settings:
    named = Settings().with_("server", hostname=HOST)
    return named.with_("delivery", resolvers=(address,), sources=sources)


async def test_the_doctor_looks_addresses_up_forth_and_back(tmp_path: Path) -> None:
    lines = (
        "10 300 IN PTR mail.host.test.",
        "11 300 IN PTR dyn-11.isp.test.",
    )
    async with name_server(tmp_path / "dns", (), *lines) as address:
        plain = [each async for each in checks.names(settings(address), LOCAL)]
        named = settings(address, "192.0.2.10 other.host.test", "192.0.2.11", "192.0.2.12", "2001:db8::12")
        sources = [each async for each in checks.names(named, LOCAL)]
    assert [(each.check, each.verdict.value) for each in plain] == [
        ("resolver", "ok"),
        ("hostname", "ok"),
        ("sender", "ok"),
        ("return path", "ok"),
        ("return path", "failed"),
    ]
    assert plain[4].fix == "bounces.mail.host.test. 3600 IN MX 10 mail.host.test."
    assert [(each.verdict.value, each.detail.split()[0], each.fix) for each in sources if each.check == "sender"] == [
        ("warning", "192.0.2.10", "10.2.0.192.in-addr.arpa. 3600 IN PTR other.host.test."),
        (
            "failed",
            "192.0.2.11",
            "mail.host.test. 3600 IN A 192.0.2.11\n11.2.0.192.in-addr.arpa. 3600 IN PTR mail.host.test.",
        ),
        ("failed", "192.0.2.12", "12.2.0.192.in-addr.arpa. 3600 IN PTR mail.host.test."),
        (
            "failed",
            "2001:db8::12",
            "2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 3600 IN PTR mail.host.test.",
        ),
    ]
