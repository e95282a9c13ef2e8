"""Header blocks as bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire import headers
from posthouse.wire.addresses import Mailbox

MESSAGE = (
    b"Received: one\r\n\tby two\r\nFROM : Ann <a@b.c>\r\nSubject: =?utf-8?q?Hej_J=C3=B8rgen?=\r\n =?utf-8?b?w6bDuA==?=\r\n"
    b"Bcc: x@y.z\r\nReceived: two\r\n\r\nBcc: not a field\r\n"
)
BLOCK = headers.split(MESSAGE)[0]


def test_splitting_leaves_the_blank_line_out() -> None:
    block, body = headers.split(MESSAGE)
    assert block.endswith(b"Received: two\r\n")
    assert body == b"Bcc: not a field\r\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", (b"", b"")),
        (b"\r\nbody", (b"", b"body")),
        (b"A: b\r\n", (b"A: b\r\n", b"")),
        (b"A: b\r\n\r\n", (b"A: b\r\n", b"")),
    ],
)
def test_a_message_may_lack_header_or_body(content: bytes, expected: tuple[bytes, bytes]) -> None:
    assert headers.split(content) == expected


def test_names_are_found_in_any_case_and_values_unfolded() -> None:
    assert headers.values(BLOCK, "received") == [b"one\tby two", b"two"]
    assert headers.first(BLOCK, "from") == b"Ann <a@b.c>"
    assert headers.first(BLOCK, "Date") is None
    assert headers.count(BLOCK, "RECEIVED") == 2
    assert headers.authors(BLOCK) == (Mailbox("a@b.c", "Ann"),)


def test_removing_a_field_touches_no_other_byte() -> None:
    assert headers.remove(MESSAGE, ["bcc"]) == MESSAGE.replace(b"Bcc: x@y.z\r\n", b"")
    assert headers.remove(MESSAGE, ["Received"]).startswith(b"FROM : Ann")
    assert headers.remove(MESSAGE, ["Nothing"]) == MESSAGE


def test_encoded_words_are_joined_and_decoded() -> None:
    assert headers.decode(headers.first(BLOCK, "Subject") or b"") == "Hej Jørgenæø"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"plain", "plain"),
        (b"r\xe5 latin", "rå latin"),
        ("rå utf-8".encode(), "rå utf-8"),
        (b"=?iso-8859-1?Q?r=E5?= text", "rå text"),
        (b"=?utf-8?B?w6U?=", "å"),
        (b"=?nonsense?q?a?=", "a"),
        (b"=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        (b"=?utf-8?q?a=0D=0ABcc:_x?=", "a  Bcc: x"),
        (b"=?utf-8?b?AA==?=", " "),
        (b"=?utf-7?q?+2AA-?=", "�"),
        (b"=?unicode_escape?q?=5Cd?=", "\\d"),
        (b"=?utf-8*da?q?hej?=", "hej"),
        (b"a\r\n b", "a b"),
    ],
)
def test_values_become_one_line_of_text(value: bytes, expected: str) -> None:
    assert headers.decode(value) == expected


@given(st.binary(max_size=300))
def test_joining_the_fields_gives_the_block_back(junk: bytes) -> None:
    block, _ = headers.split(junk)
    assert b"".join(field.raw for field in headers.fields(block)) == block
    assert headers.remove(junk, []) == junk
    headers.authors(block)
    headers.is_well_formed(block)


@given(st.text(alphabet="=?utf-8bqQB_ \r\næAZaz01+/", max_size=120) | st.text(max_size=120))
def test_no_value_makes_decoding_raise(value: str) -> None:
    decoded = headers.decode(value.encode("utf-8", "replace"))
    assert not any(ord(char) < 32 for char in decoded)
    decoded.encode()


@pytest.mark.parametrize(
    "block",
    [
        b"no colon\r\n",
        b" starts folded: x\r\n",
        b"A: b\nB: c\r\n",
        b"A: \x00\r\n",
        b"A: b\rc\r\n",
        b"A B: c\r\n",
        b": x\r\n",
    ],
)
def test_a_line_that_belongs_to_no_field_is_noticed(block: bytes) -> None:
    assert not headers.is_well_formed(block + b"From: a@b.c\r\n")


def test_every_ordinary_block_is_well_formed() -> None:
    assert headers.is_well_formed(BLOCK)
    assert headers.is_well_formed(b"")
    assert headers.is_well_formed("Subject: rå\r\n x\r\n\r\n".encode()[:-2])


@pytest.mark.parametrize("value", [b"a\xc2\x9b31mb", b"=?utf-8?q?a=C2=9B31mb?=", b"a\x9b31mb", b"=?utf-8?q?a=1B31mb?="])
def test_no_terminal_obeys_a_decoded_value(value: bytes) -> None:
    assert headers.decode(value) == "a 31mb"
