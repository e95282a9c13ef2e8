"""Receivers' reports by JSON, over a real socket, on a real database."""

import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from tests.verified import verified_domain
from tests.web_server import Web, running

from posthouse.accounts import changes, credentials, workspaces
from posthouse.accounts.terms import CredentialKind, Terms
from posthouse.model.words import Scope

XML = """<feedback><report_metadata><org_name>Receiver</org_name><report_id>{number}</report_id><date_range><begin>{begin}</begin>
<end>{begin}</end></date_range></report_metadata><policy_published><domain>{domain}</domain><p>none</p></policy_published>
<record><row><source_ip>192.0.2.1</source_ip><count>10</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim>
<spf>fail</spf></policy_evaluated></row></record>
<record><row><source_ip>203.0.113.9</source_ip><count>4</count><policy_evaluated><disposition>quarantine</disposition><dkim>fail</dkim>
<spf>fail</spf></policy_evaluated></row></record></feedback>"""
TLS = {
    "organization-name": "Sender", "report-id": "t1",
    "policies": [{"policy": {"policy-type": "tlsa", "policy-domain": "acme.example"},
                  "summary": {"total-successful-session-count": 9, "total-failure-session-count": 1},
                  "failure-details": [{"result-type": "validation-failure", "failed-session-count": 1}]}],
}  # fmt: skip


@pytest.fixture
async def web(make_process: Any) -> AsyncIterator[Web]:
    async with running(make_process, lab=False) as opened:
        workspace_id = (await workspaces.listing(opened.process.pool))[0].workspace_id
        await verified_domain(opened.process, workspace_id, "acme.example")
        key = await key_with(opened, *Scope)
        opened.client.headers["authorization"] = f"Bearer {key}"
        yield replace(opened, key=key)


def aggregate(web: Web, domain: str = "acme.example", number: int = 1, days_ago: int = 1) -> bytes:
    begin = int(web.process.clock.now().timestamp()) - days_ago * 86_400
    return XML.format(domain=domain, number=number, begin=begin).encode()


async def key_with(web: Web, *scopes: Scope, workspace: str = "") -> str:
    workspace_id = (await workspaces.listing(web.process.pool))[0].workspace_id
    if workspace:
        workspace_id = web.process.ids.new()
        async with changes.making(web.process, workspace_id, "posthouse", operator=True) as change:
            await workspaces.create(change, workspace)
        await verified_domain(web.process, workspace_id, "other.example")
    async with changes.making(web.process, workspace_id, "user:test") as change:
        key = await credentials.create(change, CredentialKind.API_KEY, Terms("key", frozenset(scopes)))
        assert isinstance(key, credentials.Issued)
    return key.secret


async def get(web: Web, path: str, key: str = "", **query: str) -> httpx.Response:
    return await web.client.get(path, params=query, headers={"authorization": f"Bearer {key or web.key}"})


async def test_a_report_goes_in_and_its_sources_come_out(web: Web) -> None:
    first = await web.client.post(
        "/v1/reports", content=gzip.compress(aggregate(web)), headers={"content-type": "application/gzip"}
    )
    assert first.status_code == 201, first.text
    (report,) = first.json()["reports"]
    assert report == {
        "name": "",
        "kind": "dmarc",
        "domain": "acme.example",
        "organisation": "Receiver",
        "report_id": "1",
        "new": True,
    }
    again = await web.client.post("/v1/reports", content=aggregate(web))
    assert again.status_code == 200
    assert not again.json()["reports"][0]["new"]
    said = (await get(web, "/v1/reports/dmarc", domain="ACME.example")).json()
    assert (said["reports"], said["messages"], said["passed"], said["failed"], said["organisations"]) == (
        1,
        14,
        10,
        4,
        1,
    )
    good, bad = said["sources"]
    assert good == {
        "source_ip": "192.0.2.1", "messages": 10, "passed": 10, "failed": 0, "dkim_aligned": 10, "spf_aligned": 0,
        "dispositions": {"none": 10, "quarantine": 0, "reject": 0}, "organisations": ["Receiver"], "reporters": 1,
    }  # fmt: skip
    assert (bad["failed"], bad["dispositions"]["quarantine"]) == (4, 4)
    assert said["report_address"].startswith("r")
    assert len(said["days"]) == 1


async def test_since_and_limit_narrow_what_is_told(web: Web) -> None:
    for number, days_ago in ((1, 1), (2, 20), (3, 60)):
        assert (
            await web.client.post("/v1/reports", content=aggregate(web, number=number, days_ago=days_ago))
        ).status_code == 201
    assert (await get(web, "/v1/reports/dmarc", domain="acme.example")).json()["reports"] == 2
    since = "2020-01-01T00:00:00Z"
    said = (await get(web, "/v1/reports/dmarc", domain="acme.example", since=since, limit="1")).json()
    assert (said["reports"], len(said["sources"]), said["all_sources"]) == (3, 1, 2)
    assert (await get(web, "/v1/reports/dmarc")).status_code == 422
    assert (await get(web, "/v1/reports/tls", domain="acme.example", limit="0")).status_code == 422


async def test_tls_reports_are_told_by_policy_and_result(web: Web) -> None:
    assert (await web.client.post("/v1/reports", json=TLS)).status_code == 201
    said = (await get(web, "/v1/reports/tls", domain="acme.example")).json()
    assert said["policies"] == [
        {"policy": "tlsa", "successful": 9, "failed": 1, "reports": 1, "organisations": ["Sender"]}
    ]
    assert [(each["result"], each["sessions"]) for each in said["failures"]] == [("validation-failure", 1)]
    assert (await get(web, "/v1/reports/dmarc/failures", domain="acme.example")).json()["failures"] == []


async def test_reporters_are_told_by_name_kind_and_proof(web: Web) -> None:
    assert (await web.client.post("/v1/reports", content=aggregate(web))).status_code == 201
    assert (await web.client.post("/v1/reports", json=TLS)).status_code == 201
    said = (await get(web, "/v1/reports/reporters", domain="acme.example")).json()
    assert [(each["organisation"], each["kind"], each["source"], each["proven_by"], each["reports"]) for each in said["reporters"]] == [
        ("Receiver", "dmarc", "api", "", 1), ("Sender", "tls", "api", "", 1),
    ]  # fmt: skip
    assert (await get(web, "/v1/reports/reporters")).status_code == 422


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 422, "neither XML nor JSON"),
        (b"hello", 422, "neither XML nor JSON"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><feedback/>', 422, "document type"),
        (gzip.compress(bytes(40_000_000)), 422, "200 times its size"),
        (gzip.compress(b"<feedback>" + b"x" * 5_000)[:-9], 422, "cut off"),
        (bytes(26_300_000), 413, "larger than 26214400"),
        (bytes(42_000_000), 413, "larger than 41943040"),
        (json.dumps({"policies": [{"policy": {"policy-domain": "stranger.example"}}]}).encode(), 422, "no verified domain"),
    ],
)  # fmt: skip
async def test_what_cannot_be_taken_is_refused_in_words(web: Web, content: bytes, status: int, words: str) -> None:
    response = await web.client.post("/v1/reports", content=content)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json"), (
        response.text
    )
    assert words in response.json()["detail"]


async def test_scopes_are_asked_for(web: Web) -> None:
    reader, manager = await key_with(web, Scope.READ), await key_with(web, Scope.MANAGE)
    refused = await web.client.post(
        "/v1/reports", content=aggregate(web), headers={"authorization": f"Bearer {reader}"}
    )
    assert refused.status_code == 403
    assert (await get(web, "/v1/reports/dmarc", key=manager, domain="acme.example")).status_code == 403
    assert (await get(web, "/v1/reports/dmarc", key=reader, domain="acme.example")).status_code == 200
    assert (
        await web.client.get("/v1/reports/dmarc?domain=acme.example", headers={"authorization": ""})
    ).status_code == 401


async def test_a_workspace_has_its_own_reports_and_its_own_address(web: Web) -> None:
    assert (await web.client.post("/v1/reports", content=aggregate(web))).status_code == 201
    stranger = await key_with(web, *Scope, workspace="Other")
    said = (await get(web, "/v1/reports/dmarc", key=stranger, domain="acme.example")).json()
    assert (said["reports"], said["sources"]) == (0, [])
    ours = (await get(web, "/v1/reports/dmarc", domain="acme.example")).json()
    assert said["report_address"] != ours["report_address"]
    theirs = await web.client.post(
        "/v1/reports", content=aggregate(web, number=2), headers={"authorization": f"Bearer {stranger}"}
    )
    assert theirs.status_code == 422
    assert "no verified domain" in theirs.json()["detail"]
