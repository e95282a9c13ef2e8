"""When bounces or complaints are too many."""

import pytest

from posthouse.ledger import breakers
from posthouse.ledger.breakers import Marks, Measure, Rate, Scope, Standing, Subject, Tally

BOUNCES, COMPLAINTS = Marks(2, 5), Marks(0.1, 0.3)
LEAST = 200


@pytest.mark.parametrize(
    ("sent", "bounced", "standing"),
    [
        (0, 0, Standing.FEW),
        (199, 11, Standing.FEW),
        (199, 199, Standing.FEW),
        (200, 0, Standing.GOOD),
        (200, 3, Standing.GOOD),
        (200, 4, Standing.WARNING),  # exactly 2 %
        (200, 9, Standing.WARNING),
        (200, 10, Standing.TOO_HIGH),  # exactly 5 %
        (200, 11, Standing.TOO_HIGH),
        (1_000_000, 49_999, Standing.WARNING),
        (1_000_000, 50_000, Standing.TOO_HIGH),
    ],
)
def test_bounces_are_judged_of_what_was_sent(sent: int, bounced: int, standing: Standing) -> None:
    tally = Tally(sent=sent, delivered=sent - bounced, hard_bounces=bounced)
    assert breakers.rate(Measure.BOUNCES, tally, BOUNCES, LEAST).standing is standing


@pytest.mark.parametrize(
    ("delivered", "complaints", "standing"),
    [
        (999, 0, Standing.GOOD),
        (1_001, 1, Standing.GOOD),
        (1_000, 1, Standing.WARNING),
        (1_000, 2, Standing.WARNING),
        (1_000, 3, Standing.TOO_HIGH),  # exactly 0.3 %, which is no binary fraction
        (3_000, 9, Standing.TOO_HIGH),
        (7_000, 21, Standing.TOO_HIGH),
        (7_000, 20, Standing.WARNING),
        (200, 1, Standing.TOO_HIGH),
        (0, 1, Standing.TOO_HIGH),  # everything bounced, and yesterday's mail is complained about
    ],
)
def test_complaints_are_judged_of_what_was_delivered(delivered: int, complaints: int, standing: Standing) -> None:
    tally = Tally(sent=max(delivered, 200), delivered=delivered, complaints=complaints)
    assert breakers.rate(Measure.COMPLAINTS, tally, COMPLAINTS, LEAST).standing is standing


def test_a_complaint_about_older_mail_says_nothing_while_little_is_sent() -> None:
    assert breakers.rate(Measure.COMPLAINTS, Tally(complaints=5), COMPLAINTS, LEAST).standing is Standing.FEW


@pytest.mark.parametrize(("complaints", "standing"), [(7, "good"), (8, "warning"), (24, "warning"), (25, "too_high")])
def test_marks_of_hundredths_of_a_percent_are_exact(complaints: int, standing: str) -> None:
    tally = Tally(sent=10_000, delivered=10_000, complaints=complaints)
    assert breakers.rate(Measure.COMPLAINTS, tally, Marks(0.08, 0.25), LEAST).standing == standing


def test_what_has_no_marks_is_shown_and_never_judged() -> None:
    rate = breakers.rate(Measure.BOUNCES, Tally(sent=400, hard_bounces=100), None, LEAST)
    assert (rate.percent, rate.standing) == (25.0, Standing.GOOD)
    assert breakers.rate(Measure.BOUNCES, Tally(), None, LEAST).percent == 0.0


def test_a_subject_stands_as_badly_as_its_worst_rate() -> None:
    def rate(standing: Standing) -> Rate:
        return Rate(Measure.BOUNCES, 0, 0, None, standing)

    for order in ([Standing.FEW, Standing.GOOD, Standing.WARNING, Standing.TOO_HIGH],):
        for number, each in enumerate(order, 1):
            assert breakers.worst(map(rate, reversed(order[:number]))) is each


def test_parts_of_one_subject_are_added_up() -> None:
    ours, others = Subject(Scope.DOMAIN, "example.com"), Subject(Scope.DOMAIN, "example.net")
    parts = [(ours, Tally(1, 1, 0, 1)), (others, Tally(5, 5, 0, 0)), (ours, Tally(2, 1, 1, 0))]
    assert breakers.gathered(parts) == {ours: Tally(3, 2, 1, 1), others: Tally(5, 5, 0, 0)}
