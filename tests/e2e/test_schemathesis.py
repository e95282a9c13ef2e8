"""The API does what its OpenAPI document says, as Schemathesis sees it from outside."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.web_server import running

# Not asked: whether everything the schema allows is accepted, since whether an address or a base64 text is one no schema can say;
# and whether one user sees another's things, for which Schemathesis would need two.
_NOT_ASKED = "positive_data_acceptance,object_level_authorization"
_SECONDS = 40


@pytest.mark.timeout(600)
async def test_schemathesis_finds_no_answer_the_document_does_not_allow(make_process: Any, tmp_path: Path) -> None:
    async with running(make_process) as web:
        tester = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            *("run", f"{web.url}/openapi.json", "--url", web.url, "--header", f"Authorization: Bearer {web.key}"),
            *("--phases", "examples,coverage,fuzzing", "--checks", "all", "--exclude-checks", _NOT_ASKED),
            *("--max-time", str(_SECONDS), "--max-examples", "30", "--seed", "1", "--no-shrink", "--no-color"),
            *("--continue-on-failure", "--warnings", "off"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(3 * _SECONDS):
                output, _ = await tester.communicate()
        finally:
            if tester.returncode is None:
                tester.kill()
                await tester.wait()
        assert (await web.client.get("/readyz")).text == "ready\n"
    assert tester.returncode == 0, output.decode(errors="replace")[-20_000:]
