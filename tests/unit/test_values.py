"""Dataclasses whose constancy only the type checker sees to."""

import dataclasses

from posthouse.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 2


@dataclass(frozen=True, eq=False)
class Call:
    name: str


@dataclass(slots=True)
class Count:
    times: int = 0


def test_a_value_is_a_key_equals_its_twin_and_can_be_replaced() -> None:
    assert {Point(1): "found"}[Point(1)] == "found"
    assert dataclasses.replace(Point(1), y=3) == Point(1, 3)
    assert not hasattr(Point(1), "__dict__")


def test_without_equality_everything_is_itself_alone() -> None:
    assert Call("a") != Call("a")
    assert len({Call("a"), Call("a")}) == 2


def test_what_may_change_is_no_key() -> None:
    assert Count.__hash__ is None
