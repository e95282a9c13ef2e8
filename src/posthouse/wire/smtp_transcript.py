"""The dialogue with a receiver as it is kept for people: bounded, without secrets, message data as a count of octets."""

from collections import deque

from posthouse.model.limits import TRANSCRIPT_HEAD_LINES, TRANSCRIPT_LINE_CHARS, TRANSCRIPT_TAIL_LINES
from posthouse.model.outcome import TranscriptLine
from posthouse.wire.smtp_reply import RawReply, readable


class Transcript:
    """Collects lines while a dialogue runs; the middle of an endless one is dropped, its beginning and end are kept."""

    def __init__(self) -> None:
        self._start()

    def sent(self, commands: str) -> None:
        """One or more command lines, each with its CRLF."""
        lines = commands.split("\r\n")
        lines.pop()
        if len(commands) <= TRANSCRIPT_LINE_CHARS and len(self._head) + len(lines) <= TRANSCRIPT_HEAD_LINES:
            self._head += [("C", line) for line in lines]
            return
        for line in lines:
            self._add("C", line)

    def data(self, octets: int) -> None:
        """A message, of which only the length is shown."""
        self._add("C", f"<{octets} octets>")

    def received(self, reply: RawReply) -> None:
        """One reply with all its lines."""
        if len(reply.lines) > 1:
            for text in reply.lines[:-1]:
                self._add("S", f"{reply.code}-{readable(text)}")
        self._add("S", f"{reply.code} {readable(reply.lines[-1])}".rstrip())

    def remark(self, text: str) -> None:
        """Something neither side said: a connection made or lost, the TLS version."""
        self._add("*", text)

    def take(self) -> tuple[TranscriptLine, ...]:
        """Everything since the last call."""
        lines = self._head
        if self._dropped:
            lines.append(("*", f"{self._dropped} lines left out"))
        lines.extend(self._tail)
        self._start()
        return tuple(lines)

    def _start(self) -> None:
        self._head: list[TranscriptLine] = []
        self._tail: deque[TranscriptLine] = deque(maxlen=TRANSCRIPT_TAIL_LINES)
        self._dropped = 0

    def _add(self, who: str, text: str) -> None:
        line = (who, text[:TRANSCRIPT_LINE_CHARS])
        if len(self._head) < TRANSCRIPT_HEAD_LINES:
            self._head.append(line)
            return
        if len(self._tail) == TRANSCRIPT_TAIL_LINES:
            self._dropped += 1
        self._tail.append(line)
