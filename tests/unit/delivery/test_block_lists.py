"""What follows from what block lists say."""

from datetime import UTC, datetime, timedelta

import pytest

from posthouse.delivery.block_lists import State, is_out, next_state
from posthouse.delivery.sources import Rotation, of_settings
from posthouse.wire.dnsbl import Said

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("state", "said", "after"),
    [
        (State(None), Said.CLEAN, State(None)),
        (State(None), Said.UNKNOWN, State(None)),
        (State(None), Said.LISTED, State(LATER)),
        (State(NOW), Said.LISTED, State(NOW)),
        (State(NOW), Said.UNKNOWN, State(NOW)),
        (State(NOW), Said.CLEAN, State(NOW, 1)),
        (State(NOW, 1), Said.UNKNOWN, State(NOW, 1)),
        (State(NOW, 1), Said.CLEAN, State(None)),
        (State(NOW, 1), Said.LISTED, State(NOW)),
    ],
)
def test_a_listing_ends_after_two_clean_looks_in_a_row(state: State, said: Said, after: State) -> None:
    assert next_state(state, said, LATER) == after


@pytest.mark.parametrize(
    ("addresses", "listed", "out"),
    [
        (["5.9.0.1"], ["5.9.0.1"], True),
        (["5.9.0.1", "5.9.0.2"], ["5.9.0.1"], False),
        (["5.9.0.1", "2a01:4f8::1"], ["5.9.0.1"], True),
        (["5.9.0.1", "2a01:4f8::1"], ["2a01:4f8::1"], False),
        (["2a01:4f8::1"], ["2a01:4f8::1"], True),
        ([], [], False),
    ],
)
def test_a_pool_is_out_when_every_address_receivers_see_is_listed(
    addresses: list[str], listed: list[str], out: bool
) -> None:
    assert is_out(addresses, listed) is out


def test_a_listed_address_leaves_rotation_while_there_is_another() -> None:
    rotation = Rotation(of_settings(["5.9.0.1", "5.9.0.2 two.example", "2A01:4F8:0::1"], "one.example"))
    rotation.listed = frozenset({"5.9.0.1", "2a01:4f8::1"})
    assert [each.address for each in rotation.available(0)] == ["5.9.0.2"]
    rotation.missing("5.9.0.2", 0)
    assert [each.address for each in rotation.available(1)] == ["5.9.0.1", "2A01:4F8:0::1"]
