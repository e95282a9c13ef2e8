"""Which suspension holds which mail."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from posthouse.model.words import Pool
from posthouse.outbox.suspensions import NONE, Active, Suspension, of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OURS, OTHERS = UUID(int=1), UUID(int=2)


def stop(pool: Pool | None = None, domain: str | None = None, **changes: Any) -> Suspension:
    values: dict[str, Any] = {
        "workspace_id": OURS, "suspension_id": UUID(int=9), "pool": pool, "domain": domain, "drain": False, "reason": "x.",
        "created_by": "cli", "created_at": NOW, "until": None,
    }  # fmt: skip
    return Suspension(**(values | changes))


@pytest.mark.parametrize(
    ("suspension", "stops"),
    [
        (stop(), True),
        (stop(Pool.MARKETING), True),
        (stop(Pool.TRANSACTIONAL), False),
        (stop(domain="there.test"), True),
        (stop(domain="other.test"), False),
        (stop(Pool.MARKETING, "there.test"), True),
        (stop(Pool.MARKETING, "other.test"), False),
        (stop(Pool.TRANSACTIONAL, "there.test"), False),
        (stop(workspace_id=OTHERS), False),
        (stop(until=NOW + timedelta(seconds=1)), True),
        (stop(until=NOW), False),
        (stop(ended_at=NOW, ended_by="cli"), False),
    ],
)
def test_a_suspension_stops_what_it_names_while_it_lasts(suspension: Suspension, stops: bool) -> None:
    found = of(Active([suspension]), OURS, Pool.MARKETING, "there.test", NOW)
    assert found == (suspension if stops else None)


def test_of_several_the_one_that_ends_last_is_told() -> None:
    short, long = stop(domain="there.test", until=NOW + timedelta(hours=1)), stop(until=NOW + timedelta(hours=2))
    endless = stop(Pool.MARKETING)
    assert Active([short, long]).of(OURS, Pool.MARKETING, "there.test", NOW) == long
    assert Active([short, endless, long]).of(OURS, Pool.MARKETING, "there.test", NOW) == endless


def test_of_several_that_stop_the_same_the_longest_counts() -> None:
    short, long = stop(until=NOW + timedelta(hours=1)), stop(until=NOW + timedelta(hours=2))
    for order in ([short, long], [long, short]):
        assert list(Active(order)) == [long]


def test_nothing_is_suspended_by_nothing() -> None:
    assert not NONE
    assert of(NONE, OURS, Pool.MARKETING, "there.test", NOW) is None


def test_a_round_over_many_destinations_asks_quickly() -> None:
    active = Active([stop(domain=f"d{n}.test") for n in range(1_000)])
    started = time.process_time()
    found = sum(active.of(OURS, Pool.MARKETING, f"d{n}.test", NOW) is not None for n in range(5_000))
    assert found == 1_000
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("pool", "sender", "changes", "stops"),
    [
        (Pool.MARKETING, "a@Shop.Example", {}, True),
        (Pool.NOTIFICATION, "a@shop.example", {}, True),
        (Pool.TRANSACTIONAL, "a@shop.example", {}, False),
        (Pool.MARKETING, "a@news.shop.example", {}, False),
        (Pool.MARKETING, "shop.example@other.example", {}, False),
        (Pool.MARKETING, "", {}, False),
        (Pool.MARKETING, "a@shop.example", {"workspace_id": OTHERS}, False),
        (Pool.MARKETING, "a@shop.example", {"ended_at": NOW, "ended_by": "cli"}, False),
        (Pool.MARKETING, "a@shop.example", {"until": NOW}, False),
    ],
)
def test_a_suspension_of_a_from_domain_stops_its_bulk_mail_alone(
    pool: Pool, sender: str, changes: dict[str, Any], stops: bool
) -> None:
    suspension = stop(sender_domain="shop.example", **changes)
    active = Active([suspension])
    assert active.looks_at_mail
    assert active.of_mail(OURS, pool, sender, "", NOW) == (suspension if stops else None)
    assert active.of(OURS, pool, "shop.example", NOW) is None


@pytest.mark.parametrize(
    ("mailing", "changes", "stops"),
    [
        ("autumn", {}, True),
        ("Autumn", {}, False),
        ("autumn-2", {}, False),
        ("", {}, False),
        ("autumn", {"workspace_id": OTHERS}, False),
        ("autumn", {"ended_at": NOW, "ended_by": "cli"}, False),
        ("autumn", {"until": NOW}, False),
    ],
)
def test_a_suspension_of_a_mailing_stops_mail_of_that_name_alone_in_every_pool(
    mailing: str, changes: dict[str, Any], stops: bool
) -> None:
    suspension = stop(mailing="autumn", **changes)
    active = Active([suspension])
    assert active.looks_at_mail
    for pool in Pool:
        assert active.of_mail(OURS, pool, "a@shop.example", mailing, NOW) == (suspension if stops else None)
        assert active.of(OURS, pool, "autumn", NOW) is None
    assert active.of_mail(OURS, Pool.MARKETING, "a@autumn", "", NOW) is None


def test_of_a_domain_and_a_mailing_the_one_that_ends_last_is_told() -> None:
    short, endless = stop(mailing="autumn", until=NOW + timedelta(hours=1)), stop(sender_domain="shop.example")
    active = Active([short, endless])
    assert active.of_mail(OURS, Pool.MARKETING, "a@shop.example", "autumn", NOW) == endless
    assert active.of_mail(OURS, Pool.MARKETING, "a@other.example", "autumn", NOW) == short


def test_nobody_looks_at_a_mail_itself_while_no_from_domain_and_no_mailing_is_suspended() -> None:
    active = Active([stop(), stop(Pool.MARKETING)])
    assert not active.looks_at_mail
    assert active.of_mail(OURS, Pool.MARKETING, "a@shop.example", "autumn", NOW) is None
