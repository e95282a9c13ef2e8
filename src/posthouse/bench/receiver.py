"""The sink as the benchmark sees it: start it, ask it, release it, end it."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from posthouse.bench.failure import BenchError
from posthouse.bench.sink import Door, Opened, State, Tally
from posthouse.runtime.child import Child

_POLL_S: Final = 0.02
_ANSWER_OCTETS: Final = 1 << 26  # one line tells of every timed mail
_END_S: Final = 5.0


class Receiver:
    """The recording SMTP server. `ports` are by door."""

    def __init__(self, child: Child, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = child.pid
        self.ports: dict[str, int] = {}
        self._reader, self._writer = reader, writer
        self._asking = asyncio.Lock()

    async def open(self) -> None:
        """Waits until the doors are open."""
        self.ports = msgspec.json.decode(await self._line(), type=Opened).ports

    async def tally(self, door: str) -> Tally:
        """What a door has seen until now."""
        return (await self._ask(b"state\n")).doors[door]

    async def release(self) -> None:
        """Every door lets go of what it held back, and takes everything at once from now on."""
        await self._ask(b"release\n")

    async def wait_for(self, door: str, mails: int, patience_s: float) -> Tally:
        """The tally once so many mails came. Raises BenchError when no mail comes for `patience_s`."""
        best, moved_at = -1, time.monotonic()
        while True:
            tally = await self.tally(door)
            if tally.mails >= mails:
                return tally
            if tally.mails > best:
                best, moved_at = tally.mails, time.monotonic()
            if time.monotonic() - moved_at > patience_s:
                raise BenchError(f"{mails - best:,} of {mails:,} mails did not arrive: none came for {patience_s:g} s")
            await asyncio.sleep(_POLL_S)

    async def _ask(self, what: bytes) -> State:
        async with self._asking:
            self._writer.write(what)
            return msgspec.json.decode(await self._line(), type=State)

    async def _line(self) -> bytes:
        line = await self._reader.readline()
        if not line:
            raise BenchError("the receiver ended")
        return line


@contextlib.asynccontextmanager
async def receiving(doors: Sequence[Door]) -> AsyncIterator[Receiver]:
    """A receiver with these doors while the block runs."""
    ours, theirs = socket.socketpair()
    arguments = [str(theirs.fileno()), msgspec.json.encode(list(doors)).decode()]
    command = [sys.executable, "-m", "posthouse.bench.sink", *arguments]
    child = Child.start(command, environ=dict(os.environ), pass_fds=(theirs.fileno(),))
    theirs.close()
    reader, writer = await asyncio.open_connection(sock=ours, limit=_ANSWER_OCTETS)
    try:
        receiver = Receiver(child, reader, writer)
        await receiver.open()
        yield receiver
    finally:
        writer.close()
        if not await child.ends_within(_END_S):
            child.send(signal.SIGKILL)
            await child.wait()
