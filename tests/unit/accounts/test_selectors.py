"""Which DKIM keys sign which pool's mail, as tables of cases."""

from dataclasses import dataclass

import pytest

from posthouse.accounts.selectors import Selectors, algorithm_of, is_selector
from posthouse.model.words import Pool
from posthouse.runtime.settings import Marketing, Notification, Settings
from posthouse.wire.dkim_keys import Algorithm

OWN = Selectors({Pool.MARKETING: ("mk1", "mk1-ed"), Pool.NOTIFICATION: ("mk1",)})


@dataclass(frozen=True)
class Key:
    selector: str


@pytest.mark.parametrize(
    ("published", "pool", "signing"),
    [
        ("a b mk1 mk1-ed", Pool.TRANSACTIONAL, "a b"),
        ("a b mk1 mk1-ed", Pool.MARKETING, "mk1 mk1-ed"),
        ("a b mk1 mk1-ed", Pool.NOTIFICATION, "mk1"),
        ("a b mk1 mk1-ed", None, "a b"),
        ("a b", Pool.MARKETING, "a b"),
        ("a b mk1-ed", Pool.NOTIFICATION, "a b"),
        ("mk1", Pool.TRANSACTIONAL, "mk1"),
        ("", Pool.MARKETING, ""),
    ],
)
def test_a_pool_signs_with_its_own_keys_or_the_common_ones(published: str, pool: Pool | None, signing: str) -> None:
    keys = [Key(selector) for selector in published.split()]
    assert [key.selector for key in OWN.choose(keys, pool)] == signing.split()


def test_the_selectors_come_from_the_settings_of_each_pool() -> None:
    settings = Settings(marketing=Marketing(selectors=("MK1", "mk1-ed")), notification=Notification(selectors=("mk1",)))
    assert dict(Selectors.of(settings).own) == dict(OWN.own)
    assert set(Selectors.of(settings).all) == {"mk1", "mk1-ed"}
    assert Selectors.of(settings).pools_of("mk1") == (Pool.NOTIFICATION, Pool.MARKETING)
    assert Selectors.of(Settings()).all == ()


@pytest.mark.parametrize(
    ("selector", "algorithm"),
    [
        ("mk1", Algorithm.RSA),
        ("mk1-ed", Algorithm.ED25519),
        ("ed", Algorithm.ED25519),
        ("mk.ed", Algorithm.ED25519),
        ("wanted", Algorithm.RSA),
        ("ed-mk", Algorithm.RSA),
    ],
)
def test_a_selector_says_what_kind_of_key_it_names(selector: str, algorithm: Algorithm) -> None:
    assert algorithm_of(selector) is algorithm


@pytest.mark.parametrize(
    ("text", "usable"),
    [("mk1", True), ("a.b", True), ("mk1-ed", True), ("", False), ("-a", False), ("a-", False), ("a_b", False), ("a b", False),
     ("a..b", False), ("x" * 63, True), ("x" * 64, False), ("blå", False)],
)  # fmt: skip
def test_a_selector_is_labels_of_a_name(text: str, usable: bool) -> None:
    assert is_selector(text) is usable
