"""The hash that ties audit entries together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from posthouse.accounts.audit import Entry, link

ENTRY = Entry(
    UUID(int=1), 5, datetime(2026, 11, 21, 12, tzinfo=UTC), "user:ann", "key.create", "ph_1", {"b": 1, "a": ["x"]}
)


@pytest.mark.parametrize(
    "change",
    [
        {"workspace_id": UUID(int=2)},
        {"sequence": 6},
        {"occurred_at": ENTRY.occurred_at + timedelta(microseconds=1)},
        {"actor": "user:ben"},
        {"action": "key.revoke"},
        {"subject": "ph_2"},
        {"detail": {"b": 2, "a": ["x"]}},
        {"actor": "user:ann key.create", "action": ""},
    ],
)
def test_every_part_of_an_entry_counts(change: dict) -> None:
    assert link(bytes(32), replace(ENTRY, **change)) != link(bytes(32), ENTRY)


def test_the_entry_before_counts() -> None:
    assert link(bytes(31) + b"x", ENTRY) != link(bytes(32), ENTRY)


def test_the_order_of_a_detail_and_the_zone_of_a_clock_do_not_count() -> None:
    elsewhere = ENTRY.occurred_at.astimezone(timezone(timedelta(hours=5)))
    assert link(bytes(32), replace(ENTRY, detail={"a": ["x"], "b": 1}, occurred_at=elsewhere)) == link(bytes(32), ENTRY)
