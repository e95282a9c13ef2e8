"""Bounce domains and the keys of sending domains over the JSON API, with a real name server behind it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.peers.test_bounce_domains import ACME_LINES, HOST, name_server
from tests.verified import verified_domain
from tests.web_server import Web, running


@pytest.fixture
async def web(make_process: Any, tmp_path: Path) -> AsyncIterator[Web]:
    def make(role: str, /, **sections: Any) -> Any:
        chosen = {"server": {"hostname": HOST}, "delivery": {"resolvers": [address]}}
        return make_process(role, **{**chosen, **sections})

    async with name_server(tmp_path, *ACME_LINES) as address, running(make) as opened:
        yield opened


async def test_a_bounce_domain_is_added_listed_and_removed(web: Web) -> None:
    before = (await web.client.get("/v1/bounce-domains")).json()
    assert (before["processing"], before["target"], before["bounce_domains"]) == (True, f"returnto.{HOST}", [])
    added = await web.client.post("/v1/bounce-domains", json={"name": "bounces.acme.test"})
    assert added.status_code == 201, added.text
    assert added.json()["usable"] is True
    (listed,) = (await web.client.get("/v1/bounce-domains")).json()["bounce_domains"]
    assert listed["name"] == "bounces.acme.test"
    assert (await web.client.post("/v1/bounce-domains/bounces.acme.test/verify")).json()["usable"] is True
    assert (await web.client.delete("/v1/bounce-domains/bounces.acme.test")).status_code == 200
    assert (await web.client.delete("/v1/bounce-domains/bounces.acme.test")).status_code == 404


async def test_what_is_wrong_is_said_with_what_was_expected(web: Web) -> None:
    refused = await web.client.post("/v1/bounce-domains", json={"name": "astray.acme.test"})
    assert refused.status_code == 422
    assert "leads to elsewhere.acme.test: expected returnto.mail.host.test" in refused.json()["detail"]


async def test_without_bounce_processing_none_can_be_added(web: Web) -> None:
    assert (await web.client.patch("/v1/bounce-domains", json={"processing": False})).json()["processing"] is False
    refused = await web.client.post("/v1/bounce-domains", json={"name": "bounces.acme.test"})
    assert (refused.status_code, refused.json()["detail"]) == (409, "Enable bounce processing first.")


async def test_only_managers_change_where_bounces_return_to(web: Web) -> None:
    made = await web.client.post("/v1/keys", json={"name": "reader", "scopes": ["read"]})
    reader = {"authorization": f"Bearer {made.json()['key']}"}
    assert (await web.client.get("/v1/bounce-domains", headers=reader)).status_code == 200
    for method, path in (("POST", ""), ("PATCH", ""), ("DELETE", "/bounces.acme.test")):
        answer = await web.client.request(method, f"/v1/bounce-domains{path}", json={}, headers=reader)
        assert answer.status_code == 403


async def test_a_domain_s_alignment_is_told_with_what_to_put_right(web: Web) -> None:
    assert (await web.client.post("/v1/domains", json={"name": "acme.test"})).status_code == 201
    before = (await web.client.get("/v1/domains/acme.test/alignment")).json()
    assert (before["spf"], before["spf_aligned"], before["policy"]) == ("pass", False, "reject")
    assert any("not aligned with acme.test" in warning for warning in before["warnings"])
    await web.client.post("/v1/bounce-domains", json={"name": "bounces.acme.test"})
    after = (await web.client.get("/v1/domains/acme.test/alignment")).json()
    assert (after["return_domain"], after["spf_aligned"], after["dmarc"]) == ("bounces.acme.test", True, "pass")


async def test_a_dry_run_warns_where_spf_will_not_count(web: Web) -> None:
    mail = {"from": "ann@acme.test", "to": "bob@there.test", "subject": "x", "text": "x"}
    dry = (await web.client.post("/v1/messages", json=mail, params={"dry_run": 1})).json()
    assert [(each["code"], "not aligned with acme.test" in each["detail"]) for each in dry["warnings"]] == [
        ("return_path_not_aligned", True)
    ]
    assert (await web.client.post("/v1/messages", json=mail)).json()["warnings"] == []
    await web.client.post("/v1/bounce-domains", json={"name": "bounces.acme.test"})
    assert (await web.client.post("/v1/messages", json=mail, params={"dry_run": 1})).json()["warnings"] == []


async def test_keys_are_replaced_step_by_step(web: Web) -> None:
    await web.client.post("/v1/domains", json={"name": "other.test"})
    early = await web.client.post("/v1/domains/other.test/rotation")
    assert (early.status_code, early.json()["errors"][0]["code"]) == (409, "not_verified")
    workspace_id = await web.process.pool.fetchval("SELECT workspace_id FROM workspaces")
    await verified_domain(web.process, workspace_id, "acme.test")
    rotating = await web.client.post("/v1/domains/acme.test/rotation")
    assert rotating.status_code == 201, rotating.text
    keys = {key["selector"]: key["state"] for key in rotating.json()["keys"]}
    assert sorted(keys.values()) == ["replacing", "replacing", "signing", "signing"]
    assert (await web.client.post("/v1/domains/acme.test/rotation")).status_code == 409
    kept = await web.client.delete("/v1/domains/acme.test/keys/ph1-rsa")
    assert (kept.status_code, kept.json()["detail"]) == (409, "Mail is signed with it. Replace the keys first.")
    new = next(selector for selector, state in keys.items() if state == "replacing")
    left = await web.client.delete(f"/v1/domains/acme.test/keys/{new}")
    assert new not in {key["selector"] for key in left.json()["keys"]}
    assert (await web.client.delete(f"/v1/domains/acme.test/keys/{new}")).status_code == 404


async def test_a_domain_that_lost_its_records_says_so_and_stays_verified(web: Web) -> None:
    workspace_id = await web.process.pool.fetchval("SELECT workspace_id FROM workspaces")
    await verified_domain(web.process, workspace_id, "acme.test")
    looked = (await web.client.post("/v1/domains/acme.test/verify")).json()
    assert (looked["verified_at"] is not None, looked["incomplete"]) == (True, "required")
    lost = {check["name"] for check in looked["checks"] if check["lost"]}
    assert "_posthouse.acme.test" in lost
    (line,) = [each for each in (await web.client.get("/v1/domains")).json()["domains"] if each["name"] == "acme.test"]
    assert line["incomplete"] == "required"
