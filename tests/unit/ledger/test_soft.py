"""When marketing to an address stops because it was given up there too often, as tables."""

from datetime import UTC, datetime, timedelta

import pytest

from posthouse.ledger import classify
from posthouse.ledger.soft import MESSAGES, SPAN, Counter, counted, exhausted, is_soft

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("enhanced", "soft"),
    [
        ("4.2.2", True),
        ("5.2.2", True),
        ("5.0.0", True),
        ("4.4.1", True),
        (None, True),
        ("", True),
        ("5.1.1", False),
        ("5.1.10", False),
        ("5.7.1", False),
        ("5.7.26", False),
        ("4.7.0", False),
        ("5.6.0", False),
    ],
)
def test_what_counts_is_neither_a_missing_address_nor_an_opinion_of_us(enhanced: str | None, soft: bool) -> None:
    assert is_soft(classify.of_words((), "", enhanced or "", ()).bounce_class) is soft


@pytest.mark.parametrize(
    ("messages", "span", "stopped"),
    [
        (MESSAGES, SPAN, True),
        (MESSAGES - 1, SPAN, False),
        (MESSAGES, SPAN - timedelta(seconds=1), False),
        (100, timedelta(days=13), False),
        (8, timedelta(days=60), True),
    ],
)
def test_marketing_stops_after_seven_messages_over_fourteen_days(messages: int, span: timedelta, stopped: bool) -> None:
    assert exhausted(Counter(messages, NOW - span, NOW)) is stopped


def test_seven_in_a_row_over_two_weeks_are_counted_one_by_one() -> None:
    counter: Counter | None = None
    for day in (0, 2, 4, 7, 9, 11):
        counter = counted(counter, delivered=False, now=NOW + day * DAY)
        assert not exhausted(counter)
    assert exhausted(counted(counter, delivered=False, now=NOW + 14 * DAY))


def test_a_delivery_in_between_begins_the_count_anew() -> None:
    before = Counter(6, NOW - 20 * DAY, NOW - DAY)
    assert counted(before, delivered=True, now=NOW) == Counter(1, NOW, NOW)
