"""The end of data, dot-unstuffing, and what makes a message unacceptable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.model.limits import DATA_DISCARD_OCTETS, HEADER_BLOCK_OCTETS
from posthouse.wire import smtp_server_replies as replies
from posthouse.wire.smtp_server_data import DataReader, fault

BIG = 1_000_000


def read(*chunks: bytes, max_size: int = BIG, max_line: int = 998):
    """What the reader makes of the chunks, and what it left of the last one."""
    reader = DataReader(max_size, max_line)
    for chunk in chunks[:-1]:
        assert reader.feed(bytearray(chunk)) is None
    used = reader.feed(bytearray(chunks[-1]))
    assert used is not None
    return reader.result(), chunks[-1][used:]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"..a\r\n...\r\nb.\r\n.\r\n", b".a\r\n..\r\nb.\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"\r\n\r\n..\r\n.\r\n", b"\r\n\r\n.\r\n"),
        (b"\xff\xe6\r\n.\r\n", b"\xff\xe6\r\n"),
    ],
)
def test_a_message_ends_at_a_lone_dot_and_loses_its_stuffing(sent, expected):
    assert read(sent + b"QUIT\r\n") == (expected, b"QUIT\r\n")


@pytest.mark.parametrize(
    ("hidden", "reply"),
    [
        (b"\n.\n", replies.BARE_LF),
        (b"\n.\r\n", replies.BARE_LF),
        (b"\r\n.\n", replies.BARE_LF),
        (b"\r.\r", replies.BARE_CR),
        (b"\r.\r\n", replies.BARE_CR),
        (b"\r\n.\r", replies.BARE_CR),
        (b"\r\r\n.\r\r\n", replies.BARE_CR),
        (b"\r\n\x00.\r\n", replies.NUL_OCTET),
        (b"\r\n.\x00\r\n", replies.NUL_OCTET),
        (b"\n\r.\n\r", replies.BARE_LF),
    ],
)
def test_no_imitation_of_the_end_hides_a_second_message(hidden, reply):
    inner = b"a" + hidden + b"MAIL FROM:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\nspoofed"
    assert read(inner + b"\r\n.\r\nQUIT\r\n") == (reply, b"QUIT\r\n")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"x" * 998 + b"\r\n", None),
        (b"x" * 999 + b"\r\n", replies.LONG_LINE),
        ((b"y" * 10 + b"\r\n") * 200 + b"x" * 998 + b"\r\n", None),
        ((b"y" * 10 + b"\r\n") * 200 + b"x" * 999 + b"\r\n" + b"z\r\n" * 9, replies.LONG_LINE),
        (b"\r\n" * 5_000, None),
        (b"h: v\r\n" * (HEADER_BLOCK_OCTETS // 6 + 1), replies.LONG_HEADER),
        (b"h: v\r\n\r\n" + b"body\r\n" * (HEADER_BLOCK_OCTETS // 6), None),
    ],
)
def test_lines_and_the_header_section_have_a_length(content, expected):
    assert fault(content, 998) == expected


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 30))
def test_a_long_line_is_found_wherever_it_stands(lengths, max_line):
    content = b"".join(b"x" * length + b"\r\n" for length in lengths)
    assert (fault(content, max_line) is replies.LONG_LINE) == any(length > max_line for length in lengths)


def test_the_size_limit_counts_the_message_without_its_stuffing():
    stuffed = b"..\r\n" * 100
    assert read(stuffed + b".\r\n", max_size=300)[0] == b".\r\n" * 100
    assert read(stuffed + b".\r\n", max_size=299)[0] == replies.TOO_BIG


@given(st.integers(1, 400), st.integers(1, 50))
def test_an_oversized_message_is_refused_however_it_is_split(size, step):
    sent = (b"..\r\n" * 200)[: size * 4] + b".\r\nQUIT\r\n"
    whole = read(sent, max_size=300)
    reader, position = DataReader(300, 998), 0
    used = None
    while used is None:
        chunk = sent[position : position + step]
        used = reader.feed(bytearray(chunk))
        assert reader.buffered <= 300 * 4 // 3 + 10 + step
        position += len(chunk) if used is None else used
    assert (reader.result(), sent[position:]) == whole


def test_an_endless_message_is_given_up_in_bounded_memory():
    reader, chunk = DataReader(1_000, 998), bytearray(1 << 22)
    for _ in range(DATA_DISCARD_OCTETS // len(chunk)):
        assert not reader.hopeless
        assert reader.feed(chunk) is None
        assert reader.buffered < 2_000
    assert reader.hopeless


@given(st.binary(max_size=300).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"\r\n")), st.data())
def test_stuffing_and_unstuffing_give_the_same_message_at_every_split(content, data):
    content = content.replace(b"\0", b"") + b"\r\n"
    sent = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"
    cut = data.draw(st.integers(0, len(sent) - 1))
    assert read(sent[:cut], sent[cut:]) == (content, b"")
