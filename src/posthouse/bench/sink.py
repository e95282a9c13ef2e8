"""A receiver that only counts: an SMTP server as fast as a Python process can be, in a process of its own.

`python -m posthouse.bench.sink FD DOORS`: FD is a control socket, DOORS a JSON list of Door. The first line on the socket is an Opened,
each further line answers one that was asked: `state` with a State, `release` likewise after every door has let go of what it held back.
The end of the socket ends the process.

It trusts its client, which is ours: commands come whole lines, nothing is refused, nothing is kept but counts, and for recipients whose
address begins with `timed-` when their mail began and ended. It speaks RFC 5321 with PIPELINING (RFC 2920) and no TLS.
"""

import asyncio
import socket
import sys
import time
from functools import partial
from typing import Final, cast

import msgspec
import uvloop

from posthouse.bench.mails import TIMED

_GREETING: Final = b"220 sink.test ESMTP\r\n"
_EHLO: Final = b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 52428800\r\n"
_OK: Final = b"250 2.0.0 Ok\r\n"
_GO_AHEAD: Final = b"354 Go ahead\r\n"
_BYE: Final = b"221 2.0.0 Bye\r\n"
_END: Final = b"\r\n.\r\n"
_TIMED: Final = b"<" + TIMED.encode()


class Door(msgspec.Struct, frozen=True):
    """One listener. `per_s` is the most mails it takes a second, 0 as many as come; a stalled one takes none before its release."""

    name: str
    per_s: float = 0.0
    stalled: bool = False


class Arrival(msgspec.Struct, frozen=True):
    """A timed mail: when RCPT came and when 250 was said, monotonic seconds; `number` counts the door's mails up to it."""

    begun_at: float
    taken_at: float
    number: int


class Tally(msgspec.Struct):
    """What a door has seen; times are monotonic, 0.0 before the first mail."""

    mails: int = 0
    connections: int = 0
    most_connections: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    timed: dict[str, Arrival] = {}


class Opened(msgspec.Struct, frozen=True):
    """The port of each door."""

    ports: dict[str, int]


class State(msgspec.Struct, frozen=True):
    """The tally of each door."""

    doors: dict[str, Tally]


class Entrance:
    """A door at work: counts, and says when each mail is taken."""

    def __init__(self, door: Door) -> None:
        self.tally = Tally()
        self._per_s = door.per_s
        self._stalled = door.stalled
        self._next = 0.0
        self._holding: dict[Reception, asyncio.TimerHandle | None] = {}

    def end_of_data(self, reception: "Reception") -> None:
        """Takes the mail now, in its turn, or at the release."""
        if self._stalled:
            self._holding[reception] = None
        elif self._per_s:
            now = time.monotonic()
            self._next = max(self._next, now) + 1 / self._per_s
            loop = asyncio.get_running_loop()
            self._holding[reception] = loop.call_later(self._next - now, self._take, reception)
        else:
            self._take(reception)

    def release(self) -> None:
        """From now on everything is taken at once."""
        self._stalled, self._per_s = False, 0.0
        for reception, timer in list(self._holding.items()):
            if timer is not None:
                timer.cancel()
            self._take(reception)

    def left(self, reception: "Reception") -> None:
        """The client went away; a mail whose 250 it did not wait for was not taken."""
        self.tally.connections -= 1
        timer = self._holding.pop(reception, None)
        if timer is not None:
            timer.cancel()

    def _take(self, reception: "Reception") -> None:
        self._holding.pop(reception, None)
        tally, now = self.tally, time.monotonic()
        tally.mails += 1
        tally.first_at = tally.first_at or now
        tally.last_at = now
        for name, begun_at in reception.timed:
            tally.timed.setdefault(name, Arrival(begun_at, now, tally.mails))
        reception.taken()


class Reception(asyncio.Protocol):
    """One connection."""

    def __init__(self, entrance: Entrance) -> None:
        self.timed: list[tuple[str, float]] = []
        self._entrance = entrance
        self._transport: asyncio.WriteTransport | None = None
        self._buffer = b""
        self._in_content = False
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greets."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is one by its methods only
        tally = self._entrance.tally
        tally.connections += 1
        tally.most_connections = max(tally.most_connections, tally.connections)
        self._write(_GREETING)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets what it held."""
        self._entrance.left(self)

    def data_received(self, data: bytes) -> None:
        """Reads commands and content until it has to wait."""
        self._buffer += data
        while not self._waiting and self._buffer:
            if not (self._content() if self._in_content else self._commands()):
                return

    def taken(self) -> None:
        """The mail is taken: answers, and goes on with what came meanwhile."""
        self.timed.clear()
        self._waiting = False
        self._write(_OK)
        if self._buffer:
            asyncio.get_running_loop().call_soon(self.data_received, b"")

    def _content(self) -> bool:
        """Reads up to the final dot; False when it has not come yet."""
        end = self._buffer.find(_END)
        if end < 0:
            self._buffer = self._buffer[1 - len(_END) :]  # the dot may be cut in two
            return False
        self._buffer = self._buffer[end + len(_END) :]
        self._in_content = False
        self._waiting = True
        self._entrance.end_of_data(self)
        return True

    def _commands(self) -> bool:
        """Answers every whole line up to DATA at once; False when none has come yet."""
        end = self._buffer.find(b"DATA\r\n")
        end = end + 6 if end >= 0 else self._buffer.rfind(b"\r\n") + 2
        if end < 2:
            return False
        block, self._buffer = self._buffer[:end], self._buffer[end:]
        self._write(b"".join(self._answer(line) for line in block.split(b"\r\n")[:-1]))
        return True

    def _answer(self, line: bytes) -> bytes:
        match line[:4].upper():
            case b"DATA":
                self._in_content = True
                self._buffer = b"\r\n" + self._buffer  # an empty content ends at its very first line
                return _GO_AHEAD
            case b"RCPT":
                self._note(line)
                return _OK
            case b"EHLO":
                return _EHLO
            case b"QUIT":
                asyncio.get_running_loop().call_soon(self._close)
                return _BYE
            case _:
                return _OK

    def _note(self, line: bytes) -> None:
        begin = line.find(_TIMED)
        if begin >= 0:
            name = line[begin + 1 : line.find(b"@", begin)].decode()
            self.timed.append((name, time.monotonic()))

    def _write(self, octets: bytes) -> None:
        assert self._transport is not None
        self._transport.write(octets)

    def _close(self) -> None:
        assert self._transport is not None
        self._transport.close()


async def serve(control: socket.socket, doors: list[Door]) -> None:
    """Opens the doors and answers until the control socket ends."""
    loop = asyncio.get_running_loop()
    entrances = {door.name: Entrance(door) for door in doors}
    ports = {}
    for name, entrance in entrances.items():
        server = await loop.create_server(partial(Reception, entrance), "127.0.0.1", 0, backlog=1024)
        ports[name] = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection(sock=control)
    writer.write(msgspec.json.encode(Opened(ports)) + b"\n")
    while asked := await reader.readline():
        if asked == b"release\n":
            for entrance in entrances.values():
                entrance.release()
        state = State({name: entrance.tally for name, entrance in entrances.items()})
        writer.write(msgspec.json.encode(state) + b"\n")
        await writer.drain()


def main() -> None:
    """The process."""
    descriptor, doors = sys.argv[1:]
    control = socket.socket(fileno=int(descriptor))
    uvloop.run(serve(control, msgspec.json.decode(doors, type=list[Door])))


if __name__ == "__main__":
    main()
