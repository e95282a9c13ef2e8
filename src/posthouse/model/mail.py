"""What a submitter hands over, and what the door answers: values shared by every way in."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from uuid import UUID

from posthouse.model.errors import FieldProblem
from posthouse.model.values import dataclass
from posthouse.model.words import EventKind, Kind, MailClass, Pool, Route, Scope, Source, State


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who hands mail over, as the credential says: resolved once by accounts, trusted by the rest of the corridor.

    `domains` are the sender domains it may use (lower-case A-labels), empty for every verified domain of the workspace.
    `any_domain` waives the check altogether: the lab's credentials only. `networks` is where its bearer may be, empty for anywhere.
    """

    workspace_id: UUID
    workspace_number: int  # short number of the workspace in signed return paths
    credential_id: UUID
    credential_kind: str  # api_key | smtp_credential | user
    name: str
    scopes: frozenset[Scope]
    domains: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    any_domain: bool = False
    own_address: str = ""  # of a person: she may send a test there before any domain is verified
    default_class: MailClass = MailClass.TRANSACTIONAL
    priority_allowed: bool = True
    default_priority: int = 4
    postal_address: str = ""  # of the workspace: marketing has to say it


@dataclass(frozen=True, slots=True)
class Recipient:
    """One address to deliver to: local part as given, domain as a lower-case A-label."""

    address: str
    kind: Kind

    @property
    def domain(self) -> str:
        """The part after the last @."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a message its sender should know: the kind of event it is shown as, and a sentence."""

    kind: EventKind
    text: str


@dataclass(frozen=True, slots=True)
class Submission:
    """One message as every door hands it to `intake.accept`.

    `content` is the complete RFC 5322 message with CRLF line ends, everything but the DKIM signatures; `sender` the address
    in From. `priority` None means the account's default. `expires_at` None means the default lifetime.
    """

    source: Source
    sender: str
    recipients: tuple[Recipient, ...]
    subject: str
    message_id_header: str  # with angle brackets
    content: bytes
    mail_class: MailClass | None = None
    priority: int | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    smtputf8: bool = False
    notes: tuple[Note, ...] = ()  # ignored headers and the like, shown as events
    verified_tls: bool = False  # rather not at all than to a receiver whose certificate proves nothing
    pool: Pool | None = None  # None: the one of its class
    mailing_type: str = ""  # which of the workspace's marketing it is, so that a reader can stop it alone; "" for none
    mass_reason: str = ""  # why the same text may go to many although it is no mass mail
    null_sender: bool = False  # it came with the return path <>: nobody wants to hear of its failure
    message_id: UUID | None = None  # when the content already names it (Received, Feedback-ID); else the door makes one


@dataclass(frozen=True, slots=True)
class RouteChoice:
    """The road a message takes and the reason in words; what a dry run and the compose page show."""

    route: Route
    pool: Pool
    mail_class: MailClass
    priority: int
    reason: str


@dataclass(frozen=True, slots=True)
class AcceptedRecipient:
    """One recipient of an accepted message; `state` is suppressed when it will not be sent, with the reason."""

    recipient_id: UUID
    address: str
    kind: Kind
    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something about a message that its sender should know; `values` are what the sentence `detail` names."""

    code: str
    detail: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The promise: this message is committed. `warnings` are a dry run's: what will not stop it, and may harm it."""

    message_id: UUID
    choice: RouteChoice
    recipients: tuple[AcceptedRecipient, ...]
    warnings: tuple[Warned, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Not accepted, nothing kept. `status` is the HTTP status that says whose fault it is: 403, 422, or 429 (later perhaps)."""

    problems: tuple[FieldProblem, ...]
    status: int = 422


Receipt = Accepted | Refused
