"""Counts, reports and suppressions on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from tests.corridor import Corridor, MakeProcess, open_corridor
from tests.lab_servers import sink

from posthouse.intake import reports
from posthouse.intake.reports import Clues
from posthouse.ledger import counting, timeline
from posthouse.ledger.explain import Explained, explain
from posthouse.model.mail import Accepted
from posthouse.model.words import EventKind, MailClass, State
from posthouse.runtime.postgres import transaction
from posthouse.wire import dsn
from posthouse.wire.dsn import RecipientReport, Report

UTC = ZoneInfo("UTC")


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        yield opened


async def today(corridor: Corridor) -> dict[EventKind, int]:
    now = corridor.process.clock.now()
    async with corridor.process.pool.acquire() as connection:
        days = await timeline.by_day(connection, corridor.submitter.workspace_id, now, 14, UTC)
    assert len(days) == 14
    return days[now.date()]


async def test_counts_are_the_same_before_and_after_the_events_were_rolled_up(corridor: Corridor) -> None:
    for n in range(3):
        await corridor.send(f"r{n}@there.test")
    before = await today(corridor)
    for ahead in (0, 40, 80):  # the second finds them settled, the third finds nothing new
        async with transaction(corridor.process.pool) as connection:
            now = corridor.process.clock.now() + timedelta(seconds=ahead)
            await counting.advance(connection, corridor.submitter.workspace_id, now)
        assert await today(corridor) == before == {EventKind.ACCEPTED: 3}


async def delivered(corridor: Corridor) -> Accepted:
    async with sink() as receiver, corridor.delivering(receiver.port):
        accepted = await corridor.send("bob@there.test")
        await corridor.settled([accepted])
    return accepted


def report(action: str, status: str) -> Explained:
    about = RecipientReport("bob@there.test", "bob@there.test", action, status, "550 gone", "mx.there.test")
    written = dsn.write(
        Report("mx.there.test", "", (about,)), "md@there.test", "b@here.test", datetime.now(UTC), bytes(16)
    )
    return explain(written)


async def test_a_late_failure_overrides_a_delivery(corridor: Corridor) -> None:
    accepted = await delivered(corridor)
    recipient_id = accepted.recipients[0].recipient_id
    assert await reports.apply_report(
        corridor.process, corridor.submitter.workspace_id, recipient_id, report("failed", "5.1.1")
    )
    (row,) = await corridor.recipients(accepted.message_id)
    assert row.state is State.BOUNCED
    assert "550 gone" in row.reason
    again = await corridor.send("bob@there.test")
    assert again.recipients[0].state is State.SUPPRESSED


async def test_a_failure_reported_before_its_delivery_is_recorded_has_the_last_word(corridor: Corridor) -> None:
    accepted = await delivered(corridor)
    recipient_id, pool = accepted.recipients[0].recipient_id, corridor.process.pool
    under_way = "UPDATE outbox SET state = 'claimed', claimed_by = $2, claimed_at = now(), settled_at = NULL WHERE recipient_id = $1"
    await pool.execute(under_way, recipient_id, uuid4())
    workspace_id = corridor.submitter.workspace_id
    said = report("failed", "5.1.1")
    applying = asyncio.create_task(reports.apply_report(corridor.process, workspace_id, recipient_id, said))
    await asyncio.wait({applying}, timeout=0.2)
    recorded = "UPDATE outbox SET state = 'delivered', claimed_by = NULL, claimed_at = NULL, settled_at = now() WHERE recipient_id = $1"
    await pool.execute(recorded, recipient_id)
    assert await applying
    (row,) = await corridor.recipients(accepted.message_id)
    assert row.state is State.BOUNCED


async def test_a_delay_report_changes_nothing_but_the_timeline(corridor: Corridor) -> None:
    accepted = await delivered(corridor)
    recipient_id = accepted.recipients[0].recipient_id
    workspace_id = corridor.submitter.workspace_id
    assert await reports.apply_report(corridor.process, workspace_id, recipient_id, report("delayed", "4.4.1"))
    (row,) = await corridor.recipients(accepted.message_id)
    assert row.state is State.DELIVERED
    async with corridor.process.pool.acquire() as connection:
        events = await timeline.events(connection, workspace_id, accepted.message_id)
    assert events[-1].kind is EventKind.DELAYED


async def test_a_bounce_for_our_own_reputation_leaves_the_address_alone(corridor: Corridor) -> None:
    accepted = await delivered(corridor)
    recipient_id, workspace_id = accepted.recipients[0].recipient_id, corridor.submitter.workspace_id
    assert await reports.apply_report(corridor.process, workspace_id, recipient_id, report("failed", "5.7.1"))
    async with corridor.process.pool.acquire() as connection:
        events = await timeline.events(connection, workspace_id, accepted.message_id)
    assert events[-1].kind is EventKind.LATE_BOUNCE
    assert (events[-1].data["class"], events[-1].data["class_reason"]) == ("blocked", "policy")
    assert (await corridor.send("bob@there.test")).recipients[0].state is State.READY


async def test_a_report_about_nobody_changes_nothing(corridor: Corridor) -> None:
    workspace_id = corridor.submitter.workspace_id
    assert not await reports.apply_report(
        corridor.process, workspace_id, corridor.process.ids.new(), report("failed", "5.1.1")
    )


async def test_a_complaint_stops_marketing_and_leaves_transactional_mail_alone(corridor: Corridor) -> None:
    accepted = await delivered(corridor)
    recipient_id = accepted.recipients[0].recipient_id
    assert await reports.apply_complaint(corridor.process, corridor.submitter.workspace_id, Clues((recipient_id,)))
    receipt = await corridor.send("bob@there.test")
    assert receipt.recipients[0].state is State.READY
    marketing = await corridor.send("bob@there.test", mail_class=MailClass.MARKETING)
    assert marketing.recipients[0].state is State.SUPPRESSED


async def test_a_complaint_about_a_message_is_about_its_recipient_or_the_one_it_names(corridor: Corridor) -> None:
    workspace_id = corridor.submitter.workspace_id
    alone = await delivered(corridor)
    assert await reports.apply_complaint(corridor.process, workspace_id, Clues((alone.message_id,)))
    both = await corridor.send("carl@there.test", "dora@there.test")
    assert not await reports.apply_complaint(corridor.process, workspace_id, Clues((both.message_id,)))
    assert not await reports.apply_complaint(corridor.process, workspace_id, Clues((both.message_id,), ("eve@x.test",)))
    assert await reports.apply_complaint(
        corridor.process, workspace_id, Clues((both.message_id,), ("DORA@there.test",))
    )
    stopped = [
        name
        for name in ("bob", "carl", "dora", "eve")
        if (await corridor.send(f"{name}@there.test", mail_class=MailClass.MARKETING)).recipients[0].state
        is State.SUPPRESSED
    ]
    assert stopped == ["bob", "dora"]
