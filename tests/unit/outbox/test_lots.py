"""Rows go into lots: one after the other, anew each day."""

from datetime import UTC, datetime, timedelta

from posthouse.outbox.lots import Lots

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_rows_share_a_lot_until_it_is_full() -> None:
    lots = Lots()
    first = lots.take(49_999, NOON)
    assert lots.take(1, NOON) == first
    assert lots.take(1, NOON) == first + 1


def test_a_day_begins_with_a_lot_above_all_of_the_day_before() -> None:
    lots = Lots()
    day_before = [lots.take(50_000, NOON) for _ in range(3)]
    assert lots.take(1, NOON + timedelta(days=1)) > max(day_before)


def test_a_process_that_starts_anew_goes_on_in_the_lots_of_its_day() -> None:
    assert Lots().take(1, NOON) == Lots().take(1, NOON + timedelta(hours=1))


def test_the_last_lot_of_a_day_takes_what_is_left() -> None:
    lots = Lots()
    lots.take(10_000 * 50_000, NOON)
    assert lots.take(1, NOON) == lots.take(50_000, NOON) < lots.take(1, NOON + timedelta(days=1))
