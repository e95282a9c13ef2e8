"""What the search box means, and what a waiting mail says."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from posthouse.model.words import Kind, State
from posthouse.outbox import bodies, search_terms
from posthouse.outbox.messages import RecipientRow
from posthouse.outbox.search_terms import AddressRange, MessageId, Words
from posthouse.outbox.waiting import explain

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("", None),
        ("   ", None),
        ("<a@b.test>", MessageId("<a@b.test>")),
        ("anna@example.test", AddressRange("anna@example.test", "anna@example.test\U0010ffff")),
        ("anna@", AddressRange("anna@", "anna@\U0010ffff")),
        ("order 17", Words("order 17")),
        ("@handle", Words("@handle")),
        ("mail to anna@example.test", Words("mail to anna@example.test")),
    ],
)
def test_a_query_is_read_by_its_shape(typed: str, means: object) -> None:
    assert search_terms.read(typed) == means


@pytest.mark.parametrize(
    ("typed", "expression"),
    [("order 17", "order:* & 17:*"), ("blåbær & (x|!y):*", "blåbær:* & x:* & y:*"), ("!&|", None), ("", None)],
)
def test_words_become_a_safe_expression(typed: str, expression: str | None) -> None:
    assert search_terms.words(typed) == expression


def row(state: State, **changes: Any) -> RecipientRow:
    values: dict[str, Any] = {
        "recipient_id": UUID(int=1), "message_id": UUID(int=2), "address": "bob@there.test", "domain": "there.test", "kind": Kind.TO,
        "state": state, "priority": 4, "not_before": NOW + timedelta(minutes=2), "expires_at": NOW + timedelta(days=3), "attempts": 0,
        "claimed_at": None, "settled_at": None, "reason": "", "code": None, "enhanced": None, "remote": None,
    }  # fmt: skip
    return RecipientRow(**(values | changes))


@pytest.mark.parametrize(
    ("recipient", "sentence"),
    [
        (row(State.WAITING), "Scheduled: it is sent at 2026-11-21 12:02:00 UTC."),
        (
            row(State.WAITING, attempts=1, reason="mx said 451 4.7.1 greylisted."),
            "Waiting after attempt 1: mx said 451 4.7.1 greylisted. Next try 2026-11-21 12:02:00 UTC.",
        ),
        (row(State.READY), "Queued: next in line for there.test at priority 4."),
        (
            row(State.CLAIMED, claimed_at=NOW, attempts=2),
            "Being sent to there.test since 2026-11-21 12:00:00 UTC (attempt 2).",
        ),
        (
            row(State.HELD, reason="stopped by user:ann."),
            "Held: stopped by user:ann. It waits until released or until 2026-11-24 12:00:00 UTC.",
        ),
        (
            row(State.DELIVERED, remote="mx.there.test", code=250, enhanced="2.0.0"),
            "Delivered: mx.there.test accepted it with 250 2.0.0.",
        ),
        (row(State.BOUNCED, reason="Bounced: mx said 550."), "Bounced: mx said 550."),
    ],
)
def test_every_state_is_explained_in_one_sentence(recipient: RecipientRow, sentence: str) -> None:
    assert explain(recipient, NOW) == sentence


@pytest.mark.parametrize("content", [b"", b"short", b"long " * 1000, bytes(range(256)) * 8])
def test_a_body_comes_back_as_it_was_stored(content: bytes) -> None:
    assert bodies.unpack(*bodies.pack(content, None), bytes) == content
    sealed = bodies.pack(content, lambda plain: plain[::-1])
    assert bodies.unpack(*sealed, lambda stored: stored[::-1]) == content
