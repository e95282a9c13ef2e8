"""The page that looks at a list: told in words, given back as two files, and nothing of it kept."""

import base64
import csv
import io
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.peers.validating_resolver import Zone, validating_resolver
from tests.web_server import Web, running

from posthouse.accounts import changes, users, workspaces
from posthouse.accounts.users import Member
from posthouse.model import limits
from posthouse.model.words import Role

PASSWORD = "four calm horses resting"
LIST = "Name;E-mail\nÅse;ann@good.test\n=1+1;old@good.test\nBo;bo@gone.test\nCy;cy at good\nDi;di@gmial.com\nInfo;info@good.test\n"


@pytest.fixture
async def web(make_process: Any, tmp_path: Path) -> AsyncIterator[Web]:
    def make(role: str, /, **sections: Any) -> Any:
        return make_process(role, delivery={"resolvers": [address]}, **sections)

    zones = [
        Zone("test", (), signed=False),
        Zone("good.test", ("@ 300 IN MX 10 ns",), signed=False),
        Zone("com", (), signed=False),
    ]
    async with validating_resolver(tmp_path, zones) as address, running(make) as opened:
        yield opened


async def signed_in(web: Web, role: Role) -> tuple[httpx.AsyncClient, str]:
    (workspace, *_) = await workspaces.listing(web.process.pool)
    email = f"{role}@acme.example"
    async with changes.making(web.process, workspace.workspace_id, "cli", operator=True) as change:
        member = await users.create(change, email, str(role), role)
        assert isinstance(member, Member), member
        assert not await users.set_password(change, member.user.user_id, PASSWORD)
    client = httpx.AsyncClient(base_url=web.url, trust_env=False, headers={"sec-fetch-site": "same-origin"}, timeout=30)
    assert (await client.post("/sign-in", data={"email": email, "password": PASSWORD})).status_code == 303
    token = re.search(r'name="csrf" value="(\w+)"', (await client.get("/settings/you")).text)
    assert token is not None
    return client, token[1]


def files(page: str) -> dict[str, list[list[str]]]:
    """The files in the page, by name."""
    found = re.findall(r'href="(data:[^"]+)" download="([^"]+)"', page)
    texts = {name: base64.b64decode(unescape(href).partition("base64,")[2]).decode() for href, name in found}
    return {name: list(csv.reader(io.StringIO(text))) for name, text in texts.items()}


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
async def test_a_file_is_told_in_words_and_given_back_in_two_parts(web: Web, encoding: str) -> None:
    await web.process.pool.execute(
        "INSERT INTO suppressions (workspace_id, address, scope, reason, added_by, created_at)"
        " SELECT workspace_id, 'old@good.test', 'everything', 'hard_bounce', 'report', now() FROM workspaces"
    )
    client, token = await signed_in(web, Role.SENDER)
    handed = {"file": ("<b>customers.csv", LIST.encode(encoding), "text/csv")}
    answer = await client.post("/suppressions/list-check/file", data={"csrf": token}, files=handed)
    assert answer.status_code == 200, answer.text
    page = answer.text
    assert "So many bounces at once would harm your reputation" in page
    assert "<b>customers" not in page
    for said in (
        "Bounced before",
        "The domain takes no mail any more",
        "No usable address",
        "Probably misspelled",
        "An office",
    ):
        assert said in page
    assert "di@gmail.com" in page
    cleaned, rejected = files(page)["list-cleaned.csv"], files(page)["list-rejected.csv"]
    assert cleaned == [["Name", "E-mail"], ["Åse", "ann@good.test"], ["Info", "info@good.test"]]
    assert rejected[0] == ["line", "advice", "findings", "detail", "suggestion", "Name", "E-mail"]
    assert [(row[0], row[1], row[5]) for row in rejected[1:]] == [
        ("3", "remove", "=1+1"), ("4", "remove", "Bo"), ("5", "remove", "Cy"), ("6", "correct", "Di"),
    ]  # fmt: skip
    await client.aclose()


async def test_addresses_are_pasted_and_what_cannot_be_looked_at_is_said_beside_its_field(web: Web) -> None:
    client, token = await signed_in(web, Role.SENDER)

    async def pasted(text: str, status: int) -> str:
        answer = await client.post("/suppressions/list-check", data={"csrf": token, "addresses": text})
        assert answer.status_code == status, answer.text
        return answer.text

    page = await pasted("ann@good.test\nbob@good.test", 200)
    assert "Nobody in it is known to be out of reach." in page
    assert list(files(page)) == ["list-cleaned.csv"]
    assert "Choose a file, or paste some addresses." in await pasted("  ", 422)
    assert "There is no address in it" in await pasted("E-mail", 422)
    assert "It is too long for this page" in await pasted("a@b.test\n" * (limits.LIST_PER_CALL + 2), 422)
    reader, own = await signed_in(web, Role.READER)
    assert (await reader.get("/suppressions/list-check")).status_code == 403
    assert (
        await reader.post("/suppressions/list-check", data={"csrf": own, "addresses": "a@b.test"})
    ).status_code == 403
    for each in (client, reader):
        await each.aclose()
