"""The list of bounced addresses on a real PostgreSQL: what comes onto it, from where, and how fast very many of them are read."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.corridor import Corridor, MakeProcess, later, open_corridor
from tests.lab_servers import sink

from posthouse.intake import bounced as reading
from posthouse.intake import operate, reports
from posthouse.ledger import bounced, events
from posthouse.ledger.bounced import Bounced, BounceType, Ended, Place, Wanted
from posthouse.ledger.events import Event
from posthouse.ledger.explain import explain
from posthouse.model import limits
from posthouse.model.words import EventKind, State
from posthouse.outbox.operator import BOUNCE, Selection
from posthouse.outbox.settled import GivenUp
from posthouse.runtime.clock import Clock
from posthouse.runtime.ids import Ids
from posthouse.runtime.postgres import Pool, transaction
from posthouse.wire import dsn
from posthouse.wire.dsn import RecipientReport, Report

DAY = timedelta(days=1)
EVERY = Wanted()


class Ahead:
    """A clock that is some time ahead of another."""

    def __init__(self, clock: Clock, by: timedelta) -> None:
        self._clock, self._by = clock, by

    def now(self) -> datetime:
        return self._clock.now() + self._by

    def monotonic(self) -> float:
        return self._clock.monotonic()


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        yield opened


async def read(corridor: Corridor, by: timedelta = timedelta(minutes=1)) -> None:
    """As the worker does, when nothing can be committed late any more."""
    ahead = replace(corridor.process, clock=Ahead(corridor.process.clock, by))
    await reading.advance(ahead, corridor.submitter.workspace_id)


async def listed(corridor: Corridor, wanted: Wanted = EVERY, **more: Any) -> list[Bounced]:
    async with corridor.process.pool.acquire() as connection:
        return await bounced.listing(
            connection, corridor.submitter.workspace_id, wanted, more.get("before"), more.get("most", 100)
        )


async def refused(corridor: Corridor, reply: bytes, address: str = "Bob@there.test") -> None:
    async with sink({"RCPT": reply}) as receiver, corridor.delivering(receiver.port, housekeeping=False):
        await corridor.settled([await corridor.send(address)])


@pytest.mark.parametrize(
    ("reply", "kind", "reason", "enhanced"),
    [
        (b"550 5.1.1 no such user\r\n", BounceType.HARD, "no_such_mailbox", "5.1.1"),
        (b"552 5.2.2 mailbox full\r\n", BounceType.SOFT, "mailbox_full", "5.2.2"),
        (b"554 what is this\r\n", BounceType.SOFT, "unexplained", ""),
        (b"550 5.7.1 SPF failed\r\n", BounceType.BLOCKED, "authentication", "5.7.1"),
    ],
)
async def test_a_refusal_is_listed_by_what_it_says_of_the_address(
    corridor: Corridor, reply: bytes, kind: BounceType, reason: str, enhanced: str
) -> None:
    await refused(corridor, reply)
    await read(corridor)
    either = [*await listed(corridor), *await listed(corridor, Wanted(BounceType.BLOCKED))]
    (found,) = either
    assert (found.address, found.type, found.reason, found.enhanced, found.bounces) == (
        "bob@there.test", kind, reason, enhanced, 1,
    )  # fmt: skip
    assert found.said.startswith(reply.decode()[:5])
    assert bool(await listed(corridor)) is (kind is not BounceType.BLOCKED)


async def test_the_last_bounce_is_what_is_told_and_all_are_counted(
    corridor: Corridor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await refused(corridor, b"552 5.2.2 mailbox full\r\n")
    monkeypatch.setattr(limits, "BOUNCES_PER_ROUND", 1)
    await refused(corridor, b"550 5.1.1 no such user\r\n", "BOB@there.test")
    await read(corridor)
    await read(corridor)  # and nothing is read twice
    (found,) = await listed(corridor)
    assert (found.type, found.bounces, found.reason) == (BounceType.HARD, 2, "no_such_mailbox")
    assert found.first_at < found.last_at


async def test_a_bounce_after_delivery_is_listed_and_one_by_hand_is_not(corridor: Corridor) -> None:
    process, workspace_id = corridor.process, corridor.submitter.workspace_id
    async with sink() as receiver, corridor.delivering(receiver.port, housekeeping=False):
        accepted = await corridor.send("eve@there.test")
        await corridor.settled([accepted])
    about = RecipientReport("eve@there.test", "eve@there.test", "failed", "5.1.1", "550 no such user", "mx.there.test")
    mail = dsn.write(Report("mx.there.test", "", (about,)), "md@there.test", "b@here.test", later(process), bytes(16))
    await reports.apply_report(process, workspace_id, accepted.recipients[0].recipient_id, explain(mail))
    by_hand = await corridor.send("hand@there.test")
    await operate.apply(process, workspace_id, BOUNCE, Selection(message_id=by_hand.message_id), "user:ann", "wrong")
    await read(corridor)
    assert [(each.address, each.type) for each in await listed(corridor)] == [("eve@there.test", BounceType.HARD)]


async def test_mail_given_up_for_time_is_soft_and_what_was_never_tried_is_no_bounce(corridor: Corridor) -> None:
    async with (
        sink({"RCPT": b"452 4.2.2 mailbox full\r\n"}) as receiver,
        corridor.delivering(receiver.port, retry_first_s=60),
    ):
        tried = await corridor.send("full@there.test")
        await corridor.expire_once_tried(tried)
        assert {row.state for row in await corridor.settled([tried])} == {State.EXPIRED}
    await read(corridor)
    (found,) = await listed(corridor)
    assert (found.address, found.type, found.reason, found.code) == (
        "full@there.test", BounceType.SOFT, "mailbox_full", 452,
    )  # fmt: skip
    never = Ended(UUID(int=1), found.last_at, found.message_id, UUID(int=2), EventKind.EXPIRED, {})
    assert reading.bounce(never, {never.recipient_id: GivenUp("x@there.test", 0, "Expired.", None, "")}) is None


async def test_history_of_months_is_read_when_the_list_is_new(corridor: Corridor) -> None:
    workspace_id, now = corridor.submitter.workspace_id, corridor.process.clock.now()
    accepted = await corridor.send("old@there.test")
    early = Ids(Ahead(corridor.process.clock, -20 * DAY))
    old = Event(
        workspace_id, early.new(), now - 20 * DAY, accepted.message_id, accepted.recipients[0].recipient_id,
        EventKind.BOUNCED, {"code": 550, "class": "hard", "class_reason": "no_such_mailbox"},
    )  # fmt: skip
    async with transaction(corridor.process.pool) as connection:
        await events.append(connection, [old])
    await read(corridor)
    assert [(each.address, each.last_at) for each in await listed(corridor)] == [("old@there.test", old.occurred_at)]


async def test_lists_are_narrowed_by_time_and_beginning_counted_and_paged(corridor: Corridor) -> None:
    workspace_id, noon = corridor.submitter.workspace_id, datetime(2026, 3, 10, 12, tzinfo=UTC)
    rows = [row(f"{name}@there.test", noon + day * DAY) for day, name in enumerate(["anna", "bo", "carl", "cecil"])]
    await put(corridor, rows)
    assert await names(corridor, Wanted()) == ["cecil", "carl", "bo", "anna"]
    assert await names(corridor, Wanted(since=noon + DAY)) == ["cecil", "carl", "bo"]
    assert await names(corridor, Wanted(until=noon + DAY)) == ["anna"]
    between = Wanted(since=noon + DAY, until=noon + 3 * DAY)
    assert await names(corridor, between) == ["carl", "bo"]
    assert await names(corridor, replace(between, outside=True)) == ["cecil", "anna"]
    assert await names(corridor, Wanted(beginning="C")) == ["cecil", "carl"]
    assert await names(corridor, Wanted(BounceType.SOFT)) == []
    async with corridor.process.pool.acquire() as connection:
        assert await bounced.count(connection, workspace_id, replace(between, outside=True)) == 2
        assert await bounced.count(connection, UUID(int=1), Wanted()) == 0
        page = await bounced.listing(connection, workspace_id, Wanted(), Place(rows[2].last_at, rows[2].address), 1)
        skipped = await bounced.listing(connection, workspace_id, Wanted(), None, 1, offset=3)
    assert [each.address for each in (*page, *skipped)] == ["bo@there.test", "anna@there.test"]


def row(address: str, at: datetime) -> Bounced:
    return Bounced(address, BounceType.HARD, at, at, 1, "no_such_mailbox", 550, "5.1.1", "550 no", UUID(int=5))


async def put(corridor: Corridor, rows: list[Bounced]) -> None:
    async with corridor.process.pool.acquire() as connection:
        await bounced.note(connection, corridor.submitter.workspace_id, rows)


async def names(corridor: Corridor, wanted: Wanted) -> list[str]:
    return [each.address.partition("@")[0] for each in await listed(corridor, wanted)]


FILL = """
    INSERT INTO bounced_addresses (workspace_id, address, blocked, type, first_at, last_at, bounces, reason, code, enhanced, said, message_id)
    SELECT $1, 'u' || n || '@there.test', false, CASE WHEN n % 1000 = 0 THEN 'soft' ELSE 'hard' END, now(), now() - n * interval '1 second',
           1, 'no_such_mailbox', 550, '5.1.1', 'no', gen_random_uuid() FROM generate_series(1, $2) n"""


async def test_a_hundred_thousand_addresses_are_listed_and_counted_at_once(corridor: Corridor, owner: Pool) -> None:
    workspace_id = corridor.submitter.workspace_id
    async with owner.acquire() as connection:
        await connection.execute(FILL, workspace_id, 100_000)
        await connection.execute("VACUUM ANALYZE bounced_addresses")
    now = corridor.process.clock.now()
    asked = [
        Wanted(), Wanted(BounceType.SOFT), Wanted(since=now - DAY, until=now - DAY / 2), Wanted(until=now - DAY, outside=False),
    ]  # fmt: skip
    async with corridor.process.pool.acquire() as connection:
        for wanted in asked:
            took = []
            for _ in range(5):
                began = time.perf_counter()
                await bounced.listing(connection, workspace_id, wanted, None, 100)
                took.append(time.perf_counter() - began)
            assert min(took) < 0.2, wanted
        began = time.perf_counter()
        assert await bounced.count(connection, workspace_id, Wanted(BounceType.SOFT)) == 100
        assert await bounced.count(connection, workspace_id, Wanted()) == 100_000
        assert time.perf_counter() - began < 0.5
