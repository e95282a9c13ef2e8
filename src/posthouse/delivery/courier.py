"""What every road out looks like to the dispatcher: find a route, open a connection, send mail after mail over it.

Nothing here raises for what a receiver or a network does. Each call answers with a value: `NoRoute`, `ConnectFailure`, or a
`SendResult` with one outcome per recipient.
"""

from collections.abc import Sequence
from typing import Protocol

from posthouse.model.limits import BROKEN_TLS_S
from posthouse.model.outcome import Outcome, RecipientOutcome, Reply, Stage, TranscriptLine
from posthouse.model.values import dataclass
from posthouse.wire.mx import NoRoute, Plan, Target
from posthouse.wire.smtp_client import TlsPolicy

__all__ = [
    "ConnectFailure",
    "Connection",
    "Courier",
    "Envelope",
    "NoRoute",
    "Plan",
    "SendResult",
    "SitePolicy",
    "Target",
    "Timeouts",
    "TlsPolicy",
]


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message for one site.

    `mail_from` is "" for the null sender. `content` are the segments of the message with CRLF line ends, neither dot-stuffed
    nor terminated. `needs_smtputf8`: an address or a header is not ASCII (RFC 6531).
    """

    mail_from: str
    recipients: tuple[str, ...]
    content: Sequence[bytes]
    needs_smtputf8: bool = False

    @property
    def size(self) -> int:
        """Octets of the message."""
        return sum(map(len, self.content))


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each step may take (RFC 5321 4.5.3.2), in seconds.

    Short everywhere but after the final dot: giving up there before the receiver has scanned the mail makes duplicates.
    """

    connect_s: float = 30
    banner_s: float = 60
    command_s: float = 60
    data_s: float = 120
    dot_s: float = 600
    write_s: float = 180  # of one chunk of a large message
    quit_s: float = 1


@dataclass(frozen=True, slots=True)
class SitePolicy:
    """How to treat one site.

    `tls` is what is asked where the receiver itself publishes nothing: DANE and an enforced MTA-STS policy go before it.
    `local_addr` is the IP address to send from; it also decides the family. `helo` is our name there, "" for the courier's own.
    `verified`: no session but an encrypted one with a host that has proven its name, by DANE or by a certificate.
    A site whose TLS broke is spoken to in the clear for `remember_broken_tls_s`, where nobody demands encryption.
    `after_421`: what a host's 421 instead of a session means for its neighbours: try the "next", or "end" the attempt.
    """

    tls: TlsPolicy = TlsPolicy.OPPORTUNISTIC
    local_addr: str | None = None
    ipv4_only: bool = False
    timeouts: Timeouts = Timeouts()
    verified: bool = False
    helo: str = ""
    remember_broken_tls_s: float = BROKEN_TLS_S
    after_421: str = "next"


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of one envelope: an outcome for each recipient, in their order, and the dialogue of this mail alone.

    `stale`: a connection that had carried mail before ended before anything came of this one, as idle connections do. Nothing
    was sent; it may be tried at once on a fresh connection.
    """

    outcomes: tuple[RecipientOutcome, ...]
    transcript: tuple[TranscriptLine, ...]
    stale: bool = False


@dataclass(frozen=True, slots=True)
class ConnectFailure:
    """No connection to any target; `reply` and `stage` are those of the target that came furthest."""

    outcome: Outcome
    reply: Reply
    stage: Stage
    transcript: tuple[TranscriptLine, ...]


class Connection(Protocol):
    """An open session with one receiver. One mail at a time; `opening` is the dialogue up to the first.

    `tls` is "" in the clear, else protocol, cipher and what proved the receiver's name. `verified`: something did; only such a
    session may carry mail that demands it.
    """

    site: str
    target: Target
    tls: str
    verified: bool
    opening: tuple[TranscriptLine, ...]

    @property
    def sent(self) -> int:
        """How many mails have been sent, whatever came of them."""
        ...

    async def send(self, envelope: Envelope) -> SendResult:
        """Send one mail. ValueError for message data or addresses no receiver must see; cancelling aborts the connection."""
        ...

    async def usable(self) -> bool:
        """Whether another mail may be sent; looks for a goodbye the receiver may have said meanwhile."""
        ...

    async def close(self) -> None:
        """Say goodbye and close, soon. May be called at any time and again."""
        ...

    def abort(self) -> None:
        """Close without a word."""
        ...


class Courier(Protocol):
    """One road out."""

    async def route(self, domain: str) -> Plan | NoRoute:
        """Where mail for a domain (lower-case A-label) goes."""
        ...

    async def connect(self, plan: Plan, policy: SitePolicy) -> Connection | ConnectFailure:
        """A session with the first target of the plan that takes one."""
        ...
