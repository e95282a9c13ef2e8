"""Exports on a real PostgreSQL: every row once whoever dies, nothing of others, schedules without gaps, and parts posted."""

import asyncio
import csv
import gzip
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from tests.corridor import MakeProcess
from tests.hook_consumer import Hook, consuming
from tests.hook_world import Hooks, open_hooks

from posthouse.accounts import changes
from posthouse.exports import files, jobs, running, schedules
from posthouse.exports.jobs import Export, State, Wish
from posthouse.exports.schedule import Every, Rhythm
from posthouse.exports.schedules import Plan, Schedule
from posthouse.exports.sources import What
from posthouse.exports.writing import Format
from posthouse.model import limits
from posthouse.model.words import EventKind
from posthouse.runtime.clock import Clock
from posthouse.runtime.postgres import Pool
from posthouse.runtime.process import Process
from posthouse.runtime.settings import Settings
from posthouse.runtime.settings_source import to_environ

HOUR = timedelta(hours=1)
SOURCES = Path(__file__).parents[2] / "src"
FILL = """
    INSERT INTO suppressions (workspace_id, address, scope, reason, added_by, created_at)
    SELECT $1, 'p' || n || '@there.test', 'marketing', 'unsubscribe', 'test', now() FROM generate_series(1, $2) n"""


class Ahead:
    """A clock that is some time ahead of another."""

    def __init__(self, clock: Clock, by: timedelta) -> None:
        self._clock, self._by = clock, by

    def now(self) -> datetime:
        return self._clock.now() + self._by

    def monotonic(self) -> float:
        return self._clock.monotonic()


@pytest.fixture
async def hooks(make_process: MakeProcess) -> AsyncIterator[Hooks]:
    async with open_hooks(make_process) as opened:
        yield opened


def later(process: Process, by: timedelta = timedelta(minutes=1)) -> Process:
    return replace(process, clock=Ahead(process.clock, by))


async def submit(hooks: Hooks, what: What, form: Format = Format.CSV, **more: Any) -> Export:
    now = hooks.process.clock.now()
    wish = Wish(what, form, now - HOUR, now + timedelta(seconds=1), more.get("webhook_id"))
    async with changes.making(hooks.process, more.get("workspace_id", hooks.workspace_id), "user:ann") as change:
        made = await jobs.submit(change, wish)
    assert isinstance(made, Export), made
    return made


async def find(hooks: Hooks, export: Export) -> Export:
    found = await jobs.find(hooks.process.pool, hooks.workspace_id, export.export_id)
    assert found is not None
    return found


async def made(hooks: Hooks, what: What, form: Format = Format.CSV, **more: Any) -> tuple[Export, bytes]:
    export = await submit(hooks, what, form, **more)
    while await running.turn(later(hooks.process)):
        pass
    found = await find(hooks, export)
    return found, b"".join([p async for p in files.pieces(hooks.process, hooks.workspace_id, found, packed=False)])


async def until(hooks: Hooks, export: Export, holds: Callable[[Export], bool]) -> Export:
    """The export, once this holds of it."""
    for _ in range(1_500):
        if holds(found := await find(hooks, export)):
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(found)


def records(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode())))


async def test_messages_and_what_came_back_of_them_are_exported_with_their_words(hooks: Hooks) -> None:
    one, two = await hooks.send(2, tags=("spring",))
    await hooks.happened(one, EventKind.BOUNCED, **{"class": "hard", "code": 550, "text": "no such user"})
    await hooks.happened(two, EventKind.COMPLAINED)
    export, text = await made(hooks, What.MESSAGES)
    assert (export.state, export.expected, export.completed) == (State.COMPLETE, 2, 2)
    assert [(row["to"], row["message_id"], row["tags"]) for row in records(text)] == [
        ("bob0@there.test", str(one.message_id), "spring"),
        ("bob1@there.test", str(two.message_id), "spring"),
    ]
    _, text = await made(hooks, What.BOUNCES, Format.JSONL)
    (row,) = [json.loads(line) for line in text.splitlines()]
    assert (row["address"], row["class"], row["code"], row["said"]) == ("bob0@there.test", "hard", 550, "no such user")
    _, text = await made(hooks, What.COMPLAINTS)
    assert [row["address"] for row in records(text)] == ["bob1@there.test"]
    export, text = await made(hooks, What.UNSUBSCRIBES)
    assert (export.state, export.completed, text.count(b"\r\n")) == (State.COMPLETE, 0, 1)  # the columns all the same


async def test_what_may_still_change_is_waited_for(hooks: Hooks) -> None:
    export = await submit(hooks, What.MESSAGES)
    assert not await running.turn(hooks.process)
    assert (await find(hooks, export)).state is State.SUBMITTED


async def test_parts_in_turn_make_every_row_once_and_nothing_of_others(
    hooks: Hooks, owner: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXPORT_PART_ROWS", 100)
    monkeypatch.setattr(limits, "EXPORT_PARTS_PER_TURN", 3)
    await owner.execute(FILL, hooks.workspace_id, 1_000)
    await owner.execute(FILL, UUID(int=7), 50)
    export, text = await made(hooks, What.SUPPRESSIONS)
    assert len({row["address"] for row in records(text)}) == len(records(text)) == export.expected == 1_000
    packed = [p async for p in files.pieces(hooks.process, hooks.workspace_id, export, packed=True)]
    assert gzip.decompress(b"".join(packed)) == text
    assert len(packed) == 10
    assert await jobs.find(hooks.process.pool, UUID(int=7), export.export_id) is None
    assert await jobs.listing(hooks.process.pool, UUID(int=7), None, 10) == []


async def test_one_whose_lease_has_ended_writes_nothing_more(
    hooks: Hooks, owner: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXPORT_PART_ROWS", 10)
    monkeypatch.setattr(limits, "EXPORT_PARTS_PER_TURN", 1)
    await owner.execute(FILL, hooks.workspace_id, 25)
    export = await submit(hooks, What.SUPPRESSIONS)
    process = later(hooks.process)
    slow = await running._claim(process)
    assert slow is not None
    assert await running._count(process, slow)
    assert not await running.turn(process)  # it is the slow one's
    later_still = later(hooks.process, timedelta(minutes=5))
    while await running.turn(later_still):
        pass
    await running._write(process, slow)
    found = await find(hooks, export)
    text = b"".join([p async for p in files.pieces(hooks.process, hooks.workspace_id, found, packed=False)])
    assert (found.state, len(records(text)), found.parts) == (State.COMPLETE, 25, 3)


async def test_an_export_survives_the_death_of_its_worker(
    hooks: Hooks, owner: Pool, settings: Settings, database_dsn: str
) -> None:
    await owner.execute(FILL, hooks.workspace_id, 60_000)
    await owner.execute("ANALYZE suppressions")
    export = await submit(hooks, What.SUPPRESSIONS)
    await owner.execute("UPDATE exports SET until = now() - interval '1 minute'")
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "posthouse.cli.role", "worker", "1", "0"),
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SOURCES),
            **to_environ(settings.with_("postgres", dsn=database_dsn)),
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await until(hooks, export, lambda found: found.parts >= 3)
    finally:
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
    cut = await find(hooks, export)
    assert (cut.state, cut.is_there) == (State.RUNNING, False)
    while await running.turn(later(hooks.process, timedelta(minutes=5))):
        pass
    found = await find(hooks, export)
    text = b"".join([p async for p in files.pieces(hooks.process, hooks.workspace_id, found, packed=False)])
    assert (found.state, found.completed, found.expected) == (State.COMPLETE, 60_000, 60_000)
    assert len({row["address"] for row in records(text)}) == len(records(text)) == 60_000


async def test_one_that_breaks_off_again_and_again_is_given_up_and_old_ones_go(hooks: Hooks, owner: Pool) -> None:
    export = await submit(hooks, What.MESSAGES)
    await owner.execute("UPDATE exports SET tries = $1", limits.EXPORT_TRIES)
    await running.turn(later(hooks.process))
    found = await find(hooks, export)
    assert (found.state, found.is_there, bool(found.problem)) == (State.FAILED, False, True)
    await running.tidy(later(hooks.process, timedelta(days=8)))
    assert await jobs.listing(hooks.process.pool, hooks.workspace_id, None, 10) == []


async def test_only_so_many_are_under_way_at_a_time(hooks: Hooks) -> None:
    for _ in range(limits.EXPORTS_UNFINISHED):
        await submit(hooks, What.MESSAGES)
    now = hooks.process.clock.now()
    async with changes.making(hooks.process, hooks.workspace_id, "user:ann") as change:
        refused = await jobs.submit(change, Wish(What.MESSAGES, Format.CSV, now - HOUR, now))
    assert isinstance(refused, tuple)
    assert refused[0].code == "too_many"


async def test_a_schedule_exports_each_period_once(hooks: Hooks) -> None:
    plan = Plan(What.MESSAGES, Format.CSV, Rhythm(Every.DAY, 0, 6, "Europe/Copenhagen"))
    async with changes.making(hooks.process, hooks.workspace_id, "user:ann") as change:
        made = await schedules.add(change, plan)
    assert isinstance(made, Schedule)
    await schedules.start_due(hooks.process)
    assert await jobs.listing(hooks.process.pool, hooks.workspace_id, None, 10) == []
    for days in (1.1, 1.1, 4.1, 5.1):  # nobody worked for some days
        ahead = later(hooks.process, timedelta(days=days))
        await asyncio.gather(schedules.start_due(ahead), schedules.start_due(ahead))
    found = (await jobs.listing(hooks.process.pool, hooks.workspace_id, None, 10))[::-1]
    assert len(found) == 3
    assert [each.until for each in found[:-1]] == [each.since for each in found[1:]]
    assert found[0].since == made.covered_until
    (now,) = await schedules.listing(hooks.process.pool, hooks.workspace_id)
    assert now.covered_until == found[-1].until < now.next_at


async def test_parts_are_posted_signed_and_in_order_until_they_are_taken(
    make_process: MakeProcess, owner: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EXPORT_PART_ROWS", 10)
    async with consuming() as consumer, open_hooks(make_process) as hooks:
        consumer.says(503, 204)
        endpoint = await hooks.add(consumer.url("/exports"), EventKind.HEADER_IGNORED)
        await owner.execute(FILL, hooks.workspace_id, 25)
        export, text = await made(hooks, What.SUPPRESSIONS, webhook_id=endpoint.endpoint.endpoint_id)
        assert (export.state, export.is_there) == (State.UPLOADING, True)
        await owner.execute("UPDATE exports SET upload_at = now()")  # it was finished on a clock that is ahead
        async with hooks.serving(), asyncio.timeout(20):
            await consumer.until(1)
            failed = await until(hooks, export, lambda found: found.problem != "")
            assert failed.problem == "The last try to post it failed: It answered 503."
            await owner.execute("UPDATE exports SET upload_at = now()")
            complete = await until(hooks, export, lambda found: found.state is State.COMPLETE)
        assert complete.problem == ""
    refused, *hooked = consumer.hooks
    taken = [hook.told["data"] for hook in hooked]
    assert all(hook.is_signed_with(endpoint.secret) for hook in consumer.hooks)
    assert [(each["part"], each["parts"]) for each in taken] == [(1, 3), (2, 3), (3, 3)]
    assert "".join(each["content"] for each in taken).encode() == text
    assert refused.id == hooked[0].id


async def test_an_endpoint_that_does_not_answer_keeps_no_other_waiting(make_process: MakeProcess, owner: Pool) -> None:
    async with consuming() as consumer, open_hooks(make_process) as hooks:
        released = asyncio.Event()

        async def act(hook: Hook) -> int:
            if hook.path == "/slow":
                await released.wait()
            return 204

        consumer.act = act
        slow, quick = [await hooks.add(consumer.url(path), EventKind.HEADER_IGNORED) for path in ("/slow", "/quick")]
        for _ in range(3):
            await made(hooks, What.COMPLAINTS, webhook_id=slow.endpoint.endpoint_id)
        export, _ = await made(hooks, What.COMPLAINTS, webhook_id=quick.endpoint.endpoint_id)
        await owner.execute("UPDATE exports SET upload_at = now()")
        async with hooks.serving():
            try:
                await until(hooks, export, lambda found: found.state is State.COMPLETE)
            finally:
                released.set()
            assert {hook.path for hook in consumer.hooks} == {"/slow", "/quick"}


async def test_a_webhook_that_is_gone_or_inside_is_not_posted_to_and_the_file_stays(
    make_process: MakeProcess, owner: Pool
) -> None:
    async with consuming() as consumer, open_hooks(make_process) as hooks:
        endpoint = await hooks.add(consumer.url(), EventKind.HEADER_IGNORED)
        closed = replace(hooks, process=make_process("webhooks"))
        inside, _ = await made(hooks, What.COMPLAINTS, webhook_id=endpoint.endpoint.endpoint_id)
        gone, _ = await made(hooks, What.COMPLAINTS, webhook_id=UUID(int=5))
        await owner.execute("UPDATE exports SET upload_at = now()")
        async with closed.serving():
            await until(hooks, gone, lambda found: found.state is State.FAILED)
            await until(hooks, inside, lambda found: found.problem != "")
        assert "switched off or deleted" in (await find(hooks, gone)).problem
        assert (await find(hooks, gone)).is_there
    assert consumer.hooks == []
