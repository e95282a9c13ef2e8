"""Quantiles and the mark of noise."""

import pytest

from posthouse.bench.figures import MS, Figure, Finding, quantile, quantiles_ms


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, 1.0), (0.01, 1.0), (0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (0.999, 100.0), (1.0, 100.0)],
)
def test_a_quantile_is_one_of_the_values_that_were_measured(share: float, expected: float) -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert quantile(values, share) == expected


def test_latencies_are_told_in_milliseconds_under_the_name_of_their_quantile() -> None:
    assert quantiles_ms("answer", [0.001, 0.0025], (0.5, 0.999)) == (
        Figure("answer p50", 1.0, MS, plotted=True),
        Figure("answer p99.9", 2.5, MS, plotted=True),
    )


@pytest.mark.parametrize(("others_share", "noisy"), [(0.0, False), (0.1, False), (0.11, True)])
def test_a_finding_is_noisy_when_others_used_more_than_a_tenth_of_the_machine(others_share: float, noisy: bool) -> None:
    assert Finding("relay", "", (), 1.0, others_share).noisy is noisy
