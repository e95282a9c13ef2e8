"""Ids that sort by time."""

import random
from datetime import UTC, datetime
from typing import Any
from uuid import RFC_4122

from posthouse.runtime.ids import Ids, time_of, uuid7_floor


def test_an_id_is_a_version_7_uuid_of_its_millisecond(clock: Any) -> None:
    made = Ids(clock).new()
    assert (made.version, made.variant) == (7, RFC_4122)
    assert time_of(made) == clock.now()


def test_ids_of_one_millisecond_grow(clock: Any) -> None:
    ids = Ids(clock)
    made = [ids.new() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_ids_grow_when_the_clock_steps_back(clock: Any) -> None:
    ids = Ids(clock)
    before = ids.new()
    clock.advance(-3600)
    assert before < ids.new()


def test_two_processes_do_not_make_the_same_ids(clock: Any) -> None:
    assert Ids(clock).new() != Ids(clock).new()


def test_the_same_bits_at_the_same_time_make_the_same_ids(clock: Any) -> None:
    one, other = (Ids(clock, random.Random(7).getrandbits) for _ in range(2))
    assert [one.new() for _ in range(3)] == [other.new() for _ in range(3)]


def test_the_floor_separates_earlier_from_later(clock: Any) -> None:
    ids = Ids(clock)
    earlier = ids.new()
    clock.advance(0.001)
    floor = uuid7_floor(clock.now())
    assert earlier < floor < ids.new()


def test_the_floor_is_the_millisecond_with_zeros_behind_it() -> None:
    assert str(uuid7_floor(datetime(1970, 1, 1, 0, 0, 1, 999, tzinfo=UTC))) == "00000000-03e8-0000-0000-000000000000"


def test_ids_stay_different_when_the_drawn_bits_run_out(clock: Any) -> None:
    ids = Ids(clock)
    tails = set()
    for _ in range(3_000):  # each takes 10 of the octets drawn at once
        clock.advance(0.001)
        tails.add(ids.new().int & (1 << 62) - 1)
    assert len(tails) == 3_000
