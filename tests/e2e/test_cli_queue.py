"""The operator's hands on the command line: `posthouse queue` on a real database, as a person types it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from tests.command_line import CommandLine
from tests.corridor import Corridor, open_corridor

from posthouse.accounts import audit, changes, workspaces
from posthouse.intake import reputation
from posthouse.ledger import counting
from posthouse.model.words import MailClass, Pool, State
from posthouse.outbox import claims, sites
from posthouse.outbox.sites import Word
from posthouse.runtime.postgres import transaction
from posthouse.runtime.settings import Settings


@pytest.fixture
async def corridor(make_process: Any) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as made:
        yield made


@pytest.fixture
async def posthouse(corridor: Corridor, settings: Settings, owner_dsn: str) -> CommandLine:
    return CommandLine(settings.data, owner_dsn)


async def test_a_destination_is_suspended_explained_and_resumed(posthouse: CommandLine, corridor: Corridor) -> None:
    accepted = await corridor.send("bob@there.test")
    refused = await posthouse("queue", "suspend", "--domain", "there.test")
    assert (refused.status, "reason: Say why" in refused.err) == (1, True)
    said = await posthouse("queue", "suspend", "--domain", "There.Test", "--for", "2h", "--reason", "They are moving")
    assert said.status == 0, said.err
    assert said.out.startswith("Suspended: Mail for there.test, until ")
    for what in (str(accepted.message_id), "bob@There.Test"):
        (why,) = (await posthouse("queue", "why", what, "--json")).json()
        assert why["reason"].startswith("Mail for there.test is suspended by cli:")
        assert why["reason"].endswith("UTC: They are moving.")
    (line,) = (await posthouse("queue", "suspensions", "--json")).json()
    assert (line["domain"], line["pool"], line["drain"]) == ("there.test", None, False)
    assert "Mail for there.test" in (await posthouse("queue", "suspensions")).out
    assert (await posthouse("queue", "resume", "--pool", "marketing")).status == 1
    resumed = await posthouse("queue", "resume", "--domain", "there.test")
    assert resumed.out.strip() == "Resumed: Mail for there.test."
    assert (await posthouse("queue", "suspensions")).out.strip() == "Nothing is suspended."


async def test_a_mailing_is_suspended_explained_and_resumed(posthouse: CommandLine, corridor: Corridor) -> None:
    accepted = await corridor.send("bob@there.test", mail_class=MailClass.MARKETING, tags=("autumn",))
    both = await posthouse(
        "queue", "suspend", "--mailing", "autumn", "--domain", "there.test", "--reason", "Wrong price"
    )
    assert (both.status, "mailing: A mailing is stopped in every pool" in both.err) == (1, True)
    said = await posthouse("queue", "suspend", "--mailing", "autumn", "--reason", "Wrong price")
    assert said.out.strip() == "Suspended: The mailing autumn, until resumed."
    (why,) = (await posthouse("queue", "why", str(accepted.message_id), "--json")).json()
    assert why["reason"].startswith("The mailing autumn is suspended by cli:")
    assert (await posthouse("queue", "resume", "--mailing", "winter")).status == 1
    assert (await posthouse("queue", "resume", "--mailing", "autumn")).out.strip() == "Resumed: The mailing autumn."


async def test_what_a_breaker_paused_is_shown_with_its_rates_and_resumed_by_its_id(
    posthouse: CommandLine, corridor: Corridor
) -> None:
    assert (
        await posthouse("reputation")
    ).out.strip() == "No mail within 24 hours; what has just gone out shows half a minute later."
    process, workspace_id = corridor.process, corridor.submitter.workspace_id
    async with transaction(process.pool) as connection:
        await counting.advance(connection, workspace_id, process.clock.now())
        await connection.execute(
            "INSERT INTO reputation_counts VALUES"
            " ($1, date_bin('15 minutes', now(), 'epoch'), 'notification', 'shop.example', 'gmail', 200, 189, 11, 0)",
            workspace_id,
        )
    await reputation.judge(process, workspace_id)
    told = (await posthouse("reputation", "--json")).json()["reputation"]
    assert [(each["scope"], each["name"], each["state"]) for each in told] == [
        ("pool", "notification", "paused"),
        ("domain", "shop.example", "paused"),
    ]
    assert "11 (5.5 %, limit 5 %)" in (await posthouse("reputation")).out
    stopped = {each["id"]: each for each in (await posthouse("queue", "suspensions", "--json")).json()}
    assert {(each["pool"], each["sender_domain"]) for each in stopped.values()} == {
        ("notification", None),
        (None, "shop.example"),
    }
    assert (await posthouse("queue", "resume", "--everything")).status == 1  # that was not what is stopped
    for each in told:
        assert (await posthouse("queue", "resume", "--id", each["suspension"])).status == 0
    assert [each["state"] for each in (await posthouse("reputation", "--json")).json()["reputation"]] == ["few", "few"]


async def test_what_a_receiver_told_us_is_shown_and_lifted_by_somebody_who_knows_better(
    posthouse: CommandLine, corridor: Corridor
) -> None:
    assert (await posthouse("shaping", "told")).out.strip() == "No receiver has told us anything."
    until = corridor.process.clock.now() + timedelta(hours=2)
    other = corridor.process.ids.new()
    async with changes.making(corridor.process, other, "posthouse", operator=True) as change:
        await workspaces.create(change, "Another")
    word = Word("", "yahoo", True, '"volume" of yahoo in shaping.toml', "yahoo said 421 [TSS04].", until, "", None)
    async with corridor.process.pool.acquire() as connection:
        await sites.keep_words(connection, Pool.TRANSACTIONAL, [word])
    (line,) = (await posthouse("shaping", "told", "--json")).json()
    assert (line["pool"], line["group"], line["suspends"]) == ("transactional", "yahoo", True)
    assert "[TSS04]" in (await posthouse("shaping", "told")).out
    assert (await posthouse("shaping", "lift", "yahoo")).status == 0
    again = await posthouse("shaping", "lift", "yahoo")
    assert (again.status, "has told us nothing" in again.err) == (1, True)
    for workspace_id in (corridor.submitter.workspace_id, other):
        async with corridor.process.pool.acquire() as connection:
            entries = await audit.page(connection, workspace_id, None, 5)
        assert [entry.subject for entry in entries if entry.action == "shaping.lift"] == ["yahoo"]


async def test_one_word_stops_a_pool_for_everyone(posthouse: CommandLine, corridor: Corridor) -> None:
    other = corridor.process.ids.new()
    async with changes.making(corridor.process, other, "posthouse", operator=True) as change:
        await workspaces.create(change, "Another")
    asked = await posthouse("queue", "drain", "--pool", "marketing", "--everyone")
    assert (asked.status, "of every workspace?" in asked.err) == (1, True)
    made = (await posthouse("queue", "drain", "--pool", "marketing", "--everyone", "--yes", "--json")).json()
    assert {each["workspace"] for each in made} == {str(other), str(corridor.submitter.workspace_id)}
    assert {(each["drain"], each["reason"]) for each in made} == {(True, "draining.")}
    ended = (await posthouse("queue", "resume", "--pool", "marketing", "--everyone", "--json")).json()
    assert len(ended) == 2


async def test_mail_is_bounced_by_what_the_receiver_said(
    posthouse: CommandLine, corridor: Corridor, owner: Any
) -> None:
    accepted = [await corridor.send(f"{name}@there.test") for name in ("bob", "eve")]
    await owner.execute(
        "UPDATE outbox SET reason = 'mx said 452 4.2.2 Over quota.', attempts = 3 WHERE address = 'eve@there.test'"
    )
    which = ("queue", "bounce", "--reply", "over quota", "--attempts", 3)
    assert "Say why" in (await posthouse(*which, "--yes")).err
    asked = await posthouse(*which, "--reason", "Given up")
    assert "Bounce 1 mail? This cannot be undone." in asked.err
    assert (await posthouse(*which, "--reason", "Given up", "--yes")).out.strip() == "Bounced 1 mail."
    states = [(await corridor.recipients(each.message_id))[0].state for each in accepted]
    assert states == [State.READY, State.BOUNCED]


async def test_mail_is_moved_and_marketing_only_by_force(posthouse: CommandLine, corridor: Corridor) -> None:
    accepted = await corridor.send("bob@there.test")
    moved = await posthouse("queue", "move", "--to", "marketing", "--domain", "there.test", "--yes")
    assert moved.out.strip() == "Moved 1 mail to the pool marketing."
    back = ("queue", "move", "--to", "transactional", "--pool", "marketing", "--yes")
    refused = await posthouse(*back)
    assert (refused.status, "1 of these mails are marketing" in refused.err) == (1, True)
    assert (await posthouse(*back, "--force", "--reason", "A slip", "--json")).json() == {"action": "move", "mails": 1}
    assert (await corridor.recipients(accepted.message_id))[0].pool is Pool.TRANSACTIONAL


async def test_a_process_is_told_to_hand_over(posthouse: CommandLine, corridor: Corridor) -> None:
    process, worker_id = corridor.process, corridor.process.ids.new()
    now = process.clock.now()
    async with process.pool.acquire() as connection:
        await claims.register(connection, worker_id, Pool.MARKETING, "mail2", 7, now, now + timedelta(minutes=5))
    assert "works" in (await posthouse("queue", "workers")).out
    (told,) = (await posthouse("queue", "drain", "--host", "mail2", "--json")).json()
    assert told["id"] == str(worker_id)
    assert "hands over" in (await posthouse("queue", "workers")).out
    assert (await posthouse("queue", "drain", "--worker", worker_id)).status == 1
    assert (await posthouse("queue", "drain", "--host", "mail2", "--domain", "there.test")).status == 2


async def test_what_cannot_be_meant_is_refused_before_anything_is_done(posthouse: CommandLine) -> None:
    for words in (
        ("queue", "bounce", "--reason", "x"),
        ("queue", "hold", "--domain", "no domain"),
        ("queue", "hold", "--older-than", "soon"),
        ("queue", "resume"),
        ("queue", "suspend", "--pool", "bulk", "--reason", "x"),
    ):
        assert (await posthouse(*words)).status == 2, words
    assert (await posthouse("queue", "why", "nobody@there.test")).status == 1
    assert (await posthouse("queue", "suspend", "--reason", "x")).status == 1
