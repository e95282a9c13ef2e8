"""How workspaces share a site."""

from collections import Counter
from uuid import UUID

import pytest

from posthouse.delivery.fairness import Claimant, Turns, allot

ANN, BEN, EVE = (UUID(int=number) for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("claimants", "room", "expected"),
    [
        ([(ANN, 1, 0)], 20, [20]),
        ([(ANN, 1, 0), (BEN, 1, 0)], 20, [10, 10]),
        ([(ANN, 1, 0), (BEN, 3, 0)], 20, [5, 15]),
        ([(ANN, 1, 20), (BEN, 1, 0)], 20, [0, 20]),  # who has less catches up first
        ([(ANN, 1, 30), (BEN, 1, 0)], 10, [0, 10]),
        ([(ANN, 1, 0), (BEN, 1, 0), (EVE, 1, 0)], 2, [1, 1, 0]),
        ([(ANN, 1, 0), (BEN, 1_000, 0)], 1, [1, 0]),  # equal so far: never nothing for ever
        ([(ANN, 1, 1), (BEN, 1_000, 0)], 1, [0, 1]),
        ([(ANN, 1, 0), (BEN, 1, 0)], 0, [0, 0]),
    ],
)
def test_room_is_shared_out_by_share_and_by_what_each_has_already(
    claimants: list[tuple[UUID, int, int]], room: int, expected: list[int]
) -> None:
    found = allot([Claimant(*each) for each in claimants], room)
    assert [found[each[0]] for each in claimants] == expected


def test_what_is_shared_out_never_exceeds_the_room() -> None:
    for workspaces in range(1, 40):
        claimants = [Claimant(UUID(int=n), 1 + n % 5, n % 7) for n in range(workspaces)]
        for room in (1, 7, 20, 500):
            found = allot(claimants, room)
            assert min(found.values()) >= 0
            assert sum(found.values()) <= room


def _order(arrivals: list[tuple[UUID, int, int]]) -> list[UUID]:
    """Who goes when, of so many mails of each workspace with its share, all there from the beginning."""
    turns = Turns()
    tagged = [(turns.tag(who, 4, share), number, who) for who, mails, share in arrivals for number in range(mails)]
    return [who for _, _, who in sorted(tagged)]


def test_a_hundred_thousand_mails_do_not_make_ten_wait() -> None:
    order = _order([(ANN, 100_000, 1), (BEN, 10, 1)])
    assert max(place for place, who in enumerate(order) if who == BEN) < 2 * 10


def test_weights_are_kept_all_along() -> None:
    order = _order([(ANN, 1_000, 1), (BEN, 1_000, 3)])
    for end in range(8, 1_000, 4):
        assert Counter(order[:end])[ANN] == pytest.approx(end / 4, abs=1)


def test_who_was_idle_begins_at_the_present() -> None:
    turns = Turns()
    for _ in range(100):
        turns.went(4, turns.tag(ANN, 4, 1))
    late, next_of_ann = turns.tag(BEN, 4, 1), turns.tag(ANN, 4, 1)
    assert next_of_ann - 1 <= late <= next_of_ann
    assert turns.tag(BEN, 4, 1) >= next_of_ann, "no right to crowd the other out was saved up"


def test_priorities_have_turns_of_their_own() -> None:
    turns = Turns()
    for _ in range(100):
        turns.went(1, turns.tag(ANN, 1, 1))
    assert turns.tag(ANN, 9, 1) == 0.0


def test_when_nothing_is_held_everybody_begins_anew() -> None:
    turns = Turns()
    for _ in range(10):
        turns.tag(ANN, 4, 1)
    turns.forget()
    assert turns.tag(ANN, 4, 1) == turns.tag(BEN, 4, 1) == 0.0
