"""Links to domains on block lists that a real name server publishes: told by a dry run and on the page, before anything is sent."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.test_list_page import signed_in
from tests.peers.validating_resolver import Zone, validating_resolver
from tests.verified import verified_domain
from tests.web_server import Web, running

from posthouse.accounts import changes, credentials
from posthouse.accounts.credentials import Issued
from posthouse.accounts.terms import CredentialKind, Terms
from posthouse.cli import checks
from posthouse.cli.checks import Verdict
from posthouse.intake import links
from posthouse.model.words import Role, Scope
from posthouse.runtime.dns import Resolver

TEST_POINT = "test 60 IN A 127.0.0.2"
LISTED = (TEST_POINT, "bad.example 60 IN A 127.0.1.2", 'bad.example 60 IN TXT "https://bl.test/why"')
ON_MULTI = (  # as multi.uribl.com answers
    "test.uribl.com 60 IN A 127.0.0.14",
    "bad.example 60 IN A 127.0.0.2",
    "grey.example 60 IN A 127.0.0.4",
    "xn--bcher-kva.example 60 IN A 127.0.0.2",
)
TEXT = "Look at https://www.bad.example/offer, https://grey.example and http://good.example."
PAGE = '<a href="https://bücher.example/?a&amp;b">Books</a>'


@contextlib.asynccontextmanager
async def name_server(folder: Path, **zones: Sequence[str]) -> AsyncIterator[str]:
    """`bl` is bl.test."""
    published = [
        Zone("test", (), signed=False),
        Zone("com", (), signed=False),
        Zone("multi.uribl.com", ON_MULTI, signed=False),
        *(Zone(f"{name}.test", lines, signed=False) for name, lines in zones.items()),
    ]
    async with validating_resolver(folder, published) as address:
        yield address


@contextlib.asynccontextmanager
async def site(make_process: Any, resolver: str, *zones: str) -> AsyncIterator[Web]:
    """A web role that asks these lists, with a domain that may send."""

    def make(role: str, /, **sections: Any) -> Any:
        delivery, lists = {"resolvers": [resolver]}, {"link_zones": zones}
        return make_process(role, delivery=delivery, block_lists=lists, **sections)

    async with running(make, lab=False) as web:
        workspace_id = await web.process.pool.fetchval("SELECT workspace_id FROM workspaces")
        await verified_domain(web.process, workspace_id, "acme.test")
        async with changes.making(web.process, workspace_id, "user:ann") as change:
            terms = Terms("Shop", frozenset({Scope.SEND}))
            key = await credentials.create(change, CredentialKind.API_KEY, terms)
        assert isinstance(key, Issued), key
        web.client.headers["authorization"] = f"Bearer {key.secret}"
        yield web


async def warned(web: Web, **mail: str) -> list[str]:
    body = {"from": "ann@acme.test", "to": "bob@there.test", "subject": "x", **mail}
    answer = await web.client.post("/v1/messages", json=body, params={"dry_run": 1})
    assert answer.status_code == 200, answer.text
    return [each["detail"] for each in answer.json()["warnings"] if each["code"] == links.LISTED]


async def test_a_dry_run_names_each_listed_domain_and_its_lists(make_process: Any, tmp_path: Path) -> None:
    async with (
        name_server(tmp_path, bl=LISTED) as address,
        site(make_process, address, "bl.test", "multi.uribl.com") as web,
    ):
        told = await warned(web, text=TEXT, html=PAGE)
        many = "many filters take mail with it for spam."
        bad = f"bad.example, which is on the block lists bl.test, multi.uribl.com: {many} It says: https://bl.test/why."
        books = f"xn--bcher-kva.example, which is on the block list multi.uribl.com: {many} https://lookup.uribl.com/"
        assert told[0] == f"A link leads to {bad}"
        assert told[1:] == [f"A link leads to {books} tells why and how it gets off."]
        assert await warned(web, text="Nothing but http://good.example/bad.example") == []
        sent = await web.client.post(
            "/v1/messages", json={"from": "ann@acme.test", "to": "bob@there.test", "subject": "x", "text": TEXT}
        )
        assert (sent.status_code, sent.json()["warnings"]) == (202, [])
        page = await road(web, TEXT)
        assert "A link leads to bad.example, which is on a block list (bl.test, multi.uribl.com)" in page
        assert 'href="https://bl.test/why"' in page
        found = [each async for each in checks.link_lists(web.process.settings)]
        assert [(each.verdict, each.detail) for each in found] == [
            (Verdict.OK, "a dry run looks links up on bl.test, multi.uribl.com")
        ]


async def road(web: Web, text: str) -> str:
    """The page that shows the road of a mail."""
    client, token = await signed_in(web, Role.SENDER)
    filled = {"from": "ann@acme.test", "to": "bob@there.test", "subject": "x", "text": text, "class": "transactional"}
    async with contextlib.aclosing(client):
        answer = await client.post("/send/check", data={**filled, "csrf": token})
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


@pytest.mark.parametrize(
    "lines",
    [
        ("test 60 IN A 127.255.255.254", "bad.example 60 IN A 127.255.255.254"),  # asked through a public resolver
        ("test 60 IN A 127.0.0.1", "bad.example 60 IN A 127.0.0.1"),  # not served
        ("* 60 IN A 127.0.0.2",),  # a list that was given up
        LISTED[1:],  # without its test point
        (TEST_POINT, "bad.example 60 IN A 127.0.1.255"),  # an error beside an answer that works
        (TEST_POINT,),
    ],
)
async def test_what_is_no_listing_is_never_told_as_one(make_process: Any, tmp_path: Path, lines: Sequence[str]) -> None:
    async with name_server(tmp_path, bl=lines) as address:
        process = make_process("web", delivery={"resolvers": [address]}, block_lists={"link_zones": ["bl.test"]})
        content = b"Content-Type: text/plain\r\n\r\nhttps://www.bad.example/"
        assert await links.LinkLists(process).warnings([content, b""]) == [(), ()]
        believed = lines[0] == TEST_POINT
        assert (await links.trouble(Resolver([address]), "bl.test") == "") is believed
        (finding,) = [each async for each in checks.link_lists(process.settings)]
        assert finding.verdict is (Verdict.OK if believed else Verdict.WARNING)


async def test_the_lab_asks_nobody_and_a_silent_name_server_holds_nobody_up(
    make_process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"Content-Type: text/plain\r\n\r\nhttps://www.bad.example/"
    monkeypatch.setattr(links, "LINK_LOOK_S", 0.1)
    dead = {"delivery": {"resolvers": ["127.0.0.1:9"]}, "block_lists": {"link_zones": ["bl.test"]}}
    assert await links.LinkLists(make_process("web", **dead)).warnings([content]) == [()]
    lab = links.LinkLists(make_process("web", lab={"enabled": True}, **dead))
    monkeypatch.setattr(lab, "_listings", None)
    assert await lab.warnings([content]) == [()]
