"""The operator's hands by JSON, over a real socket, on a real database."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.web_server import Web, running

MESSAGE: dict[str, Any] = {"from": "ann@example.com", "to": "bo@example.org", "subject": "Hello", "text": "It works."}


@pytest.fixture
async def web(make_process: Any) -> AsyncIterator[Web]:
    async with running(make_process) as opened:
        yield opened


async def sent(web: Web, **changes: Any) -> str:
    response = await web.client.post("/v1/messages", json=MESSAGE | changes)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


async def act(web: Web, action: str, selection: dict[str, Any], **options: Any) -> httpx.Response:
    body = {"action": action, "selection": selection, **options}
    return await web.client.post("/v1/queue/actions", json=body)


async def recipient(web: Web, message_id: str) -> dict[str, Any]:
    shown = (await web.client.get(f"/v1/messages/{message_id}")).json()
    return shown["recipients"][0]  # type: ignore[no-any-return]


def pointers(response: httpx.Response) -> list[str]:
    assert response.status_code == 422, response.text
    return [error["pointer"] for error in response.json()["errors"]]


async def test_an_action_is_counted_before_it_is_done(web: Web) -> None:
    message_id = await sent(web, tags=["news"])
    await sent(web)
    which = {"tag": "news", "domain": "EXAMPLE.org"}
    dry = await act(web, "hold", which, dry_run=True)
    assert dry.json() == {"action": "hold", "mails": 1, "dry_run": True}
    assert (await recipient(web, message_id))["status"] == "ready"
    done = await act(web, "hold", which, reason="wait for the price")
    assert done.json() == {"action": "hold", "mails": 1, "dry_run": False}
    held = await recipient(web, message_id)
    assert held["status"] == "held"
    assert held["reason"].startswith("Held: stopped by key:")
    assert ": wait for the price. It waits until it is released, at most until " in held["reason"]
    by_id = await act(web, "release", {"recipients": [held["id"]], "message": message_id})
    assert by_id.json()["mails"] == 1


async def test_mail_is_bounced_and_moved(web: Web) -> None:
    message_id = await sent(web)
    assert pointers(await act(web, "bounce", {"domain": "example.org"})) == ["/reason"]
    assert pointers(await act(web, "move", {"domain": "example.org"})) == ["/pool"]
    assert (await act(web, "move", {"domain": "example.org"}, pool="marketing")).json()["mails"] == 1
    assert (await recipient(web, message_id))["pool"] == "marketing"
    back = {"pool": "transactional", "reason": "A slip."}
    assert pointers(await act(web, "move", {"domain": "example.org"}, **back)) == ["/force"]
    assert pointers(await act(web, "move", {"domain": "example.org"}, pool="transactional", force=True)) == ["/reason"]
    assert (await act(web, "move", {"domain": "example.org"}, **back, force=True)).json()["mails"] == 1
    assert (await act(web, "bounce", {"priority_to": 4}, reason="Given up.")).json()["mails"] == 1
    assert (await recipient(web, message_id))["status"] == "bounced"


@pytest.mark.parametrize(
    ("selection", "wrong"),
    [
        ({}, ["/selection"]),
        ({"domain": "no domain"}, ["/selection/domain"]),
        ({"message": "0" * 36}, ["/selection/message"]),
        ({"recipients": ["{" + "0" * 34 + "}"]}, ["/selection/recipients/0"]),
        ({"priority_from": 10}, ["/selection/priority_from"]),
        ({"state": "delivered"}, ["/selection/state"]),
        ({"colour": "red"}, ["/selection/colour"]),
    ],
)
async def test_a_condition_that_cannot_be_meant_is_named(web: Web, selection: dict[str, Any], wrong: list[str]) -> None:
    assert pointers(await act(web, "cancel", selection)) == wrong


async def test_mail_is_suspended_told_so_and_resumed(web: Web) -> None:
    message_id = await sent(web)
    body = {"domain": "Example.ORG", "reason": "They are moving", "until": "2096-01-01T00:00:00+01:00"}
    made = await web.client.post("/v1/queue/suspensions", json=body)
    assert made.status_code == 201, made.text
    assert made.json()["until"] == "2095-12-31T23:00:00Z"
    assert (await web.client.get("/v1/queue/suspensions")).json()["suspensions"] == [made.json()]
    reason = (await recipient(web, message_id))["reason"]
    assert reason.startswith("Mail for example.org is suspended by key:")
    assert reason.endswith(" until 2095-12-31 23:00:00 UTC: They are moving.")
    path = f"/v1/queue/suspensions/{made.json()['id']}"
    assert (await web.client.delete(path)).status_code == 204
    assert (await web.client.delete(path)).status_code == 404
    assert (await web.client.delete(f"/v1/queue/suspensions/{uuid4()}")).status_code == 404
    assert "suspended" not in (await recipient(web, message_id))["reason"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"reason": "x"}, ["/domain"]),
        ({"domain": "example.org"}, ["/reason"]),
        ({"everything": True, "pool": "marketing", "reason": "x"}, ["/everything"]),
        ({"pool": "marketing", "reason": "x", "until": "2020-01-01T00:00:00Z"}, ["/until"]),
        ({"pool": "marketing", "reason": "x", "until": "tomorrow"}, ["/until"]),
        ({"pool": "bulk", "reason": "x"}, ["/pool"]),
    ],
)
async def test_a_suspension_that_makes_no_sense_is_refused(web: Web, body: dict[str, Any], wrong: list[str]) -> None:
    assert pointers(await web.client.post("/v1/queue/suspensions", json=body)) == wrong
