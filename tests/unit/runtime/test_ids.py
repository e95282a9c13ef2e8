"""Ids that sort by time."""

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


def test_the_floor_separates_earlier_from_later(clock: Any) -> None:
    ids = Ids(clock)
    earlier = ids.new()
    clock.advance(0.001)
    floor = uuid7_floor(clock.now())
    assert earlier < floor < ids.new()


def test_the_floor_is_the_millisecond_with_zeros_behind_it() -> None:
    assert str(uuid7_floor(datetime(1970, 1, 1, 0, 0, 1, 999, tzinfo=UTC))) == "00000000-03e8-0000-0000-000000000000"
