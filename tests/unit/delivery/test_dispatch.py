"""How often the dispatcher looks for mail."""

import pytest

from posthouse.delivery.dispatch import _spacing


@pytest.mark.parametrize(
    ("round_s", "pause_s"),
    [
        (0.0, 0.005),
        (0.002, 0.005),
        (0.005, 0.01),  # two thirds of the time are left to others
        (0.3, 0.02),  # much to claim: it is needed soon again
    ],
)
def test_the_pause_between_two_looks_follows_how_long_one_takes(round_s: float, pause_s: float) -> None:
    assert _spacing(round_s) == pytest.approx(pause_s)
