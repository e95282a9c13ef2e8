"""A list looked at over the JSON API, with a real name server and what earlier mail taught."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.peers.validating_resolver import Zone, validating_resolver
from tests.web_server import Web, running


@pytest.fixture
async def web(make_process: Any, tmp_path: Path) -> AsyncIterator[Web]:
    def make(role: str, /, **sections: Any) -> Any:
        return make_process(role, delivery={"resolvers": [address]}, **sections)

    zones = [Zone("test", (), signed=False), Zone("good.test", ("@ 300 IN MX 10 ns",), signed=False)]
    async with validating_resolver(tmp_path, zones) as address, running(make) as opened:
        yield opened


async def test_a_list_is_judged_by_spelling_dns_and_history(web: Web) -> None:
    workspace_id = await web.process.pool.fetchval("SELECT workspace_id FROM workspaces")
    await web.process.pool.execute(
        "INSERT INTO suppressions (workspace_id, address, scope, reason, added_by, created_at)"
        " VALUES ($1, 'old@good.test', 'everything', 'hard_bounce', 'report', now())",
        workspace_id,
    )
    asked = ["ann@good.test", "old@good.test", "ann@good.test", "bob@gone.good.test", 'x"y,z', "info@good.test"]
    answer = await web.client.post("/v1/list-checks", json={"addresses": asked}, timeout=30)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["addresses"], told["advice"]) == (6, {"remove": 4, "correct": 0, "review": 1, "keep": 1})
    assert [(each["line"], each["findings"]) for each in told["remarkable"]] == [
        (2, ["bounced"]),
        (3, ["duplicate"]),
        (4, ["dead_domain"]),
        (5, ["invalid"]),
        (6, ["role"]),
    ]
    assert "harm your reputation" in told["recommendations"][1]


async def test_too_long_a_list_is_refused(web: Web) -> None:
    answer = await web.client.post("/v1/list-checks", json={"addresses": ["a@b.test"] * 10_001})
    assert answer.status_code == 422
