"""The enums of the product. Their values are stored, shown in the API and checked by the schema: rename with a migration."""

from enum import StrEnum


class Word(StrEnum):
    """One of a few words, which hashes as the text it equals: Enum's own hash is a call of Python for every look-up."""

    __hash__ = str.__hash__


class Source(Word):
    """By which door a message came in."""

    API = "api"
    SMTP = "smtp"
    MANUAL = "manual"
    NOTICE = "notice"  # our own: to a sender whose mail was not delivered, to administrators about alerts


class MailClass(Word):
    """What a message is for; decides its road."""

    BUSINESS = "business"
    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"


class Route(Word):
    """The road a message leaves by: exactly one per message."""

    INBOX = "INBOX"
    TRANSACTIONAL = "TRANSACTIONAL"
    MARKETING = "MARKETING"


class Pool(Word):
    """A set of delivery processes with their own limits, sources and retry schedule, so that none can starve another.

    Notifications are wanted by each of many (topics, alerts): faster than volume, but never before one person's own mail.
    """

    TRANSACTIONAL = "transactional"
    NOTIFICATION = "notification"
    MARKETING = "marketing"


class Kind(Word):
    """How a recipient was addressed."""

    TO = "to"
    CC = "cc"
    BCC = "bcc"


class State(Word):
    """Where one recipient's mail is. The first four are promised, the rest final (outbox/__init__ has the whole table)."""

    WAITING = "waiting"
    READY = "ready"
    CLAIMED = "claimed"
    HELD = "held"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"


FINAL_STATES = frozenset({State.DELIVERED, State.BOUNCED, State.EXPIRED, State.CANCELLED, State.SUPPRESSED})


class EventKind(Word):
    """What the ledger can say happened to one recipient's mail."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    UNKNOWN = "unknown"
    BOUNCED = "bounced"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPPRESSED = "suppressed"
    HELD = "held"
    RELEASED = "released"
    RETRIED = "retried"
    MOVED = "moved"
    LATE_BOUNCE = "late_bounce"
    DELAYED = "delayed"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    RESUBSCRIBED = "resubscribed"
    HEADER_IGNORED = "header_ignored"
    PRIORITY_HEADER_IGNORED = "priority_header_ignored"
    CLASS_CROSSED = "class_crossed"
    MASS_FLAGGED = "mass_flagged"


FINAL_EVENTS = frozenset(
    {EventKind.DELIVERED, EventKind.BOUNCED, EventKind.EXPIRED, EventKind.CANCELLED, EventKind.SUPPRESSED}
)


class ClassPolicy(Word):
    """What is done about mail from a domain that is meant for other classes."""

    WARN = "warn"
    REFUSE = "refuse"


class DomainPolicy(Word):
    """What is done about mail from a verified domain whose DNS records are not complete any more.

    `REFUSE` needs ownership and a DKIM key, `STRICT` also SPF and DMARC.
    """

    WARN = "warn"
    REFUSE = "refuse"
    STRICT = "strict"


class MassPolicy(Word):
    """What is done about mass mail that is sent as single messages."""

    FLAG = "flag"
    HOLD = "hold"
    REFUSE = "refuse"


class ReportSource(Word):
    """How a receiver's report came in."""

    API = "api"
    PAGE = "page"
    MAIL = "mail"


class Scope(Word):
    """What a credential may do."""

    SEND = "send"
    READ = "read"
    MANAGE = "manage"


class Role(Word):
    """What a person may do in a workspace; each includes the ones after it."""

    ADMIN = "admin"
    SENDER = "sender"
    READER = "reader"
