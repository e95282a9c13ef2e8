"""The circuit breaker of a mailing (EXP-15, NUM-11) on a real PostgreSQL: what it counts, what alone it stops, and how that goes again."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from tests.corridor import Corridor, MakeProcess, open_corridor
from tests.lab_servers import sink
from tests.sql.test_breakers import (
    BY,
    HARD,
    ahead,
    audited,
    happen,
    judge,
    mailing,
    open_alerts,
    paused,
    send,
    standing,
    told,
    until_held,
)

from posthouse.accounts import changes, workspaces
from posthouse.accounts.alerts import Level
from posthouse.delivery import worker
from posthouse.intake import operate
from posthouse.intake.operate import Stop
from posthouse.ledger import reputation as counts
from posthouse.ledger.breakers import Scope, Standing, Tally
from posthouse.model.mail import Accepted
from posthouse.model.words import EventKind, MailClass, Pool, State
from posthouse.outbox.suspensions import BREAKER, Suspension

AUTUMN, WINTER = ("autumn",), ("winter", "autumn")
MAILING = Scope.MAILING
FIGURES = "18 of 300 mails bounced hard within 24 hours (6 %). The limit is 5 %."


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        yield opened


async def bad_autumn(corridor: Corridor) -> None:
    """A mailing of 300 with 6 % hard bounces, beside enough good mail that its pool and domain stay below their marks."""
    await mailing(corridor, 300, 18, tags=AUTUMN)
    await mailing(corridor, 400, 0, tags=WINTER)
    await judge(corridor)


async def tallies(corridor: Corridor) -> dict[str, Tally]:
    async with corridor.process.pool.acquire() as connection:
        since = corridor.process.clock.now() - timedelta(days=1)
        return await counts.mailings(connection, corridor.submitter.workspace_id, since, {})


async def states(corridor: Corridor, mails: Sequence[Accepted]) -> set[State]:
    return {row.state for mail in mails for row in await corridor.recipients(mail.message_id)}


async def stop_by_hand(corridor: Corridor, name: str, *, drain: bool = False) -> Suspension:
    stop = Stop(mailing=name, reason="The price in it is wrong", drain=drain)
    made = await operate.suspend(corridor.process, corridor.submitter.workspace_id, stop, BY)
    assert isinstance(made, Suspension), made
    return made


async def test_a_bad_mailing_is_paused_and_its_pool_its_domain_and_other_mailings_go_on(corridor: Corridor) -> None:
    await bad_autumn(corridor)
    (stop,) = await paused(corridor)
    assert (stop.mailing, stop.pool, stop.sender_domain, stop.created_by, stop.reason) == (
        "autumn", None, None, BREAKER, FIGURES,
    )  # fmt: skip
    assert ("breaker.bounces", "mailing autumn", Level.CRITICAL) in await open_alerts(corridor)
    assert {level for _, subject, level in await open_alerts(corridor) if subject != "mailing autumn"} == {
        Level.WARNING
    }
    assert await audited(corridor, "queue.suspend") == {("breaker", "mailing autumn")}
    assert (await standing(corridor, MAILING, "winter")).standing is Standing.GOOD
    new = await send(corridor, 40, tags=AUTUMN)
    by_type = await send(corridor, 2, mailing_type="autumn")
    others = [
        *await send(corridor, 40, tags=WINTER),
        *await send(corridor, 2, tags=AUTUMN, mail_class=MailClass.TRANSACTIONAL),
        *await send(corridor, 2, tags=AUTUMN, mail_class=MailClass.TRANSACTIONAL, pool=Pool.NOTIFICATION),
        *await send(corridor, 2),
    ]
    why = f"The mailing autumn is suspended by its circuit breaker until somebody resumes it: {FIGURES}"
    assert await told(corridor, new[0]) == why
    process, workspace_id = corridor.process, corridor.submitter.workspace_id
    async with sink() as receiver, corridor.delivering(receiver.port):
        await corridor.settled(others)
        await until_held(corridor, [*new, *by_type])
        assert (await told(corridor, new[0])).startswith(f"{why} It waits at most until")
        late = await send(corridor, 3, tags=AUTUMN)
        await until_held(corridor, late)
        assert await operate.resume(process, workspace_id, [stop.suspension_id], BY)
        await corridor.settled([*new, *by_type, *late])
    assert await states(corridor, [*new, *by_type, *late, *others]) == {State.DELIVERED}
    assert await audited(corridor, "queue.resume") == {(BY, "mailing autumn")}
    assert await process.pool.fetchval("SELECT count(*) FROM set_aside") == 0


async def test_resuming_begins_a_new_window(corridor: Corridor) -> None:
    await bad_autumn(corridor)
    ids = [each.suspension_id for each in await paused(corridor)]
    assert await operate.resume(ahead(corridor, 41), corridor.submitter.workspace_id, ids, BY)
    await judge(corridor, 45)
    assert await paused(corridor) == []
    assert [subject for _, subject, _ in await open_alerts(corridor) if subject.startswith("mailing")] == []
    assert (await standing(corridor, MAILING, "autumn", 45)).standing is Standing.FEW
    later = 16 * 60
    await mailing(corridor, 200, 10, by_s=later, tags=AUTUMN)
    await judge(corridor, later + 40)
    (again,) = await paused(corridor)
    assert (again.mailing, again.reason.partition(" mails")[0]) == ("autumn", "10 of 200")


@pytest.mark.parametrize(
    ("many", "bounced", "complaints", "level", "stops"),
    [
        (199, 30, 30, None, False),
        (200, 3, 0, None, False),
        (200, 4, 0, Level.WARNING, False),
        (200, 9, 0, Level.WARNING, False),
        (200, 10, 0, Level.CRITICAL, True),
        (1_001, 0, 1, None, False),
        (1_000, 0, 1, Level.WARNING, False),
        (1_000, 0, 2, Level.WARNING, False),
        (1_000, 0, 3, Level.CRITICAL, True),
    ],
)
async def test_the_marks_of_a_mailing(
    corridor: Corridor, many: int, bounced: int, complaints: int, level: Level | None, stops: bool
) -> None:
    await mailing(corridor, many, bounced, complaints, mailing_type="news")
    await judge(corridor)
    assert [found for _, subject, found in await open_alerts(corridor) if subject == "mailing news"] == (
        [level] if level else []
    )
    assert [each.mailing for each in await paused(corridor) if each.mailing] == (["news"] if stops else [])


async def test_what_counts_for_a_mailing_and_what_does_not(corridor: Corridor) -> None:
    mails = await send(corridor, 8, tags=AUTUMN)
    await happen(corridor, mails[:5], EventKind.DELIVERED)
    for again in range(3):
        await happen(corridor, mails[:1], EventKind.LATE_BOUNCE, HARD, by_s=again)
        await happen(corridor, mails[2:4], EventKind.COMPLAINED, by_s=again)
    await happen(corridor, mails[5:6], EventKind.BOUNCED, {"by": BY})
    await happen(corridor, mails[6:7], EventKind.BOUNCED, {"class": "blocked"})
    await happen(corridor, mails[7:], EventKind.DEFERRED, HARD)
    nameless = [
        *await send(corridor, 1),
        *await send(corridor, 1, tags=("bob@there.test", "autumn")),
        *await send(corridor, 1, tags=AUTUMN, mail_class=MailClass.TRANSACTIONAL),
    ]
    await happen(corridor, nameless, EventKind.DELIVERED)
    for _ in range(2):
        await judge(corridor, 60)
    assert await tallies(corridor) == {"autumn": Tally(6, 5, 1, 2)}
    await worker.tidy(ahead(corridor, 3 * 86_400))
    assert await corridor.process.pool.fetchval("SELECT count(*) FROM mailing_counts") == 0


async def test_a_name_for_every_mail_does_not_drown_a_mailing_nor_a_complaint(
    corridor: Corridor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "MAILINGS_COUNTED", 5)
    for n in range(30):
        await happen(corridor, await send(corridor, 1, tags=(f"order-{n:02}",)), EventKind.DELIVERED)
    complained = await send(corridor, 1, tags=("yesterday",))
    await happen(corridor, complained, EventKind.COMPLAINED)
    await judge(corridor)
    assert await corridor.process.pool.fetchval("SELECT count(*) FROM mailing_counts") == 5
    await mailing(corridor, 20, 2, by_s=40, tags=AUTUMN)
    await judge(corridor, 80)
    found = await tallies(corridor)
    assert len(found) == 5
    assert (found["autumn"], found["yesterday"]) == (Tally(20, 18, 2, 0), Tally(complaints=1))


async def test_the_same_name_in_another_workspace_goes_on(corridor: Corridor) -> None:
    process = corridor.process
    async with changes.making(process, process.ids.new(), "posthouse", operator=True) as change:
        other = await workspaces.create(change, "Other")
    elsewhere = replace(corridor, submitter=replace(corridor.submitter, workspace_id=other.workspace_id))
    await bad_autumn(corridor)
    assert await paused(elsewhere) == []
    assert await tallies(elsewhere) == {}
    ours, theirs = await send(corridor, 3, tags=AUTUMN), await send(elsewhere, 3, tags=AUTUMN)
    async with sink() as receiver, corridor.delivering(receiver.port):
        await elsewhere.settled(theirs)
        await until_held(corridor, ours)
    assert await states(elsewhere, theirs) == {State.DELIVERED}
    assert "mailing" not in await told(elsewhere, theirs[0])


async def test_a_mailing_is_stopped_by_hand_and_what_is_behind_it_in_line_goes(corridor: Corridor) -> None:
    old, stop = await send(corridor, 300, tags=AUTUMN), await stop_by_hand(corridor, "autumn")
    behind = await send(corridor, 5, tags=WINTER)
    assert await told(corridor, old[0]) == (
        f"The mailing autumn is suspended by {BY.removeprefix('user:')} until somebody resumes it: The price in it is wrong."
    )
    async with sink() as receiver, corridor.delivering(receiver.port):
        await corridor.settled(behind)
        await until_held(corridor, old)
        await operate.resume(corridor.process, corridor.submitter.workspace_id, [stop.suspension_id], BY)
        await corridor.settled(old)
    assert await audited(corridor, "queue.suspend") == {(BY, "mailing autumn")}


async def test_of_two_suspensions_of_a_mailing_the_later_one_counts(corridor: Corridor) -> None:
    await stop_by_hand(corridor, "autumn")
    other, again = await stop_by_hand(corridor, "winter"), await stop_by_hand(corridor, "autumn", drain=True)
    assert {each.suspension_id for each in await paused(corridor)} == {other.suspension_id, again.suspension_id}


async def test_a_suspension_names_a_mailing_and_nothing_else(corridor: Corridor) -> None:
    found: UUID = corridor.process.ids.new()
    with pytest.raises(Exception, match="suspensions_of_mailing"):
        await corridor.process.pool.execute(
            "INSERT INTO suspensions (workspace_id, suspension_id, pool, mailing, everything, drain, reason, created_by, created_at)"
            " VALUES ($1, $2, 'marketing', 'autumn', false, false, 'x', 'cli', now())",
            corridor.submitter.workspace_id, found,
        )  # fmt: skip
