"""Sending a message again, by the API and from the command line, on a real database."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.command_line import CommandLine
from tests.corridor import Corridor, open_corridor
from tests.e2e.test_api import MESSAGE, is_problem, key_with, pointers, send, stored
from tests.web_server import Web, running

from posthouse.runtime.postgres import Pool
from posthouse.runtime.settings import Settings

_IDENTITY = re.compile(r"^(?:Message-ID|Date): .*\r\n", re.MULTILINE)


@pytest.fixture
async def web(make_process: Any) -> AsyncIterator[Web]:
    async with running(make_process) as opened:
        yield opened


@pytest.fixture
async def corridor(make_process: Any) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as made:
        yield made


@pytest.fixture
async def posthouse(corridor: Corridor, settings: Settings, owner_dsn: str) -> CommandLine:
    return CommandLine(settings.data, owner_dsn)


async def first(web: Web, **fields: Any) -> dict[str, Any]:
    response = await send(web, MESSAGE | {"to": ["bo@example.org"], "bcc": ["cy@example.org"], "tags": ["hi"]} | fields)
    assert response.status_code == 202
    return response.json()  # type: ignore[no-any-return]


async def raw(web: Web, message_id: str) -> str:
    return (await web.client.get(f"/v1/messages/{message_id}/raw")).text


async def test_a_message_sent_again_is_a_new_one_with_the_same_octets(web: Web) -> None:
    old = await first(web, priority=7, metadata={"order": "1"})
    response = await web.client.post(f"/v1/messages/{old['id']}/resend")
    assert response.status_code == 202, response.text
    new = response.json()
    assert new["id"] != old["id"]
    assert new["message_id"] != old["message_id"]
    assert [each["address"] for each in new["recipients"]] == ["bo@example.org", "cy@example.org"]
    shown = (await web.client.get(f"/v1/messages/{new['id']}")).json()
    assert shown["metadata"] == {"order": "1", "resent_from": old["id"]}
    assert (shown["subject"], shown["from"], shown["tags"]) == ("Hello", "ann@example.com", ["hi"])
    assert (shown["priority"], shown["source"]) == (7, "api")
    before, after = await raw(web, old["id"]), await raw(web, new["id"])
    assert f"Message-ID: {new['message_id']}\r\n" in after
    assert after.count("Message-ID: ") == after.count("Date: ") == 1
    assert _IDENTITY.sub("", after) == _IDENTITY.sub("", before)


async def test_only_those_named_get_it_again_and_only_recipients_can_be_named(web: Web) -> None:
    path = f"/v1/messages/{(await first(web))['id']}/resend"
    some = await web.client.post(path, json={"to": ["Cy <cy@example.org>"]})
    assert [(each["address"], each["kind"]) for each in some.json()["recipients"]] == [("cy@example.org", "bcc")]
    stranger = is_problem(await web.client.post(path, json={"to": ["cy@example.org", "eve@example.org"]}), 422)
    assert pointers(stranger) == ["/to/1"]
    assert pointers(is_problem(await web.client.post(path, json={"to": []}), 422)) == ["/to"]
    assert pointers(is_problem(await web.client.post(path, json={"to": ["bo@example.org", 7]}), 422)) == ["/to/1"]
    assert pointers(is_problem(await web.client.post(path, json={"cc": []}), 422)) == ["/cc"]
    is_problem(await web.client.post(path, content=b"{"), 400)
    assert await stored(web) == 2


async def test_with_an_idempotency_key_it_is_sent_again_once(web: Web) -> None:
    path = f"/v1/messages/{(await first(web))['id']}/resend"
    key = {"idempotency-key": "again-1"}
    answers = [await web.client.post(path, headers=key) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert answers[1].headers["idempotent-replayed"] == "true"
    is_problem(await web.client.post(path, headers=key, json={"to": ["bo@example.org"]}), 409)
    is_problem(await web.client.post(path, headers={"idempotency-key": "a b"}), 422)
    assert await stored(web) == 2


async def test_what_is_unknown_or_no_longer_kept_is_not_found(web: Web, owner: Pool) -> None:
    is_problem(await web.client.post(f"/v1/messages/{UUID(int=0)}/resend"), 404)
    old = await first(web)
    await owner.execute("DELETE FROM bodies WHERE message_id = $1", UUID(old["id"]))
    gone = is_problem(await web.client.post(f"/v1/messages/{old['id']}/resend"), 404)
    assert gone["detail"] == "The content of this message is not kept any more."


async def test_sending_again_needs_the_scope_and_the_domain_of_sending(web: Web) -> None:
    path = f"/v1/messages/{(await first(web))['id']}/resend"
    without_scope = is_problem(await web.client.post(path, headers=await key_with(web, "read")), 403)
    assert "lacks the scope send" in without_scope["detail"]
    without_domain = is_problem(await web.client.post(path, headers=await key_with(web, "send")), 403)
    assert pointers(without_domain) == ["/from"]
    assert await stored(web) == 1


async def test_from_the_command_line_it_is_sent_again_when_one_says_yes(posthouse: CommandLine) -> None:
    options = ("--from", "ann@example.test", "--to", "bob@there.test", "--cc", "cy@there.test", "--text", "x", "--json")
    old = (await posthouse("message", "send", *options)).json()
    asked = await posthouse("message", "resend", old["id"])
    assert asked.status == 1
    assert "Send it again to 2 recipients?" in asked.err
    new = (await posthouse("message", "resend", old["id"], "--to", "cy@there.test", "--yes", "--json")).json()
    assert [(each["address"], each["kind"]) for each in new["recipients"]] == [("cy@there.test", "cc")]
    shown = (await posthouse("message", "show", new["id"], "--json")).json()
    assert shown["metadata"] == {"resent_from": old["id"]}
    assert shown["source"] == "manual"
    assert "Follow it: posthouse message show" in (await posthouse("message", "resend", old["id"], "--yes")).out


async def test_the_command_refuses_strangers_and_unknown_messages(posthouse: CommandLine) -> None:
    options = ("--from", "ann@example.test", "--to", "bob@there.test", "--text", "x", "--json")
    old = (await posthouse("message", "send", *options)).json()
    stranger = await posthouse("message", "resend", old["id"], "--to", "eve@there.test", "--yes")
    assert stranger.status == 1
    assert "to 1: eve@there.test is not a recipient of this message." in stranger.err
    unknown = await posthouse("message", "resend", uuid4(), "--yes")
    assert unknown.status == 1
    assert "There is no message" in unknown.err
