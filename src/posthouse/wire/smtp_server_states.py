"""The states of an SMTP server session and which command is allowed in which (RFC 5321 4.1.4), as a table.

START -> CONNECTED -> READY -> MAIL -> RCPT -> DATA -> READY      CLOSED from anywhere
             ^         | ^ `-> AUTH -> READY
             `-- TLS <-'
"""

from enum import Enum, auto
from typing import Final

from posthouse.wire import smtp_server_replies as replies
from posthouse.wire.smtp_server_replies import Reply


class State(Enum):
    """Where the session is."""

    START = auto()  # the banner is not said
    CONNECTED = auto()  # no EHLO yet, or not since the handshake
    READY = auto()  # between transactions
    AUTH = auto()  # a challenge is out
    TLS = auto()  # 220 said, the host is shaking hands
    MAIL = auto()  # a sender, no recipient
    RCPT = auto()  # a sender and a recipient
    DATA = auto()  # 354 said, the message is coming
    CLOSED = auto()  # nothing is read any more


SILENT: Final = frozenset({State.START, State.TLS, State.CLOSED})  # no command is read
IDLE: Final = frozenset({State.START, State.CONNECTED, State.READY})  # nothing is lost by leaving
_IN_TRANSACTION: Final = frozenset({State.MAIL, State.RCPT})
_ANY: Final = frozenset({State.CONNECTED, State.READY}) | _IN_TRANSACTION

_ALLOWED: Final = {
    "STARTTLS": frozenset({State.READY}),
    "AUTH": frozenset({State.READY}),
    "MAIL": frozenset({State.READY}),
    "RCPT": _IN_TRANSACTION,
    "DATA": frozenset({State.RCPT}),
}


def out_of_order(verb: str, state: State) -> Reply | None:
    """The reply to a known command that does not belong in `state`; None when it does."""
    if state in _ALLOWED.get(verb, _ANY):
        return None
    if verb in ("RCPT", "DATA"):
        return replies.NO_RECIPIENTS if state is State.MAIL else replies.MAIL_FIRST
    return replies.HELLO_FIRST if state is State.CONNECTED else replies.NESTED_MAIL
