"""Where bounces return to: the domain that aligns with From."""

import pytest

from posthouse.accounts.return_path import choose, is_aligned


@pytest.mark.parametrize(
    ("bounce_domain", "from_domain", "aligned"),
    [
        ("bounces.acme.test", "acme.test", True),
        ("bounces.acme.test", "news.acme.test", True),  # relaxed alignment: one organisation
        ("bounces.mail.acme.test", "acme.test", True),
        ("bounces.acme.test", "acme.example", False),
        ("bounces.acme.test", "notacme.test", False),
        ("bounces.test", "acme.test", False),  # a top-level domain is no organisation
    ],
)
def test_alignment_is_relaxed_and_never_between_strangers(bounce_domain: str, from_domain: str, aligned: bool) -> None:
    assert is_aligned(bounce_domain, from_domain) is aligned


def test_the_nearest_bounce_domain_is_chosen() -> None:
    known = ("bounces.acme.test", "bounces.other.test", "returns.news.acme.test")
    assert choose(known, "acme.test") == "bounces.acme.test"
    assert choose(known, "news.acme.test") == "returns.news.acme.test"
    assert choose(known, "other.test") == "bounces.other.test"
    assert choose(known, "third.test") is None
    assert choose((), "acme.test") is None
