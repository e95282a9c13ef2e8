"""How often a secret may be guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.accounts.attempts import AttemptLimiter, source_of


def test_a_burst_goes_through_and_then_one_attempt_per_interval() -> None:
    limiter = AttemptLimiter(burst=3, interval_s=10)
    assert [limiter.spend("ann", at) for at in (0, 0, 0)] == [0, 0, 0]
    assert limiter.spend("ann", 0) == 10
    assert limiter.spend("ann", 4) == 6
    assert limiter.spend("ann", 10) == 0
    assert limiter.spend("ann", 10) == 10


def test_a_refused_attempt_costs_nothing() -> None:
    limiter = AttemptLimiter(burst=1, interval_s=10)
    limiter.spend("ann", 0)
    assert [limiter.spend("ann", 1) for _ in range(100)] == [9] * 100


def test_a_right_attempt_is_given_back() -> None:
    limiter = AttemptLimiter(burst=1, interval_s=10)
    for at in range(100):
        assert limiter.spend("ann", at) == 0
        limiter.refund("ann")


def test_keys_do_not_disturb_each_other() -> None:
    limiter = AttemptLimiter(burst=1, interval_s=10)
    assert limiter.spend("ann", 0) == 0
    assert limiter.spend("ben", 0) == 0
    assert limiter.spend("ann", 0) > 0


def test_a_refund_for_an_unknown_key_is_nothing() -> None:
    limiter = AttemptLimiter(burst=1, interval_s=10)
    limiter.refund("ann")
    assert limiter.spend("ann", 0) == 0
    assert limiter.spend("ann", 0) == 10


def test_memory_is_bounded_and_the_key_left_alone_longest_goes_first() -> None:
    limiter = AttemptLimiter(burst=1, interval_s=1000, capacity=2)
    for key in ("ann", "ben", "cia"):
        limiter.spend(key, 0)
    assert limiter.spend("cia", 0) > 0
    assert limiter.spend("ben", 0) > 0
    assert limiter.spend("ann", 0) == 0


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 5))
def test_no_more_than_burst_and_rate_ever_pass(pauses: list[float], burst: int) -> None:
    limiter, at, passed = AttemptLimiter(burst, 2.0), 0.0, 0
    for pause in pauses:
        at += pause
        passed += limiter.spend("ann", at) == 0
    assert passed <= burst + at / 2.0 + 1e-6


@pytest.mark.parametrize(
    ("remote_ip", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1::1", "20010db800000001::/64"),
        ("2001:db8:0:1:ffff::2", "20010db800000001::/64"),
        ("not an address", "not an address"),
    ],
)
def test_an_attempt_is_blamed_on_an_address_or_on_the_64_of_a_customer(remote_ip: str, expected: str) -> None:
    assert source_of(remote_ip) == expected
