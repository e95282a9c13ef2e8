"""What an SMTP server machine is told before it starts, and what it asks of its host while it runs."""

from typing import Literal

from posthouse.model.limits import (
    AUTH_ATTEMPTS,
    ERRORS_PER_CONNECTION,
    MESSAGE_OCTETS,
    MESSAGES_PER_CONNECTION,
    RECIPIENTS_PER_MESSAGE,
    TEXT_LINE_OCTETS,
)
from posthouse.model.values import dataclass
from posthouse.wire.sasl import Credentials
from posthouse.wire.smtp_server_commands import MailParameters

Mechanism = Literal["PLAIN", "LOGIN"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """One listener's rules; shared by all its sessions.

    `hostname` opens the banner and every EHLO reply, `greeting` ends the banner. Sizes in octets of the unstuffed message;
    `max_line` without the CRLF. `starttls` offers TLS, `implicit_tls` says the session is inside it from the first octet.
    Without `auth_mechanisms` there is no AUTH at all; `require_auth` refuses MAIL before it, unless the session is trusted.
    """

    hostname: str
    greeting: str = "Posthouse"
    starttls: bool = False
    implicit_tls: bool = False
    auth_mechanisms: tuple[Mechanism, ...] = ()
    auth_needs_tls: bool = True
    require_auth: bool = False
    smtputf8: bool = True
    max_size: int = MESSAGE_OCTETS
    max_line: int = TEXT_LINE_OCTETS
    max_recipients: int = RECIPIENTS_PER_MESSAGE
    max_messages: int = MESSAGES_PER_CONNECTION
    max_errors: int = ERRORS_PER_CONNECTION
    max_auth_attempts: int = AUTH_ATTEMPTS

    def __post_init__(self) -> None:
        """A banner with a line end in it would be a reply of our own forging: a bug of the host."""
        assert self.hostname.isascii()
        assert self.hostname.isprintable()
        assert self.greeting.isascii()
        assert self.greeting.isprintable()
        assert not self.require_auth or self.auth_mechanisms


def ehlo_reply(config: ServerConfig, *, tls_active: bool, may_authenticate: bool) -> bytes:
    """The reply to EHLO: what this session may use now (RFC 5321 4.1.1.1)."""
    lines = [config.hostname, "PIPELINING", f"SIZE {config.max_size}", "8BITMIME", "ENHANCEDSTATUSCODES"]
    if config.smtputf8:
        lines.append("SMTPUTF8")
    if config.starttls and not tls_active:
        lines.append("STARTTLS")
    if config.auth_mechanisms and may_authenticate:
        lines.append(" ".join(("AUTH", *config.auth_mechanisms)))
    return ("250-" + "\r\n250-".join(lines) + "\r\n250 HELP\r\n").encode()


@dataclass(frozen=True, slots=True)
class StartTls:
    """220 is ready to be sent. Send it, do the handshake, then say `tls_established()`; on failure drop the connection."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Are these credentials right? Refuse with 535 5.7.8, or 454 4.7.0 when it cannot be known now."""

    mechanism: Mechanism
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class MailFrom:
    """May this sender begin a transaction? `address` is empty for the null sender."""

    address: str
    parameters: MailParameters


@dataclass(frozen=True, slots=True)
class RcptTo:
    """May the open transaction have this recipient? `postmaster` comes without a domain (RFC 5321 4.1.1.3)."""

    address: str


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A whole message. Accepting it is the promise to deliver it (RFC 5321 6.1): say it after the commit.

    `data` is unstuffed, has only CRLF line ends and none too long, and is empty or ends with CRLF. `protocol` is the word
    for the `with` clause of Received (RFC 3848, RFC 6531 4.3).
    """

    mail_from: str
    parameters: MailParameters
    recipients: tuple[str, ...]
    data: bytes
    protocol: str


Question = Authenticate | MailFrom | RcptTo | MessageReceived
Event = StartTls | Question
