"""Asks a malware scanner about messages before they are promised: `Scanner.find`, with clamd, for every call of the door.

Mail that should be looked at never slips past: whatever keeps the scanner from answering is a ScannerError, and every door tells
its client to come again (503, 451).
"""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from posthouse.model.errors import FieldProblem, RemoteProtocolError
from posthouse.model.limits import SCAN_REPLY_OCTETS, SCAN_S, SCANS_AT_ONCE
from posthouse.model.mail import Refused
from posthouse.runtime.log import Logger
from posthouse.runtime.settings import stream_address
from posthouse.wire import clamd
from posthouse.wire.clamd import Found, Unjudged

# clamd only decodes the parts of what it takes for a mail, and it goes by the first octets: a mail that begins with a field it does
# not know would hide its attachment in base64.
_BEGINS_AS_MAIL: Final = b"Received: from posthouse\r\n"
# Everything that keeps clamd from a verdict: away, closing early, too slow (TimeoutError is an OSError), talking something else.
_SILENT: Final = (OSError, RemoteProtocolError)


class ScannerError(Exception):
    """The malware scanner gave no verdict; nothing was promised. The text is a sentence for whoever submits."""

    def __init__(self) -> None:
        super().__init__("The malware scanner cannot be asked at the moment. Nothing was accepted; please try again.")


class Scanner:
    """The clamd at an address; a connection lasts for one message, as clamd's own do."""

    def __init__(self, address: str, log: Logger, patience_s: float = SCAN_S) -> None:
        """`address` as in `intake.malware_scanner`. ValueError when it is none."""
        self._name, self._address = address, stream_address(address)
        self._log = log
        self._patience_s = patience_s
        self._turns = asyncio.Semaphore(SCANS_AT_ONCE)

    async def find(self, contents: Sequence[bytes]) -> list[Refused | None]:
        """For each message the refusal that names what was found in it, in their order. Raises ScannerError."""
        try:
            return list(await asyncio.gather(*map(self._judge, contents)))
        except _SILENT as error:
            self._log.warning(
                "scanner.silent",
                address=self._name,
                problem=str(error) or type(error).__name__,
                octets=max(map(len, contents)),
            )
            raise ScannerError from error

    async def _judge(self, content: bytes) -> Refused | None:
        async with asyncio.timeout(self._patience_s), self._turns:
            verdict = clamd.verdict(await self._ask(content))
        if isinstance(verdict, Unjudged):
            raise RemoteProtocolError(verdict.reason)
        if isinstance(verdict, Found):
            self._log.warning("scanner.found", malware=verdict.name, octets=len(content))
            return refusal(verdict.name)
        return None

    async def _ask(self, content: bytes) -> bytes:
        with await _connected(self._address) as connection:
            # A stream that is too long is answered before its end and cut off; the answer can still be read.
            with contextlib.suppress(ConnectionError):
                await _send(connection, content)
            return await _reply(connection)


def refusal(malware: str) -> Refused:
    """The refusal of a message for what the scanner calls `malware`."""
    return Refused((FieldProblem("", "malware_found", f"The message contains malware: {malware}."),))


async def _connected(address: Path | tuple[str, int]) -> socket.socket:
    """A connection to the path, or to the first of the host's addresses that takes one. Raises OSError."""
    if isinstance(address, Path):
        return await _dialled(socket.AF_UNIX, str(address))
    found = await asyncio.get_running_loop().getaddrinfo(*address, type=socket.SOCK_STREAM)
    for family, _, _, _, target in found[:-1]:
        with contextlib.suppress(OSError):
            return await _dialled(family, target)
    return await _dialled(found[-1][0], found[-1][4])


async def _dialled(family: int, target: str | tuple[str | int | bytes, ...]) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, target)
    except BaseException:
        connection.close()
        raise
    return connection


async def _send(connection: socket.socket, content: bytes) -> None:
    loop = asyncio.get_running_loop()
    for piece in clamd.request(_BEGINS_AS_MAIL, content):
        await loop.sock_sendall(connection, piece)


async def _reply(connection: socket.socket) -> bytes:
    """One reply, or as much of it as comes; at most SCAN_REPLY_OCTETS."""
    loop = asyncio.get_running_loop()
    reply = b""
    while not reply.endswith(clamd.END) and len(reply) < SCAN_REPLY_OCTETS:
        received = await loop.sock_recv(connection, SCAN_REPLY_OCTETS - len(reply))
        if not received:
            break
        reply += received
    return reply
