"""Reading answers of the API: whole ones, in pieces, and none."""

import asyncio

import pytest

from posthouse.bench.failure import BenchError
from posthouse.bench.http_load import Connection, content_length, status


@pytest.mark.parametrize(
    ("head", "octets"),
    [(b"HTTP/1.1 202 Accepted\r\nContent-Length: 17", 17), (b"HTTP/1.1 204 No Content\r\ndate: now", 0)],
)
def test_the_length_of_a_body_is_what_the_head_says(head: bytes, octets: int) -> None:
    assert content_length(head) == octets
    assert status(head) in {202, 204}


class Wire(asyncio.WriteTransport):
    """Where the connection writes to."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written = bytes(data)


async def test_an_answer_is_whole_when_its_body_is() -> None:
    connection = Connection()
    connection.connection_made(Wire())
    asking = asyncio.create_task(connection.ask(b"POST"))
    await asyncio.sleep(0)
    answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 4\r\n\r\nbody"
    for octet in answer[:-1]:
        connection.data_received(bytes([octet]))
        assert not asking.done()
    connection.data_received(answer[-1:])
    assert await asking == answer


async def test_a_connection_that_ends_in_the_middle_is_an_error() -> None:
    connection = Connection()
    connection.connection_made(Wire())
    asking = asyncio.create_task(connection.ask(b"POST"))
    await asyncio.sleep(0)
    connection.data_received(b"HTTP/1.1 202")
    connection.connection_lost(None)
    with pytest.raises(BenchError, match="closed the connection"):
        await asking
