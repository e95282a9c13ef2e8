"""What `posthouse doctor` says of opt-out links."""

import pytest

from posthouse.cli.checks import Verdict, opt_out_links
from posthouse.runtime.settings import Settings


@pytest.mark.parametrize(
    ("url", "lab", "verdict", "words"),
    [
        ("https://mail.example.com", False, Verdict.OK, "lead to https://mail.example.com"),
        ("", False, Verdict.WARNING, "set web.public_url"),
        ("http://mail.example.com", False, Verdict.WARNING, "one-click needs https"),
        ("", True, Verdict.OK, "good enough for the lab"),
    ],
)
def test_one_click_needs_https(url: str, verdict: Verdict, words: str, *, lab: bool) -> None:
    found = opt_out_links(Settings().with_("web", public_url=url).with_("lab", enabled=lab))
    assert (found.verdict, words in found.detail) == (verdict, True)
