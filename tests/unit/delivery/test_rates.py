"""Rates as people write them, and the buckets that keep to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.delivery import rates
from posthouse.delivery.rates import Bucket, Rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100/s", Rate(100, 1)),
        ("30/min", Rate(30, 60)),
        ("10000/h", Rate(10_000, 3_600)),
        ("10_000/h", Rate(10_000, 3_600)),
        ("5000/d", Rate(5_000, 86_400)),
        ("1 / min", Rate(1, 60)),
    ],
)
def test_a_rate_is_a_count_and_a_time(text: str, rate: Rate) -> None:
    assert rates.parse(text) == rate


@pytest.mark.parametrize(
    "text", ["", "100", "0/s", "-1/s", "1.5/s", "100/week", "s/100", "100/s/s", "١/s", "9" * 40 + "/s"]
)
def test_what_is_no_rate_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="30/min"):
        rates.parse(text)


@pytest.mark.parametrize("text", ["100/s", "30/min", "10000/h", "5000/d"])
def test_a_rate_prints_as_it_is_written(text: str) -> None:
    assert str(rates.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "length_s"),
    [("30s", 30), ("90min", 5_400), ("2h", 7_200), ("3d", 259_200), ("1.5h", 5_400), ("0.5s", 0.5)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, length_s: float) -> None:
    assert rates.seconds(text) == length_s


@pytest.mark.parametrize("text", ["", "30", "h", "2 weeks", "-1s", "1e3s"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="90min"):
        rates.seconds(text)


@pytest.mark.parametrize(
    ("length_s", "text"), [(7_200, "2h"), (5_400, "90min"), (259_200, "3d"), (45, "45s"), (0.5, "0.5s")]
)
def test_a_duration_prints_in_the_largest_whole_unit(length_s: float, text: str) -> None:
    assert rates.words(length_s) == text


def test_a_slow_rate_lets_one_go_and_then_one_each_interval() -> None:
    bucket = Bucket(Rate(2, 60), 1_000.0)
    assert bucket.wait_s(1_000.0) == 0.0
    bucket.take(1_000.0)
    assert bucket.wait_s(1_000.0) == 30.0
    assert bucket.wait_s(1_030.0) == 0.0


def test_a_fast_rate_lets_a_second_of_it_go_at_once_and_no_more() -> None:
    assert _sent(Bucket(Rate(100, 1), 0.0), at=0.0) == 100


def test_what_was_not_used_is_not_saved_up() -> None:
    bucket = Bucket(Rate(10, 1), 0.0)
    assert _sent(bucket, at=3_600.0) == 10


def test_whoever_takes_without_waiting_makes_the_next_wait_longer() -> None:
    bucket = Bucket(Rate(1, 60), 0.0)
    bucket.take(0.0)
    bucket.take(0.0)
    assert bucket.wait_s(0.0) == 120.0


@given(
    count=st.integers(1, 5_000),
    per_s=st.sampled_from([1.0, 60.0, 3_600.0, 86_400.0]),
    start=st.floats(0, 1e7),
)
def test_no_more_goes_than_the_rate_and_one_second_of_it(count: int, per_s: float, start: float) -> None:
    rate = Rate(count, per_s)
    bucket, now, sent = Bucket(rate, start), start, 0
    while sent < 500:
        wait_s = bucket.wait_s(now)
        if wait_s:
            assert now + wait_s > now, "a clock has to move on"
            now += wait_s
        bucket.take(now)
        sent += 1
    burst = max(1, int(1.0 / rate.interval_s))
    assert sent - burst <= (now - start) / rate.interval_s + 0.01
    assert bucket.wait_s(now + rate.interval_s * 2) == 0.0


def _sent(bucket: Bucket, at: float) -> int:
    sent = 0
    while bucket.wait_s(at) == 0.0 and sent < 10_000:
        bucket.take(at)
        sent += 1
    return sent
