"""The queue's statements and constraints on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
from tests.corridor import Corridor, MakeProcess, later, open_corridor

from posthouse.delivery import worker
from posthouse.ledger import timeline
from posthouse.model.mail import Accepted
from posthouse.model.outcome import Outcome
from posthouse.model.words import EventKind, Pool, State
from posthouse.outbox import claims, lots, messages, partitions, shape
from posthouse.outbox.claims import Claimed, Settlement
from posthouse.outbox.messages import Filters
from posthouse.runtime.postgres import transaction


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        yield opened


async def register(corridor: Corridor, lease_s: float = 60) -> None:
    process = corridor.process
    now = process.clock.now()
    async with process.pool.acquire() as connection:
        await claims.register(
            connection, process.worker_id, "delivery", "here", 1, now, now + timedelta(seconds=lease_s)
        )


async def claim(corridor: Corridor, domain: str = "there.test", most: int = 100) -> list[Claimed]:
    process, workspace_id = corridor.process, corridor.submitter.workspace_id
    async with transaction(process.pool) as connection:
        return await claims.claim(
            connection, workspace_id, Pool.TRANSACTIONAL, domain, most, process.worker_id, process.clock.now()
        )


def delivered(mail: Claimed, corridor: Corridor) -> Settlement:
    now = corridor.process.clock.now()
    return Settlement(mail.recipient_id, State.DELIVERED, now, "", 250, None, "mx", now, mail.attempt)


async def settle(corridor: Corridor, mails: list[Claimed]) -> int:
    process, workspace_id = corridor.process, corridor.submitter.workspace_id
    async with transaction(process.pool) as connection:
        ended = [delivered(m, corridor) for m in mails]
        return len(await claims.settle(connection, workspace_id, process.worker_id, ended))


async def state_of(corridor: Corridor, accepted: Accepted) -> State:
    (row,) = await corridor.recipients(accepted.message_id)
    return row.state


async def test_claims_come_by_priority_then_first_come_first_served(corridor: Corridor) -> None:
    await register(corridor)
    for priority in (1, 9, 4, 9, 1):
        await corridor.send("bob@there.test", priority=priority)
    mails = await claim(corridor)
    assert [m.priority for m in mails] == [9, 9, 4, 1, 1]
    assert [m.recipient_id for m in mails[:2]] == sorted(m.recipient_id for m in mails[:2])


async def test_two_claims_at_once_never_take_the_same_mail(corridor: Corridor) -> None:
    await register(corridor)
    for _ in range(40):
        await corridor.send("bob@there.test")
    taken = await asyncio.gather(*(claim(corridor, most=10) for _ in range(6)))
    ids = [m.recipient_id for batch in taken for m in batch]
    assert len(ids) == len(set(ids)) <= 40


async def test_a_worker_without_a_living_lease_claims_nothing(corridor: Corridor) -> None:
    await corridor.send("bob@there.test")
    assert await claim(corridor) == []
    await register(corridor, lease_s=-1)
    assert await claim(corridor) == []


async def test_what_a_dead_worker_held_is_ready_again_and_shown_as_unknown(corridor: Corridor) -> None:
    await register(corridor)
    accepted = await corridor.send("bob@there.test")
    await claim(corridor)
    async with corridor.process.pool.acquire() as connection:
        await claims.end_lease(connection, corridor.process.worker_id, corridor.process.clock.now())
    await worker.recover(corridor.process)
    assert await state_of(corridor, accepted) is State.READY
    async with corridor.process.pool.acquire() as connection:
        workspace_id = corridor.submitter.workspace_id
        events = await timeline.events(connection, workspace_id, accepted.message_id)
        ids = [r.recipient_id for r in accepted.recipients]
        (attempt,) = await timeline.attempts(connection, workspace_id, accepted.message_id, ids)
    assert events[-1].kind is EventKind.UNKNOWN
    assert attempt.outcome is Outcome.UNKNOWN


async def test_mail_that_loses_its_worker_twice_waits_before_the_next_try(corridor: Corridor) -> None:
    accepted = await corridor.send("bob@there.test")
    for expected in (State.READY, State.WAITING):
        corridor.process.worker_id = corridor.process.ids.new()
        await register(corridor)
        await claim(corridor)
        async with corridor.process.pool.acquire() as connection:
            await claims.end_lease(connection, corridor.process.worker_id, corridor.process.clock.now())
        await worker.recover(corridor.process)
        assert await state_of(corridor, accepted) is expected


async def test_a_late_word_of_delivery_spares_a_second_copy(corridor: Corridor) -> None:
    await register(corridor)
    accepted = await corridor.send("bob@there.test")
    mails = await claim(corridor)
    async with corridor.process.pool.acquire() as connection:
        await claims.end_lease(connection, corridor.process.worker_id, corridor.process.clock.now())
    await worker.recover(corridor.process)
    assert await settle(corridor, mails) == 1
    assert await state_of(corridor, accepted) is State.DELIVERED


async def test_settling_twice_changes_nothing_the_second_time(corridor: Corridor) -> None:
    await register(corridor)
    await corridor.send("bob@there.test")
    mails = await claim(corridor)
    assert (await settle(corridor, mails), await settle(corridor, mails)) == (1, 0)


async def test_giving_back_does_not_count_as_an_attempt(corridor: Corridor) -> None:
    await register(corridor)
    accepted = await corridor.send("bob@there.test")
    (mail,) = await claim(corridor)
    async with corridor.process.pool.acquire() as connection:
        await claims.give_back(connection, mail.workspace_id, [mail.recipient_id], corridor.process.worker_id)
    (row,) = await corridor.recipients(accepted.message_id)
    assert (row.state, row.attempts) == (State.READY, 0)


async def test_ready_destinations_are_walked_in_pages(corridor: Corridor) -> None:
    for n in range(5):
        await corridor.send(f"x@d{n}.test", priority=n)
    workspace_id = corridor.submitter.workspace_id
    async with corridor.process.pool.acquire() as connection:
        first = await claims.ready_domains(connection, workspace_id, Pool.TRANSACTIONAL, "", 3)
        rest = await claims.ready_domains(connection, workspace_id, Pool.TRANSACTIONAL, first[-1][0], 3)
    assert first + rest == [(f"d{n}.test", n) for n in range(5)]


@pytest.mark.parametrize(
    "change",
    [
        "state = 'claimed'",  # nobody named as holder
        "state = 'delivered'",  # no time of settlement
        "settled_at = now()",  # final time without a final state
        "priority = 10",
        "state = 'lost'",
        f"claimed_by = '{'0' * 32}'",
    ],
)
async def test_states_that_make_no_sense_are_refused_by_the_table(corridor: Corridor, change: str) -> None:
    await corridor.send("bob@there.test")
    async with corridor.process.pool.acquire() as connection:
        with pytest.raises(asyncpg.exceptions.CheckViolationError):
            await connection.execute(f"UPDATE outbox SET {change}")


async def test_the_products_processes_cannot_rewrite_history(corridor: Corridor) -> None:
    await corridor.send("bob@there.test")
    async with corridor.process.pool.acquire() as connection:
        for statement in (
            "UPDATE events SET kind = 'x'",
            "DELETE FROM events",
            "DELETE FROM audit_log",
            "DELETE FROM outbox",
        ):
            with pytest.raises(asyncpg.exceptions.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_partitions_are_made_by_a_process_that_may_not_create_tables(corridor: Corridor) -> None:
    async with corridor.process.pool.acquire() as connection:
        now = later(corridor.process, days=400)
        assert await partitions.ensure(connection, now, 2) > 0
        assert await partitions.ensure(connection, now, 2) == 0


async def test_the_shape_counts_mail_by_destination_and_age(corridor: Corridor) -> None:
    for _ in range(3):
        await corridor.send("bob@there.test")
    await corridor.send("ann@other.test")
    workspace_id = corridor.submitter.workspace_id
    async with corridor.process.pool.acquire() as connection:
        young = await shape.shape(connection, workspace_id, corridor.process.clock.now())
        old = await shape.shape(connection, workspace_id, later(corridor.process, minutes=30))
    assert [(r.domain, r.total, r.buckets[0]) for r in young] == [("there.test", 3, 3), ("other.test", 1, 1)]
    assert old[0].buckets[3] == 3  # 20 to 40 minutes


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (Filters(), {"a", "b", "c"}),
        (Filters(query="bob@there.test"), {"a"}),
        (Filters(query="bob@"), {"a", "b"}),
        (Filters(query="<b@example.test>"), {"b"}),
        (Filters(query="quarterly rep"), {"c"}),
        (Filters(query="ann@example"), set()),
        (Filters(tag="news"), {"b"}),
        (Filters(domain="other.test"), {"b", "c"}),
        (Filters(state=State.WAITING), {"c"}),
        (Filters(state=State.READY), {"a", "b"}),
        (Filters(state=State.WAITING, domain="there.test"), set()),
        (Filters(query="bob@", domain="other.test"), {"b"}),
        (Filters(query="bob@", state=State.WAITING), set()),
        (Filters(query="eve@", state=State.WAITING), {"c"}),
        (Filters(query="nothing here"), set()),
        (Filters(query="'; DROP TABLE outbox; --"), set()),
    ],
)
@pytest.mark.parametrize("in_one_lot", [True, False])
async def test_messages_are_found(
    corridor: Corridor, filters: Filters, found: set[str], in_one_lot: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not in_one_lot:
        monkeypatch.setattr(lots, "_LOT", 1)
    names = {}
    for name, address, changes in (
        ("a", "bob@there.test", {}),
        ("b", "bob@other.test", {"tags": ("news",), "message_id_header": "<b@example.test>"}),
        ("c", "eve@other.test", {"subject": "Quarterly report", "send_at": later(corridor.process, hours=1)}),
    ):
        names[(await corridor.send(address, **changes)).message_id] = name
    async with corridor.process.pool.acquire() as connection:
        listed = await messages.search(connection, corridor.submitter.workspace_id, filters, None, 10)
        taken = await connection.fetchval(
            "SELECT count(DISTINCT lot) FROM messages JOIN outbox USING (message_id, lot)"
        )
    assert taken == (1 if in_one_lot else 3)
    assert {names[one.message.message_id] for one in listed} == found


@pytest.mark.parametrize(
    "filters", [Filters(), Filters(query="bob@"), Filters(query="bob@", tag="odd"), Filters(tag="odd")]
)
@pytest.mark.parametrize("lot", [2, 50_000])
async def test_listing_pages_by_cursor_without_gaps_or_repeats(
    corridor: Corridor, filters: Filters, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lots, "_LOT", lot)
    sent = []
    for n in range(9):
        message = await corridor.send("bob@there.test", tags=("odd",) if n % 2 else ())
        if not filters.tag or n % 2:
            sent.append(message.message_id)
    seen, cursor = [], None
    while True:
        async with corridor.process.pool.acquire() as connection:
            page = await messages.search(connection, corridor.submitter.workspace_id, filters, cursor, 3)
        if not page:
            break
        seen += [one.message.message_id for one in page]
        cursor = seen[-1]
    assert seen == sorted(sent, reverse=True)
