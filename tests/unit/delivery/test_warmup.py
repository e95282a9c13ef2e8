"""How addresses are warmed up."""

from datetime import date, timedelta

import pytest

from posthouse.delivery.warmup import OTHERS, Day, Plan, Warming, Warmups, cap, forecast
from posthouse.model.words import Pool

PLAN = Plan("default", (50, 100, 200))
GENTLE = Plan("default", (10, 20))
BEGAN = date(2026, 11, 20)
WARMUPS = Warmups({"default": {OTHERS: PLAN, "outlook": GENTLE}}, {"192.0.2.2": Warming("192.0.2.2", BEGAN, "default")})


@pytest.mark.parametrize(("day", "most"), [(-1, 0), (0, 50), (1, 100), (2, 200), (3, None), (400, None)])
def test_each_day_has_its_number_until_the_address_is_warm(day: int, most: int | None) -> None:
    assert cap(PLAN, BEGAN, BEGAN + timedelta(days=day)) == most


def test_a_forecast_goes_on_until_nothing_is_left() -> None:
    assert forecast(PLAN, BEGAN, 400, BEGAN + timedelta(days=1), 30) == [
        Day(date(2026, 11, 21), 100, 100, 300),
        Day(date(2026, 11, 22), 200, 200, 100),
        Day(date(2026, 11, 23), None, 100, 0),
    ]


def test_a_forecast_is_no_longer_than_asked() -> None:
    assert forecast(PLAN, BEGAN, 1_000, BEGAN, 2)[-1] == Day(date(2026, 11, 21), 100, 100, 850)


def test_an_empty_backlog_is_a_day_with_nothing() -> None:
    assert forecast(PLAN, BEGAN, 0, BEGAN, 30) == [Day(BEGAN, 50, 0, 0)]


@pytest.mark.parametrize(
    ("pool", "source", "provider", "most"),
    [
        (Pool.MARKETING, "192.0.2.2", "google", 50),
        (Pool.MARKETING, "192.0.2.2", "", 50),
        (Pool.MARKETING, "192.0.2.2", "outlook", 10),
        (Pool.NOTIFICATION, "192.0.2.2", "outlook", 10),
        (Pool.TRANSACTIONAL, "192.0.2.2", "outlook", None),  # never held back
        (Pool.MARKETING, "192.0.2.3", "outlook", None),  # not being warmed up
    ],
)
def test_the_number_depends_on_address_and_provider_and_spares_transactional_mail(
    pool: Pool, source: str, provider: str, most: int | None
) -> None:
    assert WARMUPS.cap(pool, source, provider, BEGAN) == most


def test_an_operators_plan_is_laid_over_the_shipped_one_provider_by_provider() -> None:
    own = Warmups({"default": {"google": GENTLE}}, {"192.0.2.9": Warming("192.0.2.9", BEGAN, "default")})
    both = WARMUPS.under(own)
    assert both.plans["default"] == {OTHERS: PLAN, "outlook": GENTLE, "google": GENTLE}
    assert set(both.sources) == {"192.0.2.2", "192.0.2.9"}
