"""One mail from the door to a receiver, through the real queue and the real SMTP client."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from tests.corridor import Corridor, MakeProcess, later, open_corridor
from tests.lab_servers import CLOSE, SILENCE, Act, sink

from posthouse.intake import operate
from posthouse.ledger import timeline
from posthouse.model.mail import Accepted
from posthouse.model.outcome import Outcome
from posthouse.model.words import EventKind, State
from posthouse.outbox import operator


def in_turn(*acts: Act) -> Callable[[int], Act]:
    """The first act the first time, and so on; the last one stays."""
    return lambda time: acts[min(time, len(acts) - 1)]


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        yield opened


async def events_of(corridor: Corridor, accepted: Accepted) -> list[EventKind]:
    async with corridor.process.pool.acquire() as connection:
        rows = await timeline.events(connection, corridor.submitter.workspace_id, accepted.message_id)
    return [row.kind for row in rows]


async def attempts_of(corridor: Corridor, accepted: Accepted) -> list[timeline.AttemptRow]:
    ids = [r.recipient_id for r in accepted.recipients]
    async with corridor.process.pool.acquire() as connection:
        return await timeline.attempts(connection, corridor.submitter.workspace_id, accepted.message_id, ids)


async def test_an_accepted_mail_is_signed_delivered_and_recorded(corridor: Corridor) -> None:
    async with sink() as receiver, corridor.delivering(receiver.port):
        accepted = await corridor.send("bob@there.test")
        (row,) = await corridor.settled([accepted])
    assert row.state is State.DELIVERED
    assert row.code == 250
    assert await events_of(corridor, accepted) == [EventKind.ACCEPTED, EventKind.DELIVERED]
    (attempt,) = await attempts_of(corridor, accepted)
    assert attempt.outcome is Outcome.DELIVERED
    assert "RCPT TO:<bob@there.test>" in attempt.transcript
    assert receiver.mails[0].data.startswith(attempt.signature)
    assert attempt.signature.count(b"DKIM-Signature:") == 2


async def test_each_recipient_has_its_own_return_path(corridor: Corridor) -> None:
    async with sink() as receiver, corridor.delivering(receiver.port):
        accepted = await corridor.send("a@there.test", "b@there.test", "c@there.test")
        await corridor.settled([accepted])
    assert len({mail.mail_from for mail in receiver.mails}) == 3


async def test_higher_priority_goes_first_and_equal_priority_in_order(corridor: Corridor) -> None:
    accepted = [await corridor.send(f"p{p}-{n}@there.test", priority=p) for p in (3, 9, 0, 4, 7) for n in range(2)]
    # Over two connections at once, which of two neighbours arrives first is the machine's to say.
    async with sink() as receiver, corridor.delivering(receiver.port, connections_per_site=1):
        await corridor.settled(accepted)
    arrived = [mail.recipients[0].split("<")[1].split("@")[0] for mail in receiver.mails]
    assert arrived == [f"p{p}-{n}" for p in (9, 7, 4, 3, 0) for n in range(2)]


async def test_a_deferred_mail_is_tried_again_and_says_why_it_waits(corridor: Corridor) -> None:
    async with (
        sink({"RCPT": in_turn(b"451 4.7.1 come back later\r\n", b"250 ok\r\n")}) as receiver,
        corridor.delivering(receiver.port, retry_first_s=0.05),
    ):
        accepted = await corridor.send("bob@there.test")
        (row,) = await corridor.settled([accepted])
    assert (row.state, row.attempts) == (State.DELIVERED, 2)
    assert EventKind.DEFERRED in await events_of(corridor, accepted)


async def test_a_permanent_refusal_bounces_and_suppresses_an_address_that_does_not_exist(corridor: Corridor) -> None:
    async with sink({"RCPT": b"550 5.1.1 no such user\r\n"}) as receiver, corridor.delivering(receiver.port):
        accepted = await corridor.send("gone@there.test")
        (row,) = await corridor.settled([accepted])
        again = await corridor.send("Gone@there.test")
    assert row.state is State.BOUNCED
    assert "no such user" in row.reason
    assert again.recipients[0].state is State.SUPPRESSED


async def test_a_connection_lost_after_the_dot_is_shown_as_unknown_and_tried_again(corridor: Corridor) -> None:
    async with (
        sink({"DOT": in_turn(CLOSE, b"250 ok\r\n")}) as receiver,
        corridor.delivering(receiver.port, retry_first_s=0.05),
    ):
        accepted = await corridor.send("bob@there.test")
        await corridor.settled([accepted])
    outcomes = [attempt.outcome for attempt in await attempts_of(corridor, accepted)]
    assert outcomes == [Outcome.UNKNOWN, Outcome.DELIVERED]


async def test_mail_past_its_expiry_is_never_delivered(corridor: Corridor) -> None:
    async with sink({"RCPT": b"451 4.7.1 later\r\n"}) as receiver, corridor.delivering(receiver.port, retry_first_s=60):
        accepted = await corridor.send("bob@there.test")
        await corridor.expire_once_tried(accepted)
        (row,) = await corridor.settled([accepted])
    assert row.state is State.EXPIRED
    assert "later" in row.reason


async def test_scheduled_mail_waits_for_its_time(corridor: Corridor) -> None:
    async with sink() as receiver, corridor.delivering(receiver.port):
        due = later(corridor.process, seconds=0.6)
        accepted = await corridor.send("bob@there.test", send_at=due)
        assert accepted.recipients[0].state is State.WAITING
        (row,) = await corridor.settled([accepted])
    (attempt,) = await attempts_of(corridor, accepted)
    assert attempt.started_at >= due
    assert row.state is State.DELIVERED


async def test_cancelled_mail_is_not_sent(corridor: Corridor) -> None:
    accepted = await corridor.send("bob@there.test")
    selection = operator.Selection(message_id=accepted.message_id)
    workspace_id = corridor.submitter.workspace_id
    assert await operate.apply(corridor.process, workspace_id, operator.CANCEL, selection, "user:ann") == 1
    async with sink() as receiver, corridor.delivering(receiver.port):
        other = await corridor.send("carl@there.test")
        await corridor.settled([other])
    assert [row.state for row in await corridor.recipients(accepted.message_id)] == [State.CANCELLED]
    assert len(receiver.mails) == 1


async def test_held_mail_waits_until_it_is_released(corridor: Corridor) -> None:
    accepted = await corridor.send("bob@there.test")
    selection = operator.Selection(message_id=accepted.message_id)
    workspace_id = corridor.submitter.workspace_id
    await operate.apply(corridor.process, workspace_id, operator.HOLD, selection, "user:ann")
    async with sink() as receiver, corridor.delivering(receiver.port):
        await corridor.settled([await corridor.send("carl@there.test")])
        assert len(receiver.mails) == 1
        await operate.apply(corridor.process, workspace_id, operator.RELEASE, selection, "user:ann")
        await corridor.settled([accepted])
    assert len(receiver.mails) == 2


async def test_a_site_that_cannot_be_reached_defers_its_mail_with_the_reason(corridor: Corridor) -> None:
    async with corridor.delivering(1):
        accepted = await corridor.send("bob@there.test")
        for _ in range(200):
            (row,) = await corridor.recipients(accepted.message_id)
            if row.state is State.WAITING:
                break
            await asyncio.sleep(0.02)
    assert row.state is State.WAITING
    assert "there.test" in row.reason


async def test_mail_does_not_wait_behind_one_the_receiver_is_slow_to_take(corridor: Corridor) -> None:
    async with sink({"DOT": in_turn(SILENCE, b"250 ok\r\n")}) as receiver, corridor.delivering(receiver.port):
        stuck = await corridor.send("stuck@there.test", priority=9)
        quick = [await corridor.send(f"r{n}@there.test") for n in range(3)]
        assert {row.state for row in await corridor.settled(quick, patience_s=5)} == {State.DELIVERED}
        (row,) = await corridor.recipients(stuck.message_id)
        assert row.state is State.CLAIMED
        receiver.reactions["DOT"] = b"250 ok\r\n"
        for writer in list(receiver.writers):
            writer.close()
