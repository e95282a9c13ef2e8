"""The door's transaction on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from tests.corridor import Corridor, MakeProcess, open_corridor

from posthouse.intake.accept import Idempotency, KeyConflict, Replay
from posthouse.model.mail import Accepted, Receipt, Refused
from posthouse.model.words import MailClass, Scope, State
from posthouse.outbox import messages
from posthouse.outbox.messages import Filters


@pytest.fixture
async def corridor(make_process: MakeProcess) -> AsyncIterator[Corridor]:
    async with open_corridor(make_process) as opened:
        yield opened


def answer(receipts: Sequence[Receipt]) -> tuple[int, bytes]:
    return 202, ",".join(str(r.message_id) for r in receipts if isinstance(r, Accepted)).encode()


async def count(corridor: Corridor) -> int:
    async with corridor.process.pool.acquire() as connection:
        return len(await messages.search(connection, corridor.submitter.workspace_id, Filters(), None, 100))


async def test_many_requests_at_once_are_all_promised(corridor: Corridor) -> None:
    accepted = await asyncio.gather(*(corridor.send(f"r{n}@there.test") for n in range(60)))
    assert len({a.message_id for a in accepted}) == await count(corridor) == 60


async def test_the_same_key_and_request_is_one_mail_and_one_answer(corridor: Corridor) -> None:
    key = Idempotency("k1", b"same", answer)
    submission = corridor.submission("bob@there.test")
    first = await corridor.door.accept(corridor.submitter, [submission], key)
    again = await corridor.door.accept(corridor.submitter, [submission], key)
    assert isinstance(first, list)
    assert again == Replay(*answer(first))
    assert await count(corridor) == 1


async def test_the_same_key_brought_twice_in_one_commit_is_one_mail(corridor: Corridor) -> None:
    key = Idempotency("k1", b"same", answer)
    submission = corridor.submission("bob@there.test")
    answers = await asyncio.gather(*(corridor.door.accept(corridor.submitter, [submission], key) for _ in range(8)))
    assert sum(isinstance(a, list) for a in answers) == 1
    assert sum(isinstance(a, Replay) for a in answers) == 7
    assert await count(corridor) == 1


async def test_a_receipt_is_promised_while_the_commit_of_a_newsletter_takes_its_time(corridor: Corridor) -> None:
    letter = corridor.submission("reader@there.test", mail_class=MailClass.MARKETING)
    async with corridor.process.pool.acquire() as connection, connection.transaction():
        await connection.execute(  # as another process would that has not committed yet
            "INSERT INTO idempotency_keys VALUES ($1, 'slow', '', 202, '', now())", corridor.submitter.workspace_id
        )
        slow = asyncio.create_task(
            corridor.door.accept(corridor.submitter, [letter], Idempotency("slow", b"letter", answer))
        )
        await asyncio.sleep(0.2)
        async with asyncio.timeout(10):
            await corridor.send("bob@there.test")
        assert not slow.done()
    assert await slow == KeyConflict()


async def test_the_same_key_for_another_request_is_a_conflict(corridor: Corridor) -> None:
    await corridor.door.accept(corridor.submitter, [corridor.submission("a@b.test")], Idempotency("k", b"one", answer))
    other = await corridor.door.accept(
        corridor.submitter, [corridor.submission("a@b.test")], Idempotency("k", b"two", answer)
    )
    assert other == KeyConflict()


async def test_one_refused_message_of_a_list_does_not_lose_the_others(corridor: Corridor) -> None:
    submitter = replace(corridor.submitter, any_domain=False, domains=frozenset({"example.test"}))
    good, bad = corridor.submission("a@b.test"), corridor.submission("a@b.test", sender="me@elsewhere.test")
    receipts = await corridor.door.accept(corridor.submitter, [good], None)
    refused = await corridor.door.accept(submitter, [bad], None)
    assert isinstance(receipts, list)
    assert isinstance(refused, list)
    assert isinstance(receipts[0], Accepted)
    assert isinstance(refused[0], Refused)
    assert (refused[0].status, refused[0].problems[0].code) == (403, "sender_not_allowed")
    assert await count(corridor) == 1


async def test_what_the_database_cannot_hold_takes_no_other_mail_with_it(corridor: Corridor) -> None:
    poison = corridor.submission("bob@there.test", subject="nul \x00 in it")
    results = await asyncio.gather(
        *(corridor.send(f"r{n}@there.test") for n in range(5)),
        corridor.door.accept(corridor.submitter, [poison]),
        *(corridor.send(f"s{n}@there.test") for n in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(r, Accepted) for r in results) == 10
    assert await count(corridor) == 10


@pytest.mark.parametrize(
    ("submitter", "changes", "code"),
    [
        ({"scopes": frozenset({Scope.READ})}, {}, "scope_missing"),
        ({"priority_allowed": False}, {"priority": 9}, "priority_not_allowed"),
        ({"any_domain": False}, {}, "sender_not_allowed"),
    ],
)
async def test_a_credential_may_do_only_what_it_says(
    corridor: Corridor, submitter: dict[str, object], changes: dict[str, object], code: str
) -> None:
    limited = replace(corridor.submitter, **submitter)  # type: ignore[arg-type]
    (receipt,) = await corridor.door.accept(limited, [corridor.submission("a@b.test", **changes)])  # type: ignore[misc]
    assert isinstance(receipt, Refused)
    assert receipt.problems[0].code == code
    assert await count(corridor) == 0


async def test_a_dry_run_decides_the_same_and_keeps_nothing(corridor: Corridor) -> None:
    submission = corridor.submission("bob@there.test", mail_class=MailClass.TRANSACTIONAL, priority=7)
    (receipt,) = await corridor.door.dry_run(corridor.submitter, [submission])
    assert isinstance(receipt, Accepted)
    assert (receipt.choice.priority, receipt.recipients[0].state) == (7, State.READY)
    assert "TRANSACTIONAL" in receipt.choice.reason
    assert await count(corridor) == 0


@pytest.mark.parametrize(
    ("to", "sender", "taken"),
    [
        ("Ann@Home.test", "hello@mail.test", True),
        ("ann@home.test", "hello@elsewhere.test", False),  # only from our own host name
        ("bob@home.test", "hello@mail.test", False),  # only to herself
    ],
)
async def test_a_person_may_write_to_herself_before_any_domain_is_verified(
    corridor: Corridor, to: str, sender: str, taken: bool
) -> None:
    person = replace(corridor.submitter, any_domain=False, own_address="ann@home.test")
    (receipt,) = await corridor.door.dry_run(person, [corridor.submission(to, sender=sender)])
    assert isinstance(receipt, Accepted) is taken
