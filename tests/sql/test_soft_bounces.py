"""Marketing given up at an address again and again, through every door by which that is learned."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from tests.corridor import Corridor, MakeProcess, later, open_corridor
from tests.lab_servers import sink

from posthouse.intake import reports, soft_bounces
from posthouse.ledger import soft, suppression
from posthouse.ledger.explain import explain
from posthouse.ledger.soft import Counter, Soft
from posthouse.ledger.suppression import MARKETING, SOFT_BOUNCES, Entry
from posthouse.model.words import MailClass, State
from posthouse.outbox import lots
from posthouse.runtime.postgres import transaction
from posthouse.wire import dsn
from posthouse.wire.dsn import RecipientReport, Report

BOB = "Bob@there.test"
DAY = timedelta(days=1)


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        yield opened


async def give_up(corridor: Corridor, at: datetime, address: str = BOB) -> None:
    async with transaction(corridor.process.pool) as connection:
        gone = [Soft(address, corridor.process.ids.new())]
        await soft_bounces.count(connection, corridor.submitter.workspace_id, gone, "delivery", at)


async def counter(corridor: Corridor) -> Counter | None:
    async with transaction(corridor.process.pool) as connection:
        found = await soft.counters_of(connection, corridor.submitter.workspace_id, [BOB])
    return found.get("bob@there.test")


async def entries(corridor: Corridor) -> list[Entry]:
    async with corridor.process.pool.acquire() as connection:
        found = await suppression.entries_of(connection, corridor.submitter.workspace_id, [BOB])
    return found.get("bob@there.test", [])


async def test_the_seventh_message_after_two_weeks_stops_marketing_and_nothing_else(corridor: Corridor) -> None:
    now = corridor.process.clock.now()
    for day in (20, 17, 14, 11, 8, 5):
        await give_up(corridor, now - day * DAY)
    assert await entries(corridor) == []
    await give_up(corridor, now)
    assert [(each.scope, each.reason) for each in await entries(corridor)] == [(MARKETING, SOFT_BOUNCES)]
    marketing = await corridor.send(BOB, mail_class=MailClass.MARKETING)
    assert marketing.recipients[0].state is State.SUPPRESSED
    assert (await corridor.send(BOB)).recipients[0].state is State.READY


async def test_a_delivery_of_any_mail_begins_the_count_anew(
    corridor: Corridor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lots, "_LOT", 1)
    now = corridor.process.clock.now()
    for day in (20, 17, 14, 11, 8, 5):
        await give_up(corridor, now - day * DAY)
    async with sink() as receiver, corridor.delivering(receiver.port):
        await corridor.settled([await corridor.send(BOB, mail_class=MailClass.TRANSACTIONAL)])
    await corridor.send("ann@there.test")  # in the lot after it
    await give_up(corridor, now)
    assert await entries(corridor) == []
    assert await counter(corridor) == Counter(1, now, now)


@pytest.mark.parametrize(
    ("mail_class", "reply", "counts"),
    [
        (MailClass.MARKETING, b"552 5.2.2 mailbox full\r\n", True),
        (MailClass.MARKETING, b"550 5.7.1 we do not like you\r\n", False),
        (MailClass.MARKETING, b"550 5.1.1 no such user\r\n", False),
        (MailClass.TRANSACTIONAL, b"552 5.2.2 mailbox full\r\n", False),
    ],
)
async def test_a_refusal_for_good_counts_where_it_is_marketing_and_soft(
    corridor: Corridor, mail_class: MailClass, reply: bytes, counts: bool
) -> None:
    async with sink({"RCPT": reply}) as receiver, corridor.delivering(receiver.port):
        (row,) = await corridor.settled([await corridor.send(BOB, mail_class=mail_class)])
    assert row.state is State.BOUNCED
    found = await counter(corridor)
    assert (found.messages if found else 0) == counts


@pytest.mark.parametrize(("reply", "counts"), [(b"451 4.2.2 full\r\n", 1), (b"451 4.7.1 later\r\n", 0)])
async def test_mail_that_expires_after_it_was_tried_counts_once(corridor: Corridor, reply: bytes, counts: int) -> None:
    async with sink({"RCPT": reply}) as receiver, corridor.delivering(receiver.port, retry_first_s=60):
        sent = await corridor.send(BOB, mail_class=MailClass.MARKETING)
        await corridor.expire_once_tried(sent)
        (row,) = await corridor.settled([sent])
    assert row.state is State.EXPIRED
    found = await counter(corridor)
    assert (found.messages if found else 0) == counts


async def test_a_report_of_a_full_mailbox_counts_once_however_often_it_comes(corridor: Corridor) -> None:
    async with sink() as receiver, corridor.delivering(receiver.port):
        accepted = await corridor.send(BOB, mail_class=MailClass.MARKETING)
        await corridor.settled([accepted])
    about = RecipientReport(BOB, BOB, "failed", "5.2.2", "552 full", "mx.there.test")
    written = dsn.write(
        Report("mx.there.test", "", (about,)), "md@there.test", "b@here.test", later(corridor.process), bytes(16)
    )
    report = explain(written)
    for _ in range(3):
        await reports.apply_report(
            corridor.process, corridor.submitter.workspace_id, accepted.recipients[0].recipient_id, report
        )
    found = await counter(corridor)
    assert found is not None
    assert found.messages == 1
