"""When a process that ended is started again."""

import pytest

from posthouse.runtime.supervisor import pause_before_restart


@pytest.mark.parametrize(
    ("failures", "ran_s", "pause_s"),
    [(1, 0.0, 0.1), (2, 0.0, 0.2), (3, 1.0, 0.4), (8, 0.0, 10.0), (60, 0.0, 10.0), (1, 30.0, 0.0), (9, 3600.0, 0.0)],
)
def test_the_pause_doubles_up_to_ten_seconds_and_a_long_life_is_forgiven(
    failures: int, ran_s: float, pause_s: float
) -> None:
    assert pause_before_restart(failures, ran_s) == pytest.approx(pause_s)
