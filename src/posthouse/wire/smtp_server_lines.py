"""Command lines cut out of what a client sent, in bounded memory, ending at CRLF and nothing else (RFC 5321 2.3.8)."""

from enum import Enum, auto

from posthouse.model.limits import COMMAND_DISCARD_OCTETS


class LineFault(Enum):
    """Why a line is not handed out. It is consumed all the same, so that the next line is read from its beginning."""

    TOO_LONG = auto()
    BARE_LF = auto()


class LineReader:
    """Holds the octets nobody has read yet in `octets`; whoever takes message data out of it takes it from the front."""

    __slots__ = ("_searched", "_skipped", "octets")

    def __init__(self) -> None:
        self.octets = bytearray()
        self._searched = 0  # the octets before this hold no line end
        self._skipped = 0  # octets dropped of the present line because it is too long

    @property
    def hopeless(self) -> bool:
        """The line is too long by far and shows no end."""
        return self._skipped > COMMAND_DISCARD_OCTETS

    def next_line(self, limit: int) -> bytes | LineFault | None:
        """The next line without its CRLF, which counts towards `limit`; None while there is no whole one."""
        end = self.octets.find(b"\n", self._searched)
        if end < 0:
            self._wait(limit)
            return None
        line = bytes(self.octets[: end + 1])
        del self.octets[: end + 1]
        too_long = self._skipped or len(line) > limit
        self._searched = self._skipped = 0
        if too_long:
            return LineFault.TOO_LONG
        return line[:-2] if line.endswith(b"\r\n") else LineFault.BARE_LF

    def clear(self) -> None:
        """Forget everything."""
        self.octets.clear()
        self._searched = self._skipped = 0

    def _wait(self, limit: int) -> None:
        """Keep a line that may still be good; of one that cannot be, only count."""
        self._searched = len(self.octets)
        if self._skipped or self._searched >= limit:
            self._skipped += self._searched
            self._searched = 0
            self.octets.clear()
