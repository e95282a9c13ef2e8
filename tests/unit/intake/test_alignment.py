"""Whether SPF will count for DMARC, told before anything is sent."""

import pytest

from posthouse.intake.alignment import NOT_ALIGNED, warning


@pytest.mark.parametrize(
    ("sender", "returns", "code"),
    [
        ("acme.test", "bounces.mail.host.test", NOT_ALIGNED),
        ("acme.test", "bounces.acme.test", None),
        ("news.acme.test", "bounces.acme.test", None),
        ("acme.test", "acme.test", None),
        ("acme.test", "bounces.acmex.test", NOT_ALIGNED),
    ],
)
def test_a_return_path_of_another_organisation_is_warned_of(sender: str, returns: str, code: str | None) -> None:
    found = warning(sender, returns)
    assert (found.code if found else None) == code
    if found:
        assert sender in found.detail
        assert returns in found.detail
