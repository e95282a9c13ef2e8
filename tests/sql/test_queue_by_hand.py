"""What an operator does to the queue, and what is read to say why a mail waits, on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest
from tests.corridor import Corridor, MakeProcess, later, open_corridor

from posthouse.accounts import audit
from posthouse.intake import operate
from posthouse.intake.operate import Stop
from posthouse.ledger import suppression, timeline
from posthouse.model import limits
from posthouse.model.words import EventKind, MailClass, Pool, State
from posthouse.outbox import announcements, claims, operator, sites, situations, suspensions, workers
from posthouse.outbox.messages import RecipientRow
from posthouse.outbox.operator import BOUNCE, CANCEL, HOLD, RETRY, Action, Selection, move_to
from posthouse.outbox.sites import SiteNote, Standing
from posthouse.outbox.suspensions import Suspension
from posthouse.outbox.waiting import Situation, explain

BY = "user:ann@acme.test"


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        yield opened


async def act(corridor: Corridor, action: Action, reason: str = "", **given: Any) -> int:
    workspace_id = corridor.submitter.workspace_id
    return await operate.apply(corridor.process, workspace_id, action, Selection(**given), BY, reason)


async def suspend(corridor: Corridor, **stop: Any) -> Suspension:
    stop = {"reason": "They are moving"} | stop
    made = await operate.suspend(corridor.process, corridor.submitter.workspace_id, Stop(**stop), BY)
    assert isinstance(made, Suspension), made
    return made


async def in_force(corridor: Corridor) -> list[Suspension]:
    async with corridor.process.pool.acquire() as connection:
        return await suspensions.in_force(connection, corridor.submitter.workspace_id, corridor.process.clock.now())


async def situation(corridor: Corridor, message_id: UUID) -> tuple[RecipientRow, Situation]:
    (row,) = await corridor.recipients(message_id)
    async with corridor.process.pool.acquire() as connection:
        found = await situations.read(connection, corridor.submitter.workspace_id, [row], corridor.process.clock.now())
    return row, found[row.recipient_id]


async def told(corridor: Corridor, message_id: UUID) -> str:
    row, held_up = await situation(corridor, message_id)
    return explain(row, corridor.process.clock.now(), held_up)


async def working(corridor: Corridor, role: str = Pool.TRANSACTIONAL, host: str = "here") -> UUID:
    """A process of a role, as others see it."""
    process, worker_id = corridor.process, corridor.process.ids.new()
    now = process.clock.now()
    async with process.pool.acquire() as connection:
        await claims.register(connection, worker_id, role, host, 1, now, now + timedelta(seconds=60))
    return worker_id


async def note(corridor: Corridor, standing: Standing, age_s: float = 0, **changes: Any) -> None:
    """What the owner of there.test's site wrote down."""
    values = {
        "site": "mx.there.test", "standing": standing, "rule": "default", "sentence": "It is slow.", "until": None,
        "connections": 2, "held": 3, "mails_per_s": 1.0,
    }  # fmt: skip
    at = corridor.process.clock.now() - timedelta(seconds=age_s)
    async with corridor.process.pool.acquire() as connection:
        await sites.note_domains(connection, {"there.test": "mx.there.test"}, at)
        await sites.note(
            connection, Pool.TRANSACTIONAL, [SiteNote(**(values | changes))], corridor.process.worker_id, at
        )


SELECTIONS: list[tuple[dict[str, Any], str]] = [
    ({"domain": "there.test"}, "abd"),
    ({"pool": Pool.MARKETING}, "e"),
    ({"state": State.WAITING}, "c"),
    ({"sender": "Bo@Example.Test"}, "b"),
    ({"tag": "news"}, "ad"),
    ({"tag": "news", "domain": "there.test", "priority_least": 5}, "d"),
    ({"priority_most": 3}, "b"),
    ({"attempts_least": 1}, "d"),
    ({"reply": "OVER quota"}, "d"),
    ({"reply": "100%_sure"}, ""),
    ({"state": State.HELD}, ""),
]


@pytest.mark.parametrize(("given", "names"), SELECTIONS, ids=str)
async def test_an_action_touches_what_meets_every_condition(
    corridor: Corridor, owner: Any, given: dict[str, Any], names: str
) -> None:
    hour = later(corridor.process, hours=1)
    sent = {
        "a": await corridor.send("a@there.test", tags=("news",)),
        "b": await corridor.send("b@there.test", priority=1, sender="bo@example.test"),
        "c": await corridor.send("c@other.test", send_at=hour),
        "d": await corridor.send("d@there.test", tags=("news",), priority=9),
        "e": await corridor.send("e@other.test"),
    }
    ids = {name: accepted.recipients[0].recipient_id for name, accepted in sent.items()}
    await owner.execute("UPDATE outbox SET pool = 'marketing' WHERE recipient_id = $1", ids["e"])
    await owner.execute(
        "UPDATE outbox SET attempts = 2, reason = 'mx said 452 4.2.2 Mailbox over quota.' WHERE recipient_id = $1",
        ids["d"],
    )
    outlook = await operate.look(corridor.process, corridor.submitter.workspace_id, CANCEL, Selection(**given))
    assert outlook.mails == len(names)
    assert await act(corridor, CANCEL, **given) == len(names)
    cancelled = {
        name
        for name, accepted in sent.items()
        if (await corridor.recipients(accepted.message_id))[0].state is State.CANCELLED
    }
    assert cancelled == set(names)


async def test_mail_is_chosen_by_its_age(corridor: Corridor) -> None:
    old = await corridor.send("bob@there.test")
    await asyncio.sleep(0.01)  # ids and ages are told apart by the millisecond
    border = corridor.process.clock.now()
    await corridor.send("bob@there.test")
    assert await act(corridor, HOLD, accepted_before=border) == 1
    assert (await corridor.recipients(old.message_id))[0].state is State.HELD


async def test_an_action_on_everything_cannot_be_asked_for() -> None:
    with pytest.raises(AssertionError):
        Selection()


async def test_more_than_one_transaction_may_hold_is_done_in_several(
    corridor: Corridor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (operator, operate):
        monkeypatch.setattr(module, "MOST_PER_ACTION", 3)
    for _ in range(7):
        await corridor.send("bob@there.test")
    assert await act(corridor, move_to(Pool.NOTIFICATION), domain="there.test") == 7


async def test_mail_bounced_by_hand_says_why_and_its_address_stays_usable(corridor: Corridor) -> None:
    accepted = await corridor.send("bob@there.test")
    assert await act(corridor, BOUNCE, "The mailbox is given up", domain="there.test") == 1
    (row,) = await corridor.recipients(accepted.message_id)
    assert (row.state, row.reason) == (State.BOUNCED, f"Bounced by {BY}: The mailbox is given up.")
    workspace_id = corridor.submitter.workspace_id
    async with corridor.process.pool.acquire() as connection:
        found = await timeline.events(connection, workspace_id, accepted.message_id)
        assert await suppression.entries_of(connection, workspace_id, {"bob@there.test"}) == {}
        (entry, *_) = await audit.page(connection, workspace_id, None, 1)
    assert (found[-1].kind, found[-1].data) == (EventKind.BOUNCED, {"by": BY, "reason": "The mailbox is given up"})
    assert (entry.actor, entry.action, entry.subject) == (BY, "queue.bounce", "there.test")
    assert entry.detail == {"mails": 1, "domain": "there.test", "reason": "The mailbox is given up"}


async def test_a_bounce_without_a_reason_is_refused() -> None:
    assert [problem.pointer for problem in operate.refusal(BOUNCE, "", shared_pool=False)] == ["/reason"]
    assert operate.refusal(CANCEL, "", shared_pool=False) == ()


async def test_queued_mail_moves_to_another_pool_and_is_claimed_there(corridor: Corridor) -> None:
    accepted = await corridor.send("bob@there.test")
    worker_id = await working(corridor)
    assert await act(corridor, move_to(Pool.MARKETING), domain="there.test") == 1
    assert await act(corridor, move_to(Pool.MARKETING), domain="there.test") == 0, "it is there already"
    now, workspace_id = corridor.process.clock.now(), corridor.submitter.workspace_id
    async with corridor.process.pool.acquire() as connection:
        for pool, mails in ((Pool.TRANSACTIONAL, 0), (Pool.MARKETING, 1)):
            claimed = await claims.claim(connection, workspace_id, pool, "there.test", 9, worker_id, now)
            assert len(claimed) == mails
        found = await timeline.events(connection, workspace_id, accepted.message_id)
    assert (found[-1].kind, found[-1].data) == (EventKind.MOVED, {"by": BY, "to_pool": "marketing"})


async def test_marketing_goes_to_the_transactional_pool_only_by_force(corridor: Corridor, owner: Any) -> None:
    plain, marketing, moved = [await corridor.send("bob@there.test") for _ in range(3)]
    ids = [accepted.recipients[0].recipient_id for accepted in (plain, marketing, moved)]
    await owner.execute("UPDATE outbox SET pool = 'notification' WHERE recipient_id = ANY($1::uuid[])", ids)
    await owner.execute("UPDATE outbox SET pool = 'marketing' WHERE recipient_id = $1", ids[1])
    await owner.execute(
        "UPDATE messages SET mail_class = 'marketing' WHERE message_id = $1", moved.message_id
    )  # in two steps, by way of the notifications, is still marketing
    process, workspace_id, selection = corridor.process, corridor.submitter.workspace_id, Selection(domain="there.test")
    outlook = await operate.look(process, workspace_id, move_to(Pool.TRANSACTIONAL), selection)
    assert (outlook.mails, outlook.spared) == (1, 2)
    assert [problem.code for problem in outlook.problems] == ["marketing"]
    assert await act(corridor, move_to(Pool.TRANSACTIONAL), domain="there.test") == 1
    forced = move_to(Pool.TRANSACTIONAL, forced=True)
    assert [problem.pointer for problem in operate.refusal(forced, "", shared_pool=False)] == ["/reason"]
    assert await act(corridor, forced, "The other pool's address is blocked.", domain="there.test") == 2


async def test_with_a_shared_pool_nothing_moves_out_of_it() -> None:
    refused = operate.refusal(move_to(Pool.MARKETING), "", shared_pool=True)
    assert [problem.code for problem in refused] == ["shared_pool"]
    assert operate.refusal(move_to(Pool.TRANSACTIONAL), "", shared_pool=True) == ()


async def test_mail_in_a_workers_hands_is_not_touched(corridor: Corridor) -> None:
    await corridor.send("bob@there.test")
    worker_id = await working(corridor)
    async with corridor.process.pool.acquire() as connection:
        now = corridor.process.clock.now()
        await claims.claim(
            connection, corridor.submitter.workspace_id, Pool.TRANSACTIONAL, "there.test", 9, worker_id, now
        )
    for action, reason in ((CANCEL, ""), (HOLD, ""), (RETRY, ""), (BOUNCE, "x"), (move_to(Pool.MARKETING), "")):
        assert await act(corridor, action, reason, domain="there.test") == 0


async def test_a_suspension_is_in_force_until_it_is_resumed_and_both_are_audited(corridor: Corridor) -> None:
    made = await suspend(corridor, domain="There.Test", pool=Pool.MARKETING)
    assert await in_force(corridor) == [made]
    assert (made.domain, made.reason) == ("there.test", "They are moving.")
    process, workspace_id = corridor.process, corridor.submitter.workspace_id
    async with process.pool.acquire() as connection:
        active = await suspensions.active(connection, process.clock.now())
    assert list(active) == [made]
    assert len(await operate.resume(process, workspace_id, [made.suspension_id], BY)) == 1
    assert await operate.resume(process, workspace_id, [made.suspension_id], BY) == []
    assert await in_force(corridor) == []
    async with process.pool.acquire() as connection:
        entries = await audit.page(connection, workspace_id, None, 2)
    assert [(each.action, each.subject) for each in entries] == [
        ("queue.resume", "marketing there.test"),
        ("queue.suspend", "marketing there.test"),
    ]


async def test_a_suspension_ends_by_itself(corridor: Corridor) -> None:
    await suspend(corridor, domain="there.test", until=later(corridor.process, seconds=0.05))
    async with corridor.process.pool.acquire() as connection:
        after = later(corridor.process, seconds=0.05)
        assert not await suspensions.active(connection, after)
        assert await suspensions.in_force(connection, corridor.submitter.workspace_id, after) == []


async def test_a_new_suspension_takes_the_place_of_one_that_stops_the_same(corridor: Corridor) -> None:
    await suspend(corridor, domain="there.test")
    shorter = await suspend(corridor, domain="there.test", until=later(corridor.process, hours=1))
    other = await suspend(corridor, domain="there.test", pool=Pool.MARKETING)
    assert await in_force(corridor) == [other, shorter]


@pytest.mark.parametrize(
    ("stop", "pointer"),
    [
        (Stop(reason="x"), "/domain"),
        (Stop(domain="no domain", reason="x"), "/domain"),
        (Stop(domain="there.test"), "/reason"),
        (Stop(domain="there.test", everything=True, reason="x"), "/everything"),
        (Stop(pool=Pool.MARKETING, everything=True, reason="x"), "/everything"),
        (Stop(mailing="autumn", everything=True, reason="x"), "/everything"),
        (Stop(mailing="autumn", pool=Pool.MARKETING, reason="x"), "/mailing"),
        (Stop(mailing="autumn", domain="there.test", reason="x"), "/mailing"),
        (Stop(mailing="a" * 129, reason="x"), "/mailing"),
        (Stop(mailing="autumn"), "/reason"),
    ],
)
async def test_a_suspension_that_makes_no_sense_is_refused(corridor: Corridor, stop: Stop, pointer: str) -> None:
    refused = await operate.suspend(corridor.process, corridor.submitter.workspace_id, stop, BY)
    assert isinstance(refused, tuple)
    assert [problem.pointer for problem in refused] == [pointer]


async def test_a_suspension_in_the_past_is_refused_and_draining_needs_no_reason(corridor: Corridor) -> None:
    now = corridor.process.clock.now()
    assert [each.pointer for each in Stop(everything=True, reason="x", until=now).problems(now)] == ["/until"]
    assert (await suspend(corridor, everything=True, drain=True, reason="")).reason == operate.DRAINING


async def test_a_workspace_has_only_so_many_suspensions(corridor: Corridor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SUSPENSIONS_PER_WORKSPACE", 1)
    await suspend(corridor, domain="there.test")
    stop = Stop(domain="other.test", reason="x")
    refused = await operate.suspend(corridor.process, corridor.submitter.workspace_id, stop, BY)
    assert isinstance(refused, tuple)
    assert refused[0].code == "too_many"


async def test_everything_is_never_suspended_by_leaving_something_out(corridor: Corridor, owner: Any) -> None:
    await suspend(corridor, domain="there.test")
    with pytest.raises(asyncpg.exceptions.CheckViolationError):
        await owner.execute("UPDATE suspensions SET domain = NULL")


async def test_dispatchers_are_woken_by_a_suspension(corridor: Corridor) -> None:
    woken: asyncio.Queue[str] = asyncio.Queue()
    async with corridor.process.listener("outbox", woken.put_nowait):
        async with asyncio.timeout(30):
            assert await woken.get() == "", "a listener that has just begun may have missed something"
        made = await suspend(corridor, pool=Pool.MARKETING)
        async with asyncio.timeout(30):
            assert await woken.get() == announcements.NEWS
        await operate.resume(corridor.process, corridor.submitter.workspace_id, [made.suspension_id], BY)
        async with asyncio.timeout(30):
            assert await woken.get() == announcements.NEWS


async def test_delivery_processes_are_told_to_hand_over(corridor: Corridor) -> None:
    here, there = await working(corridor, host="here"), await working(corridor, Pool.MARKETING, host="there")
    await working(corridor, situations.HOUSEKEEPER, host="here")
    process, workspace_id = corridor.process, corridor.submitter.workspace_id
    told = await operate.drain(process, [workspace_id], None, "here", BY)
    assert [each.worker_id for each in told] == [here], "not the housekeeper, which holds no mail"
    assert await operate.drain(process, [workspace_id], here, None, BY) == []
    now = process.clock.now()
    async with process.pool.acquire() as connection:
        assert await workers.is_draining(connection, here)
        assert not await workers.is_draining(connection, there)
        assert await claims.live_workers(connection, Pool.TRANSACTIONAL, now) == set()
        assert await claims.renew(connection, here, now, now + timedelta(seconds=60)), "it keeps what it holds"
        assert {each.host for each in await workers.listing(connection, now)} == {"here", "there"}
        (entry, *_) = await audit.page(connection, workspace_id, None, 1)
    assert (entry.action, entry.subject) == ("worker.drain", "here")


async def test_ready_mail_says_whether_anybody_serves_its_pool(corridor: Corridor) -> None:
    accepted = await corridor.send("bob@there.test")
    assert "no process of the pool transactional is running" in await told(corridor, accepted.message_id)
    worker_id = await working(corridor)
    assert (
        await told(corridor, accepted.message_id) == "In line for there.test, whose mail servers are being looked up."
    )
    async with corridor.process.pool.acquire() as connection:
        await claims.end_lease(connection, worker_id, corridor.process.clock.now())
    assert "no process of the pool transactional is running" in await told(corridor, accepted.message_id)


async def test_ready_mail_tells_what_the_owner_of_its_site_last_said(corridor: Corridor) -> None:
    await working(corridor)
    accepted = await corridor.send("bob@there.test")
    await note(corridor, Standing.LIMITED)
    assert await told(corridor, accepted.message_id) == "It is slow. The rule is default."
    await note(corridor, Standing.LIMITED, age_s=limits.SITE_NOTE_S + 1)
    assert await told(corridor, accepted.message_id) == "Next in line for there.test at priority 4."


async def test_a_suspension_is_told_before_everything_else(corridor: Corridor) -> None:
    accepted = await corridor.send("bob@there.test")
    await suspend(corridor, everything=True)
    assert await told(corridor, accepted.message_id) == (
        "All mail of this workspace is suspended by ann@acme.test until somebody resumes it: They are moving."
    )


async def test_mail_that_is_due_says_whether_anybody_puts_it_in_line(corridor: Corridor, owner: Any) -> None:
    accepted = await corridor.send("bob@there.test", send_at=later(corridor.process, hours=1))
    assert (await told(corridor, accepted.message_id)).startswith("Scheduled: it leaves at ")
    await owner.execute("UPDATE outbox SET not_before = now() - interval '1 minute'")
    assert "no process of the role worker" in await told(corridor, accepted.message_id)
    await working(corridor, situations.HOUSEKEEPER)
    assert (await told(corridor, accepted.message_id)).endswith("it is being put in line.")


async def test_what_goes_before_a_mail_is_counted_by_priority_and_order(corridor: Corridor) -> None:
    sent = [await corridor.send("bob@there.test", priority=priority) for priority in (4, 9, 4, 1)]
    await corridor.send("bob@other.test", priority=9)
    before = [(await situation(corridor, accepted.message_id))[1].before for accepted in sent]
    assert before == [1, 0, 2, 3]


async def test_a_long_line_is_counted_only_so_far(corridor: Corridor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PLACES_COUNTED", 3)
    monkeypatch.setattr(limits, "PLACES_COUNTED_LEAST", 1)
    sent = [await corridor.send("bob@there.test") for _ in range(5)]
    counted = [(await situation(corridor, each.message_id))[1] for each in sent]
    assert [(each.before, each.more) for each in counted] == [(0, False), (1, False), (2, False), (3, True), (3, True)]


async def test_a_page_of_recipients_costs_a_handful_of_statements(corridor: Corridor) -> None:
    accepted = await corridor.send(*(f"x{n}@d{n}.test" for n in range(60)))
    rows = await corridor.recipients(accepted.message_id)
    asked: list[str] = []
    now = corridor.process.clock.now()
    async with corridor.process.pool.acquire() as connection:
        await situations.read(
            connection, corridor.submitter.workspace_id, rows, now
        )  # a new connection learns types first
        cast("Any", connection).add_query_logger(lambda record: asked.append(record.query))
        found = await situations.read(connection, corridor.submitter.workspace_id, rows, now)
    assert len(found) == 60
    assert len(asked) == 4


async def test_nothing_is_read_for_mail_that_is_settled(corridor: Corridor) -> None:
    accepted = await corridor.send("bob@there.test")
    await act(corridor, CANCEL, message_id=accepted.message_id)
    rows = await corridor.recipients(accepted.message_id)
    asked: list[str] = []
    async with corridor.process.pool.acquire() as connection:
        cast("Any", connection).add_query_logger(lambda record: asked.append(record.query))
        await situations.read(connection, corridor.submitter.workspace_id, rows, corridor.process.clock.now())
    assert asked == []


async def test_marketing_class_is_what_counts_as_marketing() -> None:
    assert {str(MailClass.MARKETING), str(Pool.MARKETING)} == {"marketing"}, (
        "the statement of the operator's selection says so"
    )
