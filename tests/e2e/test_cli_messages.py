"""`posthouse message` and `posthouse queue` on a real database, as a person types them."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from tests.command_line import CommandLine
from tests.corridor import Corridor, open_corridor

from posthouse.ledger import suppression
from posthouse.runtime.settings import Settings

_UNSERVED = (
    "Ready, but no process of the pool transactional is running to send it: `posthouse run transactional` starts one."
)


@pytest.fixture
async def corridor(make_process: Any) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as made:
        yield made


@pytest.fixture
async def posthouse(corridor: Corridor, settings: Settings, owner_dsn: str) -> CommandLine:
    return CommandLine(settings.data, owner_dsn)


async def sent(posthouse: CommandLine, *options: str) -> Any:
    said = await posthouse(
        "message", "send", "--from", "ann@example.test", "--to", "bob@there.test", "--subject", "Hello",
        "--text", "It works.", "--json", *options,
    )  # fmt: skip
    return said.json()


async def test_a_message_sent_is_found_shown_and_read_back(posthouse: CommandLine) -> None:
    receipt = await sent(posthouse, "--cc", "cy@there.test", "--tag", "hi", "--metadata", "order=17")
    assert receipt["route"] == "TRANSACTIONAL"
    assert [each["address"] for each in receipt["recipients"]] == ["bob@there.test", "cy@there.test"]
    shown = (await posthouse("message", "show", receipt["id"], "--json")).json()
    assert shown["id"] == receipt["id"]
    assert shown["metadata"] == {"order": "17"}
    assert shown["source"] == "manual"
    assert shown["recipients"][0]["reason"] == _UNSERVED
    assert shown["attempts"] == []
    listed = (await posthouse("message", "list", "--tag", "hi", "--json")).json()
    assert [each["id"] for each in listed] == [receipt["id"]]
    events = (await posthouse("message", "events", receipt["id"], "--json")).json()["events"]
    assert [each["kind"] for each in events] == ["accepted", "accepted"]
    raw = await posthouse("message", "raw", receipt["id"])
    assert "Subject: Hello\r\n" in raw.out.replace("\n", "\r\n").replace("\r\r\n", "\r\n")


async def test_a_person_reads_where_a_message_is_and_why(posthouse: CommandLine) -> None:
    receipt = await sent(posthouse)
    shown = await posthouse("message", "show", receipt["id"], "--transcript")
    assert "Hello" in shown.out
    assert _UNSERVED in shown.out
    assert receipt["id"] in (await posthouse("message", "list")).out
    assert "accepted" in (await posthouse("message", "events", receipt["id"])).out


async def test_a_dry_run_keeps_nothing(posthouse: CommandLine) -> None:
    receipt = await sent(posthouse, "--dry-run")
    assert receipt["id"] is None
    assert (await posthouse("message", "list", "--json")).json() == []


async def test_the_text_may_come_from_standard_input_and_files_may_be_attached(
    posthouse: CommandLine, settings: Settings
) -> None:
    picture = settings.data / "picture.png"
    picture.write_bytes(b"\x89PNG")
    options = ("--from", "ann@example.test", "--to", "bob@there.test", "--subject", "Hello", "--text-file", "-")
    said = await posthouse("message", "send", *options, "--attach", picture, "--json", given="Grüße\n".encode())
    raw = await posthouse("message", "raw", said.json()["id"])
    assert "picture.png" in raw.out


async def test_a_message_with_a_bad_field_is_refused_and_the_field_named(posthouse: CommandLine) -> None:
    said = await posthouse("message", "send", "--from", "ann@example.test", "--to", "nonsense", "--text", "x")
    assert said.status == 1
    assert "to 1: This is not a usable mail address" in said.err
    assert said.out == ""


async def test_an_unknown_message_is_status_1_and_a_wrong_option_status_2(posthouse: CommandLine) -> None:
    unknown = await posthouse("message", "show", uuid4())
    assert (unknown.status, unknown.out) == (1, "")
    assert "There is no message" in unknown.err
    assert (await posthouse("message", "show", "not-an-id")).status == 2
    assert (await posthouse("queue", "hold")).status == 2


async def test_a_database_that_does_not_answer_is_status_3(settings: Settings) -> None:
    nowhere = CommandLine(settings.data, "postgresql://posthouse@127.0.0.1:1/posthouse?connect_timeout=1")
    said = await nowhere("queue", "shape")
    assert said.status == 3
    assert "the database cannot be reached" in said.err


async def test_a_message_is_cancelled_only_when_one_says_yes(posthouse: CommandLine) -> None:
    receipt = await sent(posthouse)
    asked = await posthouse("message", "cancel", receipt["id"])
    assert asked.status == 1
    assert "Cancel 1 mail? This cannot be undone." in asked.err
    said = await posthouse("message", "cancel", receipt["id"], "--yes", "--json")
    assert said.json() == {"action": "cancel", "mails": 1}
    shown = (await posthouse("message", "show", receipt["id"], "--json")).json()
    assert shown["status"] == "cancelled"
    assert shown["recipients"][0]["reason"].startswith("Cancelled by cli:")


async def test_the_shape_counts_unsettled_mail_by_destination_and_age(posthouse: CommandLine) -> None:
    await sent(posthouse)
    await sent(posthouse, "--cc", "cy@other.test")
    shape = (await posthouse("queue", "shape", "--json")).json()
    assert shape["total"] == 3
    assert [(each["domain"], each["total"]) for each in shape["destinations"]] == [("there.test", 2), ("other.test", 1)]
    assert shape["destinations"][0]["buckets"][0] == 2
    assert "there.test" in (await posthouse("queue", "shape")).out


async def test_held_mail_says_who_holds_it_until_it_is_released(posthouse: CommandLine) -> None:
    await sent(posthouse, "--cc", "cy@other.test")
    held = await posthouse("queue", "hold", "--domain", "There.Test", "--yes", "--json")
    assert held.json() == {"action": "hold", "mails": 1}
    shown = (await posthouse("queue", "show", "there.test", "--state", "held", "--json")).json()
    assert shown["counts"] == {"claimed": 0, "ready": 1, "waiting": 0, "held": 1}
    assert [each["address"] for each in shown["recipients"]] == ["bob@there.test"]
    assert shown["recipients"][0]["reason"].startswith("Held: stopped by cli:")
    assert "Held: stopped by" in (await posthouse("queue", "show")).out
    assert (await posthouse("queue", "release", "--recipient", shown["recipients"][0]["id"], "--yes")).status == 0
    assert (await posthouse("queue", "show", "--state", "held", "--json")).json()["recipients"] == []


async def test_waiting_mail_is_tried_at_once_and_nothing_to_do_is_not_an_error(posthouse: CommandLine) -> None:
    receipt = await sent(posthouse)
    assert (await posthouse("queue", "retry", "--message", receipt["id"], "--json")).json()["mails"] == 0
    await posthouse("queue", "hold", "--message", receipt["id"], "--yes")
    await posthouse("queue", "release", "--message", receipt["id"], "--yes")
    retried = await posthouse("queue", "retry", "--message", receipt["id"], "--yes", "--json")
    assert retried.json() == {"action": "retry", "mails": 1}
    cancelled = await posthouse("queue", "cancel", "--message", receipt["id"], "--yes", "--json")
    assert cancelled.json() == {"action": "cancel", "mails": 1}


async def test_a_suppressed_address_is_listed_and_written_to_again(posthouse: CommandLine, corridor: Corridor) -> None:
    workspace_id, now = corridor.submitter.workspace_id, corridor.process.clock.now()
    async with corridor.process.pool.acquire() as connection:
        entry = suppression.Entry(suppression.EVERYTHING, "hard_bounce")
        await suppression.add(connection, workspace_id, "Bob@There.test", entry, None, "delivery", now)
    listed = (await posthouse("suppression", "list", "bob@", "--json")).json()
    assert [(each["address"], each["reason"]) for each in listed] == [("bob@there.test", "hard_bounce")]
    assert (await sent(posthouse))["recipients"][0]["status"] == "suppressed"
    assert (await posthouse("suppression", "remove", "BOB@there.test", "--reason", "it exists")).status == 0
    assert (await sent(posthouse))["recipients"][0]["status"] == "ready"
    again = await posthouse("suppression", "remove", "bob@there.test", "--reason", "it exists")
    assert (again.status, "not suppressed" in again.err) == (1, True)
