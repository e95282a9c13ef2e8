"""What people stop is stopped: suspensions and drained processes, through the real queue and the real SMTP client."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from tests.corridor import Corridor, MakeProcess, later, open_corridor
from tests.lab_servers import sink

from posthouse.intake import operate
from posthouse.intake.operate import Stop
from posthouse.model.mail import Accepted
from posthouse.model.words import Pool, State
from posthouse.outbox import situations, workers
from posthouse.outbox.operator import Selection, move_to
from posthouse.outbox.suspensions import Suspension
from posthouse.outbox.waiting import explain

BY = "user:ann@acme.test"


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        yield opened


async def suspend(corridor: Corridor, **stop: Any) -> Suspension:
    stop = {"reason": "They are moving"} | stop
    made = await operate.suspend(corridor.process, corridor.submitter.workspace_id, Stop(**stop), BY)
    assert isinstance(made, Suspension), made
    return made


async def told(corridor: Corridor, accepted: Accepted) -> tuple[State, str]:
    (row,) = await corridor.recipients(accepted.message_id)
    now, workspace_id = corridor.process.clock.now(), corridor.submitter.workspace_id
    async with corridor.process.pool.acquire() as connection:
        found = await situations.read(connection, workspace_id, [row], now)
    return row.state, explain(row, now, found[row.recipient_id])


async def sender_of(corridor: Corridor, owner: Any, patience_s: float = 20) -> UUID:
    """The worker that delivers a mail now."""
    accepted = await corridor.send("bob@there.test")
    await corridor.settled([accepted], patience_s)
    found = await owner.fetchval(
        "SELECT worker_id FROM attempts WHERE message_id = $1 ORDER BY attempt_id DESC", accepted.message_id
    )
    assert isinstance(found, UUID)
    return UUID(bytes=found.bytes)


async def test_suspended_mail_stays_and_says_why_while_other_mail_goes(corridor: Corridor) -> None:
    made = await suspend(corridor, domain="there.test")
    async with sink() as receiver, corridor.delivering(receiver.port):
        stopped, free = await corridor.send("bob@there.test"), await corridor.send("bob@other.test")
        await corridor.settled([free])
        state, reason = await told(corridor, stopped)
        assert state is State.READY
        assert reason == (
            "Mail for there.test is suspended by ann@acme.test until somebody resumes it: They are moving."
        )
        assert [mail.recipients for mail in receiver.mails] == [["RCPT TO:<bob@other.test>"]]
        await operate.resume(corridor.process, corridor.submitter.workspace_id, [made.suspension_id], BY)
        (row,) = await corridor.settled([stopped])
    assert row.state is State.DELIVERED


async def test_a_suspension_holds_from_the_moment_it_is_made_and_ends_as_promptly(corridor: Corridor) -> None:
    async with sink() as receiver, corridor.delivering(receiver.port):
        await corridor.settled([await corridor.send("bob@there.test")])
        made = await suspend(corridor, domain="there.test")
        await asyncio.sleep(0.5)  # less than it takes to type the next command
        stopped = await corridor.send("ann@there.test")
        await asyncio.sleep(0.5)
        assert (await told(corridor, stopped))[0] is State.READY
        await operate.resume(corridor.process, corridor.submitter.workspace_id, [made.suspension_id], BY)
        (row,) = await corridor.settled([stopped], 1.9)
    assert (row.state, len(receiver.mails)) == (State.DELIVERED, 2)


async def test_a_suspension_that_ends_by_itself_lets_its_mail_go(corridor: Corridor) -> None:
    until = later(corridor.process, seconds=1.5)
    await suspend(corridor, everything=True, until=until)
    async with sink() as receiver, corridor.delivering(receiver.port):
        (row,) = await corridor.settled([await corridor.send("bob@there.test")])
    assert row.settled_at is not None
    assert row.settled_at >= until


async def test_mail_moved_to_another_pool_leaves_by_it(corridor: Corridor) -> None:
    made = await suspend(corridor, pool=Pool.TRANSACTIONAL)
    async with sink() as receiver, corridor.delivering(receiver.port):
        accepted = await corridor.send("bob@there.test")
        process, workspace_id = corridor.process, corridor.submitter.workspace_id
        selection = Selection(message_id=accepted.message_id)
        assert await operate.apply(process, workspace_id, move_to(Pool.NOTIFICATION), selection, BY) == 1
        (row,) = await corridor.settled([accepted])
        await operate.resume(process, workspace_id, [made.suspension_id], BY)
    assert (row.state, row.pool) == (State.DELIVERED, Pool.NOTIFICATION)


async def test_a_process_that_is_drained_leaves_its_sites_to_another(corridor: Corridor, owner: Any) -> None:
    async with contextlib.AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(sink())
        for _ in range(2):
            await stack.enter_async_context(corridor.delivering(receiver.port))
        first = await sender_of(corridor, owner)
        process, ids = corridor.process, [corridor.submitter.workspace_id]
        assert len(await operate.drain(process, ids, first, None, BY)) == 1
        second = await another_than(first, corridor, owner)
        assert {await sender_of(corridor, owner) for _ in range(3)} == {second}
        await operate.drain(process, ids, second, None, BY)
        last = await nobody_takes(corridor)
        for _ in range(3):
            await corridor.settled([await corridor.send("bob@there.test", pool=Pool.NOTIFICATION)])
        state, reason = await told(corridor, last)
        async with process.pool.acquire() as connection:
            left = await workers.listing(connection, process.clock.now())
    assert state is State.READY
    assert reason.startswith("Ready, but no process of the pool transactional is running")
    assert {each.worker_id for each in left if each.draining_at} == {first, second}


async def another_than(first: UUID, corridor: Corridor, owner: Any) -> UUID:
    """Who delivers once this one has let go: it hears of it when it renews its lease."""
    async with asyncio.timeout(30):
        while True:
            if (found := await sender_of(corridor, owner)) != first:
                return found


async def nobody_takes(corridor: Corridor) -> Accepted:
    """A mail that is still there when one that was sent after it, by another pool, has been delivered."""
    async with asyncio.timeout(30):
        while True:
            mail = await corridor.send("bob@there.test")
            await corridor.settled([await corridor.send("bob@there.test", pool=Pool.NOTIFICATION)])
            if (await told(corridor, mail))[0] is State.READY:
                return mail
