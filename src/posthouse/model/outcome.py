"""What became of one recipient's mail on one attempt, and in whose words."""

from posthouse.model.values import dataclass
from posthouse.model.words import Word

TranscriptLine = tuple[str, str]
"""Who spoke and what: `C` us, `S` the receiver, `*` a remark of ours (connecting, TLS, connection lost)."""


class Outcome(Word):
    """How an attempt ended for one recipient. UNKNOWN: everything was handed over and no answer came, so it may be there."""

    DELIVERED = "delivered"
    TRANSIENT = "transient"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


class Stage(Word):
    """How far the attempt had come when its outcome was decided. LOCAL: we refused without asking the receiver."""

    LOCAL = "local"
    DNS = "dns"
    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply (RFC 5321 4.2), or one we word ourselves when the receiver never got to speak.

    `enhanced` is the status code of RFC 3463 (`5.1.1`) or None; `text` is one line without it.
    """

    code: int
    enhanced: str | None
    text: str

    def __str__(self) -> str:
        """As it would stand on one line: `550 5.1.1 No such user`."""
        return " ".join(filter(None, (str(self.code), self.enhanced, self.text)))


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """The outcome for one recipient of an envelope.

    `excess` marks a recipient that was only one too many for the transaction (RFC 5321 4.5.3.1.10): it may be tried again at
    once in a transaction of its own.
    """

    address: str
    outcome: Outcome
    reply: Reply
    stage: Stage
    excess: bool = False
