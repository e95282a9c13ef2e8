"""The addresses a pool sends from."""

import pytest

from posthouse.delivery.sources import MISSING_S, Rotation, Source, of_settings

FIRST, SECOND = Source("192.0.2.1", "a.test"), Source("192.0.2.2", "b.test")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((), [("", "out.test")]),
        (("192.0.2.1",), [("192.0.2.1", "out.test")]),
        (("192.0.2.1 a.test", "192.0.2.2"), [("192.0.2.1", "a.test"), ("192.0.2.2", "out.test")]),
        (("2001:db8::1   six.test ",), [("2001:db8::1", "six.test")]),
    ],
)
def test_a_source_is_an_address_with_the_name_said_from_there(
    texts: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    assert [(source.address, source.helo) for source in of_settings(texts, "out.test")] == expected


def test_a_source_the_host_lacks_leaves_rotation_and_comes_back() -> None:
    rotation = Rotation([FIRST, SECOND])
    assert rotation.available(0.0) == (FIRST, SECOND)
    rotation.missing(FIRST.address, 10.0)
    assert rotation.available(10.0) == (SECOND,)
    assert rotation.back_at(FIRST.address) == 10.0 + MISSING_S
    assert rotation.available(10.0 + MISSING_S) == (FIRST, SECOND)


def test_when_all_are_missing_there_is_none() -> None:
    rotation = Rotation([FIRST])
    rotation.missing(FIRST.address, 0.0)
    assert rotation.available(1.0) == ()
    assert rotation.back_at(SECOND.address) == 0.0
