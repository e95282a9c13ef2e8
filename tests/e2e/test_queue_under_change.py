"""What happens to queued mail when the world changes: greylisting, addresses that go, pools that change, several schedulers."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from tests.e2e.receiving import Delivery, House, MovableClock, eventually
from tests.e2e.recorder import Recorder, recording

from posthouse.intake import operate
from posthouse.intake.operate import Stop
from posthouse.model.words import Pool, State
from posthouse.outbox import operator
from posthouse.outbox.messages import RecipientRow
from posthouse.outbox.operator import Selection
from posthouse.outbox.suspensions import Suspension
from posthouse.runtime import postgres

CROWD = 100_000
APART = {"transactional": {"sources": ("127.0.0.2",)}, "marketing": {"sources": ("127.0.0.3",)}}


@dataclass
class Greylister:
    """A receiver that takes a mail only from whom it has seen so long ago: same address, same sender, same recipient."""

    clock: MovableClock
    wait: timedelta
    first: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    taken: list[tuple[str, str, str]] = field(default_factory=list)
    port: int = 0

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer, sender, recipient = writer.get_extra_info("peername")[0], "", ""
        writer.write(b"220 grey.test\r\n")
        while line := await reader.readline():
            verb, answer = line[:4].upper(), b"250 2.0.0 ok\r\n"
            if verb == b"MAIL":
                sender = line.decode().split("<")[1].split(">")[0]
            elif verb == b"RCPT":
                recipient = line.decode().split("<")[1].split(">")[0]
                seen = self.first.setdefault((peer, sender, recipient), self.clock.now())
                if self.clock.now() - seen < self.wait:
                    answer = b"450 4.2.0 Greylisted, come back later\r\n"
            elif verb == b"DATA":
                writer.write(b"354 go\r\n")
                while await reader.readline() != b".\r\n":
                    pass
                self.taken.append((peer, sender, recipient))
            elif verb == b"QUIT":
                break
            writer.write(answer)
        writer.close()


@contextlib.asynccontextmanager
async def greylisting(clock: MovableClock, minutes: int) -> AsyncIterator[Greylister]:
    receiver = Greylister(clock, timedelta(minutes=minutes))
    async with await asyncio.start_server(receiver.visit, "127.0.0.1", 0) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver


def _rests(row: RecipientRow, attempts: int) -> bool:
    """Whether a mail is delivered, or waits after so many attempts."""
    return row.state is State.DELIVERED or (row.state is State.WAITING and row.attempts >= attempts)


async def test_greylisting_of_1_5_and_15_minutes_is_outlasted_from_one_address(house: House) -> None:
    clock = house.yard.clock
    async with contextlib.AsyncExitStack() as stack:
        receivers = {m: await stack.enter_async_context(greylisting(clock, m)) for m in (1, 5, 15)}
        routes = {f"grey{m}.test": f"127.0.0.1:{each.port}" for m, each in receivers.items()}
        settings = {"retry_first_s": 120.0, "sources": ("127.0.0.2", "127.0.0.3", "127.0.0.4")}
        sent = [await house.corridor.send(f"bob@grey{minutes}.test") for minutes in receivers]
        began = clock.now()
        for attempts in range(1, 6):
            async with house.running(Delivery(routes, settings=settings), keep=attempts < 5):
                due = [await house.row(each, lambda row, n=attempts: _rests(row, n)) for each in sent]
            waiting = [row.not_before for row in due if row.state is State.WAITING]
            if not waiting:
                break
            clock.move_to(max(waiting))
        rows = [await house.row(each) for each in sent]
    assert [row.attempts for row in rows[:2]] == [2, 3]
    assert rows[2].attempts in {4, 5}  # 14 minutes after the first, give or take one
    assert all(len(each.first) == 1 for each in receivers.values()), "the same triplet every time"
    took = [(row.settled_at - began).total_seconds() / 60 for row in rows if row.settled_at]
    assert took[0] < 3
    assert took[1] < 8
    assert took[2] < 35


async def test_an_address_the_host_has_lost_leaves_rotation_and_no_mail_bounces_or_counts_it(house: House) -> None:
    async with recording() as receiver:
        settings = {"sources": ("192.0.2.77", "127.0.0.3")}
        accepted = await house.send_many([f"r{n}@lost.test" for n in range(40)])
        async with house.running(Delivery({"*": f"127.0.0.1:{receiver.port}"}, settings=settings)):
            rows = await house.corridor.settled(accepted)
    assert {(row.state, row.attempts) for row in rows} == {(State.DELIVERED, 1)}
    assert {arrival.sender for arrival in receiver.arrivals} == {"127.0.0.3"}


async def test_when_the_only_address_is_lost_mail_waits_and_says_why(house: House) -> None:
    async with recording() as receiver:
        routes = {"*": f"127.0.0.1:{receiver.port}"}
        accepted = await house.corridor.send("bob@lost-all.test")
        delivery = Delivery(routes, roles=("transactional",), settings={"sources": ("192.0.2.77",)})
        async with house.running(delivery, keep=True):
            found = await eventually(lambda: _notes(house))
            row = await house.row(accepted, lambda row: row.state is State.READY)
        assert (row.attempts, row.state) == (0, State.READY)
        assert "none of the addresses" in found[0]["sentence"]
        async with house.running(Delivery(routes, roles=("transactional",), settings={"sources": ("127.0.0.3",)})):
            assert (await house.row(accepted)).attempts == 1


async def _notes(house: House) -> list[dict[str, str]]:
    return [dict(row) for row in await house.yard.database.fetch("SELECT * FROM sites WHERE state = 'suspended'")]


async def test_two_of_each_scheduler_at_once_deliver_nothing_twice(house: House) -> None:
    async with contextlib.AsyncExitStack() as stack:
        receivers = [await stack.enter_async_context(recording()) for _ in range(6)]
        routes = {f"d{n}.test": f"127.0.0.1:{each.port}" for n, each in enumerate(receivers)}
        delivery = Delivery(routes, roles=("delivery", "worker") * 2)
        accepted = []
        async with house.running(delivery):
            for batch in range(5):
                accepted += await house.send_many([f"b{batch}-{n}@d{n % 6}.test" for n in range(60)])
            rows = await house.corridor.settled(accepted)
            workers = await house.yard.database.fetch(
                "SELECT DISTINCT worker_id FROM attempts WHERE message_id = ANY($1)",
                [each.message_id for each in accepted],
            )
    assert {(row.state, row.attempts) for row in rows} == {(State.DELIVERED, 1)}
    assert sum(each.arrived.total() for each in receivers) == 300
    assert len(workers) == 2


@pytest.fixture(scope="module")
async def crowd(house: House) -> AsyncIterator[str]:
    """A hundred thousand mails in the transactional pool, ready to go; their domain."""
    accepted = await house.corridor.send("first@crowd.test")
    owner = await postgres.open_pool(house.yard.owner_dsn, size=1, name="test")
    await owner.execute(
        "INSERT INTO outbox (workspace_id, recipient_id, message_id, address, domain, kind, pool, state, priority, not_before,"
        " expires_at) SELECT workspace_id, gen_random_uuid(), message_id, 'r' || n || '@crowd.test', domain, kind, pool, state,"
        " priority, not_before, expires_at FROM outbox, generate_series(2, $2) n WHERE message_id = $1",
        accepted.message_id,
        CROWD,
    )
    await owner.execute("ANALYZE outbox")
    yield "crowd.test"
    await owner.execute("DELETE FROM outbox WHERE domain = 'crowd.test'")
    owner.terminate()


async def _states(house: House, domain: str) -> dict[tuple[str, str], int]:
    rows = await house.yard.database.fetch(
        "SELECT pool, state, count(*) FROM outbox WHERE domain = $1 GROUP BY pool, state", domain
    )
    return {(row["pool"], row["state"]): row["count"] for row in rows}


async def _at_rest(receiver: Recorder) -> bool:
    """Whether nothing arrives for half a second."""
    before = receiver.arrived.total()
    await asyncio.sleep(0.5)
    return receiver.arrived.total() == before


async def test_a_pool_with_a_hundred_thousand_mails_stops_at_once_stays_so_over_a_restart_and_goes_on(
    house: House, crowd: str
) -> None:
    process, workspace_id = house.yard.process(), house.corridor.submitter.workspace_id
    async with recording() as receiver:
        delivery = Delivery({"*": f"127.0.0.1:{receiver.port}"}, roles=("transactional",))
        async with house.running(delivery, keep=True):
            await eventually(lambda: _more(receiver, 50))
            stopped = await operate.suspend(process, workspace_id, Stop(Pool.TRANSACTIONAL, reason="pause"), "user:ann")
            assert isinstance(stopped, Suspension)
            await eventually(lambda: _at_rest(receiver), 6.0)
        async with house.running(delivery, keep=True):
            assert await _at_rest(receiver)
            before = receiver.arrived.total()
            await operate.resume(process, workspace_id, [stopped.suspension_id], "user:ann")
            await eventually(lambda: _more(receiver, before + 50))
        states = await _states(house, crowd)
    assert sum(states.values()) == CROWD
    assert states["transactional", "delivered"] == receiver.arrived.total()
    assert states.keys() == {("transactional", "ready"), ("transactional", "delivered")}


async def _more(receiver: Recorder, than: int) -> bool:
    return receiver.arrived.total() > than


async def test_a_hundred_thousand_queued_mails_leave_by_the_pool_they_are_moved_to(house: House, crowd: str) -> None:
    process, workspace_id = house.yard.process(), house.corridor.submitter.workspace_id
    before = await _states(house, crowd)
    began = time.monotonic()
    action, selection = operator.move_to(Pool.MARKETING), Selection(domain=crowd)
    moved = await operate.apply(process, workspace_id, action, selection, "user:ann", "too many at once")
    print(f"moved in {time.monotonic() - began:.1f} s")
    after = await _states(house, crowd)
    assert moved == before["transactional", "ready"] == after["marketing", "ready"]
    assert ("transactional", "ready") not in after
    async with recording() as receiver:
        delivery = Delivery({"*": f"127.0.0.1:{receiver.port}"}, roles=("transactional", "marketing"), sections=APART)
        async with house.running(delivery, keep=True):
            await eventually(lambda: _more(receiver, 200))
    assert {arrival.sender for arrival in receiver.arrivals} == {"127.0.0.3"}
