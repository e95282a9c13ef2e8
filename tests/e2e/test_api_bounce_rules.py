"""What happens with mail that comes back, chosen over the JSON API and on its page."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.web_server import Web, running

CHOSEN: dict[str, Any] = {
    "hard": "everything",
    "soft_messages": 5,
    "soft_days": 10,
    "blocked": "nothing",
    "complaint": "channel:email",
    "rules": [{"match": "Mailbox *  Closed", "status": "5.2", "class": "hard", "reason": "mailbox_disabled"}],
}


@pytest.fixture
async def web(make_process: Any) -> AsyncIterator[Web]:
    async with running(make_process) as opened:
        yield opened


async def test_the_rules_are_shown_chosen_and_audited(web: Web) -> None:
    before = (await web.client.get("/v1/bounce-rules")).json()
    assert before == {
        "hard": "everything",
        "soft_messages": 7,
        "soft_days": 14,
        "blocked": "alert",
        "complaint": "marketing",
        "auto_reply": "nothing",
        "challenge": "nothing",
        "rules": [],
    }
    chosen = await web.client.put("/v1/bounce-rules", json=CHOSEN)
    assert chosen.status_code == 200, chosen.text
    after = (await web.client.get("/v1/bounce-rules")).json()
    assert after == chosen.json()
    assert after["rules"] == [
        {"match": "mailbox * closed", "status": "5.2", "class": "hard", "reason": "mailbox_disabled"}
    ]
    row = await web.process.pool.fetchrow("SELECT action, detail FROM audit_log ORDER BY sequence DESC LIMIT 1")
    assert row
    assert (row["action"], row["detail"]["soft_days"]) == ("bounce_rules.change", [14, 10])


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"hard": "marketing"}, "/hard"),
        ({"soft_messages": 101}, "/soft_messages"),
        ({"rules": [{"match": "a*b", "class": "hard", "reason": "policy"}]}, "/rules/0/match"),
        ({"rules": [{"match": "*", "class": "hard", "reason": "policy"}]}, "/rules/0/match"),
        ({"rules": [{"match": "a*b*c*d*e*f*good", "class": "hard", "reason": "policy"}]}, "/rules/0/match"),
        ({"rules": [{"match": "", "status": "5.7.x", "class": "hard", "reason": "policy"}]}, "/rules/0/status"),
        ({"rules": [{"match": "gone", "class": "unknown", "reason": "policy"}]}, "/rules/0/class"),
        ({"rules": [{"match": "gone", "class": "hard", "reason": "luck"}]}, "/rules/0/reason"),
        ({"rules": [{"match": "gone", "class": "hard", "reason": "policy"}] * 51}, "/rules"),
    ],
)
async def test_what_no_rule_can_be_is_refused_and_nothing_is_changed(
    web: Web, change: dict[str, Any], pointer: str
) -> None:
    refused = await web.client.put("/v1/bounce-rules", json={**CHOSEN, **change})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == pointer
    assert (await web.client.get("/v1/bounce-rules")).json()["soft_messages"] == 7


async def test_only_managers_choose(web: Web) -> None:
    made = await web.client.post("/v1/keys", json={"name": "reader", "scopes": ["read"]})
    reader = {"authorization": f"Bearer {made.json()['key']}"}
    assert (await web.client.get("/v1/bounce-rules", headers=reader)).status_code == 200
    assert (await web.client.put("/v1/bounce-rules", json=CHOSEN, headers=reader)).status_code == 403
