"""The postal address is the last thing to be seen of a text and of a page."""

import pytest

from posthouse.content.footer import with_address
from posthouse.wire.addresses import Mailbox
from posthouse.wire.mime import Draft

ADDRESS = "Shop & Co, 1 High Street, Anytown"
LINE = '\n<p style="margin:24px 0 0;font-size:12px;line-height:1.5">Shop &amp; Co, 1 High Street, Anytown</p>\n'


def draft(text: str | None, html: str | None) -> Draft:
    return Draft(Mailbox("a@a.test"), text=text, html=html)


@pytest.mark.parametrize(
    ("page", "whole"),
    [
        ("<p>Hi</p>", f"<p>Hi</p>{LINE}"),
        ("<html><body><p>Hi</p></body></html>", f"<html><body><p>Hi</p>{LINE}</body></html>"),
        ("<p>Hi</p></BODY>\n</HTML>\n", f"<p>Hi</p>{LINE}</BODY>\n</HTML>\n"),
        ("<p>Hi</p></html>", f"<p>Hi</p>{LINE}</html>"),
        ("<!-- </body> --><p>Hi</p>", f"<!-- </body> --><p>Hi</p>{LINE}"),
    ],
)
def test_a_page_shows_it_before_its_end(page: str, whole: str) -> None:
    assert with_address(draft(None, page), ADDRESS) == draft(None, whole)


@pytest.mark.parametrize(
    ("text", "whole"), [("Hi", f"Hi\n\n{ADDRESS}\n"), ("Hi\n\n\n", f"Hi\n\n{ADDRESS}\n"), ("", f"{ADDRESS}\n")]
)
def test_a_text_ends_with_it(text: str, whole: str) -> None:
    assert with_address(draft(text, None), ADDRESS) == draft(whole, None)


def test_both_have_it() -> None:
    made = with_address(draft("Hi", "<p>Hi</p>"), ADDRESS)
    assert (made.text, made.html) == (f"Hi\n\n{ADDRESS}\n", f"<p>Hi</p>{LINE}")
