"""When a delivery is tried again, and how much an endpoint is trusted with."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.model import limits
from posthouse.webhooks.schedule import (
    PAUSES_S,
    State,
    asked_pause_s,
    at_once,
    held,
    is_hopeless,
    judge,
    pause_s,
    probe_pause_s,
)

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    assert judge(status, 1, NOW, NOW, 0.5).state is State.DELIVERED


@pytest.mark.parametrize("status", [None, 100, 199, 301, 302, 307, 400, 401, 404, 429, 500, 503])
def test_everything_else_is_tried_again_and_a_redirect_is_not_followed(status: int | None) -> None:
    verdict = judge(status, 1, NOW, NOW, 0.5)
    assert (verdict.state, verdict.due_at) == (State.PENDING, NOW + timedelta(seconds=PAUSES_S[0]))


def test_410_is_the_end_at_once() -> None:
    verdict = judge(410, 1, NOW, NOW, 0.5)
    assert (verdict.state, verdict.gone) == (State.FAILED, True)


def test_tries_go_on_for_a_day_with_the_last_one_at_its_end() -> None:
    tries, at = 1, NOW
    while (verdict := judge(500, tries, NOW, at, 0.9)).state is State.PENDING:
        assert verdict.due_at > at
        tries, at = tries + 1, verdict.due_at
    assert at == NOW + timedelta(hours=24)
    assert 10 <= tries <= 20


@pytest.mark.parametrize(("tries", "pause"), [(1, 5), (2, 30), (3, 120), (8, 10_800), (30, 10_800)])
def test_pauses_grow_and_are_spread_by_a_tenth(tries: int, pause: float) -> None:
    assert pause_s(tries, 0.0) == pytest.approx(pause * 0.9)
    assert pause_s(tries, 0.5) == pytest.approx(pause)
    assert pause_s(tries, 1.0) == pytest.approx(pause * 1.1)


def test_an_endpoint_is_hopeless_after_three_days_without_one_success() -> None:
    assert not is_hopeless(None, NOW)
    assert not is_hopeless(NOW - timedelta(days=2, hours=23), NOW)
    assert is_hopeless(NOW - timedelta(days=3), NOW)


def test_an_endpoint_that_fails_again_and_again_is_only_probed() -> None:
    assert [probe_pause_s(failures) for failures in (0, 4, 5, 6, 8, 11, 10_000)] == [0, 0, 1, 2, 8, 60, 60]
    assert at_once(4, 1) == limits.WEBHOOK_AT_ONCE
    assert at_once(5, 1) == 1


def test_connections_are_shared_out_among_the_busy() -> None:
    assert at_once(0, 200) == 10
    assert at_once(0, 400) == 5
    assert at_once(0, 10_000) == 1


def test_quick_endpoints_may_hold_more_and_slow_ones_only_what_they_have_places_for() -> None:
    assert held(10, 0.1, 10) == 20
    assert held(200, 0.1, 10) == 200
    assert held(80, 5.0, 10) == 80
    assert held(200, 11.0, 10) == 10


@pytest.mark.parametrize(
    ("status", "said", "seconds"),
    [
        (429, "7", 7.0),
        (503, "120", 120.0),
        (503, "Sat, 21 Nov 2026 12:01:30 GMT", 90.0),
        (503, "Sat, 21 Nov 2026 11:00:00 GMT", 0.0),  # over already
        (429, "999999999", PAUSES_S[-1]),
        (429, "Fri, 21 Nov 2036 12:00:00 GMT", PAUSES_S[-1]),
        (429, "9" * 90, PAUSES_S[-1]),
        (429, "", 0.0),
        (429, "soon", 0.0),
        (429, "-5", 0.0),
        (429, "1e5", 0.0),
        (429, "\u0663", 0.0),
        (500, "60", 0.0),  # means nothing there
        (301, "60", 0.0),
        (None, "60", 0.0),
    ],
)
def test_an_endpoint_says_when_to_come_back_within_reason(status: int | None, said: str, seconds: float) -> None:
    assert asked_pause_s(status, said, NOW) == seconds


@pytest.mark.parametrize(
    "said",
    ["Sun, 06 Nov 1994 08:49:37 +99999999999999999999", "Sun, 99999999999999999999 Nov 1994 08:49:37 GMT",
     "Sun, 06 Nov 99999999999999999999 08:49:37 GMT", "Sun, 06 Nov 1994 99999999999999999999:49:37 GMT"],
)  # fmt: skip
def test_a_date_made_to_break_its_reader_asks_for_nothing(said: str) -> None:
    assert asked_pause_s(503, said, NOW) == 0.0


@given(st.text(alphabet="SunMonNovJan0123456789 :,+-GMT", max_size=100))
def test_no_field_makes_its_reader_raise(said: str) -> None:
    assert 0.0 <= asked_pause_s(429, said, NOW) <= PAUSES_S[-1]


def test_what_is_asked_for_lengthens_the_pause_and_never_shortens_it_or_outlives_the_day() -> None:
    assert judge(429, 1, NOW, NOW, 0.5, 60.0).due_at == NOW + timedelta(seconds=60)
    assert judge(429, 3, NOW, NOW, 0.5, 60.0).due_at == NOW + timedelta(seconds=PAUSES_S[2])
    late = NOW + timedelta(seconds=limits.WEBHOOK_RETRIED_S - 10)
    assert judge(429, 9, NOW, late, 0.5, 3600.0).due_at == NOW + timedelta(seconds=limits.WEBHOOK_RETRIED_S)
