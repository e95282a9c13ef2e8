"""What the search box means, and how a body is kept."""

import pytest

from posthouse.outbox import bodies, search_terms
from posthouse.outbox.search_terms import AddressRange, MessageId, Words


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("", None),
        ("   ", None),
        ("<a@b.test>", MessageId("<a@b.test>")),
        ("anna@example.test", AddressRange("anna@example.test", "anna@example.test\U0010ffff")),
        ("anna@", AddressRange("anna@", "anna@\U0010ffff")),
        ("order 17", Words("order 17")),
        ("@handle", Words("@handle")),
        ("mail to anna@example.test", Words("mail to anna@example.test")),
    ],
)
def test_a_query_is_read_by_its_shape(typed: str, means: object) -> None:
    assert search_terms.read(typed) == means


@pytest.mark.parametrize(
    ("typed", "expression"),
    [("order 17", "order:* & 17:*"), ("blåbær & (x|!y):*", "blåbær:* & x:* & y:*"), ("!&|", None), ("", None)],
)
def test_words_become_a_safe_expression(typed: str, expression: str | None) -> None:
    assert search_terms.words(typed) == expression


@pytest.mark.parametrize("content", [b"", b"short", b"long " * 1000, bytes(range(256)) * 8])
def test_a_body_comes_back_as_it_was_stored(content: bytes) -> None:
    assert bodies.unpack(*bodies.pack(content, None), bytes) == content
    sealed = bodies.pack(content, lambda plain: plain[::-1])
    assert bodies.unpack(*sealed, lambda stored: stored[::-1]) == content
