"""Brings mail by SMTP as fast as it is taken: some sessions, each sending its next mail when the last one got its 250.

MAIL, RCPT and DATA go in one write (RFC 2920), the content in another. A reply of any other kind than expected ends the load.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, cast

from posthouse.bench.failure import BenchError

Envelope = Callable[[int], tuple[bytes, bytes]]

_EHLO: Final = b"EHLO bench.test\r\n"
_QUIT: Final = b"QUIT\r\n"
_STALL_S: Final = 60.0


async def send(address: tuple[str, int], envelope: Envelope, numbers: range, sessions: int) -> float:
    """Sends the mails with these numbers; seconds from the first MAIL to the last 250. Raises BenchError."""
    loop = asyncio.get_running_loop()
    left = iter(numbers)
    started: list[Session] = []
    try:
        for _ in range(min(sessions, len(numbers))):
            _, session = await loop.create_connection(lambda: Session(envelope, left), *address)
            started.append(session)
        await _all(started, [session.greeted for session in started])
        began = time.monotonic()
        for session in started:
            session.begin()
        await _all(started, [session.finished for session in started])
        return time.monotonic() - began
    finally:
        for session in started:
            session.leave()


async def _all(sessions: Sequence["Session"], outcomes: Sequence["asyncio.Future[None]"]) -> None:
    """Waits for all, as long as something moves. Raises BenchError."""
    replies = -1
    together = asyncio.gather(*outcomes)
    while not together.done():
        if replies == (replies := sum(session.replies for session in sessions)):
            raise BenchError(f"SMTP submission: not one reply in {_STALL_S:g} s")
        await asyncio.wait([together], timeout=_STALL_S)
    together.result()


class Session(asyncio.Protocol):
    """One connection; takes the next number whenever it is free."""

    def __init__(self, envelope: Envelope, left: Iterator[int]) -> None:
        loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[None] = loop.create_future()
        self.finished: asyncio.Future[None] = loop.create_future()
        self.replies = 0
        self._envelope = envelope
        self._left = left
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = b""
        self._expected = [b"220"]  # codes of the replies still to come, the next one first
        self._introduced = False
        self._content = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits for the greeting: who talks earlier is taken for a spammer."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one by its methods only

    def connection_lost(self, exc: Exception | None) -> None:
        """Before the end that is an error."""
        self._fail("the server closed the connection")

    def data_received(self, data: bytes) -> None:
        """Counts off replies, each by its last line."""
        *lines, self._buffer = (self._buffer + data).split(b"\r\n")
        for line in lines:
            if line[3:4] == b"-":
                continue
            self.replies += 1
            if not self._expected or line[:3] != self._expected.pop(0):
                self._fail(f"the server said {line.decode(errors='replace')}")
                return
            if not self._expected:
                self._go_on()

    def begin(self) -> None:
        """Sends the first mail."""
        self._next()

    def leave(self) -> None:
        """Says goodbye; the answer does not matter."""
        for outcome in (self.greeted, self.finished):
            outcome.cancel()
        self._write(_QUIT)
        if self._transport is not None:
            self._transport.close()

    def _go_on(self) -> None:
        if not self._introduced:
            self._introduced, self._expected = True, [b"250"]
            self._write(_EHLO)
        elif not self.greeted.done():
            self.greeted.set_result(None)
        elif self._content:
            content, self._content = self._content, b""
            self._expected = [b"250"]
            self._write(content)
        else:
            self._next()

    def _next(self) -> None:
        number = next(self._left, None)
        if number is None:
            self.finished.set_result(None)
            return
        commands, self._content = self._envelope(number)
        self._expected = [b"250", b"250", b"354"]
        self._write(commands)

    def _fail(self, why: str) -> None:
        outcome = self.finished if self.greeted.done() else self.greeted
        if not outcome.done():
            outcome.set_exception(BenchError(f"SMTP submission: {why}"))

    def _write(self, octets: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets)
