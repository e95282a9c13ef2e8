"""`posthouse suppression`: adding, finding, lifting, and files in and out, as a person at the machine does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.command_line import CommandLine
from tests.corridor import Corridor, MakeProcess, open_corridor

from posthouse.runtime.settings import Settings


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        yield opened


@pytest.fixture
def posthouse(corridor: Corridor, settings: Settings, owner_dsn: str) -> CommandLine:
    del corridor
    return CommandLine(settings.data, owner_dsn)


async def test_addresses_are_added_found_and_lifted(posthouse: CommandLine) -> None:
    added = await posthouse("suppression", "add", "Anna@x.test", "bo@x.test", "--note", "by telephone")
    assert (added.status, added.out) == (0, "2 addresses newly suppressed.\n"), added.err
    only = ("--scope", "marketing", "--reason", "unsubscribe", "--until", "2090-01-31T00:00:00Z")
    assert (await posthouse("suppression", "add", "anna@x.test", *only)).status == 0
    listed = (await posthouse("suppression", "list", "anna@", "--json")).json()
    assert [(each["scope"], each["reason"], each["note"]) for each in listed] == [
        ("everything", "manual", "by telephone"),
        ("marketing", "unsubscribe", ""),
    ]
    assert listed[1]["expires_at"] == "2090-01-31T00:00:00Z"
    refused = await posthouse("suppression", "add", "no address")
    assert (refused.status, "no address: This is not a usable mail address." in refused.err) == (1, True)
    assert (await posthouse("suppression", "remove", "anna@x.test")).status == 2, "a reason is needed"
    lifted = await posthouse("suppression", "remove", "anna@x.test", "--scope", "everything", "--reason", "a slip")
    assert lifted.status == 0, lifted.err
    assert len((await posthouse("suppression", "list", "anna@", "--json")).json()) == 1


async def test_a_list_comes_in_and_goes_out_as_a_file(posthouse: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "in.csv"
    file.write_text("email;reason\n" + "".join(f"p{n}@x.test;complaint\n" for n in range(300)) + "nobody;complaint\n")
    done = await posthouse("suppression", "import", file)
    assert (done.status, done.out.splitlines()[0]) == (1, "300 addresses newly suppressed, of 301 lines."), done.err
    assert "line 302: This is not a usable mail address." in done.out
    out = tmp_path / "out.csv"
    assert (await posthouse("suppression", "export", out, "--reason", "complaint")).status == 0
    assert len(out.read_text().splitlines()) == 301
    again = await posthouse("suppression", "import", "-", "--json", given=out.read_bytes())
    assert again.json() == {"lines": 300, "added": 0, "refused": 0, "problems": []}
    printed = await posthouse("suppression", "export")
    assert printed.out.encode().replace(b"\r\n", b"\n") == out.read_bytes().replace(b"\r\n", b"\n")
    missing = await posthouse("suppression", "import", tmp_path / "missing.csv")
    assert (missing.status, "No such file" in missing.err) == (1, True)
