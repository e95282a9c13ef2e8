"""Kinds of mail kept apart, as a receiver and a sender see it: From, HELO, signature and headers by class, and what is refused."""

import re
import smtplib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.corridor import Corridor, MakeProcess, open_corridor
from tests.lab_servers import Received, sink
from tests.sql.test_accounts_domains import Zone
from tests.web_server import Web, running

import submission_role
from free_ports import free_port
from posthouse.accounts import changes, credentials, domains, workspaces
from posthouse.accounts.credentials import CredentialKind, Issued, Terms
from posthouse.accounts.directory import Directory
from posthouse.accounts.dns_records import Purpose
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.selectors import Selectors
from posthouse.accounts.workspaces import Preferences
from posthouse.intake.accept import Door
from posthouse.ledger import timeline
from posthouse.model.mail import Refused
from posthouse.model.words import ClassPolicy, EventKind, MailClass, MassPolicy, Scope
from posthouse.runtime.process import Process
from posthouse.wire import dkim_verify, dmarc, headers, spf
from posthouse.wire.dkim_verify import DkimStatus
from posthouse.wire.lookups import Answer, Found
from posthouse.wire.spf import SpfStatus

POOLS: dict[str, Any] = {
    "transactional": {"helo": "mail.acme.test"},
    "marketing": {"helo": "bulk.acme.test", "selectors": ("mk1",)},
}
PLAIN = b"From: Ann <ann@%b>\r\nTo: bo@there.test\r\nSubject: hello\r\nMessage-ID: <1@%b>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\nHi\r\n"
_SELECTOR = re.compile(rb"\bs=([\w-]+);")
_DOMAIN = re.compile(rb"\bd=([\w.-]+);")


async def domain(process: Process, zone: Zone, name: str, *classes: MailClass) -> SendingDomain:
    """A domain of the first workspace that is for these classes, with everything published and seen."""
    workspace_id = await process.pool.fetchval("SELECT workspace_id FROM workspaces")
    async with changes.making(process, workspace_id, "user:ann@x.test") as change:
        added = await domains.add(change, name, Selectors.of(process.settings).all, classes)
    assert isinstance(added, SendingDomain)
    zone.publish(process, added, *Purpose)
    verified = await domains.verify(process, workspace_id, added.domain_id, zone, "user:ann@x.test")
    assert verified is not None
    assert verified.verified_at is not None
    return verified


async def choose(process: Process, **changed: Any) -> None:
    workspace_id = await process.pool.fetchval("SELECT workspace_id FROM workspaces")
    async with changes.making(process, workspace_id, "user:ann@x.test") as change:
        workspace = await workspaces.find(change.connection, workspace_id)
        assert workspace is not None
        await workspaces.update(change, replace(Preferences.of(workspace), **changed))


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    """A corridor whose pools call themselves differently, and whose marketing has a DKIM key of its own."""

    def make(role: str = "test", /, **sections: dict[str, Any]) -> Process:
        return make_process(role, **(POOLS | sections))

    async with open_corridor(make) as opened:
        yield opened


@pytest.fixture
def zone() -> Zone:
    return Zone()


def selectors(mail: Received) -> set[bytes]:
    return set(_SELECTOR.findall(mail.data))


async def test_a_receiver_sees_each_class_by_its_own_domain_name_and_signature(corridor: Corridor, zone: Zone) -> None:
    await domain(corridor.process, zone, "acme.test", MailClass.BUSINESS, MailClass.TRANSACTIONAL)
    await domain(corridor.process, zone, "news.acme.test", MailClass.MARKETING)
    async with sink() as receiver, corridor.delivering(receiver.port):
        accepted = [
            await corridor.send(
                "bo@there.test", sender=f"ann@{name}", content=PLAIN % (name.encode(), b"x"), mail_class=each
            )
            for name, each in (("acme.test", MailClass.TRANSACTIONAL), ("news.acme.test", MailClass.MARKETING))
        ]
        await corridor.settled(accepted)
    mails = {_DOMAIN.findall(mail.data)[0]: mail for mail in receiver.mails}
    assert b"mk1" not in selectors(mails[b"acme.test"])
    assert selectors(mails[b"news.acme.test"]) == {b"mk1"}
    greetings = {command.split()[1] for command in receiver.commands if command.startswith("EHLO")}
    assert greetings == {"mail.acme.test", "bulk.acme.test"}


@dataclass
class Published:
    """The DNS as a receiver asks it: what the zone publishes, and the sending host's address."""

    zone: Zone
    hosts: dict[str, str] = field(default_factory=dict)

    async def txt(self, name: str) -> Answer:
        return _answer(self.zone.texts.get(name.rstrip(".")))

    async def a(self, name: str) -> Answer:
        return _answer([self.hosts[name]] if name in self.hosts else None)

    async def aaaa(self, name: str) -> Answer:
        return _answer(None)

    mx = ptr = aaaa


def _answer(values: list[str] | None) -> Answer:
    return Answer(Found.YES, tuple(values)) if values else Answer(Found.NO_NAME)


async def test_a_transactional_mail_is_aligned_and_looks_like_no_bulk(corridor: Corridor, zone: Zone) -> None:
    await domain(corridor.process, zone, "acme.test")
    async with sink() as receiver, corridor.delivering(receiver.port):
        sent = await corridor.send("bo@there.test", sender="ann@acme.test", content=PLAIN % (b"acme.test", b"x"))
        await corridor.settled([sent])
    (mail,) = receiver.mails
    block, _ = headers.split(mail.data)
    names = {each.name for each in headers.fields(block)}
    assert not {name for name in names if name == b"precedence" or name.startswith(b"list-")}
    lookups, now = Published(zone, {"mail.test": "192.0.2.1"}), corridor.process.clock.now()
    signatures = await dkim_verify.verify(mail.data, lookups, now)
    assert {each.status for each in signatures} == {DkimStatus.PASS}
    mail_from = mail.mail_from.split("<")[1].split(">")[0]
    by_path = await spf.check_host("192.0.2.1", mail_from, "mail.test", lookups)
    assert by_path.status is SpfStatus.PASS
    verdict = await dmarc.evaluate("acme.test", by_path, signatures, lookups)
    assert (verdict.status, verdict.dkim_aligned) == (dmarc.DmarcStatus.PASS, True)


async def test_a_campaign_from_the_business_domain_is_warned_of_or_refused(corridor: Corridor, zone: Zone) -> None:
    await domain(corridor.process, zone, "acme.test", MailClass.BUSINESS)
    crossing = corridor.submission("bo@there.test", sender="ann@acme.test", mail_class=MailClass.MARKETING)
    accepted = await corridor.send("bo@there.test", sender="ann@acme.test", mail_class=MailClass.MARKETING)
    async with corridor.process.pool.acquire() as connection:
        told = await timeline.events(connection, corridor.submitter.workspace_id, accepted.message_id)
    (note,) = [event.data["note"] for event in told if event.kind is EventKind.CLASS_CROSSED]
    assert "acme.test is meant for business mail, and this is marketing" in str(note)
    await choose(corridor.process, class_policy=ClassPolicy.REFUSE)
    async with Directory.open(corridor.process) as directory:
        door = Door.open(corridor.process, directory)
        answer = await door.accept(corridor.submitter, [crossing])
        await door.close()
    assert isinstance(answer, list)
    assert isinstance(answer[0], Refused)
    assert (answer[0].status, answer[0].problems[0].pointer) == (422, "/from")


@pytest.fixture
async def role(make_process: MakeProcess) -> AsyncIterator[submission_role.Role]:
    ports = {"port": free_port(), "tls_port": free_port(), "auth_without_tls": True}
    process = make_process("submission", lab={"enabled": True}, submission={"host": "127.0.0.1", **ports})
    async with submission_role.running(process) as opened:
        yield opened


async def login(role: submission_role.Role) -> Issued:
    """An ordinary credential, which may use what is verified."""
    async with changes.making(role.process, role.known.workspace_id, "user:ann@x.test") as change:
        issued = await credentials.create(change, CredentialKind.SMTP, Terms("Shop", frozenset({Scope.SEND})))
    assert isinstance(issued, Issued)
    return issued


def mails(issued: Issued, name: bytes, count: int, extra: bytes = b"") -> Any:
    """A client that sends the same text to so many people, and stops at the first refusal."""

    def act(client: smtplib.SMTP) -> int:
        client.login(issued.credential.hint, issued.secret)
        for number in range(count):
            client.sendmail(f"ann@{name.decode()}", [f"p{number}@there.test"], extra + PLAIN % (name, b"%d" % number))
        return count

    return act


async def test_over_smtp_mass_mail_is_put_off_with_the_reason(role: submission_role.Role, zone: Zone) -> None:
    await domain(role.process, zone, "acme.test")
    await choose(role.process, mass_policy=MassPolicy.REFUSE)
    code, text = await role.ask(mails(await login(role), b"acme.test", 500))  # type: ignore[misc]
    assert code == 451
    assert text.startswith("4.7.1 This is mass mail, as the same text went to more than 100 recipients")
    assert await role.process.pool.fetchval("SELECT count(*) FROM messages") == 100


async def test_over_smtp_the_wrong_domain_for_a_class_is_refused(role: submission_role.Role, zone: Zone) -> None:
    await domain(role.process, zone, "news.acme.test", MailClass.MARKETING)
    await choose(role.process, class_policy=ClassPolicy.REFUSE)
    code, text = await role.ask(mails(await login(role), b"news.acme.test", 1))  # type: ignore[misc]
    assert (code, text.partition(" ")[0]) == (550, "5.7.1")


async def test_a_header_asks_for_proven_receivers_and_is_taken_out(role: submission_role.Role, zone: Zone) -> None:
    await domain(role.process, zone, "acme.test")
    issued = await login(role)
    assert await role.ask(mails(issued, b"acme.test", 1, b"X-Mail-Secure: Verified\r\n")) == 1
    assert await role.process.pool.fetchval("SELECT tls FROM messages") == "verified"
    assert b"Secure" not in await role.process.pool.fetchval("SELECT content FROM bodies")
    code, text = await role.ask(mails(issued, b"acme.test", 1, b"X-Mail-Secure: maybe\r\n"))  # type: ignore[misc]
    assert (code, "X-Mail-Secure" in text) == (554, True)


@pytest.fixture
async def web(make_process: MakeProcess) -> AsyncIterator[Web]:
    async with running(make_process) as opened:
        yield opened


def message(**changed: Any) -> dict[str, Any]:
    return {"from": "ann@example.com", "to": ["bo@example.org"], "subject": "Hi", "text": "Hello"} | changed


async def test_a_notification_says_by_which_pool_and_how_safely_it_leaves(web: Web) -> None:
    sent = (await web.client.post("/v1/messages", json=message(pool="notification", tls="verified"))).json()
    shown = (await web.client.get(f"/v1/messages/{sent['id']}")).json()
    assert (shown["pool"], shown["tls"]) == ("notification", "verified")
    plain = (await web.client.post("/v1/messages", json=message())).json()
    shown = (await web.client.get(f"/v1/messages/{plain['id']}")).json()
    assert (shown["pool"], shown["tls"]) == ("transactional", "")


@pytest.mark.parametrize(
    ("fields", "pointer", "code"),
    [
        ({"class": "marketing", "pool": "transactional"}, "/pool", "pool_not_allowed"),
        ({"pool": "fast"}, "/pool", "unknown_pool"),
        ({"pool": 1}, "/pool", "wrong_type"),
        ({"tls": "maybe"}, "/tls", "unknown_tls"),
        ({"mass_reason": ""}, "/mass_reason", "wrong_length"),
        ({"mass_reason": "a\nb"}, "/mass_reason", "control_character"),
    ],
)
async def test_what_does_not_go_together_is_refused_by_name(
    web: Web, fields: dict[str, Any], pointer: str, code: str
) -> None:
    response = await web.client.post("/v1/messages", json=message(**fields))
    assert response.status_code == 422
    assert [(each["pointer"], each["code"]) for each in response.json()["errors"]] == [(pointer, code)]


async def test_one_message_to_too_many_is_429_where_mass_mail_is_refused(web: Web, zone: Zone) -> None:
    await domain(web.process, zone, "acme.test")
    await choose(web.process, mass_policy=MassPolicy.REFUSE)
    created = (await web.client.post("/v1/keys", json={"name": "Shop", "scopes": ["send"]})).json()
    fields = message(**{"from": "ann@acme.test", "to": [f"p{n}@there.test" for n in range(51)]})
    own = {"authorization": f"Bearer {created['key']}"}
    refused = await web.client.post("/v1/messages", json=fields, headers=own)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (429, "mass_mail")
    taken = await web.client.post("/v1/messages", json=fields | {"mass_reason": "Fire in the building"}, headers=own)
    assert taken.status_code == 202


async def test_a_domain_gets_its_classes_and_further_keys_over_the_api(web: Web) -> None:
    added = (await web.client.post("/v1/domains", json={"name": "news.acme.test", "classes": ["marketing"]})).json()
    assert added["classes"] == ["marketing"]
    assigned = await web.client.patch("/v1/domains/news.acme.test", json={"classes": ["business", "transactional"]})
    assert assigned.json()["classes"] == ["business", "transactional"]
    more = await web.client.post("/v1/domains/news.acme.test/keys", json={"selectors": ["mk1"]})
    assert more.status_code == 201
    assert "mk1._domainkey.news.acme.test" in {record["name"] for record in more.json()["records"]}
    again = await web.client.post("/v1/domains/news.acme.test/keys", json={"selectors": ["mk1"]})
    assert (again.status_code, again.json()["errors"][0]["code"]) == (422, "taken")
    listed = (await web.client.get("/v1/domains")).json()["domains"]
    assert {each["name"]: each["classes"] for each in listed}["news.acme.test"] == ["business", "transactional"]


async def test_what_happened_is_told_for_each_class_alone(web: Web) -> None:
    for fields in ({}, {}, {"class": "marketing"}):
        assert (await web.client.post("/v1/messages", json=message(**fields))).status_code == 202

    async def accepted(**query: str) -> int:
        told = (await web.client.get("/v1/statistics", params=query)).json()
        assert len(told["days"]) == int(query.get("days", "14"))
        return int(told["days"][-1]["events"].get("accepted", 0))

    assert await accepted() == 3
    assert await accepted(**{"class": "transactional"}) == 2
    assert await accepted(**{"class": "marketing", "days": "1", "zone": "Europe/Copenhagen"}) == 1
    assert await accepted(**{"class": "business"}) == 0
    assert (await web.client.get("/v1/statistics", params={"zone": "Mars/Olympus"})).status_code == 422
