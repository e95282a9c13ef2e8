"""What a site is given, as tables."""

import pytest

from posthouse.delivery.shaping import HOLD_LEAST, HOLD_MOST, RESERVED, Load, connections_wanted, hold, room


@pytest.mark.parametrize(
    ("queued", "open_now", "seconds_per_mail", "wanted"),
    [
        (0, 0, 0.0, 0),  # nothing to do
        (1, 0, 0.0, 1),
        (500, 1, 0.0, 1),  # one until the first mail has told how long a mail takes
        (10, 1, 0.003, 1),  # a fast receiver drains ten over one connection
        (240, 1, 0.003, 2),
        (250, 1, 0.003, 10),  # nobody knows how much more there is
        (500, 1, 1.0, 10),  # a slow one gets the limit
        (10, 4, 0.003, 4),  # open sessions are not closed under a queue
        (0, 3, 0.5, 3),
    ],
)
def test_connections_follow_what_the_queue_would_take(
    queued: int, open_now: int, seconds_per_mail: float, wanted: int
) -> None:
    assert connections_wanted(Load(queued, open_now, seconds_per_mail), limit=10) == wanted


@pytest.mark.parametrize(
    ("still_s", "open_now", "wanted"),
    [(0.4, 1, 1), (0.6, 1, 2), (0.6, 9, 10), (60, 10, 10)],  # one more at a time, never over the limit
)
def test_a_connection_is_added_when_none_has_moved_while_mail_waits(still_s: float, open_now: int, wanted: int) -> None:
    assert connections_wanted(Load(5, open_now, 0.003, still_s), limit=10) == wanted


@pytest.mark.parametrize(
    ("connections", "seconds_per_mail", "held"),
    [(1, 0.0, HOLD_LEAST), (1, 1.0, HOLD_LEAST), (10, 0.1, 100), (10, 0.001, HOLD_MOST)],
)
def test_about_a_second_of_mail_is_held(connections: int, seconds_per_mail: float, held: int) -> None:
    assert hold(Load(0, connections, seconds_per_mail)) == held


FULL = Load(queued=HOLD_LEAST, connections=1, seconds_per_mail=1.0)
FULL_AND_FAST = Load(queued=HOLD_MOST, connections=10, seconds_per_mail=0.001)


@pytest.mark.parametrize(
    ("load", "urgent", "expected"),
    [
        (FULL, HOLD_LEAST, 0),  # all that is held is at least as urgent
        (FULL, 0, RESERVED),
        (FULL, 5, 5),
        (FULL, 6, 0),  # worth a claim when half of them are gone
        (FULL_AND_FAST, 0, 125),
        (FULL_AND_FAST, 63, 0),
        (Load(queued=HOLD_MOST, connections=1, seconds_per_mail=1.0), 0, RESERVED),  # it was fast when it was filled
    ],
)
def test_a_full_site_has_room_for_what_is_more_urgent_than_some_of_what_it_holds(
    load: Load, urgent: int, expected: int
) -> None:
    assert room(load, urgent) == expected


def test_a_site_is_filled_up_to_what_it_may_hold() -> None:
    assert room(Load(queued=5, connections=1, seconds_per_mail=1.0), urgent=5) == HOLD_LEAST - 5
