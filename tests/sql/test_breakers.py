"""Circuit breakers on a real PostgreSQL: what is counted, what is paused for it, and how it is let go."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.corridor import Corridor, MakeProcess, open_corridor
from tests.lab_servers import sink
from tests.unit.ledger.test_providers import NAMES

from posthouse.accounts import alerts, audit
from posthouse.accounts.alerts import Level
from posthouse.delivery import worker
from posthouse.intake import bulk_senders, operate, reputation
from posthouse.intake.reputation import Reputation
from posthouse.ledger import counting, events, timeline
from posthouse.ledger import reputation as counts
from posthouse.ledger.breakers import Scope, Standing, Subject, Tally
from posthouse.ledger.events import Event
from posthouse.ledger.providers import PATTERNS, Provider, provider_of
from posthouse.model.mail import Accepted
from posthouse.model.words import EventKind, MailClass, Pool, State
from posthouse.outbox import situations, suspensions
from posthouse.outbox.suspensions import BREAKER, Suspension
from posthouse.outbox.waiting import explain
from posthouse.runtime.ids import Ids
from posthouse.runtime.postgres import transaction
from posthouse.runtime.process import Process
from posthouse.wire.lookups import Answer, Found

BY = "user:ann@acme.test"
HARD: dict[str, object] = {"class": "hard"}
NEWS = "news@shop.example"
_ORDER = ("sent", "delivered", "hard_bounces", "complaints")


class AheadClock:
    """The system's clock, moved on."""

    def __init__(self, process: Process, seconds: float) -> None:
        self._clock, self._by = process.clock, timedelta(seconds=seconds)

    def now(self) -> datetime:
        return self._clock.now() + self._by

    def monotonic(self) -> float:
        return self._clock.monotonic()


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        yield opened


def ahead(corridor: Corridor, seconds: float = 40, **settings: Any) -> Process:
    process = corridor.make_process("worker", **settings)
    clock = AheadClock(process, seconds)
    return replace(process, clock=clock, ids=Ids(clock))


async def send(corridor: Corridor, many: int, to: str = "there.test", **changes: Any) -> list[Accepted]:
    changes = {"sender": NEWS, "mail_class": MailClass.MARKETING} | changes
    submissions = [corridor.submission(f"r{n}@{to}", **changes) for n in range(many)]
    answers = await corridor.door.accept(corridor.submitter, submissions)
    assert isinstance(answers, list)
    assert all(isinstance(each, Accepted) for each in answers)
    return [each for each in answers if isinstance(each, Accepted)]


async def happen(
    corridor: Corridor,
    mails: Sequence[Accepted],
    kind: EventKind,
    data: dict[str, object] | None = None,
    by_s: float = 0,
) -> None:
    process = ahead(corridor, by_s)
    async with process.pool.acquire() as connection:
        await events.append(
            connection,
            [
                Event(
                    corridor.submitter.workspace_id, process.ids.new(), process.clock.now(), mail.message_id,
                    mail.recipients[0].recipient_id, kind, data or {},
                )
                for mail in mails
            ],
        )  # fmt: skip


async def mailing(
    corridor: Corridor, many: int, bounced: int, complaints: int = 0, by_s: float = 0, **changes: Any
) -> None:
    """Mails of which the first bounce and the last are complained about, `by_s` from now."""
    mails = await send(corridor, many, **changes)
    await happen(corridor, mails[:bounced], EventKind.BOUNCED, HARD, by_s)
    await happen(corridor, mails[bounced:], EventKind.DELIVERED, by_s=by_s)
    await happen(corridor, mails[many - complaints :], EventKind.COMPLAINED, by_s=by_s)


async def judge(corridor: Corridor, seconds: float = 40, **settings: Any) -> None:
    process, workspace_id = ahead(corridor, seconds, **settings), corridor.submitter.workspace_id
    async with transaction(process.pool) as connection:
        await counting.advance(connection, workspace_id, process.clock.now())
    await reputation.judge(process, workspace_id)


async def standing(corridor: Corridor, scope: Scope, name: str, seconds: float = 40) -> Reputation:
    process = ahead(corridor, seconds)
    async with process.pool.acquire() as connection:
        found = await reputation.read(
            connection, process.settings, corridor.submitter.workspace_id, process.clock.now()
        )
    (one,) = [each for each in found if each.subject == Subject(scope, name)]
    return one


async def paused(corridor: Corridor) -> list[Suspension]:
    async with corridor.process.pool.acquire() as connection:
        return await suspensions.in_force(connection, corridor.submitter.workspace_id, ahead(corridor).clock.now())


async def open_alerts(corridor: Corridor) -> list[tuple[str, str, Level]]:
    found = await alerts.in_force(corridor.process.pool, corridor.submitter.workspace_id)
    return sorted((each.trouble.kind, each.trouble.subject, each.trouble.level) for each in found)


async def told(corridor: Corridor, mail: Accepted) -> str:
    (row,) = await corridor.recipients(mail.message_id)
    now = ahead(corridor).clock.now()
    async with corridor.process.pool.acquire() as connection:
        found = await situations.read(connection, corridor.submitter.workspace_id, [row], now)
    return explain(row, now, found[row.recipient_id])


async def audited(corridor: Corridor, action: str) -> set[tuple[str, str]]:
    entries = await audit.page(corridor.process.pool, corridor.submitter.workspace_id, None, 50)
    return {(each.actor, each.subject) for each in entries if each.action == action}


async def until_held(corridor: Corridor, mails: Sequence[Accepted]) -> None:
    async with asyncio.timeout(30):
        while True:
            rows = [row for mail in mails for row in await corridor.recipients(mail.message_id)]
            if all(row.state is State.HELD for row in rows):
                return
            await asyncio.sleep(0.02)


async def sums(corridor: Corridor) -> dict[tuple[str, str, str], tuple[int, ...]]:
    async with corridor.process.pool.acquire() as connection:
        found = await counts.tallies(
            connection, corridor.submitter.workspace_id, corridor.process.clock.now() - timedelta(days=1)
        )
    return {
        (each.pool, each.sender_domain, each.provider): tuple(getattr(each.tally, name) for name in _ORDER)
        for each in found
    }


async def test_real_deliveries_and_bounces_are_counted_each_once(corridor: Corridor) -> None:
    replies = [b"550 5.1.1 no such user\r\n"] * 2 + [b"550 5.7.1 we do not like you\r\n"]
    reactions = {"RCPT": lambda n: replies[n] if n < 3 else b"250 ok\r\n"}
    async with sink(reactions) as receiver, corridor.delivering(receiver.port):
        await corridor.settled([*await send(corridor, 10), *await send(corridor, 3, sender="r@other.example")])
        await corridor.settled(await send(corridor, 1, "gmail.com", mail_class=MailClass.TRANSACTIONAL))
    for _ in range(2):
        await judge(corridor)
    found = await sums(corridor)
    assert sum(each[0] for each in found.values()) == 14
    assert found["transactional", "shop.example", "gmail"] == (1, 1, 0, 0)
    marketing = [each for (pool, _, _), each in found.items() if pool == Pool.MARKETING]
    assert [sum(column) for column in zip(*marketing, strict=True)] == [13, 10, 2, 0]
    assert await paused(corridor) == []


async def test_what_counts_and_what_does_not(corridor: Corridor) -> None:
    mails = await send(corridor, 8)
    await happen(corridor, mails[:5], EventKind.DELIVERED)
    await happen(corridor, mails[:1], EventKind.LATE_BOUNCE, HARD)
    await happen(corridor, mails[1:2], EventKind.LATE_BOUNCE, {"class": "soft"})
    await happen(corridor, mails[2:4], EventKind.COMPLAINED)
    await happen(corridor, mails[5:6], EventKind.BOUNCED, {"by": BY})
    await happen(corridor, mails[6:7], EventKind.BOUNCED, {"class": "blocked"})
    await happen(corridor, mails[7:], EventKind.DEFERRED, HARD)
    await judge(corridor)
    assert await sums(corridor) == {("marketing", "shop.example", "other"): (6, 5, 1, 2)}


async def test_the_count_is_exact_when_the_worker_dies_in_between(corridor: Corridor) -> None:
    await mailing(corridor, 20, 4)
    process = ahead(corridor)

    async def die() -> None:
        async with transaction(process.pool) as connection:
            await counting.advance(connection, corridor.submitter.workspace_id, process.clock.now())
            raise InterruptedError

    for _ in range(3):
        with pytest.raises(InterruptedError):
            await die()
    assert await sums(corridor) == {}
    for _ in range(3):
        await judge(corridor)
    assert await sums(corridor) == {("marketing", "shop.example", "other"): (20, 16, 4, 0)}


async def test_too_many_bounces_pause_marketing_and_tell_why(corridor: Corridor) -> None:
    await mailing(corridor, 200, 11)
    (waits,) = await send(corridor, 1)
    await judge(corridor)
    assert {(each.pool, each.sender_domain, each.created_by) for each in await paused(corridor)} == {
        (Pool.MARKETING, None, BREAKER),
        (None, "shop.example", BREAKER),
    }
    assert await open_alerts(corridor) == [
        ("breaker.bounces", "marketing", Level.CRITICAL),
        ("breaker.bounces", "shop.example", Level.CRITICAL),
    ]
    assert await told(corridor, waits) == (
        "Bulk mail from shop.example is suspended by its circuit breaker until somebody resumes it:"
        " 11 of 200 mails bounced hard within 24 hours (5.5 %). The limit is 5 %."
    )
    assert await audited(corridor, "queue.suspend") == {("breaker", "marketing"), ("breaker", "from shop.example")}


async def test_one_mail_too_few_says_nothing(corridor: Corridor) -> None:
    await mailing(corridor, 199, 11)
    await judge(corridor)
    assert await paused(corridor) == []
    assert await open_alerts(corridor) == []
    assert (await standing(corridor, Scope.POOL, "marketing")).standing is Standing.FEW


async def test_a_warning_comes_goes_and_gets_worse(corridor: Corridor) -> None:
    await mailing(corridor, 200, 4)
    await judge(corridor)
    assert await open_alerts(corridor) == [
        ("breaker.bounces", "marketing", Level.WARNING),
        ("breaker.bounces", "shop.example", Level.WARNING),
    ]
    found = await standing(corridor, Scope.POOL, "marketing")
    assert (found.standing, found.tally, found.paused) == (Standing.WARNING, Tally(200, 196, 4, 0), None)
    assert found.since is not None
    await mailing(corridor, 100, 0, by_s=40)
    await judge(corridor, 80)
    assert await open_alerts(corridor) == []
    await mailing(corridor, 20, 12, by_s=80)
    await judge(corridor, 120)
    assert {level for _, _, level in await open_alerts(corridor)} == {Level.CRITICAL}
    assert len(await paused(corridor)) == 2


async def test_what_is_paused_goes_again_by_hand_and_old_figures_are_not_held_against_it(corridor: Corridor) -> None:
    await mailing(corridor, 200, 20)
    await judge(corridor)
    process, workspace_id = ahead(corridor, 41), corridor.submitter.workspace_id
    ids = [each.suspension_id for each in await paused(corridor)]
    assert len(await operate.resume(process, workspace_id, ids, BY)) == 2
    await judge(corridor, 45)
    assert await paused(corridor) == []
    assert await open_alerts(corridor) == []
    assert await audited(corridor, "queue.resume") == {(BY, "marketing"), (BY, "from shop.example")}
    later = 16 * 60  # what happens after the quarter in which it was resumed counts
    await mailing(corridor, 200, 11, by_s=later)
    found = await standing(corridor, Scope.POOL, "marketing", later)
    assert found.standing is Standing.FEW
    await judge(corridor, later + 40)
    (reason,) = {each.reason for each in await paused(corridor)}
    assert reason.startswith("11 of 200 mails bounced hard")


async def test_the_transactional_pool_goes_on_unless_the_settings_say_otherwise(corridor: Corridor) -> None:
    await mailing(corridor, 200, 20, mail_class=MailClass.TRANSACTIONAL)
    await judge(corridor)
    assert await paused(corridor) == []
    assert await open_alerts(corridor) == [("breaker.bounces", "transactional", Level.CRITICAL)]
    await judge(corridor, breakers={"pause_transactional": True})
    assert [each.pool for each in await paused(corridor)] == [Pool.TRANSACTIONAL]


async def test_a_pool_has_marks_of_its_own(corridor: Corridor) -> None:
    await mailing(corridor, 200, 11, complaints=1)
    own = {"bounce_pause_percent": 6.0, "complaint_pause_percent": 1.0}
    await judge(corridor, marketing=own, breakers=own)
    assert await paused(corridor) == []
    await judge(corridor, breakers=own, marketing={"bounce_pause_percent": 5.5, "complaint_pause_percent": 1.0})
    assert [each.pool for each in await paused(corridor)] == [Pool.MARKETING]


async def test_one_reader_who_says_it_again_and_again_counts_once(corridor: Corridor) -> None:
    mails = await send(corridor, 300)
    await happen(corridor, mails, EventKind.DELIVERED)
    for again in range(10):
        await happen(corridor, mails[:1], EventKind.COMPLAINED, by_s=again)
        await happen(corridor, mails[1:2], EventKind.LATE_BOUNCE, HARD, by_s=again)
    await judge(corridor, 60)
    tally = (await standing(corridor, Scope.POOL, "marketing", 60)).tally
    assert tally == Tally(sent=300, delivered=300, hard_bounces=1, complaints=1)


@pytest.mark.parametrize(
    ("to", "complaints", "alarmed", "stops"),
    [
        ("gmail.com", 0, False, False),
        ("gmail.com", 1, True, False),  # 0.08 %
        ("gmail.com", 3, True, True),  # 0.25 % of 1,200
        ("yahoo.co.uk", 1, False, False),
        ("yahoo.co.uk", 3, True, False),
        ("yahoo.co.uk", 4, True, True),  # 0.33 %
        ("hotmail.com", 4, False, False),
    ],
)
async def test_each_provider_has_its_own_patience_with_complaints_about_marketing(
    corridor: Corridor, to: str, complaints: int, alarmed: bool, stops: bool
) -> None:
    mails = await send(corridor, 600, to)
    for _ in range(2):
        await happen(corridor, mails, EventKind.DELIVERED)
    await happen(corridor, mails[:complaints], EventKind.COMPLAINED)
    provider = provider_of(to)
    high = {"complaint_warn_percent": 50.0, "complaint_pause_percent": 50.0}
    await judge(corridor, breakers=high)
    assert [subject for kind, subject, _ in await open_alerts(corridor)] == ([provider] if alarmed else [])
    assert [each.pool for each in await paused(corridor)] == ([Pool.MARKETING] if stops else [])


async def test_a_domains_pause_stops_its_bulk_mail_and_nothing_else_and_lets_all_of_it_go_again(
    corridor: Corridor,
) -> None:
    process, workspace_id = corridor.process, corridor.submitter.workspace_id
    async with sink() as receiver:
        stop = Suspension(
            workspace_id, process.ids.new(), None, None, drain=False, reason="Too many bounced.", created_by=BREAKER,
            created_at=process.clock.now(), until=None, sender_domain="shop.example",
        )  # fmt: skip
        async with transaction(process.pool) as connection:
            await suspensions.begin(connection, stop)
        stopped = await send(corridor, 30)
        noted = await send(corridor, 2, mail_class=MailClass.TRANSACTIONAL, pool=Pool.NOTIFICATION)
        free = await send(corridor, 30, sender="Ann@Other.Example")
        reset = await send(corridor, 1, mail_class=MailClass.TRANSACTIONAL)
        assert "is suspended by its circuit breaker" in await told(corridor, stopped[0])
        async with corridor.delivering(receiver.port):
            await corridor.settled([*free, *reset])
            await until_held(corridor, [*stopped, *noted])
            assert len(receiver.mails) == 31
            rows = [row for mail in stopped for row in await corridor.recipients(mail.message_id)]
            assert {(row.state, row.attempts, row.reason) for row in rows} == {(State.HELD, 0, stop.reason)}
            assert (await told(corridor, stopped[0])).startswith(
                "Bulk mail from shop.example is suspended by its circuit breaker"
                " until somebody resumes it: Too many bounced. It waits at most until"
            )
            by_hand = stopped[0].recipients[0].recipient_id
            await process.pool.execute("UPDATE outbox SET reason = 'Mine.' WHERE recipient_id = $1", by_hand)
            await operate.resume(process, workspace_id, [stop.suspension_id], BY)
            await corridor.settled([*stopped[1:], *noted])
            assert len(receiver.mails) == 62
    (kept,) = await corridor.recipients(stopped[0].message_id)
    assert (kept.state, kept.reason) == (State.HELD, "Mine.")
    assert await process.pool.fetchval("SELECT count(*) FROM set_aside") == 0
    async with process.pool.acquire() as connection:
        happened = await timeline.events(connection, workspace_id, stopped[1].message_id)
    kinds = [each.kind for each in happened]
    assert kinds == [EventKind.ACCEPTED, EventKind.HELD, EventKind.RELEASED, EventKind.DELIVERED]


async def test_two_workspaces_do_not_mix(corridor: Corridor) -> None:
    await mailing(corridor, 120, 10)
    others = UUID(int=7)
    await corridor.process.pool.execute(
        "INSERT INTO reputation_counts SELECT $1, quarter, pool, sender_domain, provider, 5000, 4000, 1000, 9"
        " FROM (VALUES (date_bin('15 minutes', now(), 'epoch'), 'marketing', 'shop.example', 'gmail'))"
        " AS v (quarter, pool, sender_domain, provider)",
        others,
    )
    await judge(corridor)
    assert await paused(corridor) == []
    assert await open_alerts(corridor) == []
    assert (await standing(corridor, Scope.POOL, "marketing")).tally == Tally(120, 110, 10, 0)


async def test_two_workers_pause_the_same_once(corridor: Corridor) -> None:
    await mailing(corridor, 200, 20)
    process, workspace_id = ahead(corridor), corridor.submitter.workspace_id
    async with transaction(process.pool) as connection:
        await counting.advance(connection, workspace_id, process.clock.now())
    await asyncio.gather(*(reputation.judge(process, workspace_id) for _ in range(4)))
    assert await process.pool.fetchval("SELECT count(*) FROM suspensions") == 2


async def test_the_patterns_mean_the_same_to_the_database(corridor: Corridor) -> None:
    for domain, provider in NAMES:
        found = await corridor.process.pool.fetch(
            "SELECT p FROM unnest($1::text[], $2::text[]) AS known (p, pattern) WHERE $3 ~ pattern",
            list(PATTERNS), list(PATTERNS.values()), domain,
        )  # fmt: skip
        assert [row["p"] for row in found] == ([provider] if provider is not Provider.OTHER else [])


class Published:
    """TXT records; everything else is not there."""

    def __init__(self, **records: str) -> None:
        self._records = {name.replace("__", "."): text for name, text in records.items()}
        self.asked: list[str] = []

    async def txt(self, name: str) -> Answer:
        self.asked.append(name)
        text = self._records.get(name.removeprefix("_dmarc."))
        return Answer(Found.YES, (text,)) if text else Answer(Found.NO_NAME)

    async def a(self, name: str) -> Answer:
        raise AssertionError(name)

    aaaa = mx = ptr = a


async def sent(corridor: Corridor, sender_domain: str, provider: Provider, mails: int) -> None:
    await corridor.process.pool.execute(
        "INSERT INTO reputation_counts VALUES ($1, date_bin('15 minutes', now(), 'epoch'), 'notification', $2, $3, $4, $4, 0, 0)"
        " ON CONFLICT (workspace_id, quarter, pool, sender_domain, provider) DO UPDATE SET sent = EXCLUDED.sent",
        corridor.submitter.workspace_id, sender_domain, provider, mails,
    )  # fmt: skip


async def test_five_thousand_a_day_of_one_organization_make_a_bulk_sender_for_ever(corridor: Corridor) -> None:
    process, workspace_id = corridor.process, corridor.submitter.workspace_id
    dns = Published(**{"shop.example": "v=DMARC1; p=none"})
    await sent(corridor, "shop.example", Provider.GMAIL, 2_500)
    await sent(corridor, "news.shop.example", Provider.GMAIL, 2_499)
    await bulk_senders.watch(process, workspace_id, dns)
    assert dns.asked == []
    await sent(corridor, "other.example", Provider.GMAIL, 10)
    await bulk_senders.watch(process, workspace_id, dns)
    assert await open_alerts(corridor) == []
    await sent(corridor, "news.shop.example", Provider.GMAIL, 2_500)
    await sent(corridor, "shop.example", Provider.MICROSOFT, 5_000)
    await sent(corridor, "shop.example", Provider.YAHOO, 50_000)
    for _ in range(2):
        await bulk_senders.watch(process, workspace_id, dns)
    await process.pool.execute("DELETE FROM reputation_counts")
    async with process.pool.acquire() as connection:
        known = await counts.bulk_senders(connection, workspace_id)
    assert [(each.domain, each.provider, each.mails) for each in known] == [
        ("shop.example", Provider.GMAIL, 5_000),
        ("shop.example", Provider.MICROSOFT, 5_000),
    ]
    found = {each.trouble.subject: each.trouble for each in await alerts.in_force(process.pool, workspace_id)}
    assert set(found) == {"shop.example at Gmail", "shop.example at Microsoft"}
    for word in ("SPF", "DKIM", "DMARC", "TLS", "PTR", "one-click unsubscribe", "0.3 %"):
        assert word in found["shop.example at Gmail"].sentence
    assert "5.7.515" in found["shop.example at Microsoft"].sentence


async def test_old_counts_go(corridor: Corridor) -> None:
    await sent(corridor, "shop.example", Provider.OTHER, 1)
    await worker.tidy(corridor.process)
    assert len(await sums(corridor)) == 1
    await worker.tidy(ahead(corridor, 31 * 86_400))
    assert await sums(corridor) == {}
