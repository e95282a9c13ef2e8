"""Webhooks by JSON, over a real socket, on a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.hook_consumer import consuming
from tests.hook_world import LOOPBACK
from tests.web_server import Web, running

from posthouse.accounts import audit, changes, credentials, workspaces
from posthouse.accounts.credentials import Issued
from posthouse.accounts.terms import CredentialKind, Terms
from posthouse.model.words import Scope
from posthouse.webhooks import host

MESSAGE: dict[str, Any] = {"from": "ann@example.com", "to": "bo@example.org", "subject": "Hello", "text": "It works."}
URL = "https://hooks.example.com/mail"


@pytest.fixture
async def web(make_process: Any) -> AsyncIterator[Web]:
    async with running(make_process) as opened:
        yield opened


async def added(web: Web, **body: Any) -> dict[str, Any]:
    response = await web.client.post("/v1/webhooks", json={"url": URL} | body)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


async def key_of(web: Web, scope: Scope, *, elsewhere: bool = False) -> dict[str, str]:
    """The header of another key, of this workspace or of a new one."""
    process = web.process
    (first, *_) = await workspaces.listing(process.pool)
    workspace_id = first.workspace_id
    if elsewhere:
        async with changes.making(process, process.ids.new(), "cli", operator=True) as change:
            workspace_id = (await workspaces.create(change, "Other")).workspace_id
    async with changes.making(process, workspace_id, "cli", operator=True) as change:
        issued = await credentials.create(change, CredentialKind.API_KEY, Terms("other", frozenset({scope})))
    assert isinstance(issued, Issued)
    return {"authorization": f"Bearer {issued.secret}"}


async def eventually(
    web: Web, at: str, holds: Callable[[dict[str, Any]], bool], params: dict[str, Any] | None = None
) -> None:
    for _ in range(200):
        if holds((await web.client.get(at, params=params)).json()):
            return
        await asyncio.sleep(0.05)
    raise AssertionError((await web.client.get(at, params=params)).text)


def pointers(response: httpx.Response) -> list[str]:
    assert response.status_code == 422, response.text
    return [error["pointer"] for error in response.json()["errors"]]


async def test_a_webhook_is_made_shown_changed_and_deleted_and_its_secret_is_in_one_answer(web: Web) -> None:
    made = await added(web, description="CRM", events=["message.bounced"])
    at = f"/v1/webhooks/{made['details']['id']}"
    assert made["secret"].startswith("whsec_")
    assert (await web.client.get(at)).json() == made["details"]
    listed = await web.client.get("/v1/webhooks")
    assert listed.json() == {"webhooks": [made["details"]]}
    assert made["secret"] not in listed.text
    changed = (await web.client.patch(at, json={"events": [], "enabled": False})).json()
    assert (changed["url"], changed["description"], changed["events"]) == (URL, "CRM", [])
    assert (changed["enabled"], changed["disabled_reason"]) == (False, "Switched off by hand.")
    assert (await web.client.patch(at, json={"enabled": True})).json()["enabled"]
    rotated = (await web.client.post(f"{at}/rotate")).json()
    assert rotated["secret"] not in ("", made["secret"])
    assert rotated["details"]["previous_secret_until"]
    assert (await web.client.delete(at)).status_code == 204
    assert [(await web.client.request(method, at)).status_code for method in ("GET", "DELETE")] == [404, 404]
    (workspace, *_) = await workspaces.listing(web.process.pool)
    entries = await audit.page(web.process.pool, workspace.workspace_id, None, 6)
    assert [entry.action for entry in entries] == [
        "webhook.delete", "webhook.rotate", "webhook.enable", "webhook.disable", "webhook.change", "webhook.add",
    ]  # fmt: skip
    assert all(secret not in str(entries) for secret in (made["secret"], rotated["secret"]))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "http://hooks.example.com/"}, "/url"),
        ({"url": "https://127.0.0.1/"}, "/url"),
        ({"url": "https://[::ffff:169.254.169.254]/"}, "/url"),
        ({"url": "https://user:word@hooks.example.com/"}, "/url"),
        ({"url": URL, "events": ["message.invented"]}, "/events/0"),
        ({"url": URL, "description": "x" * 201}, "/description"),
        ({"url": URL, "secret": "mine"}, "/secret"),
        ({}, "/url"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(web: Web, body: dict[str, Any], pointer: str) -> None:
    assert pointers(await web.client.post("/v1/webhooks", json=body)) == [pointer]


async def test_there_are_only_so_many(web: Web) -> None:
    for _ in range(20):
        await added(web)
    refused = await web.client.post("/v1/webhooks", json={"url": URL})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "too_many")


async def test_only_who_may_manage_comes_near_and_only_to_what_is_in_his_workspace(web: Web) -> None:
    at = f"/v1/webhooks/{(await added(web))['details']['id']}"
    calls: list[tuple[str, str, Any]] = [
        ("GET", "", None), ("PATCH", "", {"enabled": False}), ("POST", "/rotate", None), ("POST", "/test", None),
        ("GET", "/deliveries", None), ("POST", "/replay", {"failed": True}), ("DELETE", "", None),
    ]  # fmt: skip
    for scope, elsewhere, status in ((Scope.SEND, False, 403), (Scope.READ, False, 403), (Scope.MANAGE, True, 404)):
        headers = await key_of(web, scope, elsewhere=elsewhere)
        for method, path, body in calls:
            response = await web.client.request(method, at + path, json=body, headers=headers)
            assert response.status_code == status, (method, path, response.text)
    headers = await key_of(web, Scope.MANAGE, elsewhere=True)
    assert (await web.client.get("/v1/webhooks", headers=headers)).json() == {"webhooks": []}
    assert (await web.client.get(at)).json()["enabled"]


async def test_deliveries_are_listed_with_their_attempts_and_sent_again_on_request(make_process: Any) -> None:
    def with_loopback(role: str, /, **sections: Any) -> Any:
        return make_process(role, **({"webhooks": LOOPBACK} | sections))

    async with running(with_loopback) as web, consuming() as consumer:
        consumer.says(410)
        at = f"/v1/webhooks/{(await added(web, url=consumer.url()))['details']['id']}"
        for _ in range(3):
            assert (await web.client.post("/v1/messages", json=MESSAGE)).status_code == 202
        role = with_loopback("webhooks")
        serving = asyncio.create_task(host.serve(role, Random(1)))
        try:
            await consumer.until(1)
            await eventually(web, at, lambda endpoint: not endpoint["enabled"])
            consumer.says(200)
            assert (await web.client.patch(at, json={"enabled": True})).status_code == 200
            tested = (await web.client.post(f"{at}/test")).json()["event_id"]
            replayed = await web.client.post(f"{at}/replay", json={"failed": True})
            assert replayed.status_code == 202
            everything = {"limit": 100, "state": "delivered"}
            await eventually(web, f"{at}/deliveries", lambda page: len(page["deliveries"]) == 4, everything)
        finally:
            role.stopping.set()
            await serving
        found = await listed(web, at)
        assert found[0]["event_id"] == tested
        assert found[0]["type"] == "webhook.test"
        oldest = found[-1]
        assert oldest["attempts"][-1]["status"] == 200
        assert await listed(web, at, state="failed") == []
        page = (await web.client.get(f"{at}/deliveries", params={"limit": 3, "state": "delivered"})).json()
        rest = (await web.client.get(f"{at}/deliveries", params={"limit": 3, "cursor": page["next"]})).json()
        assert [*page["deliveries"], *rest["deliveries"]] == found
        one = await web.client.post(f"{at}/replay", json={"event": oldest["event_id"]})
        assert one.json() == {"events": 1, "next_since": None}
        since = await web.client.post(f"{at}/replay", json={"since": "2020-01-01T00:00:00Z"})
        assert since.json()["events"] == 2  # one of the three is on its way already


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"event": str(uuid4()), "since": "2026-01-01T00:00:00Z"}, 422),
        ({"event": "x" * 36}, 422),
        ({"since": "yesterday"}, 422),
        ({"event": str(uuid4())}, 404),
    ],
)
async def test_a_replay_has_to_say_of_what(web: Web, body: dict[str, Any], status: int) -> None:
    at = f"/v1/webhooks/{(await added(web))['details']['id']}"
    assert (await web.client.post(f"{at}/replay", json=body)).status_code == status


async def listed(web: Web, at: str, **params: Any) -> list[dict[str, Any]]:
    response = await web.client.get(f"{at}/deliveries", params={"limit": 100, **params})
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["deliveries"]
    return found
