"""The page of webhooks as a browser asks for it, and the command as a person types it."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.command_line import CommandLine
from tests.hook_consumer import Consumer, consuming
from tests.hook_world import LOOPBACK, Hooks, open_hooks
from tests.web_server import running

from posthouse.accounts import changes, users, workspaces
from posthouse.accounts.users import Member
from posthouse.model.words import Role
from posthouse.runtime.process import Process
from posthouse.runtime.settings import Settings
from posthouse.webhooks.schedule import State

PASSWORD = "four calm horses resting"


@dataclass(frozen=True, slots=True)
class Browser:
    """Somebody who is signed in."""

    client: httpx.AsyncClient

    async def get(self, path: str, status: int = 200) -> str:
        response = await self.client.get(path)
        assert response.status_code == status, response.text
        return response.text

    async def post(self, path: str, status: int = 303, **fields: Any) -> str:
        token = re.search(r'name="csrf" value="(\w+)"', await self.get("/settings/you"))
        assert token is not None
        response = await self.client.post(path, data={"csrf": token[1], **fields})
        assert response.status_code == status, response.text
        return response.headers.get("location", response.text)


@pytest.fixture
def with_loopback(make_process: Callable[..., Process]) -> Callable[..., Process]:
    def make(role: str, /, **sections: Any) -> Process:
        return make_process(role, **({"webhooks": LOOPBACK} | sections))

    return make


@pytest.fixture
async def hooks(with_loopback: Callable[..., Process]) -> AsyncIterator[Hooks]:
    async with open_hooks(with_loopback) as opened:
        yield opened


@pytest.fixture
async def consumer() -> AsyncIterator[Consumer]:
    async with consuming() as opened:
        yield opened


async def signed_in(hooks: Hooks, url: str, role: Role) -> Browser:
    email = f"{role}@acme.example"
    async with changes.making(hooks.process, hooks.workspace_id, "cli", operator=True) as change:
        member = await users.create(change, email, str(role), role)
        assert isinstance(member, Member), member
        assert not await users.set_password(change, member.user.user_id, PASSWORD)
    client = httpx.AsyncClient(base_url=url, trust_env=False, headers={"sec-fetch-site": "same-origin"})
    entered = await client.post("/sign-in", data={"email": email, "password": PASSWORD})
    assert entered.status_code == 303, entered.text
    return Browser(client)


async def test_an_admin_adds_tests_replays_rotates_and_deletes_a_webhook_by_its_pages(
    hooks: Hooks, consumer: Consumer, with_loopback: Callable[..., Process]
) -> None:
    async with running(with_loopback) as web, hooks.serving():
        browser = await signed_in(hooks, web.url, Role.ADMIN)
        assert "No webhooks yet" in await browser.get("/webhooks")
        wrong = await browser.post("/webhooks", 422, url="https://10.0.0.1/", description="<b>CRM</b>")
        assert "This address is not on the public internet." in wrong
        made = await browser.post("/webhooks", 200, url=consumer.url("/?a=<x>"), description="<b>CRM</b>")
        secret = re.search(r"whsec_[\w+/=]+", made.replace("&#x2f;", "/"))
        assert secret is not None
        assert "<b>CRM</b>" not in made
        at = re.search(r'action="(/webhooks/[\w-]+)/act"', made)
        assert at is not None
        page = at[1]
        assert "whsec_" not in await browser.get(page)
        assert await browser.post(f"{page}/act", act="test") == f"{page}?said=replayed"
        (hook,) = await consumer.until(1)
        assert hook.is_signed_with(secret[0])
        found = await hooks.endpoints()
        await hooks.until(found[0], ["delivered"])
        shown = await browser.get(page)
        assert hook.id in shown
        assert "1 attempt" in shown
        await browser.post(f"{page}/act", act="event", event=hook.id)
        await consumer.until(2)
        assert "whsec_" in await browser.post(f"{page}/rotate", 200)
        await browser.post(f"{page}/act", act="off")
        assert "Switched off by hand." in await browser.get(page)
        assert await browser.post(f"{page}/act", act="failed") == f"{page}?said=nothing"
        await browser.post(f"{page}/act", 404, act="explode")
        assert "Delete this webhook?" in await browser.get(f"{page}/delete")
        assert await browser.post(f"{page}/delete") == "/webhooks?said=removed"
        await browser.get(page, 404)
        await browser.client.aclose()


async def test_others_see_no_webhooks_and_a_form_from_elsewhere_changes_nothing(
    hooks: Hooks, consumer: Consumer, with_loopback: Callable[..., Process]
) -> None:
    made = await hooks.add(consumer.url())
    page = f"/webhooks/{made.endpoint.endpoint_id}"
    async with running(with_loopback) as web:
        for role in (Role.SENDER, Role.READER):
            browser = await signed_in(hooks, web.url, role)
            for path in ("/webhooks", "/webhooks/new", page, f"{page}/delete"):
                await browser.get(path, 403)
            await browser.post(f"{page}/delete", 403)
            assert "/webhooks" not in await browser.get("/settings/you")
            await browser.client.aclose()
        admin = await signed_in(hooks, web.url, Role.ADMIN)
        forged = await admin.client.post(f"{page}/delete", data={"csrf": "x"})
        assert forged.status_code == 409
        await admin.get(page)
        async with changes.making(hooks.process, hooks.process.ids.new(), "cli", operator=True) as change:
            other = await workspaces.create(change, "Other")
        theirs = await hooks.add(consumer.url(), workspace_id=other.workspace_id)
        for path in (f"/webhooks/{theirs.endpoint.endpoint_id}", f"/webhooks/{theirs.endpoint.endpoint_id}/delete"):
            await admin.get(path, 404)
        await admin.post(f"/webhooks/{theirs.endpoint.endpoint_id}/rotate", 404)
        await admin.client.aclose()


async def test_the_command_lists_adds_tests_and_replays(
    hooks: Hooks, consumer: Consumer, settings: Settings, owner_dsn: str
) -> None:
    posthouse = CommandLine(settings.data, owner_dsn)
    networks = {"POSTHOUSE_WEBHOOKS_ALLOWED_NETWORKS": '["127.0.0.0/8"]'}
    assert "No webhooks yet" in (await posthouse("webhook", "list")).out
    refused = await posthouse("webhook", "add", consumer.url())
    assert (refused.status, "url: It must begin with https://" in refused.err) == (1, True)
    url = consumer.url()
    made = (await posthouse("webhook", "add", url, "--event", "message.accepted", "--json", **networks)).json()
    assert made["secret"].startswith("whsec_")
    assert "whsec_" not in (await posthouse("webhook", "list", "--json")).out
    tested = (await posthouse("webhook", "test", url, "--json")).json()
    (accepted,) = await hooks.send()
    consumer.says(410)
    found = (await hooks.endpoints())[0]
    async with hooks.serving():
        await hooks.seen(found, lambda rows: State.FAILED in {row.state for row in rows})
    assert "off: It answered 410 Gone." in (await posthouse("webhook", "list")).out
    again = await posthouse("webhook", "replay", made["id"], "--event", tested["event_id"])
    assert again.status == 0, again.err
    assert "sent once more" in again.out
    assert (await posthouse("webhook", "replay", url, "--failed", "--json")).json()["next_since"] is None
    since = await posthouse("webhook", "replay", url, "--since", "2020-01-01T00:00:00")
    assert since.status == 0, since.err
    assert (await posthouse("webhook", "replay", url)).status == 2
    assert (await posthouse("webhook", "test", "https://nowhere.test/")).status == 1
    assert (await posthouse("webhook", "remove", url, "--yes")).out.strip() == f"Deleted {url}."
    assert accepted.message_id
