"""SMTP replies as a client reads them (RFC 5321 4.2): bytes into replies, replies into what they mean for a mail."""

import re
from typing import NamedTuple

from posthouse.model.errors import RemoteProtocolError
from posthouse.model.limits import REPLY_LINE_OCTETS, REPLY_OCTETS, REPLY_TEXT_CHARS
from posthouse.model.outcome import Outcome, Reply

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\n]*)|\r?)\n")
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class RawReply(NamedTuple):
    """A reply as it came: `lines` are the texts after the code, without line ends; at least one."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def is_positive(self) -> bool:
        """The command was carried out (2yz)."""
        return 200 <= self.code < 300


class ReplyReader:
    """Cuts what a receiver sends into replies, whatever the pieces it comes in.

    Lines may end in a bare LF, as some receivers send them. Memory is bounded: a line or a reply beyond its limit, a line that
    is no reply, or codes that differ inside one reply raise `RemoteProtocolError`.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0  # everything before is read
        self._lines: list[bytes] = []
        self._code = 0
        self._octets = 0

    @property
    def is_empty(self) -> bool:
        """Nothing came that has not been handed out."""
        return self._at == len(self._buffer) and not self._lines

    def feed(self, data: bytes) -> None:
        """Add what the socket gave."""
        self._buffer = self._buffer[self._at :] + data
        self._at = 0

    def next(self) -> RawReply | None:
        """The next complete reply, or None until more has come."""
        while True:
            match = _LINE.match(self._buffer, self._at)
            if match is None:
                self._check_incomplete()
                return None
            code, separator, text = match.groups(b"")
            octets, self._at = match.end() - self._at, match.end()
            if separator != b"-" and not self._lines and octets <= REPLY_LINE_OCTETS:  # as nearly all of them are
                return RawReply(int(code), (text.removesuffix(b"\r"),))
            self._add(int(code), text.removesuffix(b"\r"), octets)
            if separator != b"-":
                return self._complete()

    def _check_incomplete(self) -> None:
        if b"\n" in self._buffer[self._at :]:
            raise RemoteProtocolError(f"not an SMTP reply: {readable(self._buffer[self._at : self._at + 100])}")
        if len(self._buffer) - self._at > REPLY_LINE_OCTETS:
            raise RemoteProtocolError(f"reply line longer than {REPLY_LINE_OCTETS} octets")

    def _add(self, code: int, text: bytes, octets: int) -> None:
        if self._lines and code != self._code:
            raise RemoteProtocolError(f"reply changes its code from {self._code} to {code}")
        self._octets += octets
        if octets > REPLY_LINE_OCTETS:
            raise RemoteProtocolError(f"reply line longer than {REPLY_LINE_OCTETS} octets")
        if self._octets > REPLY_OCTETS:
            raise RemoteProtocolError(f"reply longer than {REPLY_OCTETS} octets")
        self._code = code
        self._lines.append(text)

    def _complete(self) -> RawReply:
        reply = RawReply(self._code, tuple(self._lines))
        self._lines.clear()
        self._octets = 0
        return reply


def readable(data: bytes) -> str:
    """Bytes of a stranger as one line of text fit for logs and pages."""
    text = data.decode("utf-8", "replace")
    return text if text.isprintable() else _UNPRINTABLE.sub(" ", text)


def parsed(raw: RawReply) -> Reply:
    """The reply as a value: enhanced code (RFC 2034 4) taken out of every line, the lines joined into one."""
    texts = [readable(line) for line in raw.lines]
    first = _ENHANCED.match(texts[0])
    enhanced = first[1] if first else None
    if enhanced:
        texts = [text.removeprefix(enhanced) for text in texts]
    text = " ".join(stripped for stripped in map(str.strip, texts) if stripped)
    return Reply(raw.code, enhanced, text[:REPLY_TEXT_CHARS])


def outcome_of(reply: Reply) -> Outcome:
    """What a reply to MAIL, RCPT, DATA or the final dot means for the mail.

    Permanent only when nothing speaks against it: 503 says that the dialogue went out of step, a 3yz out of place likewise, and
    a 5yz with an enhanced code of class 4 contradicts itself.
    """
    if 200 <= reply.code < 300:
        return Outcome.DELIVERED
    if reply.code < 500 or reply.code == 503 or (reply.enhanced or "").startswith("4."):
        return Outcome.TRANSIENT
    return Outcome.PERMANENT


def is_too_many(reply: Reply) -> bool:
    """Whether a refused RCPT may only have been one too many for this transaction (RFC 5321 4.5.3.1.10).

    Receivers say 452, older ones 552. Enhanced subjects 1 and 2 (RFC 3463 3.2, 3.3) speak of this address or mailbox instead.
    """
    return reply.code in {452, 552} and (reply.enhanced or "")[1:3] not in {".1", ".2"}
