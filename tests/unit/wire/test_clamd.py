"""The dialogue with clamd as octets: what is sent for a message, and what its replies mean."""

from struct import unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.model.errors import RemoteProtocolError
from posthouse.model.limits import SCAN_CHUNK_OCTETS
from posthouse.wire.clamd import Clean, Found, Unjudged, Verdict, request, verdict


def as_clamd_reads(sent: bytes) -> tuple[bytes, list[bytes]]:
    """The command and the chunks, as clamd(8) says they are to be read; nothing may follow the chunk of length zero."""
    command, _, rest = sent.partition(b"\0")
    chunks = []
    while True:
        (length,) = unpack("!I", rest[:4])
        if not length:
            assert rest == bytes(4)
            return command, chunks
        assert len(rest) >= 4 + length
        chunks.append(rest[4 : 4 + length])
        rest = rest[4 + length :]


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_contents_arrive_as_one_stream_that_ends(contents: list[bytes]) -> None:
    command, chunks = as_clamd_reads(b"".join(request(*contents)))
    assert command == b"zINSTREAM"
    assert b"".join(chunks) == b"".join(contents)


@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_no_chunk_is_longer_than_the_limit(beyond: int) -> None:
    content = bytes(2 * SCAN_CHUNK_OCTETS + beyond)
    _, chunks = as_clamd_reads(b"".join(request(content)))
    assert [len(chunk) for chunk in chunks[:2]] == [
        SCAN_CHUNK_OCTETS,
        min(SCAN_CHUNK_OCTETS, SCAN_CHUNK_OCTETS + beyond),
    ]
    assert b"".join(chunks) == content


@pytest.mark.parametrize(
    ("reply", "meaning"),
    [
        (b"stream: OK\0", Clean()),
        (b"stream: Eicar-Signature FOUND\0", Found("Eicar-Signature")),
        (b"stream: Win.Test.EICAR_HDB-1(44d88612fea8a8f36de82e1278abb02f:68) FOUND\0",
         Found("Win.Test.EICAR_HDB-1(44d88612fea8a8f36de82e1278abb02f:68)")),
        (b"stream: OK FOUND\0", Found("OK")),
        (b"INSTREAM size limit exceeded. ERROR\0", Unjudged("INSTREAM size limit exceeded")),
        (b"stream: Can't allocate memory ERROR\0", Unjudged("Can't allocate memory")),
        (b"ERROR\0", Unjudged("an error without a reason")),
    ],
)  # fmt: skip
def test_a_reply_means_one_thing(reply: bytes, meaning: Verdict) -> None:
    assert verdict(reply) == meaning


@pytest.mark.parametrize(
    "reply",
    [
        b"", b"\0", b"stream: OK", b"stream: OK\n", b"stream: OK\0\0", b"stream: ok\0", b"UNKNOWN COMMAND\0", b"PONG\0",
        b"stream:  FOUND\0", b"stream: a b FOUND\0", b"stream: \xff FOUND\0", b"stream: a\r\nb FOUND\0", b"fd[10]: OK\0",
    ],
)  # fmt: skip
def test_anything_else_is_no_verdict(reply: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        verdict(reply)


@given(st.binary(max_size=100))
def test_only_ok_is_clean_and_whatever_comes_a_name_can_be_told_in_a_reply(octets: bytes) -> None:
    try:
        meaning = verdict(octets)
    except RemoteProtocolError:
        return
    assert meaning != Clean() or octets == b"stream: OK\0"
    if isinstance(meaning, Found):
        assert meaning.name.isascii()
        assert meaning.name.isprintable()
