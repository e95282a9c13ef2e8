"""The client side of SMTP (RFC 5321) as an object without a socket, clock or thread.

Whoever owns the socket calls `receive` with what came and `lost` when nothing more can, acts on the events these return, and
writes `bytes_to_send()` after every call, all of it at once. The order of a connection's life:

    banner -> EHLO (HELO) -> STARTTLS, EHLO again -> AUTH -> Ready -> (begin_mail -> MailDone)* -> quit

The peer can make nothing raise: whatever it does ends in an event that says what became of the mail.
"""

import base64
from collections.abc import Callable, Sequence
from enum import Enum, StrEnum, auto

from posthouse.model.errors import RemoteProtocolError
from posthouse.model.outcome import Outcome, RecipientOutcome, Reply, Stage, TranscriptLine
from posthouse.model.values import dataclass
from posthouse.wire.sasl import Credentials
from posthouse.wire.smtp_data import dot_stuffed, joined, path
from posthouse.wire.smtp_reply import RawReply, ReplyReader, parsed, readable
from posthouse.wire.smtp_transaction import Next, Transaction
from posthouse.wire.smtp_transcript import Transcript

END_OF_DATA = b".\r\n"


class TlsPolicy(StrEnum):
    """How much encryption is asked of a receiver."""

    OPPORTUNISTIC = "opportunistic"
    REQUIRED = "required"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is open: mail may begin."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """Do the TLS handshake now, then call `tls_established`."""


@dataclass(frozen=True, slots=True)
class SendContent:
    """The receiver waits for the message: write `content()`, then `end_of_data()`."""


@dataclass(frozen=True, slots=True)
class MailDone:
    """The mail is over; `outcomes` in the order of its recipients. The next may begin if `is_idle`."""

    outcomes: tuple[RecipientOutcome, ...]


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """No mail can go over this connection."""

    stage: Stage
    reply: Reply


Event = Ready | StartTls | SendContent | MailDone | SessionRefused


class _Phase(Enum):
    BANNER = auto()
    EHLO = auto()
    HELO = auto()
    STARTTLS = auto()
    HANDSHAKE = auto()
    AUTH = auto()
    IDLE = auto()
    MAIL = auto()
    QUIT = auto()
    DEAD = auto()


_STAGES = {
    _Phase.BANNER: Stage.BANNER,
    _Phase.EHLO: Stage.EHLO,
    _Phase.HELO: Stage.EHLO,
    _Phase.STARTTLS: Stage.TLS,
    _Phase.HANDSHAKE: Stage.TLS,
    _Phase.AUTH: Stage.AUTH,
}


class ClientMachine:
    """One connection to one receiver."""

    def __init__(self, *, helo_name: str, tls: TlsPolicy, credentials: Credentials | None = None) -> None:
        """`helo_name` is our own name in EHLO. With `credentials` the session is refused unless it is encrypted."""
        self._helo_name = helo_name
        self._tls = tls
        self._credentials = credentials
        self._phase = _Phase.BANNER
        self._reader = ReplyReader()
        self._out: list[bytes] = []
        self._transcript = Transcript()
        self._extensions: dict[str, str] = {}
        self._encrypted = False
        self._secrets: list[str] = []  # base64 lines still to be sent in AUTH LOGIN
        self._mail: Transaction | None = None
        self._content = b""
        self._mails = 0
        self.replies = 0  # read so far; the dialogue moves on when this does
        self._heard = False

    # -- what the owner of the socket asks

    @property
    def is_idle(self) -> bool:
        """The next mail may begin."""
        return self._phase is _Phase.IDLE

    @property
    def is_dead(self) -> bool:
        """Nothing more can be done over this connection but closing it."""
        return self._phase is _Phase.DEAD

    @property
    def awaited(self) -> Stage | None:
        """The stage whose reply is awaited, for the time limit; None when nothing is."""
        if self._mail is not None:
            return self._mail.awaited
        return _STAGES.get(self._phase)

    @property
    def heard(self) -> bool:
        """The receiver has said something about the mail in progress, or the one just done."""
        return self._heard if self._mail is None else self._mail.heard

    def bytes_to_send(self) -> bytes:
        """Everything to be written now; one flight is one piece."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def take_transcript(self) -> tuple[TranscriptLine, ...]:
        """The dialogue since the last call."""
        return self._transcript.take()

    def remark(self, text: str) -> None:
        """Add a line of the owner's to the transcript."""
        self._transcript.remark(text)

    # -- what the owner tells

    def receive(self, data: bytes) -> list[Event]:
        """Take what the socket gave, in any pieces."""
        events: list[Event] = []
        self._reader.feed(data)
        try:
            while self._phase is not _Phase.DEAD and (raw := self._reader.next()) is not None:
                self._transcript.received(raw)
                self.replies += 1
                _HANDLERS[self._phase](self, raw, events)
        except RemoteProtocolError as error:
            self._give_up(str(error), events)
        return events

    def lost(self, reason: str) -> list[Event]:
        """The connection ended or is being given up: a reset, a silence beyond the limit, a failed handshake."""
        events: list[Event] = []
        if self._phase is not _Phase.DEAD:
            self._give_up(reason, events)
        return events

    def tls_established(self, description: str) -> None:
        """The handshake is done; everything learned in plaintext is forgotten (RFC 3207 4.2)."""
        assert self._phase is _Phase.HANDSHAKE
        self._encrypted = True
        self._reader = ReplyReader()
        self._transcript.remark(description)
        self._command(_Phase.EHLO, f"EHLO {self._helo_name}")

    def begin_mail(
        self, mail_from: str, recipients: tuple[str, ...], segments: Sequence[bytes], *, smtputf8: bool
    ) -> list[Event]:
        """Start a mail on an idle connection; MailDone at once when it cannot go to this receiver.

        `segments` make up the message with CRLF line ends. ValueError: bare CR or LF in it, or an address no path can hold.
        """
        assert self.is_idle
        content = joined(segments)
        refusal = self._refused_locally(len(content), smtputf8=smtputf8)
        if refusal is not None:
            self._heard = True
            self._transcript.remark(f"not sent: {refusal}")
            return [MailDone(tuple(RecipientOutcome(r, Outcome.PERMANENT, refusal, Stage.LOCAL) for r in recipients))]
        commands = self._mail_commands(mail_from, recipients, content, smtputf8=smtputf8)
        self._mail = Transaction(recipients, commands, pipelined="PIPELINING" in self._extensions)
        self._content = content
        self._mails += 1
        self._phase = _Phase.MAIL
        self._send(self._mail.flight())
        return []

    def content(self) -> bytes:
        """The message, dot-stuffed, without the final dot."""
        self._transcript.data(len(self._content))
        content, self._content = dot_stuffed(self._content), b""
        return content

    def end_of_data(self) -> bytes:
        """The final dot. Once it is asked for, a lost connection leaves the outcome unknown."""
        assert self._mail is not None
        self._mail.dot_handed_over()
        self._transcript.sent(".\r\n")
        return END_OF_DATA

    def quit(self) -> None:
        """Say goodbye; only on an idle connection."""
        assert self.is_idle
        self._command(_Phase.QUIT, "QUIT")

    # -- the session

    def _on_banner(self, raw: RawReply, events: list[Event]) -> None:
        if raw.code == 220:
            self._command(_Phase.EHLO, f"EHLO {self._helo_name}")
        else:
            self._refuse(parsed(raw), events)

    def _on_ehlo(self, raw: RawReply, events: list[Event]) -> None:
        if raw.is_positive:
            self._extensions = _extensions(raw.lines[1:])
            self._advance(events)
        elif raw.code >= 500:  # RFC 5321 3.2: too old for EHLO
            self._command(_Phase.HELO, f"HELO {self._helo_name}")
        else:
            self._refuse(parsed(raw), events)

    def _on_helo(self, raw: RawReply, events: list[Event]) -> None:
        if raw.is_positive:
            self._extensions = {}
            self._advance(events)
        else:
            self._refuse(parsed(raw), events)

    def _advance(self, events: list[Event]) -> None:
        """The next step of opening, now that the extensions are known."""
        if not self._encrypted and self._tls is not TlsPolicy.OFF and "STARTTLS" in self._extensions:
            self._command(_Phase.STARTTLS, "STARTTLS")
        elif not self._encrypted and (self._tls is TlsPolicy.REQUIRED or self._credentials):
            self._phase = _Phase.STARTTLS
            self._refuse(Reply(451, "4.7.10", "the receiver offers no encryption, which is required here"), events)
        elif self._credentials:
            self._authenticate(self._credentials, events)
        else:
            self._open(events)

    def _on_starttls(self, raw: RawReply, events: list[Event]) -> None:
        if raw.code == 220:
            if not self._reader.is_empty:  # spoken before the handshake, so by anybody: never believed (CVE-2011-0411)
                raise RemoteProtocolError("data before the TLS handshake")
            self._phase = _Phase.HANDSHAKE
            events.append(StartTls())
        elif self._tls is TlsPolicy.REQUIRED or self._credentials or raw.code == 421:
            self._refuse(parsed(raw), events)
        else:  # some receivers answer the next command with the failure too: let that be an EHLO
            self._tls = TlsPolicy.OFF
            self._command(_Phase.EHLO, f"EHLO {self._helo_name}")

    def _on_handshake(self, raw: RawReply, events: list[Event]) -> None:
        raise RemoteProtocolError("data before the TLS handshake")

    def _authenticate(self, credentials: Credentials, events: list[Event]) -> None:
        mechanisms = self._extensions.get("AUTH", "").upper().split()
        if "PLAIN" in mechanisms:
            secret = _base64(f"\0{credentials.username}\0{credentials.password}")
            self._command(_Phase.AUTH, f"AUTH PLAIN {secret}", shown="AUTH PLAIN <secret>")
        elif "LOGIN" in mechanisms:
            self._secrets = [_base64(credentials.username), _base64(credentials.password)]
            self._command(_Phase.AUTH, "AUTH LOGIN")
        else:
            self._phase = _Phase.AUTH
            self._refuse(Reply(451, "4.7.0", "the smart host offers neither AUTH PLAIN nor LOGIN"), events)

    def _on_auth(self, raw: RawReply, events: list[Event]) -> None:
        if raw.is_positive:
            self._open(events)
        elif raw.code == 334 and self._secrets:
            self._command(_Phase.AUTH, self._secrets.pop(0), shown="<secret>")
        else:
            self._refuse(parsed(raw), events)

    def _open(self, events: list[Event]) -> None:
        self._phase = _Phase.IDLE
        events.append(Ready())

    def _on_idle(self, raw: RawReply, events: list[Event]) -> None:
        self._phase = _Phase.DEAD  # unsolicited, mostly a 421: the next command's reply would be taken for another's

    def _on_quit(self, raw: RawReply, events: list[Event]) -> None:
        self._phase = _Phase.DEAD

    # -- the mail

    def _on_mail(self, raw: RawReply, events: list[Event]) -> None:
        mail = self._mail
        assert mail is not None
        match mail.receive(raw):
            case Next.COMMAND:
                self._send(mail.flight())
            case Next.CONTENT:
                events.append(SendContent())
            case Next.LONE_DOT:
                self._out.append(self.end_of_data())
            case Next.DONE:
                self._finish(mail, _Phase.IDLE, events)
            case Next.HANG_UP:
                self._finish(mail, _Phase.DEAD, events)
            case Next.REPLY:
                pass

    def _finish(self, mail: Transaction, phase: _Phase, events: list[Event]) -> None:
        self._phase = phase
        self._mail = None
        self._heard = mail.heard
        self._content = b""
        events[:] = [MailDone(mail.outcomes())]  # a SendContent of the same batch is void

    def _refused_locally(self, octets: int, *, smtputf8: bool) -> Reply | None:
        if smtputf8 and "SMTPUTF8" not in self._extensions:
            return Reply(553, "5.6.7", "the receiver does not take internationalised addresses (SMTPUTF8)")
        limit = self._extensions.get("SIZE", "")
        if limit.isdecimal() and 0 < int(limit) < octets:  # RFC 1870 3: 0 means no fixed limit
            return Reply(552, "5.3.4", f"the message has {octets} octets, the receiver takes {limit}")
        return None

    def _mail_commands(
        self, mail_from: str, recipients: tuple[str, ...], content: bytes, *, smtputf8: bool
    ) -> list[str]:
        commands = ["RSET\r\n"] if self._mails else []  # some receivers count an RSET before the first mail as junk
        commands.append(f"MAIL FROM:{path(mail_from, smtputf8=smtputf8)}{self._parameters(content, smtputf8)}\r\n")
        commands += [f"RCPT TO:{path(recipient, smtputf8=smtputf8)}\r\n" for recipient in recipients]
        commands.append("DATA\r\n")
        return commands

    def _parameters(self, content: bytes, smtputf8: bool) -> str:
        parameters = ""
        if "SIZE" in self._extensions:
            parameters += f" SIZE={len(content)}"
        # Without 8BITMIME the message goes as it is: receivers take it, and recoding would break its signatures.
        if "8BITMIME" in self._extensions and (smtputf8 or not content.isascii()):
            parameters += " BODY=8BITMIME"
        return parameters + (" SMTPUTF8" if smtputf8 else "")

    # -- all of it

    def _command(self, phase: _Phase, command: str, *, shown: str = "") -> None:
        self._phase = phase
        self._transcript.sent((shown or command) + "\r\n")
        self._out.append(command.encode() + b"\r\n")

    def _send(self, commands: str) -> None:
        self._transcript.sent(commands)
        self._out.append(commands.encode())

    def _refuse(self, reply: Reply, events: list[Event]) -> None:
        events.append(SessionRefused(_STAGES[self._phase], reply))
        self._phase = _Phase.DEAD

    def _give_up(self, reason: str, events: list[Event]) -> None:
        self._transcript.remark(readable(reason.encode()))
        if self._mail is not None:
            self._mail.lost(reason)
            self._finish(self._mail, _Phase.DEAD, events)
        elif self._phase in _STAGES:
            self._refuse(Reply(451, "4.4.2", reason), events)
        self._phase = _Phase.DEAD


_HANDLERS: dict[_Phase, Callable[[ClientMachine, RawReply, list[Event]], None]] = {
    _Phase.BANNER: ClientMachine._on_banner,
    _Phase.EHLO: ClientMachine._on_ehlo,
    _Phase.HELO: ClientMachine._on_helo,
    _Phase.STARTTLS: ClientMachine._on_starttls,
    _Phase.HANDSHAKE: ClientMachine._on_handshake,
    _Phase.AUTH: ClientMachine._on_auth,
    _Phase.IDLE: ClientMachine._on_idle,
    _Phase.MAIL: ClientMachine._on_mail,
    _Phase.QUIT: ClientMachine._on_quit,
}


def _extensions(lines: tuple[bytes, ...]) -> dict[str, str]:
    """EHLO keywords in upper case with their parameters (RFC 5321 4.1.1.1); `AUTH=LOGIN` of old servers counts as AUTH."""
    extensions: dict[str, str] = {}
    for line in lines:
        keyword, _, parameters = readable(line).strip().replace("=", " ", 1).partition(" ")
        extensions.setdefault(keyword.upper(), parameters.strip())
    return extensions


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
