"""Pools with addresses, names, rates and schedules of their own, and a receiver that wants fewer connections."""

import asyncio
import contextlib
import re
import time
from collections.abc import Sequence
from datetime import time as time_of_day
from datetime import timedelta
from pathlib import Path
from statistics import quantiles

import pytest
from tests.corridor import CONTENT
from tests.e2e.receiving import Delivery, House, eventually, in_turn
from tests.e2e.recorder import Manners, recording
from tests.lab_servers import SILENCE, Sink, sink, until
from tests.lab_servers import Zone as Records
from tests.sql.test_accounts_domains import Zone

from posthouse.accounts import changes, domains
from posthouse.accounts.dns_records import Purpose
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.selectors import Selectors
from posthouse.delivery import worker
from posthouse.delivery.courier import Timeouts
from posthouse.intake import operate
from posthouse.model import limits
from posthouse.model.mail import Accepted
from posthouse.model.words import MailClass, Pool, State
from posthouse.runtime.process import Process

APART = {
    "transactional": {"sources": ("127.0.0.2 reset.here.test",), "retry_first_s": 0.2, "retry_factor": 1.0},
    "marketing": {"sources": ("127.0.0.3 news.here.test",), "retry_first_s": 60.0, "mails_per_second": 4.0},
}
POOLS = ("transactional", "marketing", "worker")


def peers(receiver: Sink) -> set[str]:
    return {writer.get_extra_info("peername")[0] for writer in receiver.writers}


def greetings(receiver: Sink) -> list[str]:
    return [command for command in receiver.commands if command.startswith("EHLO")]


async def test_each_pool_has_its_own_address_and_name(house: House) -> None:
    async with sink() as receiver:
        routes = {"*": f"127.0.0.1:{receiver.port}"}
        async with house.running(Delivery(routes, roles=POOLS, sections=APART)):
            await house.row(await house.corridor.send("bob@apart.test", pool=Pool.TRANSACTIONAL))
            assert (peers(receiver), greetings(receiver)) == ({"127.0.0.2"}, ["EHLO reset.here.test"])
            await house.row(await house.corridor.send("bob@apart.test", mail_class=MailClass.MARKETING))
            assert peers(receiver) == {"127.0.0.2", "127.0.0.3"}
            assert greetings(receiver) == ["EHLO reset.here.test", "EHLO news.here.test"]


async def test_each_pool_signs_with_its_own_keys(house: House) -> None:
    sections = APART | {"marketing": {"selectors": ("mk1", "mk1-ed")}}
    await _publish(house.yard.process(**sections), house, "shop.test")
    ann = {"sender": "ann@shop.test", "content": CONTENT.replace(b"example.test", b"shop.test")}
    async with sink() as receiver:
        delivery = Delivery({"*": f"127.0.0.1:{receiver.port}"}, roles=POOLS, sections=sections)
        async with house.running(delivery):
            await house.row(await house.corridor.send("bob@signed.test", **ann))
            await house.row(await house.corridor.send("bob@signed.test", mail_class=MailClass.MARKETING, **ann))
    resets, news = (set(re.findall(rb" d=shop\.test; s=([a-z0-9-]+);", mail.data)) for mail in receiver.mails)
    assert news == {b"mk1", b"mk1-ed"}
    assert len(resets) == 2
    assert not resets & news


async def _publish(process: Process, house: House, name: str) -> None:
    """A verified domain, with the keys that the settings ask for in its DNS."""
    workspace_id, zone = house.corridor.submitter.workspace_id, Zone()
    async with changes.making(process, workspace_id, "user:ann") as change:
        domain = await domains.add(change, name, Selectors.of(process.settings).all)
    assert isinstance(domain, SendingDomain)
    zone.publish(process, domain, Purpose.OWNERSHIP, Purpose.DKIM)
    assert await domains.verify(process, workspace_id, domain.domain_id, zone, "user:ann")


async def test_each_pool_has_its_own_retry_schedule(house: House) -> None:
    async with sink({"RCPT": b"451 4.7.1 later\r\n"}) as receiver:
        routes = {"*": f"127.0.0.1:{receiver.port}"}
        async with house.running(Delivery(routes, roles=POOLS, sections=APART)):
            urgent = await house.corridor.send("bob@later.test", pool=Pool.TRANSACTIONAL)
            patient = await house.corridor.send("bob@later.test", mail_class=MailClass.MARKETING)
            await house.tried(urgent, 3)
            row = await house.row(patient, lambda row: row.state is State.WAITING)
            (attempt,) = await house.tried(patient, 1)
    assert 50 < (row.not_before - attempt.ended_at).total_seconds() < 70


@pytest.mark.parametrize("zone", [{("rate.test.", "A"): ["127.0.0.1"]}, None], ids=["by DNS", "by a fixed route"])
async def test_each_pool_has_its_own_rate(house: House, zone: Records | None) -> None:
    async with contextlib.AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(recording())
        routes = {"*": f"127.0.0.1:{receiver.port}"} if zone is None else {}
        private = {"allow_private_mx": True}
        delivery = Delivery(routes, zone, receiver.port, roles=POOLS, settings=private, sections=APART)
        await stack.enter_async_context(house.running(delivery))
        began = time.time()
        slow = await house.send_many([f"m{n}@rate.test" for n in range(9)], mail_class=MailClass.MARKETING)
        fast = await house.send_many([f"t{n}@rate.test" for n in range(60)], pool=Pool.TRANSACTIONAL)
        await house.corridor.settled([*slow, *fast])
    news = [arrival.at for arrival in receiver.arrivals if arrival.sender == "127.0.0.3"]
    resets = [arrival.at for arrival in receiver.arrivals if arrival.sender == "127.0.0.2"]
    assert (len(news), len(resets)) == (9, 60)
    # Four may go at once, the others a quarter of a second apart; a busy machine is late, but never early.
    assert all(at - began >= (number - 3) / 4 * 0.99 for number, at in enumerate(news))
    assert resets[-1] - began < (60 - 4) / 4, "sooner than such a rate allows: the other pool has none"


async def _latencies(house: House, number: int) -> list[float]:
    found = []
    for n in range(number):
        began = time.monotonic()
        await house.row(await house.corridor.send(f"reset{n}@quick.test", pool=Pool.TRANSACTIONAL))
        found.append(time.monotonic() - began)
    return found


async def test_a_marketing_receiver_that_stalls_does_not_touch_transactional_mail(house: House) -> None:
    async with sink() as good, sink({"DOT": SILENCE}) as stalled:
        routes = {"quick.test": f"127.0.0.1:{good.port}", "stalled.test": f"127.0.0.1:{stalled.port}"}
        delivery = Delivery(routes, roles=POOLS, settings={"retry_first_s": 60.0})
        async with house.running(delivery):
            idle = await _latencies(house, 12)
            await house.send_many([f"n{n}@stalled.test" for n in range(200)], mail_class=MailClass.MARKETING)
            await until(lambda: stalled.open >= 4)
            busy = await _latencies(house, 12)
            _relent(stalled)
    assert _p95(busy) < 1.2 * _p95(idle) + 0.15, (idle, busy)


def _p95(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=20)[-1]


def _relent(stalled: Sink) -> None:
    """It takes mail again, and hangs up on what it left waiting."""
    stalled.reactions.pop("DOT")
    for writer in list(stalled.writers):
        writer.transport.abort()


async def test_receivers_that_stall_do_not_take_all_the_connections_of_their_own_pool(house: House) -> None:
    async with sink() as good, sink({"DOT": SILENCE}) as stalled:
        routes = {f"stalled{n}.test": f"localhost:{stalled.port}" for n in range(2)} | {
            "stalled2.test": f"127.0.0.1:{stalled.port}", "quick.test": f"127.0.0.1:{good.port}"
        }  # fmt: skip
        delivery = Delivery(routes, roles=POOLS, settings={"concurrency": 6}, timeouts=Timeouts())
        async with house.running(delivery):
            await house.send_many([f"n{n}@stalled{n % 3}.test" for n in range(90)], priority=1)
            await until(lambda: stalled.open >= 4)
            await asyncio.sleep(3.0)  # for as many connections as it would take
            accepted = await house.corridor.send("bob@quick.test", priority=9)
            try:
                await house.corridor.settled([accepted], patience_s=5.0)
            finally:
                _relent(stalled)


async def test_a_9_finds_a_place_in_a_process_that_holds_all_it_may_for_receivers_that_stall(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HELD_MAILS", 40)
    async with sink() as good, sink({"DOT": SILENCE}) as stalled:
        routes = {
            "stalled0.test": f"localhost:{stalled.port}", "stalled1.test": f"127.0.0.1:{stalled.port}",
            "quick.test": f"127.0.0.1:{good.port}",
        }  # fmt: skip
        async with house.running(Delivery(routes, roles=POOLS, timeouts=Timeouts())):
            await house.send_many([f"n{n}@stalled{n % 2}.test" for n in range(80)], priority=1)
            await eventually(lambda: _claimed(house, 40))
            accepted = await house.corridor.send("bob@quick.test", priority=9)
            try:
                await house.corridor.settled([accepted], patience_s=5.0)
            finally:
                _relent(stalled)


async def _claimed(house: House, least: int) -> bool:
    found: int = await house.yard.database.fetchval("SELECT count(*) FROM outbox WHERE state = 'claimed'")
    return found >= least


async def test_with_a_shared_pool_priority_alone_decides_across_the_classes(house: House) -> None:
    async with sink() as receiver:
        accepted: list[Accepted] = []
        for priority, change in ((1, {}), (9, {"mail_class": MailClass.MARKETING}), (5, {"pool": Pool.NOTIFICATION})):
            addresses = [f"p{priority}-{n}@shared.test" for n in range(3)]
            accepted += await house.send_many(addresses, priority=priority, **change)
        shared = {"shared_pool": True}
        await worker.gather(house.yard.process("worker", delivery=shared))
        routes = {"*": f"127.0.0.1:{receiver.port}"}
        async with house.running(Delivery(routes, roles=("transactional",), settings=shared)):
            await house.corridor.settled(accepted)
    arrived = [mail.recipients[0].split("<")[1].split("@")[0] for mail in receiver.mails]
    assert arrived == [f"p{priority}-{n}" for priority in (9, 5, 1) for n in range(3)]


def _warming_up(house: House, folder: Path) -> Path:
    """Rules by which 127.0.0.3 is new today and may send seven mails."""
    rules, today = folder / "shaping.toml", house.yard.clock.now().date().isoformat()
    rules.write_text(
        f'[warmup.plan.slow]\ndaily = [7, 1000]\n[warmup.sources."127.0.0.3"]\nsince = {today}\nplan = "slow"\n'
    )
    return rules


async def test_a_new_address_sends_no_more_on_its_first_day_than_its_plan_says_even_over_a_restart(
    house: House, tmp_path: Path
) -> None:
    rules = _warming_up(house, tmp_path)
    same = {"sources": ("127.0.0.3",)}
    async with recording() as receiver:
        routes = {"*": f"127.0.0.1:{receiver.port}"}
        delivery = Delivery(routes, roles=POOLS, settings={"shaping_file": rules, **same})
        await house.send_many([f"m{n}@new.test" for n in range(30)], mail_class=MailClass.MARKETING)
        async with house.running(delivery, keep=True):
            await until(lambda: len(receiver.arrivals) >= 7)
        async with house.running(delivery):
            urgent = await house.send_many([f"t{n}@new.test" for n in range(20)])
            await house.corridor.settled(urgent)
            note = await eventually(
                lambda: house.yard.database.fetchrow("SELECT * FROM sites WHERE rule LIKE 'warmup%'")
            )
    assert len(receiver.arrivals) == 7 + 20
    assert "127.0.0.3 may send 7" in note["sentence"]
    assert note["state"] == "limited"
    assert (note["until"] + timedelta(seconds=1)).time() < time_of_day(0, 1), "until midnight"


async def test_what_a_receiver_told_us_outlives_a_restart_until_somebody_lifts_it(house: House, tmp_path: Path) -> None:
    rules = tmp_path / "shaping.toml"
    rules.write_text('[[default.action]]\nname = "pause"\nmatch = ["[TSS04]"]\ndo = "suspend"\nfor = "2h"\n')
    async with sink({"MAIL": in_turn(b"421 4.7.0 [TSS04] later\r\n", b"250 2.1.0 ok\r\n")}) as receiver:
        routes, group = {"*": f"127.0.0.1:{receiver.port}"}, f"127.0.0.1:{receiver.port}"
        delivery = Delivery(routes, roles=POOLS, settings={"shaping_file": rules})
        async with house.running(delivery, keep=True):
            accepted = await house.corridor.send("bob@told.test", pool=Pool.TRANSACTIONAL)
            await house.tried(accepted, 1)
        async with house.running(delivery):
            note = await eventually(
                lambda: house.yard.database.fetchrow(
                    "SELECT * FROM sites WHERE site = $1 AND state = 'suspended'", group
                )
            )
            assert "[TSS04]" in note["sentence"]
            assert receiver.commands.count("QUIT") + receiver.open <= 1, "nobody has dialled again"
            ids = [house.corridor.submitter.workspace_id]
            assert await operate.lift(house.corridor.process, ids, group, "user:ann") == 1
            (row,) = await house.corridor.settled([accepted], patience_s=5.0)
    assert (row.state, row.attempts) == (State.DELIVERED, 2)


async def test_mail_that_a_new_address_has_to_send_again_is_counted_once(house: House, tmp_path: Path) -> None:
    again = in_turn(*[b"451 4.7.1 greylisted\r\n"] * 7, b"250 2.1.5 ok\r\n")
    async with sink({"RCPT": again}) as receiver:
        settings = {"shaping_file": _warming_up(house, tmp_path), "sources": ("127.0.0.3",)}
        delivery = Delivery({"*": f"127.0.0.1:{receiver.port}"}, roles=POOLS, settings=settings)
        await house.yard.database.execute("DELETE FROM warmup_grants")
        accepted = await house.send_many([f"m{n}@grey.test" for n in range(7)], mail_class=MailClass.MARKETING)
        async with house.running(delivery):
            rows = await house.corridor.settled(accepted, patience_s=5.0)
    assert {(row.state, row.attempts) for row in rows} == {(State.DELIVERED, 2)}


async def test_changed_rules_hold_for_mail_already_held(house: House, tmp_path: Path) -> None:
    rules = tmp_path / "shaping.toml"
    rules.write_text('[default]\nmail_rates = ["1/min"]\n')
    async with recording() as receiver:
        settings = {"shaping_file": rules, "allow_private_mx": True}
        zone: Records = {("slow.test.", "A"): ["127.0.0.1"]}
        accepted = await house.send_many([f"r{n}@slow.test" for n in range(10)])
        async with house.running(Delivery(zone=zone, smtp_port=receiver.port, settings=settings)):
            note = await eventually(
                lambda: house.yard.database.fetchrow(
                    "SELECT * FROM sites WHERE site = 'slow.test' AND state = 'limited'"
                )
            )
            assert len(receiver.arrivals) == 1
            rules.write_text("[default]\nmail_rates = []\n")
            rows = await house.corridor.settled(accepted)
    assert note["sentence"] == "At most 1/min may go there."
    assert {(row.state, row.attempts) for row in rows} == {(State.DELIVERED, 1)}


async def test_a_receiver_that_says_421_to_the_21st_connection_gets_fewer(house: House, tmp_path: Path) -> None:
    rules = tmp_path / "shaping.toml"
    rules.write_text("[route]\nconnections = 50\n")
    async with recording(manners=Manners(delay_s=0.1, connections=20)) as receiver:
        settings = {"shaping_file": rules, "retry_first_s": 0.5}
        accepted = await house.send_many([f"r{n}@crowded.test" for n in range(400)])
        began = time.monotonic()
        async with house.running(Delivery({"*": f"127.0.0.1:{receiver.port}"}, settings=settings)):
            await until(lambda: receiver.open[receiver.port] > 20)
            await eventually(lambda: _true(receiver.open[receiver.port] <= 20))
            seen = []
            while len(receiver.arrivals) < 400:
                seen.append(receiver.open[receiver.port])
                await asyncio.sleep(0.05)
                assert time.monotonic() - began < 30
            rows = await house.corridor.settled(accepted)
    assert {row.state for row in rows} == {State.DELIVERED}
    assert len(receiver.arrivals) == 400
    refused = sum(row.attempts - 1 for row in rows)
    print(f"most open {receiver.most_open}, then {max(seen)}; {refused} refused")
    assert sorted(seen)[len(seen) // 2] <= 20
    assert refused < 80


async def _true(found: bool) -> bool:
    return found
