"""What a breaker judges, against which marks, and what it stops."""

import pytest

from posthouse.intake import bulk_senders, reputation
from posthouse.ledger.breakers import Marks, Scope, Subject, Tally
from posthouse.ledger.providers import Provider
from posthouse.ledger.reputation import Counted
from posthouse.model.words import Pool
from posthouse.runtime.settings import Settings

ONE = Tally(1, 1, 0, 0)
POOL, DOMAIN, PROVIDER, MAILING = Scope.POOL, Scope.DOMAIN, Scope.PROVIDER, Scope.MAILING


@pytest.mark.parametrize(
    ("pool", "judged"),
    [
        (Pool.TRANSACTIONAL, {Subject(POOL, "transactional")}),
        (Pool.NOTIFICATION, {Subject(POOL, "notification"), Subject(DOMAIN, "a.example")}),
        (Pool.MARKETING, {Subject(POOL, "marketing"), Subject(DOMAIN, "a.example"), Subject(PROVIDER, "gmail")}),
    ],
)
def test_what_is_judged_depends_on_the_pool(pool: Pool, judged: set[Subject]) -> None:
    assert set(reputation.subjects([Counted(pool, "a.example", Provider.GMAIL, ONE)])) == judged


def test_a_domain_is_judged_over_its_bulk_pools_and_all_providers_together() -> None:
    counted = [Counted(pool, "a.example", provider, ONE) for pool in Pool for provider in Provider]
    found = reputation.subjects([*counted, Counted(Pool.MARKETING, "b.example", Provider.OTHER, ONE)])
    assert found[Subject(DOMAIN, "a.example")].sent == 8
    assert found[Subject(POOL, "marketing")].sent == 5
    assert found[Subject(PROVIDER, "other")].sent == 2


@pytest.mark.parametrize(
    ("subject", "bounces", "complaints", "stops"),
    [
        (Subject(POOL, "marketing"), Marks(2, 4), Marks(0.1, 0.3), (Pool.MARKETING, None, None)),
        (Subject(POOL, "notification"), Marks(2, 5), Marks(0.1, 0.3), (Pool.NOTIFICATION, None, None)),
        (Subject(DOMAIN, "a.example"), Marks(2, 5), Marks(0.1, 0.3), (None, "a.example", None)),
        (Subject(MAILING, "marketing"), Marks(2, 4), Marks(0.1, 0.3), (None, None, "marketing")),
        (Subject(PROVIDER, "gmail"), None, Marks(0.08, 0.25), (Pool.MARKETING, None, None)),
        (Subject(PROVIDER, "yahoo"), None, Marks(0.1, 0.3), (Pool.MARKETING, None, None)),
        (Subject(PROVIDER, "other"), None, None, (Pool.MARKETING, None, None)),
    ],
)
def test_each_subject_has_its_marks_and_what_a_pause_stops(
    subject: Subject, bounces: Marks | None, complaints: Marks | None, stops: tuple[str | None, ...]
) -> None:
    settings = Settings().with_("marketing", bounce_pause_percent=4.0)
    assert reputation.marks(subject, settings)[1:] == (bounces, complaints)
    assert reputation.target(subject) == stops


def test_a_mailing_with_the_name_of_a_pool_has_an_alert_of_its_own() -> None:
    pool, mailing = Subject(POOL, "marketing"), Subject(MAILING, "marketing")
    assert (reputation.alerted(pool), reputation.alerted(mailing)) == ("marketing", "mailing marketing")


def test_the_dns_is_asked_only_about_senders_that_may_be_large() -> None:
    small = [Counted(Pool.MARKETING, "a.example", Provider.GMAIL, Tally(sent=4_999))]
    assert bulk_senders.worth_asking(small) == set()
    more = [Counted(pool, f"{pool}.example", Provider.MICROSOFT, Tally(sent=2_500)) for pool in Pool]
    assert bulk_senders.worth_asking([*small, *more]) == {f"{pool}.example" for pool in Pool}


def test_an_organization_is_over_the_line_once() -> None:
    counted = [
        Counted(Pool.MARKETING, name, Provider.GMAIL, Tally(sent=3_000)) for name in ("a.x.example", "b.x.example")
    ]
    organizations = {"a.x.example": "x.example", "b.x.example": "x.example"}
    assert bulk_senders.over(counted, organizations, ()) == {("x.example", Provider.GMAIL): 6_000}
    assert bulk_senders.over(counted, organizations, {("x.example", Provider.GMAIL)}) == {}
