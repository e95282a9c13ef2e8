"""The process beside a busy delivery process that does nothing but sign: it is given keys and digests, and answers with signatures.

It speaks over the socket it gets as standard input, holds nothing else, and ends when that closes. Frames go one way with
`HEADER` (kind, number of a key, octets that follow), the other way with `ANSWER` (octets that follow), in the same order; the first
answer is empty and says that it is there.
"""

import signal
import socket
import struct
from collections.abc import Iterator
from typing import Final

from posthouse.wire import dkim, dkim_keys
from posthouse.wire.dkim_keys import SigningKey

HEADER: Final = struct.Struct("!BIH")
ANSWER: Final = struct.Struct("!H")
KEY: Final = 0  # what follows is a private key, DER
DIGEST: Final = 1  # what follows is to be signed with the key of that number
_RECEIVE_OCTETS: Final = 65_536
_TOGETHER: Final = 4  # answers; more would keep the first ones waiting


def main() -> None:
    """Signs until nobody asks any more. Whoever stops the delivery process by a signal to all of its group lets it end its mail."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.socket(fileno=0) as link:
        serve(link)


def serve(link: socket.socket) -> None:
    """Answers what comes over this link until its other end is closed."""
    keys: dict[int, SigningKey] = {}
    answers: list[bytes] = []
    rest = b""
    link.sendall(ANSWER.pack(0))
    while data := link.recv(_RECEIVE_OCTETS):
        rest += data
        read = 0
        for kind, number, payload, read in _frames(rest):  # noqa: B007 - how far it came is needed below
            if kind == KEY:
                keys[number] = dkim_keys.load(payload, "", "")
                continue
            signature = dkim.sign_digest(keys[number], payload)
            answers += ANSWER.pack(len(signature)), signature
            if len(answers) >= 2 * _TOGETHER:
                link.sendall(b"".join(answers))
                answers.clear()
        link.sendall(b"".join(answers))
        answers.clear()
        rest = rest[read:]


def _frames(data: bytes) -> Iterator[tuple[int, int, bytes, int]]:
    """Every complete frame: kind, number of the key, payload, and where it ends."""
    at = 0
    while len(data) - at >= HEADER.size:
        kind, number, octets = HEADER.unpack_from(data, at)
        begin, end = at + HEADER.size, at + HEADER.size + octets
        if end > len(data):
            return
        yield kind, number, data[begin:end], end
        at = end


if __name__ == "__main__":
    main()
