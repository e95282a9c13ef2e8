"""Custom bounce domains against a real name server: added, used by the right mail, broken, and judged as a receiver would."""

import asyncio
import base64
import contextlib
import email
import re
import smtplib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import dkim
import pytest
from tests import inbound_role
from tests.corridor import CONTENT, Corridor, MakeProcess, open_corridor
from tests.lab_servers import sink
from tests.peers import mailauth_judge
from tests.peers.validating_resolver import Zone, validating_resolver
from tests.verified import verified_domain

from free_ports import free_port
from posthouse.accounts import alerts, bounce_domains, changes, domains, rechecking, self_test
from posthouse.accounts.bounce_domains import BounceDomain
from posthouse.accounts.domains import SendingDomain
from posthouse.intake.inbound import ReturnsOffice, return_path_secret
from posthouse.ledger import timeline
from posthouse.model.mail import Accepted
from posthouse.model.words import EventKind, MailClass, State
from posthouse.runtime.dns import Resolver
from posthouse.runtime.process import Process
from posthouse.wire import arf, verp
from posthouse.wire.verp import Purpose

HOST = "mail.host.test"
HOST_LINES = (
    "mail 300 IN A 192.0.2.10",
    "returnto.mail 300 IN MX 10 mail",
    'returnto.mail 300 IN TXT "v=spf1 a:mail.host.test -all"',
    'bounces.mail 300 IN TXT "v=spf1 a:mail.host.test -all"',
)
ACME_LINES = (
    '_dmarc 300 IN TXT "v=DMARC1; p=reject"',
    "bounces 300 IN CNAME hop.acme.test.",
    "hop 300 IN CNAME returnto.mail.host.test.",
    "astray 300 IN CNAME elsewhere.acme.test.",
)


@contextlib.asynccontextmanager
async def name_server(folder: Path, *lines: str) -> AsyncIterator[str]:
    zones = [
        Zone("test", (), signed=False),
        Zone("host.test", HOST_LINES, signed=False),
        Zone("acme.test", lines, signed=False),
    ]
    async with validating_resolver(folder, zones) as address:
        yield address


@pytest.fixture
async def resolver(tmp_path: Path) -> AsyncIterator[Resolver]:
    async with name_server(tmp_path, *ACME_LINES) as address:
        yield Resolver([address])


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        opened.process = make_process("web", server={"hostname": HOST})
        yield opened


async def add(corridor: Corridor, name: str, resolver: Resolver) -> BounceDomain | tuple[str, str]:
    outcome = await bounce_domains.add(
        corridor.process, corridor.submitter.workspace_id, name, resolver, "user:ann@x.test"
    )
    return outcome if isinstance(outcome, BounceDomain) else (outcome[0].code, outcome[0].detail)


async def test_an_alias_has_to_lead_here_before_it_is_added(corridor: Corridor, resolver: Resolver) -> None:
    missing = "There is no CNAME at none.acme.test yet: expected returnto.mail.host.test."
    assert await add(corridor, "none.acme.test", resolver) == (
        "no_alias",
        f"{missing} New records take minutes, some providers up to 48 hours.",
    )
    wrong = "The CNAME at astray.acme.test leads to elsewhere.acme.test: expected returnto.mail.host.test."
    assert await add(corridor, "astray.acme.test", resolver) == ("no_alias", wrong)
    assert (await add(corridor, "acme.test", resolver))[0] == "not_a_subdomain"  # type: ignore[index]
    added = await add(corridor, "Bounces.Acme.test", resolver)
    assert isinstance(added, BounceDomain)
    assert added.name == "bounces.acme.test"
    assert (await add(corridor, "bounces.acme.test", resolver))[0] == "taken"  # type: ignore[index]


async def test_bounce_processing_comes_first(corridor: Corridor, resolver: Resolver) -> None:
    await switch(corridor.process, corridor, on=False)
    assert await add(corridor, "bounces.acme.test", resolver) == (
        bounce_domains.PROCESSING_OFF,
        "Enable bounce processing first.",
    )
    await switch(corridor.process, corridor, on=True)
    assert isinstance(await add(corridor, "bounces.acme.test", resolver), BounceDomain)


async def switch(process: Process, corridor: Corridor, *, on: bool) -> None:
    async with changes.making(process, corridor.submitter.workspace_id, "user:ann@x.test") as change:
        await bounce_domains.switch(change, on=on)


async def return_domains(corridor: Corridor, *senders: str) -> list[str]:
    """The domains of the return paths a receiver sees, in order of the senders."""
    async with sink() as receiver, corridor.delivering(receiver.port):
        for sender in senders:
            await corridor.settled([await corridor.send("bob@there.test", sender=sender)])
    return [mail.mail_from.rpartition("@")[2].partition(">")[0] for mail in receiver.mails]


async def test_each_mail_returns_to_the_domain_that_aligns_with_its_from(
    corridor: Corridor, resolver: Resolver
) -> None:
    assert isinstance(await add(corridor, "bounces.acme.test", resolver), BounceDomain)
    default = corridor.make_process().settings.bounce_domain
    seen = await return_domains(corridor, "ann@acme.test", "ann@news.acme.test", "ann@other.test")
    assert seen == ["bounces.acme.test", "bounces.acme.test", default]


async def test_without_bounce_processing_mail_returns_to_its_sender(corridor: Corridor) -> None:
    await switch(corridor.process, corridor, on=False)
    assert await return_domains(corridor, "ann@acme.test") == ["acme.test"]


async def test_a_broken_alias_is_noticed_within_a_day_and_not_used(corridor: Corridor, tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir(), bad.mkdir()
    async with name_server(good, *ACME_LINES) as address:
        added = await add(corridor, "bounces.acme.test", Resolver([address]))
    assert isinstance(added, BounceDomain)
    async with name_server(bad, "bounces 300 IN CNAME gone.acme.test.") as address:
        process = corridor.make_process("worker", server={"hostname": HOST}, delivery={"resolvers": [address]})
        await rechecking.advance(process, corridor.submitter.workspace_id)  # not its turn yet
        assert await broken(corridor) is False
        yesterday = process.clock.now() - timedelta(days=1)
        await process.pool.execute("UPDATE bounce_domains SET checked_at = $1", yesterday)
        await rechecking.advance(process, corridor.submitter.workspace_id)
    assert await broken(corridor) is True
    (alert,) = await alerts.in_force(corridor.process.pool, corridor.submitter.workspace_id)
    assert (alert.trouble.kind, alert.trouble.subject) == ("bounce_domain.broken", "bounces.acme.test")
    assert alert.trouble.sentence.startswith("The CNAME at bounces.acme.test leads to gone.acme.test")
    assert await return_domains(corridor, "ann@acme.test") == [corridor.make_process().settings.bounce_domain]


async def broken(corridor: Corridor) -> bool:
    (found,) = await bounce_domains.listing(corridor.process.pool, corridor.submitter.workspace_id)
    return found.broken_at is not None


async def test_a_silent_name_server_breaks_nothing(corridor: Corridor, resolver: Resolver) -> None:
    added = await add(corridor, "bounces.acme.test", resolver)
    assert isinstance(added, BounceDomain)
    silent = Resolver(["127.0.0.1:9"], timeout_s=0.2)
    kept = await bounce_domains.verify(
        corridor.process, added.workspace_id, added.bounce_domain_id, silent, "user:ann@x.test"
    )
    assert kept is not None
    assert kept.broken_at is None


async def test_a_domain_is_judged_as_receivers_would(corridor: Corridor, resolver: Resolver) -> None:
    process = corridor.process
    async with changes.making(process, corridor.submitter.workspace_id, "user:ann@x.test") as change:
        domain = await domains.add(change, "acme.test")
    assert isinstance(domain, SendingDomain)
    without = await self_test.run(process.settings, domain, None, resolver)
    assert (without.spf, without.aligned, without.policy, without.unproven) == ("pass", False, "reject", "reject")
    assert without.warnings[0] == "Nothing proves acme.test: mail from it fails DMARC."
    own = await self_test.run(process.settings, domain, "bounces.acme.test", resolver)
    assert (own.spf, own.aligned, own.dmarc, own.addresses) == ("pass", True, "pass", ("192.0.2.10",))


async def test_a_key_counts_as_the_dns_has_it_now_not_as_it_was_seen(corridor: Corridor, resolver: Resolver) -> None:
    seen = await verified_domain(corridor.process, corridor.submitter.workspace_id, "acme.test")
    assert all(check.passed for check in seen.checks)
    test = await self_test.run(corridor.process.settings, seen, None, resolver)
    assert (test.dkim_aligned, test.dmarc) == (False, "fail")


@pytest.fixture(scope="module")
def mailauth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judge that is not ours."""
    return mailauth_judge.install(tmp_path_factory.mktemp("mailauth"))


async def test_another_judge_finds_spf_aligned_for_both_classes_without_any_signature(
    corridor: Corridor, tmp_path: Path, mailauth: Path
) -> None:
    async with name_server(tmp_path, *ACME_LINES) as address:
        before = await delivered(corridor)
        assert isinstance(await add(corridor, "bounces.acme.test", Resolver([address])), BounceDomain)
        mails = [*before, *await delivered(corridor)]
        verdicts = await mailauth_judge.ask(mailauth, "judge.js", {"server": address, "mails": mails})
    default = corridor.make_process().settings.bounce_domain
    assert [(each["spf"][1], each["aligned"]["spf"], each["dmarc"]) for each in verdicts] == [
        (default, False, "fail"),
        (default, False, "fail"),
        ("bounces.acme.test", True, "pass"),
        ("bounces.acme.test", True, "pass"),
    ]
    assert {each["policy"] for each in verdicts} == {"reject"}


async def delivered(corridor: Corridor) -> list[dict[str, str]]:
    """A transactional and a marketing mail as they arrived, but for their signatures, and where from."""
    content = CONTENT.replace(b"ann@example.test", b"ann@acme.test")
    async with sink() as receiver, corridor.delivering(receiver.port):
        for mail_class in (MailClass.TRANSACTIONAL, MailClass.MARKETING):
            sent = await corridor.send("bob@there.test", sender="ann@acme.test", mail_class=mail_class, content=content)
            await corridor.settled([sent])
    return [
        {
            "content": base64.b64encode(unsigned(mail.data)).decode(),
            "ip": "192.0.2.10",
            "helo": HOST,
            "sender": mail.mail_from.partition("<")[2].partition(">")[0] or mail.mail_from,
        }
        for mail in receiver.mails
    ]


def unsigned(data: bytes) -> bytes:
    """Without what only signatures prove."""
    return re.sub(rb"(?im)^DKIM-Signature:.*\r\n(?:[ \t].*\r\n)*", b"", data)


@dataclass(frozen=True)
class Mailing:
    """A marketing mail from acme.test as its receiver got it, and our port 25."""

    corridor: Corridor
    sent: Accepted
    data: bytes
    keys: dict[bytes, bytes]
    port: int

    @property
    def header(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0] + b"\r\n"

    def field(self, name: str) -> str:
        return str(email.message_from_bytes(self.data)[name])

    async def complain(self, header: bytes) -> None:
        """As receivers do it: to the address the mail itself names."""
        to = self.field("CFBL-Address").partition(";")[0]
        complaint = arf.Complaint("abuse", "fbl/1", source_ip="192.0.2.10", original_header=header)
        content = arf.write(complaint, "fbl@there.test", to, self.corridor.process.clock.now(), bytes(16))
        await asyncio.to_thread(self._deliver, to, content)

    def _deliver(self, to: str, content: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", self.port, "mx.there.test", timeout=20) as client:
            client.sendmail("fbl@there.test", [to], content)


@pytest.fixture
async def mailing(corridor: Corridor, resolver: Resolver) -> AsyncIterator[Mailing]:
    domain = await verified_domain(corridor.process, corridor.submitter.workspace_id, "acme.test")
    assert isinstance(await add(corridor, "bounces.acme.test", resolver), BounceDomain)
    async with sink() as receiver, corridor.delivering(receiver.port):
        content = CONTENT.replace(b"ann@example.test", b"ann@acme.test")
        sent = await corridor.send(
            "bob@there.test", sender="ann@acme.test", mail_class=MailClass.MARKETING, content=content
        )
        await corridor.settled([sent])
    keys = {f"{each.name}.".encode(): each.expected.encode() for each in domain.checks if "_domainkey" in each.name}
    inbound = corridor.make_process("inbound", inbound={"port": free_port(), "host": "127.0.0.1"})
    async with inbound_role.running(inbound):
        yield Mailing(corridor, sent, receiver.mails[0].data, keys, inbound.settings.inbound.port)


async def test_complaints_go_to_the_customer_s_own_domain_under_its_signature(mailing: Mailing) -> None:
    address, _, parameter = mailing.field("CFBL-Address").partition("; ")
    assert (address.rpartition("@")[2], parameter) == ("bounces.acme.test", "report=arf")
    assert mailing.field("CFBL-Feedback-ID") == str(mailing.sent.message_id)
    signatures = email.message_from_bytes(mailing.data).get_all("DKIM-Signature", [])
    assert len(signatures) == 2
    for index, signature in enumerate(signatures):
        tags = dict(re.findall(r"(\w+)=([^;]*)", re.sub(r"\s", "", signature)))
        assert tags["d"] == "acme.test"
        assert {"from", "cfbl-address", "cfbl-feedback-id"} <= set(tags["h"].lower().split(":"))
        if tags["a"] == "rsa-sha256":  # what dkimpy reads without help
            forged = mailing.data.replace(address.encode(), b"c" * 49 + b"@bounces.acme.test")
            judged = [
                dkim.DKIM(each).verify(index, lambda name, timeout=5: mailing.keys[name])
                for each in (mailing.data, forged)
            ]
            assert judged == [True, False]


@pytest.mark.parametrize("redacted", [False, True])
async def test_a_complaint_to_the_address_in_the_mail_is_its_recipient_s(mailing: Mailing, *, redacted: bool) -> None:
    corridor, feedback_id = mailing.corridor, f"CFBL-Feedback-ID: {mailing.sent.message_id}\r\n"
    least = f"Message-ID: {mailing.field('Message-ID')}\r\n{feedback_id}".encode()  # RFC 9477, of redacted reports
    await mailing.complain(least if redacted else mailing.header)
    workspace_id, (recipient,) = corridor.submitter.workspace_id, mailing.sent.recipients
    async with corridor.process.pool.acquire() as connection:
        events = await timeline.events(connection, workspace_id, mailing.sent.message_id)
    assert [event.kind for event in events][-2:] == [EventKind.DELIVERED, EventKind.COMPLAINED]
    assert (events[-1].recipient_id, events[-1].data) == (recipient.recipient_id, {"scope": "marketing"})
    again = [
        (await corridor.send("bob@there.test", sender="ann@acme.test", mail_class=each)).recipients[0].state
        for each in (MailClass.MARKETING, MailClass.TRANSACTIONAL)
    ]
    assert again == [State.SUPPRESSED, State.READY]


async def test_a_bounce_to_a_custom_domain_is_taken_at_port_25(corridor: Corridor) -> None:
    secret = return_path_secret(corridor.process)
    local = verp.encode(Purpose.BOUNCE, 1, corridor.process.ids.new(), secret)
    office = ReturnsOffice(corridor.process, None, secret, None, None, None)  # type: ignore[arg-type]
    assert office.token(f"{local}@bounces.acme.test") is not None
    altered = "y" if local[-9] == "x" else "x"
    assert office.token(f"{local[:-9]}{altered}{local[-8:]}@bounces.acme.test") is None
    assert office.token("postmaster@bounces.acme.test") is None
