"""Which keys take over, and when the former ones may go."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from posthouse.accounts import rotation
from posthouse.accounts.dns_records import Check, PublishedKey, Purpose, SendingDomain
from posthouse.accounts.rotation import RETIRED_FOR, KeyState, Turn

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RSA, ED = PublishedKey("ph1-rsa", "rsa-sha256", ""), PublishedKey("ph1-ed", "ed25519-sha256", "")
NEW_RSA = PublishedKey("ph1-20261122-rsa", "rsa-sha256", "", replacing=True)
NEW_ED = PublishedKey("ph1-20261122-ed", "ed25519-sha256", "", replacing=True)
POOL_KEY = PublishedKey("mk1", "rsa-sha256", "")
KEYS = (RSA, ED, NEW_RSA, NEW_ED, POOL_KEY)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({"ph1-rsa", "ph1-ed", "mk1"}, Turn()),
        ({"ph1-rsa", "ph1-20261122-rsa"}, Turn(("ph1-20261122-rsa",), ("ph1-rsa",))),
        ({"ph1-20261122-ed"}, Turn(("ph1-20261122-ed",), ("ph1-ed",))),
        (
            {"ph1-20261122-ed", "ph1-20261122-rsa"},
            Turn(("ph1-20261122-rsa", "ph1-20261122-ed"), ("ph1-rsa", "ph1-ed")),
        ),
    ],
)
def test_a_new_key_that_is_seen_relieves_the_common_ones_of_its_algorithm(seen: set[str], expected: Turn) -> None:
    assert rotation.turn(KEYS, seen, lambda selector: selector != "mk1") == expected


def test_what_is_retired_is_not_retired_again() -> None:
    former = replace(RSA, retired_at=NOW)
    assert rotation.turn((former, NEW_RSA), {NEW_RSA.selector}, lambda _: True) == Turn((NEW_RSA.selector,), ())


def test_new_selectors_have_the_day_in_them_and_are_never_used_twice() -> None:
    first = rotation.new_selectors(3, NOW, ())
    assert {name: str(algorithm) for name, algorithm in first.items()} == {
        "ph3-20261122-rsa": "rsa-sha256",
        "ph3-20261122-ed": "ed25519-sha256",
    }
    assert list(rotation.new_selectors(3, NOW, ["ph3-20261122-ed"])) == ["ph3-20261122a-rsa", "ph3-20261122a-ed"]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (RSA, KeyState.SIGNING),
        (ED, KeyState.UNSEEN),
        (NEW_RSA, KeyState.REPLACING),
        (replace(RSA, retired_at=NOW - RETIRED_FOR + timedelta(seconds=1)), KeyState.RETIRED),
        (replace(RSA, retired_at=NOW - RETIRED_FOR), KeyState.OVER),
    ],
)
def test_a_key_says_what_it_does(key: PublishedKey, expected: KeyState) -> None:
    seen = Check(Purpose.DKIM, "ph1-rsa._domainkey.shop.test", "TXT", "", (), passed=True, answered=True, detail="")
    domain = SendingDomain(UUID(int=1), UUID(int=2), "shop.test", "", NOW, NOW, (seen,), NOW, KEYS)
    assert rotation.state_of(key, domain, NOW) is expected
