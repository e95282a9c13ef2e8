"""What a mail says of why it is where it is: every state, and everything that can hold it up."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from posthouse.model.sentences import english
from posthouse.model.words import Kind, Pool, State
from posthouse.outbox.messages import RecipientRow
from posthouse.outbox.sites import SiteNote, Standing
from posthouse.outbox.suspensions import Suspension
from posthouse.outbox.waiting import FREE, Situation, explain, scope

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOON = NOW + timedelta(minutes=2)


def row(state: State, **changes: Any) -> RecipientRow:
    values: dict[str, Any] = {
        "recipient_id": UUID(int=1), "message_id": UUID(int=2), "address": "bob@there.test", "domain": "there.test", "kind": Kind.TO,
        "pool": Pool.MARKETING, "state": state, "priority": 4, "not_before": SOON, "expires_at": NOW + timedelta(days=3), "attempts": 0,
        "claimed_at": None, "settled_at": None, "reason": "", "code": None, "enhanced": None, "remote": None,
    }  # fmt: skip
    return RecipientRow(**(values | changes))


def stopped(**changes: Any) -> Suspension:
    values: dict[str, Any] = {
        "workspace_id": UUID(int=3), "suspension_id": UUID(int=4), "pool": None, "domain": "there.test", "drain": False,
        "reason": "They are moving.", "created_by": "user:ann@acme.test", "created_at": NOW, "until": None,
    }  # fmt: skip
    return Suspension(**(values | changes))


def site(standing: Standing, sentence: str = "", **changes: Any) -> SiteNote:
    values: dict[str, Any] = {
        "site": "mx.there.test", "standing": standing, "rule": "google in shaping.toml", "sentence": sentence, "until": None,
        "connections": 5, "held": 20, "mails_per_s": 0.0,
    }  # fmt: skip
    return SiteNote(**(values | changes))


DUE = {"not_before": NOW - timedelta(seconds=1)}
READY = row(State.READY, **DUE)
LIMITED = site(Standing.LIMITED, "30/min is as much as the receiver takes.", until=SOON, mails_per_s=0.5)
SUSPENDED = site(Standing.SUSPENDED, "5 connections failed: 421 too busy.", rule="connect_failures", until=SOON)


@pytest.mark.parametrize(
    ("recipient", "sentence"),
    [
        (row(State.WAITING), "Scheduled: it leaves at 2026-11-21 12:02:00 UTC."),
        (
            row(State.WAITING, attempts=1, reason="mx said 451 4.7.1 greylisted."),
            "Waiting after attempt 1: mx said 451 4.7.1 greylisted. Next try 2026-11-21 12:02:00 UTC.",
        ),
        (
            row(State.WAITING, attempts=2, code=451, enhanced="4.7.1"),
            "Waiting after attempt 2: there.test answered 451 4.7.1. Next try 2026-11-21 12:02:00 UTC.",
        ),
        (row(State.WAITING, **DUE), "Due since 2026-11-21 11:59:59 UTC: it is being put in line."),
        (READY, "Next in line for there.test at priority 4."),
        (
            row(State.CLAIMED, claimed_at=NOW, attempts=2),
            "Being sent to there.test since 2026-11-21 12:00:00 UTC, attempt 2.",
        ),
        (
            row(State.HELD, reason="stopped by user:ann."),
            "Held: stopped by user:ann. It waits until it is released, at most until 2026-11-24 12:00:00 UTC.",
        ),
        (
            row(State.DELIVERED, remote="mx.there.test", code=250, enhanced="2.0.0"),
            "Delivered: mx.there.test accepted it with 250 2.0.0.",
        ),
        (row(State.BOUNCED, reason="Bounced: mx said 550."), "Bounced: mx said 550."),
        (row(State.EXPIRED), "It could not be delivered within its lifetime."),
        (row(State.CANCELLED), "Stopped by hand before it was sent."),
        (row(State.SUPPRESSED), "The address is not written to."),
    ],
)
def test_every_state_is_explained_in_one_sentence(recipient: RecipientRow, sentence: str) -> None:
    assert explain(recipient, NOW, FREE) == sentence


@pytest.mark.parametrize(
    ("situation", "sentence"),
    [
        (
            Situation(suspension=stopped(), served=False, before=9),
            "Mail for there.test is suspended by ann@acme.test until somebody resumes it: They are moving.",
        ),
        (
            Situation(suspension=stopped(until=SOON, pool=Pool.MARKETING)),
            "Mail of the pool marketing for there.test is suspended by ann@acme.test until 2026-11-21 12:02:00 UTC: They are moving.",
        ),
        (
            Situation(suspension=stopped(drain=True, reason="draining.", until=SOON, domain=None, pool=Pool.MARKETING)),
            "Mail of the pool marketing is being drained by ann@acme.test until 2026-11-21 12:02:00 UTC: draining.",
        ),
        (
            Situation(served=False, before=9),
            "Ready, but no process of the pool marketing is running to send it: `posthouse run marketing` starts one.",
        ),
        (Situation(resolved=False), "In line for there.test, whose mail servers are being looked up."),
        (
            Situation(resolved=False, before=2),
            "In line for there.test, whose mail servers are being looked up. Mails of this workspace before it: 2.",
        ),
        (
            Situation(site=SUSPENDED),
            "5 connections failed: 421 too busy. The rule is connect_failures. That ends at 2026-11-21 12:02:00 UTC.",
        ),
        (
            Situation(site=LIMITED, before=90),
            ("30/min is as much as the receiver takes. The rule is google in shaping.toml. That ends at 2026-11-21 12:02:00 UTC."
            " Mails of this workspace before it: 90, at the present pace at least 3 minutes."),
        ),
        (
            Situation(site=site(Standing.BUSY, rule="connections of default", mails_per_s=100.0), before=10_000, more=True),
            ("All 5 connections that may be open to mx.there.test are at work. The rule is connections of default."
            " Mails of this workspace before it: more than 10,000, at the present pace at least 100 seconds."),
        ),
        (Situation(site=site(Standing.FLOWING)), "Next in line for there.test at priority 4."),
        (
            Situation(site=site(Standing.FLOWING, mails_per_s=200.0), before=400),
            "In line for there.test at priority 4. Mails of this workspace before it: 400, at the present pace at least 2 seconds.",
        ),
    ],
)  # fmt: skip
def test_ready_mail_names_what_holds_it_up_and_until_when(situation: Situation, sentence: str) -> None:
    assert explain(READY, NOW, situation) == sentence


def test_waiting_mail_tells_of_a_suspension_only_when_that_outlasts_its_own_time() -> None:
    mail = row(State.WAITING, attempts=1, reason="mx is busy.")
    over_before = Situation(suspension=stopped(until=SOON - timedelta(seconds=1)))
    assert explain(mail, NOW, over_before).startswith("Waiting after attempt 1: mx is busy.")
    assert explain(mail, NOW, Situation(suspension=stopped())) == (
        "Mail for there.test is suspended by ann@acme.test until somebody resumes it: They are moving."
        " By itself it would be tried at 2026-11-21 12:02:00 UTC."
    )


def test_mail_that_is_due_says_so_when_nobody_puts_it_in_line() -> None:
    assert explain(row(State.WAITING, **DUE), NOW, Situation(promoted=False)) == (
        "Due since 2026-11-21 11:59:59 UTC, but no process of the role worker is running to put it in line:"
        " `posthouse run worker` starts one."
    )


def test_taken_mail_is_not_said_to_be_on_the_wire_while_its_site_is_held_up() -> None:
    assert explain(row(State.CLAIMED, claimed_at=NOW, attempts=2), NOW, Situation(site=SUSPENDED)) == (
        "Taken at 2026-11-21 12:00:00 UTC for attempt 2 at there.test. 5 connections failed: 421 too busy."
        " The rule is connect_failures. That ends at 2026-11-21 12:02:00 UTC."
    )


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({}, "Mail for there.test"),
        ({"pool": Pool.MARKETING}, "Mail of the pool marketing for there.test"),
        ({"pool": Pool.MARKETING, "domain": None}, "Mail of the pool marketing"),
        ({"domain": None}, "All mail of this workspace"),
    ],
)
def test_a_suspension_says_what_it_stops(changes: dict[str, Any], what: str) -> None:
    assert english(scope(stopped(**changes))) == what


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=5), "5 seconds"),
        (timedelta(seconds=119), "119 seconds"),
        (timedelta(minutes=30), "30 minutes"),
        (timedelta(hours=5), "5 hours"),
        (timedelta(days=9), "9 days"),
    ],
)
def test_a_duration_is_told_in_a_unit_that_suits_it(length: timedelta, words: str) -> None:
    assert english(length) == words


def test_a_breaker_is_not_a_person_and_its_suspension_says_which_mail() -> None:
    """Mail in line and mail that was set aside for it say the same; what somebody stopped for a reason of their own does not."""
    figures = "11 of 200 mails bounced hard within 24 hours (5.5 %). The limit is 5 %."
    suspension = stopped(created_by="breaker", domain=None, sender_domain="shop.example", reason=figures)
    because = f"Bulk mail from shop.example is suspended by its circuit breaker until somebody resumes it: {figures}"
    assert explain(READY, NOW, Situation(suspension=suspension)) == because
    aside = explain(row(State.HELD, reason=figures), NOW, Situation(suspension=suspension))
    assert aside == f"{because} It waits at most until 2026-11-24 12:00:00 UTC."
    own = explain(row(State.HELD, reason="Wrong link."), NOW, Situation(suspension=suspension))
    assert own.startswith("Held: Wrong link.")
