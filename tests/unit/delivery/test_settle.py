"""What one attempt means for the mail."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from posthouse.delivery.retry import RetrySchedule
from posthouse.delivery.settle import Tried, judge, unsent
from posthouse.model.outcome import Outcome, Reply, Stage
from posthouse.model.words import EventKind, MailClass, State
from posthouse.outbox.claims import Claimed, Message

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SCHEDULE = RetrySchedule(first_s=100, factor=2, cap_s=1000)
MESSAGE = Message(UUID(int=1), "ann@example.test", MailClass.TRANSACTIONAL, False, False, 0, b"")
MAIL = Claimed(UUID(int=2), UUID(int=3), "bob@there.test", "there.test", 4, 2, NOW + timedelta(days=3), "", MESSAGE)


def tried(outcome: Outcome, code: int, enhanced: str | None, text: str = "words") -> Tried:
    return Tried(outcome, Reply(code, enhanced, text), Stage.RCPT, NOW, NOW, remote="mx.there.test [192.0.2.1]")


@pytest.mark.parametrize(
    ("attempt", "state", "event", "hard"),
    [
        (tried(Outcome.DELIVERED, 250, "2.0.0"), State.DELIVERED, EventKind.DELIVERED, False),
        (tried(Outcome.TRANSIENT, 451, "4.7.1"), State.WAITING, EventKind.DEFERRED, False),
        (tried(Outcome.UNKNOWN, 0, None), State.WAITING, EventKind.UNKNOWN, False),
        (tried(Outcome.PERMANENT, 550, "5.1.1"), State.BOUNCED, EventKind.BOUNCED, True),
        (
            tried(Outcome.PERMANENT, 550, "5.7.1"),
            State.BOUNCED,
            EventKind.BOUNCED,
            False,
        ),  # the path's fault, not the person's
        (
            tried(Outcome.PERMANENT, 552, "5.2.2"),
            State.BOUNCED,
            EventKind.BOUNCED,
            False,
        ),  # over quota says nothing for good
        (tried(Outcome.PERMANENT, 556, "5.1.10"), State.BOUNCED, EventKind.BOUNCED, True),  # null MX, RFC 7505
    ],
)
def test_an_outcome_decides_state_event_and_blame(attempt: Tried, state: State, event: EventKind, hard: bool) -> None:
    judgement = judge(MAIL, attempt, SCHEDULE, jitter=0.5)
    assert (judgement.settlement.state, judgement.event, judgement.hard) == (state, event, hard)


def test_a_deferred_mail_names_who_said_what_and_when_it_is_tried_again() -> None:
    settlement = judge(MAIL, tried(Outcome.TRANSIENT, 451, "4.7.1", "greylisted"), SCHEDULE, jitter=0.5).settlement
    assert settlement.reason == "there.test (mx.there.test [192.0.2.1]) said 451 4.7.1 greylisted."
    assert settlement.not_before == NOW + timedelta(seconds=200)
    assert settlement.settled_at is None


def test_a_final_state_has_the_time_it_became_final() -> None:
    assert judge(MAIL, tried(Outcome.DELIVERED, 250, None), SCHEDULE, 0.5).settlement.settled_at == NOW


@pytest.mark.parametrize(
    ("state", "event"), [(State.SUPPRESSED, EventKind.SUPPRESSED), (State.EXPIRED, EventKind.EXPIRED)]
)
def test_mail_that_is_not_dialled_ends_with_its_reason(state: State, event: EventKind) -> None:
    judgement = unsent(MAIL, state, "why", NOW)
    assert (judgement.settlement.state, judgement.settlement.reason, judgement.event) == (state, "why", event)
