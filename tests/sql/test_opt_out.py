"""Opt-out links from end to end: marketing leaves by the real delivery to a receiver, and what is in it is used as its reader would."""

import asyncio
import email
import email.policy
import re
import smtplib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import dkim
import httpx
import pytest
from tests import inbound_role, submission_role, web_server
from tests.corridor import Corridor, MakeProcess
from tests.lab_servers import Sink, sink
from tests.web_server import Web

from free_ports import free_port
from posthouse.accounts import audit, bootstrap, changes, workspaces
from posthouse.accounts.workspaces import Preferences
from posthouse.model.limits import OPT_OUT_OCTETS, REPORTS_OF_A_KIND
from posthouse.model.words import FINAL_STATES
from posthouse.wire import verp
from posthouse.wire.verp import Purpose

FORM = {"content-type": "application/x-www-form-urlencoded"}
ONE_CLICK = b"List-Unsubscribe=One-Click"


@dataclass(slots=True)
class Town:
    """A web role, a delivery role, one receiver for all the world, and a reader without cookie or key."""

    web: Web
    corridor: Corridor
    receiver: Sink
    reader: httpx.AsyncClient

    async def post(self, to: list[str], **fields: Any) -> httpx.Response:
        message = {
            "from": "news@shop.test",
            "to": to,
            "subject": "News",
            "text": "Hello",
            "html": "<html><body><p>Hello</p></body></html>",
            "class": "marketing",
        }
        return await self.web.client.post("/v1/messages", json=message | fields)

    async def sent(self, to: list[str], **fields: Any) -> dict[str, Any]:
        """The receipt of a message, once all its recipients are settled."""
        answer = await self.post(to, **fields)
        assert answer.status_code == 202, answer.text
        await self.settled()
        receipt: dict[str, Any] = answer.json()
        return receipt

    async def settled(self) -> None:
        ended = list(map(str, FINAL_STATES))
        query = "SELECT NOT EXISTS (SELECT FROM outbox WHERE state <> ALL($1))"
        await until(lambda: self.web.process.pool.fetchval(query, ended))

    def mail(self, to: str) -> EmailMessage:
        """The last mail this recipient got."""
        data = next(each.data for each in reversed(self.receiver.mails) if f"<{to}>" in each.recipients[0])
        return email.message_from_bytes(data, policy=email.policy.default)

    def links(self, to: str) -> tuple[str, str]:
        """The path of the page and the address of its List-Unsubscribe."""
        page, mailbox = re.findall(r"<([^>]*)>", self.mail(to)["List-Unsubscribe"])
        return urlsplit(page).path, urlsplit(mailbox).path

    async def suppressed(self) -> list[tuple[str, str, str, str]]:
        rows = await self.web.process.pool.fetch("SELECT * FROM suppressions ORDER BY address, scope")
        return [(row["address"], row["scope"], row["added_by"], str(row["message_id"])) for row in rows]

    async def kinds(self, message_id: str) -> list[str]:
        rows = await self.web.process.pool.fetch(
            "SELECT kind FROM events WHERE message_id = $1 ORDER BY event_id", message_id
        )
        return [row["kind"] for row in rows]

    async def prefer(self, **chosen: Any) -> None:
        workspace_id = self.corridor.submitter.workspace_id
        async with changes.making(self.web.process, workspace_id, "user:ann@shop.test") as change:
            workspace = await workspaces.find(change.connection, workspace_id)
            assert workspace is not None
            await workspaces.update(change, replace(Preferences.of(workspace), **chosen))

    async def state(self, to: str, **fields: Any) -> tuple[str, str]:
        recipient = (await self.sent([to], **fields))["recipients"][0]
        return recipient["status"], recipient["reason"]


async def until(check: Callable[[], Awaitable[Any]]) -> Any:
    """What this comes to, once that is true."""
    async with asyncio.timeout(30):
        while not (found := await check()):  # noqa: ASYNC110 - other roles hear of what changes by NOTIFY
            await asyncio.sleep(0.02)
    return found


@pytest.fixture
async def town(make_process: MakeProcess) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        web = await stack.enter_async_context(web_server.running(make_process))
        await web.process.pool.execute("INSERT INTO alert_turns SELECT workspace_id, 'infinity' FROM workspaces")
        submitter = await web.rooms.directory.by_api_key(web.key, "127.0.0.1")
        assert submitter is not None
        corridor = Corridor(make_process, submitter, web.rooms.door, web.process)
        receiver = await stack.enter_async_context(sink())
        await stack.enter_async_context(corridor.delivering(receiver.port))
        reader = await stack.enter_async_context(httpx.AsyncClient(base_url=web.url, trust_env=False))
        yield Town(web, corridor, receiver, reader)


async def test_marketing_by_api_is_ended_with_one_click_of_a_mail_program(town: Town) -> None:
    sent = await town.sent(["Anna@there.test", "bo@there.test"])
    page, _ = town.links("Anna@there.test")
    assert page != town.links("bo@there.test")[0]
    for method in ("GET", "HEAD"):  # a scanner opens it, as often as it likes
        answer = await town.reader.request(method, page)
        assert (answer.status_code, await town.suppressed()) == (200, [])
    assert await town.kinds(sent["id"]) == ["accepted", "accepted", "delivered", "delivered"]
    for _ in range(2):  # a program that had no answer asks again
        answer = await town.reader.post(page, content=ONE_CLICK, headers=FORM)
        assert (answer.status_code, answer.history) == (200, [])
    assert await town.suppressed() == [("anna@there.test", "marketing", "recipient", sent["id"])]
    assert "unsubscribed" in await town.kinds(sent["id"])
    assert await town.state("anna@there.test") == ("suppressed", "Suppressed: opted_out (the recipient unsubscribed).")
    assert (await town.state("bo@there.test"))[0] != "suppressed"
    assert (await town.state("anna@there.test", **{"class": "transactional"}))[0] != "suppressed"
    assert town.mail("anna@there.test")["List-Unsubscribe"] is None


async def test_both_fields_are_signed_and_one_that_is_changed_breaks_the_signature(town: Town) -> None:
    await town.sent(["anna@there.test"])
    async with town.web.process.pool.acquire() as connection:
        keys = await bootstrap.lab_keys(connection)
    mail = town.mail("anna@there.test")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert len(mail.get_all("List-Unsubscribe")) == 1
    data = town.receiver.mails[-1].data
    for index, signature in enumerate(mail.get_all("DKIM-Signature")):
        tags = dict(re.findall(r"(\w+)=([^;]*)", re.sub(r"\s", "", signature)))
        assert {"list-unsubscribe", "list-unsubscribe-post"} <= set(tags["h"].lower().split(":"))
        if tags["a"] == "rsa-sha256":  # what dkimpy reads without help
            forged = data.replace(b"/u/u", b"/u/x")
            judged = [
                dkim.DKIM(each).verify(index, lambda name, timeout=5: keys[name.decode().partition(".")[0]].encode())
                for each in (data, forged)
            ]
            assert judged == [True, False]


async def test_what_is_kept_and_shown_is_what_was_sent(town: Town) -> None:
    sent = await town.sent(["anna@there.test"], headers={"List-Unsubscribe": "<mailto:me@shop.test>"})
    raw = await town.web.client.get(f"/v1/messages/{sent['id']}/raw")
    assert raw.content == town.receiver.mails[-1].data
    assert "header_ignored" in await town.kinds(sent["id"])


async def test_a_sender_with_a_whole_pair_of_his_own_keeps_it(town: Town) -> None:
    own = {"List-Unsubscribe": "<https://shop.test/stop>", "List-Unsubscribe-Post": ONE_CLICK.decode()}
    await town.sent(["anna@there.test"], headers=own)
    mail = town.mail("anna@there.test")
    assert {name: mail.get_all(name) for name in own} == {name: [value] for name, value in own.items()}


async def test_marketing_by_smtp_is_ended_by_a_mail_to_its_address(town: Town, make_process: MakeProcess) -> None:
    ports = {"port": free_port(), "tls_port": free_port(), "host": "127.0.0.1", "auth_without_tls": True}
    process = make_process("submission", submission=ports, lab={"enabled": True})
    await town.web.process.pool.execute("UPDATE credentials SET mail_class = 'marketing' WHERE kind = 'smtp'")
    content = "From: news@shop.test\r\nX-Mail-Mailing-Type: Newsletter\r\nSubject: x\r\n\r\nHi\r\n"
    async with submission_role.running(process) as role:

        def hand_over(client: smtplib.SMTP) -> object:
            role.login(client)
            return client.sendmail("news@shop.test", ["anna@there.test"], content)

        assert await role.ask(hand_over) == {}
        await town.prefer(postal_address="")
        refused = await until(lambda: role.ask(hand_over))
        assert isinstance(refused, tuple)
        assert refused[0] == 550
        assert "postal address" in refused[1]
    await town.settled()
    _, mailbox = town.links("anna@there.test")
    inbound = make_process("inbound", inbound={"port": free_port(), "host": "127.0.0.1"})
    async with inbound_role.running(inbound):
        await asyncio.to_thread(_write_to, mailbox, inbound.settings.inbound.port)
    ((address, scope, by, _),) = await town.suppressed()
    assert (address, scope, by) == ("anna@there.test", "mailing_type:Newsletter", "recipient")


def _write_to(mailbox: str, port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, "mx.there.test", timeout=20) as client:
        client.sendmail("anna@there.test", [mailbox], "From: anna@there.test\r\nSubject: unsubscribe\r\n\r\n\r\n")


async def test_a_reader_stops_one_type_then_all_and_takes_each_back(town: Town) -> None:
    sent = await town.sent(["anna@there.test"], mailing_type="Newsletter")
    page, _ = town.links("anna@there.test")
    of_type, everything = (
        ("anna@there.test", scope, "recipient", sent["id"]) for scope in ("mailing_type:Newsletter", "marketing")
    )
    shown = (await town.reader.get(page)).text
    assert "Stop “Newsletter”" in shown
    assert "Stop all marketing" in shown
    assert "a…@there.test" in shown
    assert "anna@" not in shown
    shown = (await town.reader.post(page, data={"stop": "type"})).text
    assert "“Newsletter” is stopped" in shown
    assert await town.suppressed() == [of_type]
    assert (await town.state("anna@there.test", mailing_type="newsletter"))[0] == "suppressed"
    assert (await town.state("anna@there.test", mailing_type="Events"))[0] != "suppressed"
    shown = (await town.reader.post(page, data={"stop": "all"})).text
    assert "Marketing is stopped" in shown
    assert await town.suppressed() == [of_type, everything]
    assert "Taken back" in (await town.reader.post(page, data={"undo": "all"})).text
    assert await town.suppressed() == [of_type]
    shown = (await town.reader.post(page, data={"undo": "type"})).text
    assert "Stop this mail?" in shown
    assert (await town.suppressed(), (await town.kinds(sent["id"]))[-4:]) == (
        [],
        ["unsubscribed", "unsubscribed", "resubscribed", "resubscribed"],
    )
    async with town.web.process.pool.acquire() as connection:
        log = await audit.page(connection, town.corridor.submitter.workspace_id, None, 2)
    assert {(entry.actor, entry.action) for entry in log} == {("recipient", "suppression.remove")}


async def test_only_what_the_reader_stopped_can_be_taken_back_and_not_for_ever(town: Town) -> None:
    await town.sent(["anna@there.test"])
    page, _ = town.links("anna@there.test")
    await town.web.process.pool.execute(
        "INSERT INTO suppressions (workspace_id, address, scope, reason, added_by, created_at)"
        " VALUES ($1, 'anna@there.test', 'marketing', 'complaint', 'recipient', now())",
        town.corridor.submitter.workspace_id,
    )
    for _ in range(REPORTS_OF_A_KIND):
        await town.reader.post(page, data={"stop": "all"})
        assert "for another reason" in (await town.reader.post(page, data={"undo": "all"})).text
    assert len(await town.suppressed()) == 1
    await town.reader.post(page, data={"stop": "all"})
    assert "Nothing was changed" in (await town.reader.post(page, data={"undo": "all"})).text
    assert len(await town.suppressed()) == 2


async def test_the_page_says_where_an_opt_out_stops_all_mail_and_who_sends_it(town: Town) -> None:
    await town.sent(["anna@there.test"])
    page, _ = town.links("anna@there.test")
    await town.prefer(strict_optout=True, postal_address="Shop, 1 High Street")

    async def shown() -> str:
        text = (await town.reader.get(page)).text
        return text if "receipts and password resets included" in text else ""

    assert "Shop, 1 High Street" in await until(shown)
    await town.reader.post(page, data={"stop": "all"})
    assert (await town.state("anna@there.test", **{"class": "transactional"}))[0] == "suppressed"


async def test_a_forged_link_says_nothing_and_does_nothing(town: Town) -> None:
    receipt = await town.sent(["anna@there.test"])
    page, _ = town.links("anna@there.test")
    rooms, submitter = town.web.rooms, town.corridor.submitter
    secret = rooms.process.vault.derive("return-path")
    recipient_id = town.web.process.ids.new()
    tokens = [
        page.removeprefix("/u/")[:-1] + ("b" if page[-1] != "b" else "c"),
        verp.encode(Purpose.UNSUBSCRIBE, submitter.workspace_number, recipient_id, b"another"),
        verp.encode(Purpose.BOUNCE, submitter.workspace_number, recipient_id, secret),  # no key to unsubscribe with
        verp.encode(Purpose.UNSUBSCRIBE, 2_000_000_000, recipient_id, secret),
        "u",
    ]
    pages = set()
    for token in tokens:
        for answer in (
            await town.reader.get(f"/u/{token}"),
            await town.reader.post(f"/u/{token}", content=ONE_CLICK, headers=FORM),
        ):
            assert answer.status_code == 404
            pages.add(answer.text)
    assert (len(pages), await town.suppressed()) == (1, [])
    gone = verp.encode(Purpose.UNSUBSCRIBE, submitter.workspace_number, recipient_id, secret)
    assert (await town.reader.get(f"/u/{gone}")).status_code == 410
    assert (await town.reader.post(f"/u/{gone}", content=ONE_CLICK, headers=FORM)).status_code == 410
    await town.web.process.pool.fetchval("SELECT 1 FROM messages WHERE message_id = $1", receipt["id"])


async def test_a_link_outlives_the_message_it_came_with(town: Town, owner: Any) -> None:
    sent = await town.sent(["anna@there.test"], mailing_type="Newsletter")
    await owner.execute("DELETE FROM messages WHERE message_id = $1", sent["id"])
    page, _ = town.links("anna@there.test")
    assert (await town.reader.post(page, content=ONE_CLICK, headers=FORM)).status_code == 200
    assert [scope for _, scope, _, _ in await town.suppressed()] == ["marketing"]


async def test_the_page_is_for_its_reader_alone(town: Town) -> None:
    await town.sent(["anna@there.test"])
    page, _ = town.links("anna@there.test")
    answer = await town.reader.get(page, headers={"accept-language": "da"})
    assert 'lang="da"' in answer.text
    assert "set-cookie" not in answer.headers
    told = {name: answer.headers[name] for name in ("referrer-policy", "x-robots-tag", "cache-control")}
    assert told == {"referrer-policy": "no-referrer", "x-robots-tag": "noindex, nofollow", "cache-control": "no-store"}
    head = await town.reader.head(page)
    assert (head.content, head.headers["content-type"]) == (b"", answer.headers["content-type"])
    assert (await town.reader.post(page, content=b"nonsense", headers=FORM)).status_code == 400
    assert (await town.reader.put(page)).status_code == 405
    with pytest.raises(httpx.HTTPError):
        (await town.reader.post(page, content=ONE_CLICK + b"&" * OPT_OUT_OCTETS, headers=FORM)).raise_for_status()
    assert await town.suppressed() == []


async def test_marketing_says_where_its_sender_is_reached_by_post(town: Town) -> None:
    await town.prefer(postal_address="Shop & Co, 1 High Street")

    async def known() -> bool:
        submitter = await town.web.rooms.directory.by_api_key(town.web.key, "127.0.0.1")
        return submitter is not None and submitter.postal_address.startswith("Shop")

    await until(known)
    await town.sent(["anna@there.test"])
    mail = town.mail("anna@there.test")
    text, page = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    assert text.split()[-6:] == ["Shop", "&", "Co,", "1", "High", "Street"]
    assert "Shop &amp; Co, 1 High Street</p>" in page.split("<p>Hello</p>")[1]
    await town.sent(["anna@there.test"], **{"class": "transactional"})
    assert "High Street" not in town.mail("anna@there.test").as_string()
    await town.prefer(postal_address="")

    async def refused() -> httpx.Response | None:
        answer = await town.post(["anna@there.test"])
        return None if answer.status_code == 202 else answer

    answer = await until(refused)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "postal_address_missing")
