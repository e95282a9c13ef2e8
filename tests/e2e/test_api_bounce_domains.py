"""Bounce domains over the JSON API, with a real name server behind it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.peers.test_bounce_domains import ACME_LINES, HOST, name_server
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
