"""Which address asks for what, as a table."""

import pytest

from posthouse.lab import behaviours
from posthouse.lab.behaviours import Act


@pytest.mark.parametrize(
    ("address", "act", "number"),
    [
        ("hard-bounce@example.com", Act.REFUSE_RCPT, 0),
        ("Hard-Bounce@EXAMPLE.com", Act.REFUSE_RCPT, 0),
        ("greylist@example.com", Act.GREYLIST, 3),
        ("greylist+2@example.com", Act.GREYLIST, 2),
        ("greylist+two@example.com", Act.GREYLIST, 3),
        ("slow+99999999999999@example.com", Act.SLOW, behaviours.NUMBER_MOST),
        ("hard-bounce+7@example.com", Act.REFUSE_RCPT, 0),
        ("anna@example.com", Act.ACCEPT, 0),
        ("anna+greylist@example.com", Act.ACCEPT, 0),
        ("postmaster", Act.ACCEPT, 0),
        ("", Act.ACCEPT, 0),
    ],
)
def test_the_local_part_decides(address: str, act: Act, number: int) -> None:
    behaviour, found = behaviours.of(address)
    assert (behaviour.act, found) == (act, number)


def test_every_row_has_a_name_of_its_own_and_a_code_that_fits_its_enhanced_code() -> None:
    assert len({behaviour.name for behaviour in behaviours.BEHAVIOURS}) == len(behaviours.BEHAVIOURS)
    for behaviour in behaviours.BEHAVIOURS:
        code, enhanced, _ = behaviour.reply
        assert enhanced.startswith(f"{code // 100}.")


@pytest.mark.parametrize(
    ("tries", "waited_s", "refused"), [(0, 0, True), (2, 59, True), (3, 1, False), (1, 60, False), (0, 3600, False)]
)
def test_greylisting_ends_by_tries_or_by_time(tries: int, waited_s: float, refused: bool) -> None:
    assert behaviours.is_greylisted(tries, 100.0, 100.0 + waited_s, most_tries=3) is refused
