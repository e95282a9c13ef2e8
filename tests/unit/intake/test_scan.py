"""Asking the scanner over real sockets; at the other end a clamd that does what the real one does, or fails to."""

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from struct import unpack

import pytest
import structlog

from posthouse.intake.scan import Scanner, ScannerError
from posthouse.model.limits import SCANS_AT_ONCE
from posthouse.model.mail import Refused

Behaviour = Callable[[bytes, StreamWriter], Awaitable[None]]
MAIL = b"Subject: x\r\n\r\nhello\r\n"
BAD_MAIL = b"Subject: x\r\n\r\nWORM\r\n"


async def judge(stream: bytes, writer: StreamWriter) -> None:
    """What a healthy clamd says."""
    writer.write(b"stream: Test.Worm-1 FOUND\0" if b"WORM" in stream else b"stream: OK\0")


async def say_nothing(_: bytes, writer: StreamWriter) -> None:
    """The client hears nothing until it leaves."""


async def hang_up(_: bytes, writer: StreamWriter) -> None:
    writer.close()


async def break_off(_: bytes, writer: StreamWriter) -> None:
    writer.write(b"stream: O")
    writer.close()


async def babble(_: bytes, writer: StreamWriter) -> None:
    writer.write(b"x" * 100_000)


async def fail(_: bytes, writer: StreamWriter) -> None:
    writer.write(b"stream: Can't create temporary file ERROR\0")


async def speak_http(_: bytes, writer: StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n\0")


class Clamd:
    """INSTREAM as clamd(8) has it; past `most` octets it answers before the end of the stream and closes."""

    def __init__(self, behaviour: Behaviour = judge, most: int = 1_000_000) -> None:
        self._behaviour, self._most = behaviour, most
        self.streams: list[bytes] = []
        self.visits: list[asyncio.Task[None]] = []
        self._waiting = self.most_waiting = 0

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.visits.append(task)
        with contextlib.suppress(EOFError, ConnectionError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
        stream = b""
        while length := unpack("!I", await reader.readexactly(4))[0]:
            stream += await reader.readexactly(length)
            if len(stream) > self._most:
                writer.write(b"INSTREAM size limit exceeded. ERROR\0")
                return
        self.streams.append(stream)
        self._waiting += 1
        self.most_waiting = max(self._waiting, self.most_waiting)
        await self._behaviour(stream, writer)
        self._waiting -= 1
        await reader.read()


@contextlib.asynccontextmanager
async def running(clamd: Clamd, patience_s: float = 10.0) -> AsyncIterator[Scanner]:
    server = await asyncio.start_server(clamd.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield Scanner(f"127.0.0.1:{port}", structlog.get_logger(), patience_s)
        await asyncio.gather(*clamd.visits)


async def test_clean_mail_has_no_refusal_and_malware_one_with_its_name() -> None:
    async with running(Clamd()) as scanner:
        clean, bad, last = await scanner.find([MAIL, BAD_MAIL, MAIL])
    assert clean is last is None
    assert isinstance(bad, Refused)
    assert (bad.status, bad.problems[0].code) == (422, "malware_found")
    assert bad.problems[0].detail == "The message contains malware: Test.Worm-1."


async def test_the_whole_mail_is_shown_whatever_its_size_and_begins_as_a_mail_does() -> None:
    clamd = Clamd()
    content = b"X-First: y\r\n\r\n" + bytes(range(256)) * 2_000
    async with running(clamd) as scanner:
        await scanner.find([content])
    assert clamd.streams == [b"Received: from posthouse\r\n" + content]


async def test_a_unix_socket_is_asked_too(tmp_path: Path) -> None:
    clamd = Clamd()
    server = await asyncio.start_unix_server(clamd.serve, tmp_path / "clamd.sock")
    async with server:
        scanner = Scanner(f"unix:{tmp_path}/clamd.sock", structlog.get_logger())
        assert await scanner.find([MAIL]) == [None]
        await asyncio.gather(*clamd.visits)
    with pytest.raises(ScannerError):
        await scanner.find([MAIL])


@pytest.mark.parametrize("behaviour", [say_nothing, hang_up, break_off, babble, fail, speak_http])
async def test_without_a_verdict_there_is_no_answer_for_any_mail_of_the_call(behaviour: Behaviour) -> None:
    async def worse(stream: bytes, writer: StreamWriter) -> None:
        await (judge if b"hello" in stream else behaviour)(stream, writer)

    async with running(Clamd(worse), patience_s=0.3) as scanner:
        assert await scanner.find([MAIL]) == [None]
        with pytest.raises(ScannerError, match="malware scanner cannot be asked"):
            await scanner.find([MAIL, b"other", MAIL])


async def test_a_mail_the_scanner_finds_too_long_is_not_taken_unseen() -> None:
    async with running(Clamd(most=100_000)) as scanner:
        assert await scanner.find([bytes(90_000)]) == [None]
        with pytest.raises(ScannerError) as caught:
            await scanner.find([bytes(20_000_000)])
    assert str(caught.value.__cause__) == "INSTREAM size limit exceeded"


async def test_nobody_listening_is_no_verdict(unused_port: int) -> None:
    with pytest.raises(ScannerError):
        await Scanner(f"127.0.0.1:{unused_port}", structlog.get_logger()).find([MAIL])


async def test_a_long_list_is_asked_about_a_few_at_a_time() -> None:
    together = asyncio.Barrier(SCANS_AT_ONCE)

    async def only_together(stream: bytes, writer: StreamWriter) -> None:
        await together.wait()
        await judge(stream, writer)

    clamd = Clamd(only_together)
    async with running(clamd) as scanner:
        assert await scanner.find([MAIL] * SCANS_AT_ONCE * 5) == [None] * SCANS_AT_ONCE * 5
    assert clamd.most_waiting == SCANS_AT_ONCE


@pytest.fixture
async def unused_port() -> int:
    server = await asyncio.start_server(Clamd().serve, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    return port
