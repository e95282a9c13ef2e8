"""Alerts: one for one trouble, told again only when it became worse."""

from collections.abc import Callable
from uuid import UUID

import pytest

from posthouse.accounts import alerts, audit, bootstrap
from posthouse.accounts.alerts import Level, Trouble
from posthouse.runtime.process import Process

WARNING = Trouble("breaker.bounces", "example.com", Level.WARNING, "2.1 % of 300 mails bounced.", "/queue")
CRITICAL = Trouble("breaker.bounces", "example.com", Level.CRITICAL, "5.2 % of 400 mails bounced.", "/queue")


@pytest.fixture
async def process(make_process: Callable[..., Process]) -> Process:
    made: Process = make_process("worker")
    await bootstrap.ensure(made)
    return made


@pytest.fixture
async def workspace_id(process: Process) -> UUID:
    found: UUID = await process.pool.fetchval("SELECT workspace_id FROM workspaces")
    return found


async def report(process: Process, workspace_id: UUID, trouble: Trouble) -> bool:
    async with process.pool.acquire() as connection, connection.transaction():
        return await alerts.report(connection, workspace_id, trouble, process.ids, "posthouse", process.clock.now())


async def test_a_trouble_found_again_is_the_same_alert_with_the_newer_sentence(
    process: Process, workspace_id: UUID
) -> None:
    again = Trouble("breaker.bounces", "example.com", Level.WARNING, "2.4 % of 350 mails bounced.", "/queue")
    assert [await report(process, workspace_id, each) for each in (WARNING, again)] == [True, False]
    (alert,) = await alerts.in_force(process.pool, workspace_id)
    assert alert.trouble == again


async def test_it_is_news_when_it_becomes_worse_and_not_when_it_gets_better(
    process: Process, workspace_id: UUID
) -> None:
    news = [await report(process, workspace_id, each) for each in (WARNING, CRITICAL, WARNING, WARNING)]
    assert news == [True, True, False, False]


async def test_what_became_worse_is_told_once_more(process: Process, workspace_id: UUID) -> None:
    told = []
    for each in (WARNING, WARNING, CRITICAL, CRITICAL):
        await report(process, workspace_id, each)
        async with process.pool.acquire() as connection:
            taken = await alerts.take_untold(connection, workspace_id, process.clock.now())
        told.append([alert.trouble.level for alert in taken])
    assert told == [["warning"], [], ["critical"], []]


async def test_an_ended_trouble_that_comes_back_is_a_new_alert(process: Process, workspace_id: UUID) -> None:
    now = process.clock.now()
    await report(process, workspace_id, CRITICAL)
    async with process.pool.acquire() as connection:
        ended = [
            await alerts.end(connection, workspace_id, CRITICAL.kind, CRITICAL.subject, "me", now) for _ in range(2)
        ]
    assert ended == [True, False]
    assert await report(process, workspace_id, WARNING)
    latest = await alerts.latest(process.pool, workspace_id, 10)
    assert [(each.trouble.level, each.ended_by) for each in latest] == [(Level.WARNING, None), (Level.CRITICAL, "me")]
    entries = await audit.page(process.pool, workspace_id, None, 3)
    assert [entry.action for entry in entries] == ["alert.raise", "alert.end", "alert.raise"]


async def test_a_person_dismisses_one(process: Process, workspace_id: UUID) -> None:
    await report(process, workspace_id, WARNING)
    (alert,) = await alerts.in_force(process.pool, workspace_id)
    async with process.pool.acquire() as connection:
        assert await alerts.dismiss(
            connection, workspace_id, alert.alert_id, "user:ann@example.com", process.clock.now()
        )
        assert not await alerts.dismiss(
            connection, UUID(int=0), alert.alert_id, "user:eve@example.com", alert.raised_at
        )
    assert await alerts.in_force(process.pool, workspace_id) == []
