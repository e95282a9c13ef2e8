"""Addresses as typed, and address lists as found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.address_list import parse_list
from posthouse.wire.addresses import AddressProblem, Mailbox, parse_address, to_a_label


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@example.com", Mailbox("a@example.com")),
        ("  a@example.com ", Mailbox("a@example.com")),
        ("A.b+c@Example.COM", Mailbox("A.b+c@example.com")),
        ("a@example.test", Mailbox("a@example.test")),
        ("a@localhost", Mailbox("a@localhost")),
        ("a@mail.invalid", Mailbox("a@mail.invalid")),
        ("Ann <a@example.com>", Mailbox("a@example.com", "Ann")),
        ('"Doe, \\"Jo\\"" <a@example.com>', Mailbox("a@example.com", 'Doe, "Jo"')),
        ("<a@example.com>", Mailbox("a@example.com")),
        ("grå@blåbær.dk", Mailbox("grå@xn--blbr-roah.dk")),
        ("a@BLÅBÆR.dk", Mailbox("a@xn--blbr-roah.dk")),
    ],
)
def test_an_address_keeps_its_local_part_and_gets_an_a_label(text: str, expected: Mailbox) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "@", "a@", "@b.c", "a@b..c", "a@-b.c", "a@b.c.", "a b@c.d", "a@b@c.d", "a..b@c.d", ".a@c.d", "a@[127.0.0.1]",
        "a@1.2.3.4", "a\r\nBcc: x@y.z@b.c", "a\x00@b.c", "Evil\r\nBcc: x <a@b.c>", "Name <a@b.c", "l" * 65 + "@b.c",
        "é" * 40 + "@b.c", "a@" + "b" * 64 + ".c", "a@xn--zzzzzz--.c", "\ud800@b.c", "<>", "Name <>",
        "a@" + ".".join(["d" * 60] * 5),
    ],
)  # fmt: skip
def test_what_is_no_address_is_a_problem_in_words(text: str) -> None:
    problem = parse_address(text)
    assert isinstance(problem, AddressProblem)
    assert problem.at("/to/0").pointer == "/to/0"
    assert problem.detail.endswith(".")


@given(st.text(max_size=80) | st.text(alphabet='ab@.<>" \\,é-', max_size=40))
def test_no_text_makes_the_parser_raise(text: str) -> None:
    found = parse_address(text)
    if isinstance(found, Mailbox):
        assert to_a_label(found.domain) == found.domain


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@b.c", [Mailbox("a@b.c")]),
        ("Ann Smith <a@B.C>, bo@d.e", [Mailbox("a@b.c", "Ann Smith"), Mailbox("bo@d.e")]),
        ('"Doe, J" <a@b.c>', [Mailbox("a@b.c", "Doe, J")]),
        ('"a\\"b@x.y" <a@b.c>', [Mailbox("a@b.c", 'a"b@x.y')]),
        ("Friends: a@b.c, Bo <d@e.f>;, g@h.i", [Mailbox("a@b.c"), Mailbox("d@e.f", "Bo"), Mailbox("g@h.i")]),
        ("undisclosed-recipients:;", []),
        ("a@b.c (see (also) other@x.y)", [Mailbox("a@b.c")]),
        ("(x@y.z) a@b.c", [Mailbox("a@b.c")]),
        ("<@relay,@other:a@b.c>", [Mailbox("a@b.c")]),
        ("a @ b . c", [Mailbox("a@b.c")]),
        ("=?utf-8?q?S=C3=B8ren=2C_x=40y=2Ez?= <a@b.c>", [Mailbox("a@b.c", "Søren, x@y.z")]),
        ("<a@b.c> <d@e.f>", [Mailbox("a@b.c"), Mailbox("d@e.f")]),
        ("<a@b.c> d@e.f", [Mailbox("a@b.c"), Mailbox("d@e.f")]),
        ("<a@b.c <d@e.f>", [Mailbox("a@b.c"), Mailbox("d@e.f")]),
        ("x@y.z: a@b.c;", [Mailbox("x@y.z"), Mailbox("a@b.c")]),
        ("<a@b.c> said so", [Mailbox("a@b.c")]),
        ("root", [Mailbox("root")]),
        ("John Doe a@b.c", [Mailbox("John Doe a@b.c")]),
        ('"john doe"@b.c', [Mailbox('"john doe"@b.c')]),
        ("a@blåbær.dk", [Mailbox("a@xn--blbr-roah.dk")]),
        (",,;", []),
        ("", []),
    ],
)
def test_every_mailbox_of_a_list_is_found_and_none_is_invented(value: str, expected: list[Mailbox]) -> None:
    assert list(parse_list(value)) == expected


@given(st.text(max_size=200) | st.text(alphabet='ab@.<>"()\\,;: ', max_size=120))
def test_no_list_makes_the_reader_raise(value: str) -> None:
    assert len(parse_list(value)) <= len(value) + 1


def test_a_list_of_a_hundred_thousand_brackets_is_read_in_time() -> None:
    parse_list("(" * 100_000)
    parse_list("<" * 20_000)
    parse_list('"' + "\\" * 100_001)


@pytest.mark.parametrize("text", [" " * 300_000 + "x", "a" + " " * 300_000 + ">", "<" * 300_000, "a <" + " " * 300_000])
def test_an_absurd_address_is_refused_without_a_long_search(text: str) -> None:
    assert isinstance(parse_address(text), AddressProblem)


@pytest.mark.parametrize(
    "text", ["a@example.com (x", "a@example.com (<ceo@bank.example>", '<a@example.com> (x, "ceo" <ceo@bank.example>']
)
def test_an_unclosed_comment_hides_nobody(text: str) -> None:
    assert parse_list(text) != (Mailbox("a@example.com"),)


def test_many_unclosed_comments_are_read_in_one_go() -> None:
    parse_list("(" * 250_000)
