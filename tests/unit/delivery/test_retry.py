"""When a deferred mail is tried again, as tables."""

from datetime import UTC, datetime, timedelta

import pytest

from posthouse.delivery.retry import RetrySchedule, delay_s, next_attempt

SCHEDULE = RetrySchedule(first_s=120, factor=2, cap_s=3600)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(("attempt", "delay"), [(1, 120), (2, 240), (3, 480), (6, 3600), (1000, 3600)])
def test_the_delay_doubles_up_to_its_cap(attempt: int, delay: float) -> None:
    assert delay_s(attempt, SCHEDULE, jitter=0.5) == pytest.approx(delay)


@pytest.mark.parametrize(("jitter", "delay"), [(0.0, 108), (0.5, 120), (0.999999, 132)])
def test_jitter_spreads_a_delay_by_a_tenth_either_way(jitter: float, delay: float) -> None:
    assert delay_s(1, SCHEDULE, jitter) == pytest.approx(delay, rel=1e-4)


def test_a_retry_after_the_expiry_becomes_the_expiry() -> None:
    expires_at = NOW + timedelta(seconds=60)
    assert next_attempt(1, NOW, expires_at, SCHEDULE, 0.5) == expires_at
