"""The content of one message as it comes after DATA: found, judged and unstuffed block by block, never line by line.

The end is CRLF.CRLF and nothing else (RFC 5321 4.1.1.4). A message with bare CR, bare LF or NUL is read to that real end
and then refused whole, so no other server can be made to see a second message inside it (CVE-2023-51764 and its kin).
"""

from typing import Final

from posthouse.model.limits import DATA_DISCARD_OCTETS, HEADER_BLOCK_OCTETS
from posthouse.wire import line_ends
from posthouse.wire import smtp_server_replies as replies
from posthouse.wire.smtp_server_replies import Reply

_END: Final = b"\r\n.\r\n"


class DataReader:
    """Collects one message. Memory stays below 4/3 of `max_size` plus one chunk, however much the client sends."""

    __slots__ = ("_block", "_discarded", "_keep", "_max_line", "_max_size")

    def __init__(self, max_size: int, max_line: int) -> None:
        self._max_size, self._max_line = max_size, max_line
        # The CRLF that ended the DATA command also begins the first line, so that ".CRLF" alone is an empty message and
        # a dot stuffed into the first line is found like any other.
        self._block = bytearray(b"\r\n")
        self._discarded = 0
        # Stuffing makes four octets of three at worst, so a longer block cannot be a message of allowed size.
        self._keep = max_size + max_size // 3 + len(_END) + 2

    @property
    def buffered(self) -> int:
        """Octets held in memory."""
        return len(self._block)

    @property
    def hopeless(self) -> bool:
        """The message is oversized and shows no end: reading on is no longer worth it."""
        return self._discarded > DATA_DISCARD_OCTETS

    def feed(self, chunk: bytearray) -> int | None:
        """Take what belongs to the message: None while the end is not seen, else how many octets of `chunk` were used."""
        block, held = self._block, len(self._block)
        block += chunk
        end = block.find(_END, max(0, held - len(_END) + 1))
        if end >= 0:
            used = end + len(_END) - held
            del block[end + 2 :]
            return used
        if self._discarded or len(block) > self._keep:
            self._discarded += len(chunk) if self._discarded else len(block)
            del block[: -len(_END) + 1]
        return None

    def result(self) -> bytes | Reply:
        """The unstuffed message with CRLF line ends, or the reply that refuses it. Only after `feed` saw the end."""
        if self._discarded:
            return replies.TOO_BIG
        content = _unstuff(self._block)
        if len(content) > self._max_size:
            return replies.TOO_BIG
        return fault(content, self._max_line) or content


def _unstuff(block: bytearray) -> bytes:
    """RFC 5321 4.5.2, for a block that begins with the CRLF before its first line; that CRLF is taken off."""
    if line_ends.DOT_LINE.search(block):
        return bytes(block.replace(b"\r\n.", b"\r\n"))[2:]
    with memoryview(block) as view:
        return bytes(view[2:])


def fault(content: bytes, max_line: int) -> Reply | None:
    """Why unstuffed `content`, which is empty or ends with CRLF, must not be taken; None when it may be."""
    if b"\0" in content:
        return replies.NUL_OCTET
    if line_ends.BARE_LF.search(content):
        return replies.BARE_LF
    if line_ends.BARE_CR.search(content):
        return replies.BARE_CR
    if _has_long_line(content, max_line):
        return replies.LONG_LINE
    if len(content) > HEADER_BLOCK_OCTETS and content.find(b"\r\n\r\n", 0, HEADER_BLOCK_OCTETS) < 0:
        return replies.LONG_HEADER
    return None


def _has_long_line(content: bytes, max_line: int) -> bool:
    """Whether a line holds more than `max_line` octets before its CRLF.

    Leaps from one line end to the last one within reach, so it costs one search per `max_line` octets, not one per line.
    """
    start, size, reach = 0, len(content), max_line + len(b"\r\n")
    while start < size:
        last = content.rfind(b"\n", start, start + reach)
        if last < 0:
            return True
        start = last + 1
    return False
