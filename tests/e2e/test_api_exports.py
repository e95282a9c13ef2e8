"""Exports by JSON, over a real socket, on a real database."""

import csv
import gzip
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from tests.web_server import Web, running

from posthouse.accounts import changes, workspaces
from posthouse.exports import running as exporting
from posthouse.runtime.process import Process

MESSAGE: dict[str, Any] = {"from": "ann@example.com", "to": "bo@example.org", "subject": "Hello", "text": "It works."}


@pytest.fixture
async def web(make_process: Any) -> AsyncIterator[Web]:
    async with running(make_process) as opened:
        yield opened


async def key_with(web: Web, *scopes: str) -> dict[str, str]:
    made = await web.client.post("/v1/keys", json={"name": "limited", "scopes": list(scopes)})
    return {"authorization": f"Bearer {made.json()['key']}"}


async def submitted(web: Web, **body: Any) -> httpx.Response:
    since = (web.process.clock.now() - timedelta(hours=1)).isoformat()
    return await web.client.post("/v1/exports", json={"what": "messages", "since": since} | body)


async def worked(process: Process) -> None:
    await process.pool.execute(
        "UPDATE exports SET until = now() - interval '31 seconds', since = now() - interval '1 day'"
    )
    while await exporting.turn(process):
        pass


async def test_an_export_is_submitted_watched_fetched_and_deleted(web: Web) -> None:
    reader = await key_with(web, "read")
    web.client.headers.update(reader)
    made = await submitted(web, what="suppressions", format="jsonl")
    assert (made.status_code, made.json()["state"], made.json()["link"]) == (202, "submitted", None)
    at = f"/v1/exports/{made.json()['id']}"
    assert (await web.client.get(f"{at}/file")).status_code == 409
    await worked(web.process)
    found = (await web.client.get(at)).json()
    assert (found["state"], found["expected_rows"], found["completed_rows"]) == ("complete", 0, 0)
    assert (await web.client.get(f"{at}/file")).text == ""
    assert (await web.client.get("/v1/exports", params={"limit": 1})).json()["exports"][0]["id"] == found["id"]
    assert (await web.client.delete(at)).status_code == 403
    web.client.headers.update({"authorization": f"Bearer {web.key}"})
    assert (await web.client.delete(at)).status_code == 204
    assert (await web.client.get(at)).status_code == 404


async def test_files_come_in_either_form_with_key_or_link_and_to_nobody_else(web: Web) -> None:
    await web.client.post(
        "/v1/suppressions", json={"suppressions": [{"address": f"p{n}@example.org"} for n in range(3)]}
    )
    made = (await submitted(web, what="suppressions")).json()
    await worked(web.process)
    at = f"/v1/exports/{made['id']}"
    text = (await web.client.get(f"{at}/file")).text
    assert [row["address"] for row in csv.DictReader(io.StringIO(text))] == [f"p{n}@example.org" for n in range(3)]
    packed = await web.client.get(f"{at}/file", params={"packed": 1})
    assert gzip.decompress(packed.content).decode() == text
    link = httpx.URL((await web.client.get(at)).json()["link"]).path
    async with httpx.AsyncClient(base_url=web.url, trust_env=False) as stranger:
        assert (await stranger.get(link)).text == text
        assert (await stranger.get(f"{link}x")).status_code == 404
        assert (await stranger.get(f"{at}/file")).status_code == 401
    async with changes.making(web.process, web.process.ids.new(), "cli", operator=True) as change:
        other = await workspaces.create(change, "Other")
    assert (
        await web.process.pool.fetchval("SELECT count(*) FROM exports WHERE workspace_id = $1", other.workspace_id)
    ) == 0
    assert (await web.client.get(f"{at}/file", headers=await key_with(web, "send"))).status_code == 403


async def test_login_failures_are_exported_for_those_who_manage_and_nobody_else(web: Web) -> None:
    reader = await key_with(web, "read")
    typo = web.key[:-1] + ("a" if web.key[-1] != "a" else "b")
    assert (await web.client.get("/v1/keys", headers={"authorization": f"Bearer {typo}"})).status_code == 401
    assert web.rooms.directory.turned_away is not None
    await web.rooms.directory.turned_away.close()
    made = (await submitted(web, what="login_failures", format="jsonl")).json()
    await web.process.pool.execute("UPDATE login_failures SET failure_id = uuid_floor(now() - interval '1 hour')")
    await worked(web.process)
    at = f"/v1/exports/{made['id']}"
    (row,) = (await web.client.get(f"{at}/file")).text.splitlines()
    told = json.loads(row)
    assert (told["door"], told["reason"], told["attempts"], told["account"]) == ("api", "wrong_secret", 1, web.key[:9])
    assert (await web.client.get(at)).json()["link"]
    web.client.headers.update(reader)
    assert (await submitted(web, what="login_failures")).status_code == 403
    assert (await web.client.get(f"{at}/file")).status_code == 403
    assert (await web.client.get(at)).json()["link"] is None


async def test_wishes_that_cannot_be_met_say_why(web: Web) -> None:
    now = web.process.clock.now()
    for body, pointer in (
        ({"since": "yesterday"}, "/since"),
        ({"what": "clicks"}, "/what"),
        ({"since": (now - timedelta(days=500)).isoformat()}, "/since"),
        ({"until": (now - timedelta(hours=2)).isoformat()}, "/until"),
        ({"webhook_id": "019f0000-0000-7000-8000-000000000000"}, "/webhook_id"),
    ):
        response = await submitted(web, **body)
        assert (response.status_code, [each["pointer"] for each in response.json()["errors"]]) == (422, [pointer])
    hook = (await web.client.post("/v1/webhooks", json={"url": "https://hooks.example.com/x"})).json()["details"]["id"]
    assert (await submitted(web, webhook_id=hook)).status_code == 202
    web.client.headers.update(await key_with(web, "read"))
    assert (await submitted(web, webhook_id=hook)).status_code == 403


async def test_schedules_are_kept_shown_and_ended(web: Web) -> None:
    body = {"what": "bounces", "every": "week", "on_day": 1, "hour": 6, "zone": "Europe/Copenhagen"}
    made = await web.client.post("/v1/export-schedules", json=body)
    assert made.status_code == 201, made.text
    (found,) = (await web.client.get("/v1/export-schedules")).json()["schedules"]
    assert found == json.loads(made.text)
    for bad in ({"zone": "Mars/Base"}, {"every": "day"}, {"every": "week", "on_day": 8}):
        assert (await web.client.post("/v1/export-schedules", json=body | bad)).status_code == 422
    assert (await web.client.delete(f"/v1/export-schedules/{found['id']}")).status_code == 204
    assert (await web.client.delete(f"/v1/export-schedules/{found['id']}")).status_code == 404
