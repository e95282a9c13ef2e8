"""Alerts as people and programs meet them: on top of every page, on their own page, by JSON and by the command."""

import re
from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import httpx
import pytest
from tests.command_line import CommandLine
from tests.web_server import Web, running

from posthouse.accounts import alerts, changes, users, workspaces
from posthouse.accounts.alerts import Level, Trouble
from posthouse.accounts.users import Member
from posthouse.intake import blocked_alerts
from posthouse.intake.blocked_alerts import Blocked
from posthouse.model.words import Role
from posthouse.runtime.postgres import transaction
from posthouse.runtime.process import Process
from posthouse.runtime.settings import Settings

PASSWORD = "four calm horses resting"
STOPPED = Trouble("breaker.bounces", "x.example", Level.CRITICAL, "5.2 % of <b>400</b> mails bounced.", "/queue")
GONE = Trouble("domain.incomplete", "a.example", Level.WARNING, "SPF of a.example is gone.", "/domains")


@pytest.fixture
async def web(make_process: Callable[..., Process]) -> AsyncIterator[Web]:
    async with running(make_process) as opened:
        yield opened


async def report(web: Web, *troubles: Trouble) -> UUID:
    (workspace, *_) = await workspaces.listing(web.process.pool)
    for each in troubles:
        async with transaction(web.process.pool) as connection:
            now = web.process.clock.now()
            await alerts.report(connection, workspace.workspace_id, each, web.process.ids, "posthouse", now)
    return workspace.workspace_id


async def signed_in(web: Web, role: Role) -> httpx.AsyncClient:
    (workspace, *_) = await workspaces.listing(web.process.pool)
    email = f"{role}@acme.example"
    async with changes.making(web.process, workspace.workspace_id, "cli", operator=True) as change:
        member = await users.create(change, email, str(role), role)
        assert isinstance(member, Member), member
        assert not await users.set_password(change, member.user.user_id, PASSWORD)
    client = httpx.AsyncClient(base_url=web.url, trust_env=False, headers={"sec-fetch-site": "same-origin"})
    entered = await client.post("/sign-in", data={"email": email, "password": PASSWORD})
    assert entered.status_code == 303, entered.text
    return client


async def test_an_alert_is_told_in_the_language_of_the_page_and_in_english_to_programs(web: Web) -> None:
    ann = await signed_in(web, Role.ADMIN)
    await report(web, blocked_alerts.trouble(Blocked("shop.example", "mx1.there.example", "<b>no</b>", "reputation")))
    pages = [(await ann.get(path)).text for path in ("/domains", "/alerts")]
    await web.process.pool.execute("UPDATE users SET locale = 'da'")
    danish = [(await ann.get(path)).text for path in ("/domains", "/alerts")]
    await ann.aclose()
    assert ["there.example refuses mail of this workspace" in each for each in pages] == [True, True]
    for page in danish:
        assert "there.example afviser mail fra dette arbejdsområde" in page
        assert "Slå afsenderadresserne op på bloklister" in page
        assert "<b>no</b>" not in page
    (told,) = (await web.client.get("/v1/alerts")).json()["alerts"]
    assert told["sentence"].startswith(
        "there.example refuses mail of this workspace; to shop.example it said: <b>no</b>."
    )


async def test_administrators_see_the_worst_on_every_page_and_dismiss_it_on_the_page_of_alerts(web: Web) -> None:
    ann, bo = await signed_in(web, Role.ADMIN), await signed_in(web, Role.READER)
    assert "Nothing is wrong" in (await ann.get("/alerts")).text
    assert 'class="banner' not in (await ann.get("/domains")).text
    await report(web, GONE, STOPPED)
    shown = (await ann.get("/domains")).text
    assert 'class="banner bad"' in shown
    assert "5.2 % of &lt;b&gt;400&lt;&#x2f;b&gt; mails bounced." in shown
    assert "and 1 more" in shown
    assert 'class="banner' not in (await bo.get("/domains")).text
    page = (await ann.get("/alerts")).text
    assert 'class="banner' not in page
    assert page.index("5.2 %") < page.index("SPF of a.example is gone.")
    action, token = re.search(r'action="(/alerts/[\w-]+/dismiss)"', page), re.search(r'"csrf" value="(\w+)"', page)
    assert action is not None
    assert token is not None
    readers = (await bo.get("/alerts")).text
    assert "SPF of a.example is gone." in readers
    assert "Dismiss" not in readers
    own = re.search(r'"csrf" value="(\w+)"', readers)
    assert own is not None
    assert (await bo.post(action[1], data={"csrf": own[1]})).status_code == 403
    done = await ann.post(action[1], data={"csrf": token[1]})
    assert done.headers["location"] == "/alerts?said=dismissed"
    after = (await ann.get("/alerts")).text
    assert after.index("SPF of a.example is gone.") < after.index("Ended") < after.index("5.2 %")
    assert 'class="banner wait"' in (await ann.get("/")).text
    again = await ann.post(action[1], data={"csrf": token[1]})
    assert again.headers["location"] == "/alerts?said=nothing"
    for client in (ann, bo):
        await client.aclose()


async def test_programs_read_and_dismiss_alerts(web: Web) -> None:
    await report(web, STOPPED, GONE)
    first, second = (await web.client.get("/v1/alerts")).json()["alerts"]
    assert (first["kind"], first["level"], first["ended_at"]) == ("breaker.bounces", "critical", None)
    assert (second["sentence"], second["path"]) == (GONE.sentence, "/domains")
    assert (await web.client.post(f"/v1/alerts/{first['id']}/dismiss")).status_code == 204
    assert (await web.client.post(f"/v1/alerts/{first['id']}/dismiss")).status_code == 404
    for unknown in (uuid4(), "no-id"):
        assert (await web.client.post(f"/v1/alerts/{unknown}/dismiss")).status_code == 404
    assert [each["id"] for each in (await web.client.get("/v1/alerts")).json()["alerts"]] == [second["id"]]
    known = (await web.client.get("/v1/alerts", params={"state": "all"})).json()["alerts"]
    assert [each["ended_at"] is None for each in known] == [True, False]
    assert known[1]["ended_by"].startswith("key:")
    assert (await web.client.get("/v1/alerts", params={"state": "odd"})).status_code == 422


async def test_only_a_key_that_manages_dismisses(web: Web) -> None:
    await report(web, STOPPED)
    (alert,) = (await web.client.get("/v1/alerts")).json()["alerts"]
    made = await web.client.post("/v1/keys", json={"name": "Reader", "scopes": ["read"]})
    headers = {"authorization": f"Bearer {made.json()['key']}"}
    assert (await web.client.get("/v1/alerts", headers=headers)).status_code == 200
    assert (await web.client.post(f"/v1/alerts/{alert['id']}/dismiss", headers=headers)).status_code == 403


async def test_the_command_lists_and_dismisses(web: Web, settings: Settings, owner_dsn: str) -> None:
    posthouse = CommandLine(settings.data, owner_dsn)
    await report(web, STOPPED)
    (alert,) = (await posthouse("alert", "list", "--json")).json()
    assert alert["sentence"] == STOPPED.sentence
    assert (await posthouse("alert", "dismiss", alert["id"])).status == 0
    assert "Nothing is wrong." in (await posthouse("alert", "list")).out
    assert (await posthouse("alert", "dismiss", alert["id"])).status == 1
