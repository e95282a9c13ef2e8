"""Link hosts over HTTP: chosen by API and on the page, certificates a proxy may ask for, and what is served under whose name."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.peers.test_bounce_domains import HOST
from tests.peers.test_link_hosts import ACME_LINES, WEB, name_server
from tests.verified import verified_domain
from tests.web_server import Web, running

from posthouse.accounts import changes, users
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.users import Member
from posthouse.model.limits import TLS_ASK_LOOKUPS
from posthouse.model.words import Role
from posthouse.runtime.postgres import transaction

PASSWORD = "four calm horses resting"
LINKS = "links.acme.test"
UNDER_LINKS = {"host": LINKS}


@pytest.fixture
async def web(make_process: Any, tmp_path: Path) -> AsyncIterator[Web]:
    def make(role: str, /, **sections: Any) -> Any:
        chosen = {"server": {"hostname": HOST}, "web": WEB, "delivery": {"resolvers": [address]}}
        return make_process(role, **{**chosen, **sections})

    async with name_server(tmp_path, *ACME_LINES) as address, running(make) as opened:
        yield opened


@pytest.fixture
async def domain(web: Web) -> SendingDomain:
    workspace_id = await web.process.pool.fetchval("SELECT workspace_id FROM workspaces")
    return await verified_domain(web.process, workspace_id, "acme.test")


@contextlib.asynccontextmanager
async def signed_in(
    web: Web, domain: SendingDomain, role: Role = Role.ADMIN
) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A browser of somebody with this role, and the token of her forms."""
    email = f"{role}@acme.example"
    async with changes.making(web.process, domain.workspace_id, "cli", operator=True) as change:
        member = await users.create(change, email, str(role), role)
        assert isinstance(member, Member), member
        assert not await users.set_password(change, member.user.user_id, PASSWORD)
    headers = {"sec-fetch-site": "same-origin", "host": HOST}
    async with httpx.AsyncClient(base_url=web.url, trust_env=False, headers=headers) as client:
        entered = await client.post("/sign-in", data={"email": email, "password": PASSWORD})
        assert "Secure" in entered.headers["set-cookie"]
        # As a browser keeps it, which has the TLS of the proxy before it.
        client.headers["cookie"] = entered.headers["set-cookie"].partition(";")[0]
        token = re.search(r'name="csrf" value="(\w+)"', (await client.get("/settings/you")).text)
        assert token is not None
        yield client, token[1]


async def test_a_link_host_is_chosen_listed_and_removed(web: Web, domain: SendingDomain) -> None:
    assert (await web.client.get("/v1/link-hosts")).json() == {"target": HOST, "link_hosts": []}
    chosen = await web.client.put("/v1/domains/acme.test/link-host", json={})
    assert (chosen.status_code, chosen.json()["name"], chosen.json()["usable"]) == (200, LINKS, True), chosen.text
    (listed,) = (await web.client.get("/v1/link-hosts")).json()["link_hosts"]
    assert (listed["domain"], listed["name"]) == ("acme.test", LINKS)
    records = (await web.client.get("/v1/domains/acme.test")).json()["records"]
    assert [(each["name"], each["value"], each["need"]) for each in records if each["purpose"] == "links"] == [
        (LINKS, HOST, "optional")
    ]
    assert (await web.client.post("/v1/domains/acme.test/link-host/verify")).json()["usable"] is True
    assert (await web.client.delete("/v1/domains/acme.test/link-host")).status_code == 200
    for method, path in (("DELETE", ""), ("POST", "/verify")):
        assert (await web.client.request(method, f"/v1/domains/acme.test/link-host{path}")).status_code == 404


async def test_what_is_wrong_is_said_with_what_was_expected(web: Web, domain: SendingDomain) -> None:
    refused = await web.client.put("/v1/domains/acme.test/link-host", json={"name": "astray.acme.test"})
    assert refused.status_code == 422
    assert f"leads to elsewhere.acme.test: expected {HOST}" in refused.json()["detail"]
    await web.client.post("/v1/domains", json={"name": "other.test"})
    early = await web.client.put("/v1/domains/other.test/link-host", json={})
    assert (early.status_code, early.json()["errors"][0]["code"]) == (409, "not_verified")
    assert (await web.client.put("/v1/domains/none.test/link-host", json={})).status_code == 404


async def test_only_managers_choose(web: Web, domain: SendingDomain) -> None:
    made = await web.client.post("/v1/keys", json={"name": "reader", "scopes": ["read"]})
    reader = {"authorization": f"Bearer {made.json()['key']}"}
    assert (await web.client.get("/v1/link-hosts", headers=reader)).status_code == 200
    for method, path in (("PUT", ""), ("POST", "/verify"), ("DELETE", "")):
        answer = await web.client.request(method, f"/v1/domains/acme.test/link-host{path}", json={}, headers=reader)
        assert answer.status_code == 403


async def test_a_proxy_learns_for_whom_to_get_a_certificate(web: Web, domain: SendingDomain) -> None:
    async def ask(*names: str, client: httpx.AsyncClient = web.client, **headers: str) -> int:
        query = "&".join(f"domain={name}" for name in names)
        return (await client.get(f"/tls/ask?{query}", headers={"authorization": "", **headers})).status_code

    assert await ask(LINKS) == 404
    await web.client.put("/v1/domains/acme.test/link-host", json={})
    assert [await ask(name) for name in (LINKS, "Links.ACME.test", HOST)] == [200, 200, 200]
    strangers = ("acme.test", "x.links.acme.test", "127.0.0.1", "localhost", "", "*.acme.test", "x" * 300, "a%00b.test")
    assert {await ask(name) for name in strangers} == {404}
    assert [await ask(), await ask(LINKS, LINKS)] == [404, 404]
    assert (await web.client.post(f"/tls/ask?domain={LINKS}")).status_code == 404
    # What a proxy passes on is somebody else's question.
    for header in ("x-forwarded-for", "forwarded", "via", "x-real-ip"):
        assert await ask(LINKS, **{header: "192.0.2.1"}) == 404
    assert await ask(LINKS, host=LINKS) == 404
    await web.process.pool.execute("UPDATE link_hosts SET broken_at = now()")
    web.rooms.directory.forget()
    assert await ask(LINKS) == 404


async def test_names_that_strangers_make_up_take_few_of_the_database_s_connections(
    web: Web, domain: SendingDomain
) -> None:
    await web.client.put("/v1/domains/acme.test/link-host", json={})
    assert (await web.client.get(f"/tls/ask?domain={LINKS}")).status_code == 200
    async with transaction(web.process.pool) as connection:
        await connection.execute("LOCK TABLE link_hosts IN ACCESS EXCLUSIVE MODE")
        waiting = [asyncio.create_task(web.client.get(f"/tls/ask?domain=x{each}.test")) for each in range(20)]
        while len(waiting) > TLS_ASK_LOOKUPS:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            assert {each.result().status_code for each in done} == {503}
            waiting = [each for each in waiting if each not in done]
        assert (await web.client.get(f"/tls/ask?domain={HOST}")).status_code == 200
    assert {(await each).status_code for each in waiting} == {404}


async def test_under_a_link_host_there_is_what_mails_link_to_and_nothing_else(web: Web, domain: SendingDomain) -> None:
    await web.client.put("/v1/domains/acme.test/link-host", json={})
    for path in ("/", "/sign-in", "/domains", "/v1/domains", "/docs", "/openapi.json", "/healthz", "/tls/ask", "/u", "/u/../sign-in"):  # fmt: skip
        here, there = [
            await web.client.request("GET", httpx.URL(f"{web.url}{path}", path=path), headers=headers)
            for headers in ({"host": HOST}, UNDER_LINKS)
        ]
        assert (there.status_code, "set-cookie" in there.headers) == (404, False), path
        assert there.text.startswith("There is nothing to see here."), path
        assert not here.text.startswith("There is nothing to see here."), path
    assert (await web.client.post("/v1/messages", json={}, headers=UNDER_LINKS)).text.startswith("There is nothing")
    style = re.search(r'href="(/static/[^"]+)"', (await web.client.get("/sign-in")).text)
    assert style is not None
    assert (await web.client.get(style[1], headers=UNDER_LINKS)).status_code == 200
    for path in ("/u/token", "/t/token"):  # whoever answers there, or nobody yet
        assert not (await web.client.get(path, headers=UNDER_LINKS)).text.startswith("There is nothing to see here.")


async def test_the_page_shows_what_to_publish_and_takes_the_choice(web: Web, domain: SendingDomain) -> None:
    async with signed_in(web, domain) as (client, token):
        links = f"/domains/{domain.domain_id}/links"
        page = (await client.get(links)).text
        assert f'data-copy="{HOST}"' in page
        assert f'value="{LINKS}"' in page
        wrong = await client.post(links, data={"csrf": token, "name": "astray.acme.test"})
        assert wrong.status_code == 422
        assert f"leads to elsewhere.acme.test: expected {HOST}" in wrong.text
        chosen = await client.post(links, data={"csrf": token, "name": LINKS})
        assert (chosen.status_code, chosen.headers["location"]) == (303, f"{links}?said=saved")
        assert "In use" in (await client.get(links)).text
        assert LINKS in (await client.get(f"/domains/{domain.domain_id}")).text
        assert (await client.post(f"{links}/verify", data={"csrf": token})).status_code == 303
        assert (await client.post(links, data={"name": LINKS})).status_code == 409  # a form of somebody else's
        removed = await client.post(f"{links}/remove", data={"csrf": token})
        assert removed.headers["location"] == f"{links}?said=removed"


async def test_readers_see_it_and_change_nothing(web: Web, domain: SendingDomain) -> None:
    async with signed_in(web, domain, Role.READER) as (client, token):
        links = f"/domains/{domain.domain_id}/links"
        assert (await client.get(links)).status_code == 200
        for path in (links, f"{links}/verify", f"{links}/remove"):
            assert (await client.post(path, data={"csrf": token, "name": LINKS})).status_code == 403
