"""The process beside a busy delivery process that does nothing but sign: it is given keys and digests, and answers with signatures.

It speaks over the socket it gets as standard input, holds nothing else, and ends when that closes. Frames go one way with
`HEADER` (kind, number of a key, octets that follow), the other way with `ANSWER` (octets that follow), in the same order; the first
answer is empty and says that it is there.
"""

import contextlib
import signal
import socket
import struct
from typing import Final, NamedTuple

from posthouse.wire import dkim, dkim_keys
from posthouse.wire.dkim_keys import SigningKey

HEADER: Final = struct.Struct("!BIH")
ANSWER: Final = struct.Struct("!H")
KEY: Final = 0  # what follows is a private key, DER
DIGEST: Final = 1  # what follows is to be signed with the key of that number
_RECEIVE_OCTETS: Final = 65_536
_TOGETHER: Final = 4  # answers; more would keep the first ones waiting


class Frame(NamedTuple):
    """What is asked of it."""

    kind: int
    number: int  # of the key
    payload: bytes


def main() -> None:
    """Signs until nobody asks any more. Whoever stops the delivery process by a signal to all of its group lets it end its mail."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # killed, the other end reads no answers
    with socket.socket(fileno=0) as link, contextlib.suppress(ConnectionError):
        serve(link)


def serve(link: socket.socket) -> None:
    """Answers what comes over this link until its other end is closed."""
    keys: dict[int, SigningKey] = {}
    rest = b""
    link.sendall(ANSWER.pack(0))
    while data := link.recv(_RECEIVE_OCTETS):
        frames, rest = _cut(rest + data)
        for first in range(0, len(frames), _TOGETHER):
            link.sendall(b"".join([_answer(keys, frame) for frame in frames[first : first + _TOGETHER]]))


def _answer(keys: dict[int, SigningKey], frame: Frame) -> bytes:
    """What is said to a frame: nothing to a key."""
    if frame.kind == KEY:
        keys[frame.number] = dkim_keys.load(frame.payload, "", "")
        return b""
    signature = dkim.sign_digest(keys[frame.number], frame.payload)
    return ANSWER.pack(len(signature)) + signature


def _cut(data: bytes) -> tuple[list[Frame], bytes]:
    """Every complete frame, and what is left."""
    frames: list[Frame] = []
    at = 0
    while len(data) - at >= HEADER.size:
        kind, number, octets = HEADER.unpack_from(data, at)
        begin, end = at + HEADER.size, at + HEADER.size + octets
        if end > len(data):
            break
        frames.append(Frame(kind, number, data[begin:end]))
        at = end
    return frames, data[at:]


if __name__ == "__main__":
    main()
