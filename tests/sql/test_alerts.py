"""Alerts: one for one trouble, told again only when it became worse."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from tests.corridor import Corridor, MakeProcess, open_corridor

from posthouse.accounts import alerts, audit, bootstrap
from posthouse.accounts.alerts import Level, Trouble
from posthouse.accounts.directory import Directory
from posthouse.intake import alert_mail
from posthouse.intake.accept import Door
from posthouse.intake.scan import ScannerError
from posthouse.model.sentences import Sentence
from posthouse.model.words import Source
from posthouse.outbox import messages
from posthouse.outbox.messages import Filters, MessageRow
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
    clauses = (Sentence("{percent} % of {n} mails bounced.", {"percent": 2.4, "n": 1350}), "Quoted {as} it was.")
    again = Trouble.of("breaker.bounces", "example.com", Level.WARNING, clauses, "/queue")
    assert again.sentence == "2.4 % of 1,350 mails bounced. Quoted {as} it was."
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
            untold = await alerts.untold(connection, workspace_id)
            await alerts.told(connection, workspace_id, untold, process.clock.now())
        told.append([alert.trouble.level for alert in untold])
    assert told == [["warning"], [], ["critical"], []]


async def test_what_became_worse_while_it_was_told_is_still_to_be_told(process: Process, workspace_id: UUID) -> None:
    await report(process, workspace_id, WARNING)
    untold = await alerts.untold(process.pool, workspace_id)
    await report(process, workspace_id, CRITICAL)
    async with process.pool.acquire() as connection:
        await alerts.told(connection, workspace_id, untold, process.clock.now())
    assert [each.trouble for each in await alerts.untold(process.pool, workspace_id)] == [CRITICAL]


async def test_one_process_a_minute_has_the_turn_to_write_and_only_when_there_is_something_to_say(
    process: Process, workspace_id: UUID
) -> None:
    now = process.clock.now()
    async with process.pool.acquire() as connection:
        assert not await alerts.take_turn(connection, workspace_id, now)
        await report(process, workspace_id, WARNING)
        turns = [await alerts.take_turn(connection, workspace_id, now + timedelta(seconds=s)) for s in (0, 1, 59, 60)]
    assert turns == [True, False, False, True]


async def test_pages_begin_with_the_worst_and_count_the_others(process: Process, workspace_id: UUID) -> None:
    assert await alerts.worst(process.pool, workspace_id) is None
    for each in (CRITICAL, Trouble("domain.incomplete", "a.example", Level.WARNING, "SPF is gone.", "/domains")):
        await report(process, workspace_id, each)
    worst = await alerts.worst(process.pool, workspace_id)
    assert worst is not None
    assert (worst.trouble, worst.more) == (CRITICAL, 1)


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


class MovedClock:
    """The clock of this machine, so much ahead."""

    def __init__(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return datetime.now().astimezone() + self._ahead

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process, alert_mail=True) as opened:
        yield opened


async def written(corridor: Corridor, after_s: float = 0, door: Door | None = None) -> list[MessageRow]:
    """What administrators have been written to, after one round so much later."""
    process, workspace_id = corridor.process, corridor.submitter.workspace_id
    directory = Directory(process.pool, process.clock, process.vault)
    moved = replace(process, clock=MovedClock(after_s))
    await alert_mail.advance(moved, directory, door or corridor.door, workspace_id)
    async with process.pool.acquire() as connection:
        found = await messages.search(connection, workspace_id, Filters(source=Source.NOTICE), None, 10)
    return [each.message for each in found]


async def test_administrators_get_one_mail_a_minute_of_all_that_is_new(corridor: Corridor) -> None:
    process, workspace_id = corridor.process, corridor.submitter.workspace_id
    assert await written(corridor) == []
    await report(process, workspace_id, WARNING)
    (mail,) = await written(corridor)
    assert mail.subject == "Warning: 2.1 % of 300 mails bounced."
    assert mail.sender == "posthouse@lab.test"
    assert [each.address for each in await corridor.recipients(mail.message_id)] == ["admin@mail.test"]
    await report(process, workspace_id, CRITICAL)
    await report(process, workspace_id, replace(WARNING, subject="other.example"))
    assert len(await written(corridor, 30)) == 1
    newest, _ = await written(corridor, 90)
    assert newest.subject == "Critical: 5.2 % of 400 mails bounced. (and 1 more)"
    assert len(await written(corridor, 200)) == 2


async def test_what_could_not_be_promised_is_told_at_the_next_turn(corridor: Corridor) -> None:
    class Silent(Door):
        async def accept(self, *_: object, **__: object) -> list[object]:  # type: ignore[override]
            raise ScannerError

    await report(corridor.process, corridor.submitter.workspace_id, WARNING)
    silent = Silent(corridor.process, Directory(corridor.process.pool, corridor.process.clock, corridor.process.vault))
    assert await written(corridor, door=silent) == []
    await silent.close()
    assert len(await written(corridor, 61)) == 1


async def test_without_a_verified_domain_nobody_is_written_to(corridor: Corridor) -> None:
    process, workspace_id = corridor.process, corridor.submitter.workspace_id
    await process.pool.execute("UPDATE sending_domains SET verified_at = NULL")
    await report(process, workspace_id, WARNING)
    assert await written(corridor) == []
    assert await alerts.untold(process.pool, workspace_id) == []
