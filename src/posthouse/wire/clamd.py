"""Asking clamd whether octets are malware: its command INSTREAM and the reply, as clamd(8) describes them.

The command is sent with the prefix `z`, so that it and its reply end in a NUL octet. Then follow chunks, each behind its length
in four octets of network byte order; a chunk of length zero is the end.
"""

import re
from collections.abc import Iterator
from struct import Struct
from typing import Final, TypeAlias

from posthouse.model.errors import RemoteProtocolError
from posthouse.model.limits import SCAN_CHUNK_OCTETS
from posthouse.model.values import dataclass

END: Final = b"\0"
_COMMAND: Final = b"zINSTREAM" + END
_LENGTH: Final = Struct("!I")
_FOUND: Final = re.compile(r"stream: ([\x21-\x7e]{1,255}) FOUND")
_ERROR: Final = re.compile(r"(?:stream: )?([\x20-\x7e]{0,1024}?)\.? ?ERROR")


@dataclass(frozen=True, slots=True)
class Clean:
    """Nothing was found."""


@dataclass(frozen=True, slots=True)
class Found:
    """It is malware; `name` is what the scanner calls it, printable ASCII without spaces."""

    name: str


@dataclass(frozen=True, slots=True)
class Unjudged:
    """The scanner could not tell, as when the stream is longer than its StreamMaxLength; `reason` in its words."""

    reason: str


Verdict: TypeAlias = Clean | Found | Unjudged


def request(*contents: bytes) -> Iterator[bytes | memoryview]:
    """What to send to have these octets, one after the other, judged as one stream. Nothing large is copied."""
    yield _COMMAND
    for content in contents:
        rest = memoryview(content)
        while rest:
            chunk, rest = rest[:SCAN_CHUNK_OCTETS], rest[SCAN_CHUNK_OCTETS:]
            yield _LENGTH.pack(len(chunk))
            yield chunk
    yield _LENGTH.pack(0)


def verdict(reply: bytes) -> Verdict:
    """What a whole reply says, its NUL included. Raises RemoteProtocolError for anything else."""
    text = reply.removesuffix(END).decode("ascii", "replace")
    if not reply.endswith(END):
        raise RemoteProtocolError(f"clamd broke off its reply: {text[:200]!r}")
    if text == "stream: OK":
        return Clean()
    if found := _FOUND.fullmatch(text):
        return Found(found[1])
    if error := _ERROR.fullmatch(text):
        return Unjudged(error[1] or "an error without a reason")
    raise RemoteProtocolError(f"clamd replied {text[:200]!r}")
