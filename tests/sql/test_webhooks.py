"""Webhooks through a real database and real sockets: told once and in order, again and again, and nobody else is slowed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from tests.certificates import issued, pem
from tests.hook_consumer import Consumer, Hook, consuming
from tests.hook_world import Hooks, open_hooks
from tests.lab_servers import name_server

from posthouse.accounts import alerts, audit, changes, workspaces
from posthouse.accounts.alerts import Level, Trouble
from posthouse.intake import suppressing
from posthouse.ledger import events, suppression
from posthouse.ledger.events import Event
from posthouse.ledger.suppression import EVERYTHING, Entry, New
from posthouse.model import limits
from posthouse.model.words import EventKind
from posthouse.runtime.clock import SystemClock
from posthouse.runtime.ids import Ids
from posthouse.runtime.postgres import transaction
from posthouse.runtime.process import Process
from posthouse.webhooks import deliveries, endpoints, news, replay, retention
from posthouse.webhooks.deliveries import Delivery
from posthouse.webhooks.endpoints import Endpoint, Made
from posthouse.webhooks.schedule import State

pytestmark = pytest.mark.anyio
MakeProcess = Callable[..., Process]


class MovedClock:
    """The clock of this machine, so much ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead.total_seconds()


@pytest.fixture
async def hooks(make_process: MakeProcess) -> AsyncIterator[Hooks]:
    async with open_hooks(make_process) as opened:
        yield opened


@pytest.fixture
async def consumer() -> AsyncIterator[Consumer]:
    async with consuming() as opened:
        yield opened


async def settled_try(hooks: Hooks, made: Made, consumer: Consumer) -> Delivery:
    """The oldest delivery, once the newest request is written down."""
    await consumer.until(1)
    event_id = UUID(consumer.hooks[0].id)
    asked = len([hook for hook in consumer.hooks if UUID(hook.id) == event_id])
    async with asyncio.timeout(30):
        while True:
            if len(await hooks.attempts(made, event_id)) == asked:
                break
            await asyncio.sleep(0.02)
    return (await hooks.deliveries(made))[0]


async def switched_off(hooks: Hooks, made: Made) -> Endpoint:
    async with asyncio.timeout(30):
        while True:
            found = await endpoints.find(hooks.process.pool, hooks.workspace_id, made.endpoint.endpoint_id)
            assert found is not None
            if not found.enabled:
                return found
            await asyncio.sleep(0.05)


async def test_every_event_is_told_soon_signed_and_in_the_form_of_standard_webhooks(
    hooks: Hooks, consumer: Consumer
) -> None:
    made = await hooks.add(consumer.url("/a?b=c"))
    (accepted,) = await hooks.send(tags=("receipt",), metadata={"order": "17"})
    said = {"code": 550, "enhanced": "5.1.1", "text": "no such user"}
    _, bounced = await hooks.happened(accepted, EventKind.DEFERRED, EventKind.BOUNCED, **said)
    async with hooks.serving():
        first, _, last = await consumer.until(3)
        await hooks.until(made, ["delivered"] * 3)
    assert all(hook.is_signed_with(made.secret) for hook in consumer.hooks)
    assert not first.is_signed_with("whsec_" + "A" * 44)
    assert [hook.type for hook in consumer.hooks] == ["message.accepted", "message.deferred", "message.bounced"]
    assert (last.id, last.path, last.headers["content-type"]) == (str(bounced), "/a?b=c", "application/json")
    assert abs(int(last.headers["webhook-timestamp"]) - last.at) < 2
    data = last.told["data"]
    assert data["message_id"] == str(accepted.message_id)
    assert (data["recipient"], data["from"]) == ("bob0@there.test", "ann@example.test")
    assert (data["code"], data["status"], data["reason"]) == (550, "5.1.1", "no such user")
    assert (data["tags"], data["metadata"]) == (["receipt"], {"order": "17"})


async def test_an_endpoint_hears_only_the_kinds_it_wants(hooks: Hooks, consumer: Consumer) -> None:
    made = await hooks.add(consumer.url(), EventKind.BOUNCED)
    (accepted,) = await hooks.send()
    await hooks.happened(accepted, EventKind.DEFERRED, EventKind.BOUNCED)
    async with hooks.serving():
        await hooks.until(made, ["delivered"])
    assert [hook.type for hook in consumer.hooks] == ["message.bounced"]


async def test_what_is_answered_with_500_is_sent_again_with_the_same_id_and_a_new_time(
    hooks: Hooks, consumer: Consumer
) -> None:
    consumer.says(500, 200)
    made, clock = await hooks.add(consumer.url()), MovedClock()
    await hooks.send()
    async with hooks.serving(clock=clock):
        await consumer.until(1)
        (waiting,) = await hooks.seen(made, lambda found: bool(found[0].reason))
        assert (waiting.status, waiting.reason) == (500, "It answered 500.")
        assert 3 < (waiting.due_at - SystemClock().now()).total_seconds() < 6
        clock.ahead = timedelta(seconds=10)
        one, two = await consumer.until(2)
        await hooks.until(made, ["delivered"])
    assert one.id == two.id
    assert two.is_signed_with(made.secret)
    assert int(two.headers["webhook-timestamp"]) > int(one.headers["webhook-timestamp"])
    tried = await hooks.attempts(made, UUID(one.id))
    assert [(each.number, each.status, each.answer) for each in tried] == [(1, 500, "ok"), (2, 200, "ok")]


async def test_after_a_day_it_is_given_up_and_an_endpoint_that_fails_for_days_is_switched_off(
    hooks: Hooks, consumer: Consumer
) -> None:
    consumer.says(503)
    made, clock = await hooks.add(consumer.url()), MovedClock()
    (accepted,) = await hooks.send()
    async with hooks.serving(clock=clock):
        while (row := await settled_try(hooks, made, consumer)).state is State.PENDING:
            clock.ahead += row.due_at - clock.now() + timedelta(seconds=1)
            await consumer.until(len(consumer.hooks) + 1)
        tries = len(consumer.hooks)
        assert timedelta(hours=23, minutes=59) <= clock.ahead < timedelta(hours=24, minutes=10)
        assert 10 <= tries <= 20
        clock.ahead += timedelta(days=3)
        hooks.process = replace(hooks.process, clock=clock, ids=Ids(clock))
        await hooks.happened(accepted, EventKind.DEFERRED)
        await consumer.until(tries + 1)
        endpoint = await switched_off(hooks, made)
    assert endpoint.disabled_reason == "Nothing it was sent went well for 3 days."
    entries = await audit.page(hooks.process.pool, hooks.workspace_id, None, 5)
    assert (entries[0].actor, entries[0].action) == ("posthouse", "webhook.disable")


async def test_410_switches_the_endpoint_off_and_ends_what_waits(hooks: Hooks, consumer: Consumer) -> None:
    consumer.says(410)
    made = await hooks.add(consumer.url())
    (accepted,) = await hooks.send()
    await hooks.happened(accepted, EventKind.DEFERRED)
    async with hooks.serving():
        endpoint = await switched_off(hooks, made)
        await hooks.seen(made, lambda found: len(found) == 2 and found[0].state == State.FAILED)
    assert endpoint.disabled_reason == "It answered 410 Gone."
    async with hooks.serving():  # housekeeping comes round at once
        await hooks.until(made, ["failed", "failed"])
    assert len(consumer.hooks) == 1


async def test_events_of_one_message_wait_for_each_other_and_other_messages_do_not(
    hooks: Hooks, consumer: Consumer
) -> None:
    made, clock = await hooks.add(consumer.url()), MovedClock()
    stuck, free = await hooks.send(2)
    for accepted in (stuck, free):
        await hooks.happened(accepted, EventKind.DEFERRED, EventKind.DELIVERED)
    failing = True

    async def act(hook: Hook) -> int:
        return 500 if failing and hook.message_id == str(stuck.message_id) else 200

    consumer.act = act
    async with hooks.serving(clock=clock):
        await hooks.seen(made, lambda found: [each.state for each in found].count(State.DELIVERED) == 3)
        of_stuck = [hook.type for hook in consumer.hooks if hook.message_id == str(stuck.message_id)]
        assert of_stuck == ["message.accepted"]
        failing = False
        clock.ahead = timedelta(seconds=10)
        await hooks.until(made, ["delivered"] * 6)
    for accepted in (stuck, free):
        told = [hook.type for hook in consumer.hooks if hook.message_id == str(accepted.message_id)]
        assert list(dict.fromkeys(told)) == ["message.accepted", "message.deferred", "message.delivered"]


async def test_what_comes_after_a_failed_event_of_its_message_is_put_off_with_it(
    hooks: Hooks, consumer: Consumer
) -> None:
    consumer.says(500)
    made, clock = await hooks.add(consumer.url()), MovedClock()
    (accepted,) = await hooks.send()
    async with hooks.serving(clock=clock):
        await settled_try(hooks, made, consumer)
        clock.ahead = timedelta(seconds=7)
        await consumer.until(2)
        waiting = await settled_try(hooks, made, consumer)
        await hooks.happened(accepted, EventKind.DELIVERED)
        _, behind = await hooks.until(made, ["pending"] * 2)
        assert behind.due_at == waiting.due_at
        consumer.says(200)
        clock.ahead = timedelta(minutes=2)
        await hooks.until(made, ["delivered"] * 2)
    assert [hook.type for hook in consumer.hooks][-2:] == ["message.accepted", "message.delivered"]


async def test_an_event_given_up_lets_the_next_of_its_message_go(hooks: Hooks, consumer: Consumer) -> None:
    made, clock = await hooks.add(consumer.url()), MovedClock()
    (accepted,) = await hooks.send()
    await hooks.happened(accepted, EventKind.DELIVERED)

    async def act(hook: Hook) -> int:
        return 500 if hook.type == "message.accepted" else 200

    consumer.act = act
    async with hooks.serving(clock=clock):
        while (row := await settled_try(hooks, made, consumer)).state is State.PENDING:
            clock.ahead += row.due_at - clock.now() + timedelta(seconds=1)
            await consumer.until(len(consumer.hooks) + 1)
        clock.ahead += timedelta(minutes=2)  # until it is probed again
        await hooks.until(made, ["failed", "delivered"])


async def test_a_slow_consumer_delays_neither_others_nor_more_than_its_own_places(
    hooks: Hooks, consumer: Consumer
) -> None:
    async with consuming() as slow:

        async def act(_: Hook) -> int:
            await asyncio.sleep(10)
            return 200

        slow.act = act
        await hooks.add(slow.url())
        quick = await hooks.add(consumer.url())
        async with hooks.serving():
            begun = time.monotonic()
            await hooks.send(40)
            await consumer.until(40, 8)
            assert time.monotonic() - begun < 8
            await hooks.until(quick, ["delivered"] * 40)
            assert slow.most_at_once == 10


async def test_what_is_down_is_only_probed_and_gets_everything_once_it_is_up(hooks: Hooks, consumer: Consumer) -> None:
    consumer.says(502)
    made, clock = await hooks.add(consumer.url()), MovedClock()
    await hooks.send(60)
    async with hooks.serving(clock=clock):
        await asyncio.sleep(2.5)
        assert 5 <= len(consumer.hooks) <= 20
        consumer.says(200)
        async with asyncio.timeout(20):
            while {each.state for each in await hooks.deliveries(made)} != {State.DELIVERED}:
                clock.ahead += timedelta(seconds=5)
                await asyncio.sleep(0.1)
    assert len(await hooks.deliveries(made)) == 60


async def test_two_secrets_sign_while_one_takes_over_from_the_other(hooks: Hooks, consumer: Consumer) -> None:
    made, clock = await hooks.add(consumer.url()), MovedClock()
    async with changes.making(hooks.process, hooks.workspace_id, "user:ann") as change:
        rotated = await endpoints.rotate(change, made.endpoint.endpoint_id)
    assert rotated is not None
    assert rotated.secret != made.secret
    async with hooks.serving(clock=clock):
        await hooks.send()
        (both,) = await consumer.until(1)
        clock.ahead = timedelta(hours=25)
        await hooks.send()
        _, new = await consumer.until(2)
    assert both.is_signed_with(made.secret)
    assert both.is_signed_with(rotated.secret)
    assert new.is_signed_with(rotated.secret)
    assert not new.is_signed_with(made.secret)


async def test_no_secret_is_in_the_database_in_the_clear(hooks: Hooks, consumer: Consumer) -> None:
    made = await hooks.add(consumer.url())
    async with changes.making(hooks.process, hooks.workspace_id, "user:ann") as change:
        rotated = await endpoints.rotate(change, made.endpoint.endpoint_id)
    assert rotated is not None
    async with hooks.process.pool.acquire() as connection:
        row = await connection.fetchrow("SELECT sealed_secret, sealed_previous FROM webhook_endpoints")
        log = await connection.fetchval("SELECT string_agg(detail::text || subject, ' ') FROM audit_log")
    assert row is not None
    for secret in (made.secret, rotated.secret):
        assert secret[6:].encode() not in row["sealed_secret"] + row["sealed_previous"]
        assert secret not in log


async def test_replay_sends_one_event_all_that_failed_or_all_since_a_time_once_more(
    hooks: Hooks, consumer: Consumer
) -> None:
    made = await hooks.add(consumer.url())
    (accepted,) = await hooks.send()
    async with hooks.serving():
        await hooks.until(made, ["delivered"])
    since = hooks.process.clock.now()
    await hooks.happened(accepted, EventKind.DEFERRED, EventKind.DELIVERED)
    consumer.says(410)
    async with hooks.serving():
        await switched_off(hooks, made)
    await retention.end_hopeless(hooks.process, [])
    await hooks.until(made, ["delivered", "failed", "failed"])
    async with hooks.serving():
        consumer.says(200)
        async with changes.making(hooks.process, hooks.workspace_id, "user:ann") as change:
            assert await endpoints.switch(change, made.endpoint.endpoint_id, on=True)
        for act, expected in (
            (lambda change: replay.one(change, made.endpoint, UUID(consumer.hooks[0].id)), 1),
            (lambda change: replay.all_failed(change, made.endpoint), 2),
            (lambda change: replay.all_since(change, made.endpoint, since), 2),
        ):
            before = len(consumer.hooks)
            async with changes.making(hooks.process, hooks.workspace_id, "user:ann") as change:
                done = await act(change)
            assert done is not None
            assert (done.events, done.next_since) == (expected, None)
            await consumer.until(before + expected)
            await hooks.seen(made, lambda found: State.PENDING not in {each.state for each in found})
        await hooks.until(made, ["delivered"] * 3)
    assert [hook.type for hook in consumer.hooks[-2:]] == ["message.deferred", "message.delivered"]


async def test_a_test_event_says_that_it_is_one(hooks: Hooks, consumer: Consumer) -> None:
    made = await hooks.add(consumer.url())
    async with hooks.serving():
        async with changes.making(hooks.process, hooks.workspace_id, "user:ann") as change:
            event_id = await replay.test(change, made.endpoint)
        (hook,) = await consumer.until(1)
    assert (hook.type, hook.id, hook.is_signed_with(made.secret)) == ("webhook.test", str(event_id), True)


async def test_one_workspace_never_hears_of_another(hooks: Hooks, consumer: Consumer) -> None:
    async with changes.making(hooks.process, hooks.process.ids.new(), "cli", operator=True) as change:
        other = await workspaces.create(change, "Other")
    own = await hooks.add(consumer.url("/own"))
    theirs = await hooks.add(consumer.url("/theirs"), workspace_id=other.workspace_id)
    async with hooks.serving():
        (accepted,) = await hooks.send()
        now, message_id = hooks.process.clock.now(), hooks.process.ids.new()
        event = Event(other.workspace_id, hooks.process.ids.new(), now, message_id, message_id, EventKind.ACCEPTED)
        async with transaction(hooks.process.pool) as connection:
            await events.append(connection, [event])
        await hooks.until(own, ["delivered"])
        await asyncio.sleep(1.0)
    assert [(hook.path, hook.message_id) for hook in consumer.hooks] == [("/own", str(accepted.message_id))]
    async with changes.making(hooks.process, other.workspace_id, "user:eve") as change:
        place = change.connection, other.workspace_id
        assert await endpoints.find(*place, own.endpoint.endpoint_id) is None
        assert await endpoints.rotate(change, own.endpoint.endpoint_id) is None
        assert not await endpoints.delete(change, own.endpoint.endpoint_id)
        assert not await endpoints.switch(change, own.endpoint.endpoint_id, on=False)
        assert not await deliveries.listing(*place, own.endpoint.endpoint_id, None, None, 10)
        assert await replay.one(change, theirs.endpoint, UUID(consumer.hooks[0].id)) is None


async def test_an_event_committed_late_is_told_all_the_same(hooks: Hooks, consumer: Consumer) -> None:
    made = await hooks.add(consumer.url())
    (accepted,) = await hooks.send()
    late = hooks.process.ids.new()
    async with hooks.serving():
        await asyncio.sleep(0.3)
        (after,) = await hooks.happened(accepted, EventKind.DEFERRED)
        await hooks.until(made, ["delivered"] * 2)
        recipient_id = accepted.recipients[0].recipient_id
        event = Event(
            hooks.workspace_id, late, hooks.process.clock.now(), accepted.message_id, recipient_id, EventKind.RETRIED
        )
        await asyncio.sleep(4)  # past what is read ahead
        await hooks.happened(accepted, EventKind.DELIVERED)
        async with transaction(hooks.process.pool) as connection:
            await events.append(connection, [event])
        await hooks.until(made, ["delivered"] * 4, 20)
    assert {hook.id for hook in consumer.hooks} >= {str(late), str(after)}
    assert len(consumer.hooks) == 4


async def test_over_tls_the_certificate_has_to_be_valid_for_the_name(make_process: MakeProcess, tmp_path: Path) -> None:
    root = issued(ca=True)
    good, other = issued("hooks.there.test", by=root), issued("other.there.test", by=root)
    async with (
        consuming(good.context(tmp_path)) as right,
        consuming(other.context(tmp_path)) as wrong,
        name_server({("hooks.there.test.", "A"): ["127.0.0.1"]}) as names,
        open_hooks(make_process, delivery={"resolvers": (names.address,)}) as hooks,
    ):
        well = await hooks.add(right.url("/hook", "hooks.there.test", "https"))
        ill = await hooks.add(wrong.url("/hook", "hooks.there.test", "https"))
        async with hooks.serving(ca_file=pem(tmp_path, root)):
            await hooks.send()
            await hooks.until(well, ["delivered"])
            (waiting,) = await hooks.seen(ill, lambda found: bool(found[0].reason))
        assert right.hooks[0].headers["host"] == f"hooks.there.test:{right.port}"
        assert not wrong.hooks
        assert "Hostname mismatch" in waiting.reason


async def test_every_row_goes_in_time_and_with_its_endpoint(hooks: Hooks, consumer: Consumer) -> None:
    made: Made = await hooks.add(consumer.url())
    kept = await hooks.add(consumer.url("/kept"))
    async with hooks.serving():
        await hooks.send(3)
        await hooks.until(made, ["delivered"] * 3)
        await hooks.until(kept, ["delivered"] * 3)
    async with changes.making(hooks.process, hooks.workspace_id, "user:ann") as change:
        assert await endpoints.delete(change, made.endpoint.endpoint_id)
    async with hooks.serving():
        await counted(hooks, "webhook_endpoints", 1)
        await counted(hooks, "webhook_attempts", 3)
    clock = MovedClock()
    clock.ahead = timedelta(days=8)
    async with hooks.serving(clock=clock):
        await counted(hooks, "webhook_deliveries", 0)
        await counted(hooks, "webhook_attempts", 0)


async def counted(hooks: Hooks, table: str, rows: int) -> None:
    """Once the table has so many rows."""
    for _ in range(500):
        if await hooks.process.pool.fetchval(f"SELECT count(*) FROM {table}") == rows:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{table} has not {rows} rows")


async def test_programs_hear_of_invalid_addresses_and_alerts_once_and_in_order(
    hooks: Hooks, consumer: Consumer
) -> None:
    made = await hooks.add(consumer.url(), *news.KINDS)
    process, workspace_id = hooks.process, hooks.workspace_id
    trouble = Trouble("breaker.bounces", "x.example", Level.CRITICAL, "Sending stopped.", "/queue")
    async with transaction(process.pool) as connection:
        new = [New("gone@there.test", Entry(EVERYTHING, "hard_bounce"), None, "no such user")]
        now = process.clock.now()
        await suppression.add_many(connection, workspace_id, new, "delivery", now)
        await alerts.report(connection, workspace_id, trouble, process.ids, "posthouse", now)
        await alerts.end(connection, workspace_id, trouble.kind, trouble.subject, "posthouse", process.clock.now())
    async with hooks.serving(), hooks.serving():  # two processes tell it once
        await consumer.until(3)
        await suppressing.clear(process, workspace_id, "user:ann", "gone@there.test", "", "they called")
        await consumer.until(4)
        await hooks.until(made, ["delivered"] * 4)
    types = [hook.type for hook in consumer.hooks]
    assert sorted(types) == ["address.cleared", "address.invalid", "alert.ended", "alert.raised"]
    assert types.index("address.invalid") < types.index("address.cleared")
    assert types.index("alert.raised") < types.index("alert.ended")
    by_type = {hook.type: hook.told["data"] for hook in consumer.hooks}
    assert (by_type["address.invalid"]["address"], by_type["address.invalid"]["note"]) == (
        "gone@there.test",
        "no such user",
    )
    assert by_type["alert.raised"]["sentence"] == "Sending stopped."
    assert by_type["alert.raised"]["alert_id"] == by_type["alert.ended"]["alert_id"]
    assert all(hook.is_signed_with(made.secret) for hook in consumer.hooks)


async def test_news_are_replayed_and_gone_with_the_last_endpoint(hooks: Hooks, consumer: Consumer) -> None:
    made = await hooks.add(consumer.url(), news.RAISED)
    process, workspace_id = hooks.process, hooks.workspace_id
    since = process.clock.now()
    trouble = Trouble("breaker.bounces", "x.example", Level.CRITICAL, "Sending stopped.", "/queue")
    async with transaction(process.pool) as connection:
        await alerts.report(connection, workspace_id, trouble, process.ids, "posthouse", process.clock.now())
    await hooks.send()
    async with hooks.serving():
        (first,) = await consumer.until(1)
        await hooks.until(made, ["delivered"])
        async with changes.making(process, workspace_id, "user:ann") as change:
            done = await replay.one(change, made.endpoint, UUID(first.id))
            assert done is not None
        await consumer.until(2)
        await hooks.until(made, ["delivered"])
        async with changes.making(process, workspace_id, "user:ann") as change:
            assert (await replay.all_since(change, made.endpoint, since)).events == 1
        await consumer.until(3)
        await hooks.until(made, ["delivered"])
    assert [hook.body for hook in consumer.hooks] == [first.body] * 3
    async with changes.making(process, workspace_id, "user:ann") as change:
        assert await endpoints.delete(change, made.endpoint.endpoint_id)
    await retention.drop_old(process, [])
    assert await process.pool.fetchval("SELECT count(*) FROM webhook_news") == 0


async def test_what_was_before_an_endpoint_is_no_news_to_it(hooks: Hooks, consumer: Consumer) -> None:
    process, workspace_id = hooks.process, hooks.workspace_id

    async def raised(subject: str) -> None:
        trouble = Trouble("breaker.bounces", subject, Level.WARNING, "Look.", "/queue")
        async with transaction(process.pool) as connection:
            await alerts.report(connection, workspace_id, trouble, process.ids, "posthouse", process.clock.now())

    await raised("before.example")
    await asyncio.sleep(0.002)  # an id tells milliseconds apart
    made = await hooks.add(consumer.url(), news.RAISED)
    await raised("after.example")
    async with hooks.serving():
        await hooks.until(made, ["delivered"])
    assert [hook.told["data"]["subject"] for hook in consumer.hooks] == ["after.example"]


async def test_an_endpoint_that_asks_for_time_gets_it(hooks: Hooks, consumer: Consumer) -> None:
    async def busy(_: Hook) -> bytes:
        return b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 40\r\nContent-Length: 0\r\n\r\n"

    consumer.act = busy
    made = await hooks.add(consumer.url(), EventKind.ACCEPTED)
    begun = hooks.process.clock.now()
    await hooks.send(30)
    async with hooks.serving():
        await hooks.seen(made, lambda found: any(each.reason for each in found))
        await asyncio.sleep(1.5)
    found = await hooks.deliveries(made)
    refused = [each for each in found if each.tries]
    assert all(each.due_at >= begun + timedelta(seconds=40) for each in refused)
    assert (
        1 <= len(consumer.hooks) == len(refused) <= limits.WEBHOOK_AT_ONCE
    )  # what was on its way; the others wait untried
