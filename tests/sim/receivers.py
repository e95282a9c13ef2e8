"""Mail servers that misbehave: each speaks SMTP (RFC 5321) well enough, in a mood that decides how each session and mail goes wrong.

A `Receiver` is one host with one address. What it takes is reported to a `Witness`, which knows what should have come.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Final, Protocol

from tests.sim.loop import Owner, SimLoop
from tests.sim.network import Line

SLOW_DOT_S: Final = 90.0
TARPIT_S: Final = 1.0  # a byte
GREYLIST_S: Final = 3.0


@dataclass(slots=True)
class Mood:
    """How likely each kind of trouble is: of a connection, then of a mail. `pace_s` is how long a reply takes."""

    refuse: float = 0.0
    silent: float = 0.0
    greet_421: float = 0.0
    greet_drop: float = 0.0
    tarpit: float = 0.0
    broken_tls: float = 0.0
    mails: dict[str, float] = field(default_factory=dict)  # fate -> probability
    pace_s: tuple[float, float] = (0.001, 0.02)


FATES: Final = (
    "mail_421", "rcpt_450", "rcpt_550", "data_451", "data_reset", "dot_421", "dot_451", "dot_550",
    "dot_drop_taken", "dot_drop_lost", "dot_reset_taken", "dot_slow",
)  # fmt: skip


class Witness(Protocol):
    """Whoever watches over the promises."""

    def began(self, dialogue: "Dialogue", address: str, mail_from: str) -> None: ...
    def taken(self, dialogue: "Dialogue", address: str) -> None: ...
    def refused(self, dialogue: "Dialogue", address: str, *, forever: bool) -> None: ...


class Receiver:
    """One host."""

    def __init__(
        self, loop: SimLoop, name: str, random: Random, witness: Witness, trace: Callable[[str], None], *, site: str
    ) -> None:
        self.loop = loop
        self.name = name
        self.site = site
        self.random = random
        self.witness = witness
        self.trace = trace
        self.mood = Mood()
        self.pipelining = random.random() < 0.7
        self.starttls = random.random() < 0.4
        self.greylists = random.random() < 0.3
        self.dialogues: list[Dialogue] = []
        self._seen: dict[tuple[str, str, str], float] = {}

    def door(self, owner: Owner, source: str) -> str:
        """open, refuse, or silent."""
        luck = self.random.random()
        if luck < self.mood.refuse:
            return "refuse"
        return "silent" if luck < self.mood.refuse + self.mood.silent else "open"

    def serve(self, owner: Owner, source: str) -> "Dialogue":
        """The far end of a new connection."""
        dialogue = Dialogue(self, owner, source)
        self.dialogues.append(dialogue)
        return dialogue

    def heal(self) -> None:
        """All is well from now on; sessions that hang are ended."""
        self.mood = Mood()
        for dialogue in self.dialogues:
            dialogue.hang_up(reset=True)

    def fate(self, address: str, mail_from: str, source: str) -> str:
        """What will become of one mail."""
        if address.startswith("gone"):
            return "rcpt_550"
        if self.greylists and not self._known((address, mail_from, source)):
            return "rcpt_450"
        luck = self.random.random()
        for fate, probability in self.mood.mails.items():
            if luck < probability:
                return fate
            luck -= probability
        return ""

    def _known(self, triplet: tuple[str, str, str]) -> bool:
        first = self._seen.setdefault(triplet, self.loop.now)
        return self.loop.now - first >= GREYLIST_S


class Dialogue:
    """One session, from the server's side."""

    def __init__(self, receiver: Receiver, owner: Owner, source: str) -> None:
        self.receiver = receiver
        self.owner = owner
        self.source = source
        self.dialled_at = receiver.loop.now
        self.line: Line | None = None
        self.pool = ""  # whose mail it carries, known from the first
        self.address = ""  # of the mail under way
        self.lost = ""  # the mail whose end the client was not told
        self.mails = 0
        self.ended = False
        self._buffer = b""
        self._in_data = False
        self._mail_from = ""
        self._fate = ""
        self._free_at = 0.0
        self._tarpit = False

    @property
    def is_open(self) -> bool:
        """Whether the client still holds it."""
        return (
            self.line is not None and not self.line.near.is_closing() and self.owner.alive and not self.line.is_broken
        )

    # --- for the network

    def opened(self, line: Line) -> None:
        """The connection stands: the banner."""
        self.line = line
        mood, random = self.receiver.mood, self.receiver.random
        self._tarpit = random.random() < mood.tarpit
        line.tls_works = random.random() >= mood.broken_tls
        luck = random.random()
        if luck < mood.greet_421:
            self._say(b"421 4.7.0 try again later\r\n", then=self.hang_up)
        elif luck < mood.greet_421 + mood.greet_drop:
            self._after(self.hang_up)
        else:
            self._say(b"220 " + self.receiver.name.encode() + b" ESMTP\r\n")

    def received(self, data: bytes) -> None:
        """Commands, or a message."""
        self._buffer += data
        while not self.ended and self._step():
            pass

    def closed(self) -> None:
        """The client is gone."""
        self.lost = self.lost or self.address
        self._end_mail()
        self.ended = True

    # --- the dialogue

    def _step(self) -> bool:
        """Takes one command or one message out of the buffer."""
        mark = b"\r\n.\r\n" if self._in_data else b"\r\n"
        if self._in_data and self._buffer.startswith(b".\r\n"):
            self._buffer = self._buffer[3:]
        else:
            head, found, rest = self._buffer.partition(mark)
            if not found:
                return False
            self._buffer = rest
            if not self._in_data:
                self._command(head.decode("utf-8", "replace"))
                return True
        self._in_data = False
        self._dot()
        return True

    def _command(self, line: str) -> None:
        verb = line.split(" ")[0].upper()
        match verb:
            case "EHLO":
                self._ehlo()
            case "HELO" | "RSET" | "NOOP":
                self._end_mail()
                self._say(b"250 2.0.0 ok\r\n")
            case "STARTTLS":
                self._say(b"220 2.0.0 go ahead\r\n")
            case "MAIL":
                self._mail(line)
            case "RCPT":
                self._rcpt(line)
            case "DATA":
                self._data()
            case "QUIT":
                self._say(b"221 2.0.0 bye\r\n", then=self.hang_up)
            case _:
                self._say(b"500 5.5.2 what?\r\n")

    def _ehlo(self) -> None:
        self._end_mail()
        lines = [self.receiver.name, "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 10000000"]
        if self.receiver.pipelining:
            lines.append("PIPELINING")
        assert self.line is not None
        if self.receiver.starttls and not self.line.is_encrypted:
            lines.append("STARTTLS")
        text = "".join(f"250-{line}\r\n" for line in lines[:-1]) + f"250 {lines[-1]}\r\n"
        self._say(text.encode())

    def _mail(self, line: str) -> None:
        self._mail_from = line.partition("<")[2].partition(">")[0]
        self._say(b"250 2.1.0 ok\r\n")

    def _rcpt(self, line: str) -> None:
        self.address = line.partition("<")[2].partition(">")[0]
        self.mails += 1
        self.receiver.witness.began(self, self.address, self._mail_from)
        self._fate = self.receiver.fate(self.address, self._mail_from, self.source)
        match self._fate:
            case "mail_421":
                self._end_mail()
                self._say(b"421 4.3.2 shutting down\r\n", then=self.hang_up)
            case "rcpt_450":
                self.address = ""
                self._say(b"450 4.7.1 greylisted\r\n")
            case "rcpt_550":
                self.receiver.witness.refused(self, self.address, forever=True)
                self.address = ""
                self._say(b"550 5.1.1 no such user\r\n")
            case _:
                self._say(b"250 2.1.5 ok\r\n")

    def _data(self) -> None:
        if self._fate in {"rcpt_450", "rcpt_550"}:
            self._end_mail()
            self._say(b"554 5.5.1 no valid recipients\r\n")
        elif self._fate == "data_451":
            self._end_mail()
            self._say(b"451 4.3.0 not now\r\n")
        elif self._fate == "data_reset":
            self._after(lambda: self.hang_up(reset=True))
        else:
            self._in_data = True
            self._say(b"354 go on\r\n")

    def _dot(self) -> None:
        fate, address = self._fate, self.address
        pace = SLOW_DOT_S if fate == "dot_slow" else 0.0
        match fate:
            case "dot_451":
                self._finish(b"451 4.3.0 scanner is away\r\n", pace)
            case "dot_421":
                self._finish(b"421 4.3.2 going down\r\n", pace, then=self.hang_up)
            case "dot_550":
                self.receiver.witness.refused(self, address, forever=True)
                self._finish(b"550 5.7.1 not wanted\r\n", pace)
            case "dot_drop_lost":
                self._after(self.hang_up)
            case "dot_drop_taken" | "dot_reset_taken":
                self.receiver.witness.taken(self, address)
                self._after(lambda: self.hang_up(reset=fate == "dot_reset_taken"))
            case _:
                self._after(lambda: self._take(address), pace)

    def _take(self, address: str) -> None:
        if self.ended:
            return
        self.receiver.witness.taken(self, address)
        self._finish(b"250 2.0.0 taken\r\n", 0.0)

    def _finish(self, reply: bytes, pace_s: float, then: Callable[[], None] | None = None) -> None:
        """The reply to the dot; with its last octet the mail is over."""
        self._say(reply, pace_s, then, ends=True)

    def _end_mail(self) -> None:
        self.address = ""
        self._fate = ""

    # --- saying it

    def _say(
        self, reply: bytes, extra_s: float = 0.0, then: Callable[[], None] | None = None, *, ends: bool = False
    ) -> None:
        pieces = [bytes([octet]) for octet in reply] if self._tarpit else [reply]
        for number, piece in enumerate(pieces, 1):
            wait_s = TARPIT_S if self._tarpit else extra_s
            self._after(partial(self._write, piece, over=ends and number == len(pieces)), wait_s)
        if then is not None:
            self._after(then)

    def _write(self, data: bytes, *, over: bool) -> None:
        if not self.ended and self.line is not None:
            self.receiver.trace(f"smtp {self.receiver.name} says {data!r}")
            self.line.say(data)
            if over:
                self._end_mail()

    def _after(self, do: Callable[[], None], extra_s: float = 0.0) -> None:
        """In order, each a moment after the one before."""
        loop = self.receiver.loop
        pace = self.receiver.random.uniform(*self.receiver.mood.pace_s) + extra_s
        self._free_at = max(self._free_at, loop.now) + pace
        loop.world_later(self._free_at - loop.now, do)

    def hang_up(self, *, reset: bool = False) -> None:
        """The server closes."""
        if not self.ended and self.line is not None:
            self.ended = True
            self.lost = self.address
            self.line.close(reset=reset)
            self._end_mail()
