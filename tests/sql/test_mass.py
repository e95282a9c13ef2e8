"""Mass mail at the door: found over processes, treated as the workspace says, and let through where it must be."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.corridor import Corridor, MakeProcess, open_corridor

from posthouse.accounts import audit, changes, workspaces
from posthouse.accounts.directory import Directory
from posthouse.accounts.workspaces import Preferences
from posthouse.intake.accept import Door
from posthouse.ledger import mass, timeline
from posthouse.model.mail import Accepted, Receipt, Refused
from posthouse.model.words import EventKind, MailClass, MassPolicy, Pool, Source, State


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    """A credential that may use any domain, as the lab's, but is not the lab's to the watch."""
    async with open_corridor(make_process) as opened:
        yield opened


async def verified(corridor: Corridor, domain: str = "example.test") -> None:
    """Makes the sender's domain a verified one, and the submitter an ordinary credential."""
    process, workspace_id = corridor.process, corridor.submitter.workspace_id
    statement = (
        "INSERT INTO sending_domains (workspace_id, domain_id, name, ownership_token, created_at, verified_at)"
        " VALUES ($1, $2, $3, 'x', now(), now())"
    )
    async with process.pool.acquire() as connection:
        await connection.execute(statement, workspace_id, process.ids.new(), domain)
    corridor.submitter = replace(corridor.submitter, any_domain=False)


async def choose(corridor: Corridor, policy: MassPolicy) -> None:
    async with changes.making(corridor.process, corridor.submitter.workspace_id, "user:ann@x.test") as change:
        workspace = await workspaces.find(change.connection, change.workspace_id)
        assert workspace is not None
        await workspaces.update(change, replace(Preferences.of(workspace), mass_policy=policy))


async def offer(corridor: Corridor, numbers: range, door: Door | None = None, **changes: object) -> list[Receipt]:
    """One message to each of these numbered people, all with the same text."""
    submissions = [corridor.submission(f"p{n}@there.test", **changes) for n in numbers]
    answer = await (door or corridor.door).accept(corridor.submitter, submissions)
    assert isinstance(answer, list)
    return answer


def states(receipts: list[Receipt]) -> list[State]:
    return [receipt.recipients[0].state for receipt in receipts if isinstance(receipt, Accepted)]


async def test_the_same_text_to_more_than_a_hundred_people_is_held_from_the_next_on(corridor: Corridor) -> None:
    await verified(corridor)
    found = states(await offer(corridor, range(120)))
    assert found == [State.READY] * 100 + [State.HELD] * 20


async def test_a_held_mail_says_why_and_somebody_is_told_once(corridor: Corridor) -> None:
    await verified(corridor)
    receipts = await offer(corridor, range(130))
    last = receipts[-1]
    assert isinstance(last, Accepted)
    (row,) = await corridor.recipients(last.message_id)
    assert row.reason.startswith("the same text went to more than 100 recipients within 10 minutes")
    await corridor.door.close()
    async with corridor.process.pool.acquire() as connection:
        kinds = [e.kind for e in await timeline.events(connection, corridor.submitter.workspace_id, last.message_id)]
        told = [
            e
            for e in await audit.page(connection, corridor.submitter.workspace_id, None, 50)
            if e.action == "mass.hold"
        ]
        since = corridor.process.clock.now().replace(year=2000)
        (mailing,) = await mass.mailings(connection, corridor.submitter.workspace_id, since, 10)
    assert kinds == [EventKind.ACCEPTED, EventKind.HELD]
    assert [entry.subject for entry in told] == ["ann@example.test"]
    assert (mailing.action, mailing.subject) == ("hold", "hello")


async def test_one_message_to_more_than_fifty_is_held(corridor: Corridor) -> None:
    await verified(corridor)
    fifty = await corridor.send(*(f"p{n}@there.test" for n in range(50)))
    more = await corridor.send(*(f"q{n}@there.test" for n in range(51)), content=b"From: a\r\n\r\nother\r\n")
    assert {each.state for each in fifty.recipients} == {State.READY}
    assert {each.state for each in more.recipients} == {State.HELD}


async def test_where_mass_mail_is_refused_the_answer_is_429(corridor: Corridor) -> None:
    await verified(corridor)
    await choose(corridor, MassPolicy.REFUSE)
    corridor.submitter = replace(corridor.submitter)
    receipts = await offer(corridor, range(102))
    refused = [receipt for receipt in receipts if isinstance(receipt, Refused)]
    assert [receipt.status for receipt in refused] == [429, 429]
    assert "mass_reason" in refused[0].problems[0].detail


async def test_a_flagged_mail_goes_and_carries_the_mark_once(corridor: Corridor) -> None:
    await verified(corridor)
    await choose(corridor, MassPolicy.FLAG)
    receipts = await offer(corridor, range(110))
    assert set(states(receipts)) == {State.READY}
    async with corridor.process.pool.acquire() as connection:
        marked = await connection.fetch("SELECT message_id FROM events WHERE kind = 'mass_flagged'")
    expected = receipts[100]
    assert isinstance(expected, Accepted)
    assert [row["message_id"] for row in marked] == [expected.message_id]


async def test_a_flagged_mail_goes_behind_single_ones_unless_its_sender_named_a_priority(corridor: Corridor) -> None:
    await verified(corridor)
    await choose(corridor, MassPolicy.FLAG)
    *_, unnamed = await offer(corridor, range(102))
    *_, urgent = await offer(corridor, range(102, 104), priority=9)
    assert isinstance(unnamed, Accepted)
    assert isinstance(urgent, Accepted)
    assert (unnamed.choice.priority, urgent.choice.priority) == (0, 9)


async def test_a_reason_lets_it_through_and_stands_in_the_audit_log(corridor: Corridor) -> None:
    await verified(corridor)
    receipts = await offer(corridor, range(105), mass_reason="The power goes off at noon")
    assert set(states(receipts)) == {State.READY}
    await corridor.door.close()
    async with corridor.process.pool.acquire() as connection:
        entries = await audit.page(connection, corridor.submitter.workspace_id, None, 50)
    (told,) = [entry for entry in entries if entry.action == "mass.allow"]
    assert told.detail["reason"] == "The power goes off at noon"


@pytest.mark.parametrize(
    "changes", [{"mail_class": MailClass.TRANSACTIONAL, "pool": Pool.NOTIFICATION}, {"source": Source.MANUAL}]
)
async def test_notifications_and_mail_by_hand_are_not_held(corridor: Corridor, changes: dict[str, object]) -> None:
    await verified(corridor)
    assert set(states(await offer(corridor, range(105), **changes))) == {State.READY}


async def test_the_lab_may_send_one_text_twenty_thousand_times(corridor: Corridor) -> None:
    for first in range(0, 20_000, 5_000):
        receipts = await offer(corridor, range(first, first + 5_000))
        assert set(states(receipts)) == {State.READY}


async def test_a_mass_spread_over_processes_is_found(corridor: Corridor, make_process: MakeProcess) -> None:
    await verified(corridor)
    async with Directory.open(make_process("submission")) as directory:
        other = Door.open(make_process("submission"), directory)
        await offer(corridor, range(60))
        await corridor.door.close()  # has told what it saw before the other asks; a mass itself would ask again
        await offer(corridor, range(60, 101), door=other)
        await other.close()
        found = states(await offer(corridor, range(200, 202), door=other))
        await other.close()
    assert found == [State.HELD, State.HELD]


async def test_nothing_is_counted_in_a_dry_run(corridor: Corridor) -> None:
    await verified(corridor)
    submissions = [corridor.submission(f"p{n}@there.test") for n in range(150)]
    await corridor.door.dry_run(corridor.submitter, submissions)
    assert states(await offer(corridor, range(500, 501))) == [State.READY]


async def test_mail_for_one_person_each_costs_no_statement(corridor: Corridor) -> None:
    await verified(corridor)
    await asyncio.gather(*(corridor.send(f"p{n}@there.test", content=b"From: a\r\n\r\n%d\r\n" % n) for n in range(30)))
    await corridor.door.close()
    async with corridor.process.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM mass_sightings") == 0
