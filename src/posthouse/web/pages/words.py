"""What the stored words are called on a page: label, tone, icon and a sentence that explains each. Pure.

The sentences are marked with `N_` and translated where they are shown.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from posthouse.accounts.alerts import Trouble
from posthouse.ledger import suppression
from posthouse.ledger.bounced import BounceType
from posthouse.model.sentences import Sentence
from posthouse.model.words import EventKind, MailClass, Pool, Role, Route, Scope, Source, State
from posthouse.outbox import waiting
from posthouse.outbox.messages import RecipientRow
from posthouse.outbox.waiting import Situation
from posthouse.web.text import Speech


def N_(message: str) -> str:  # noqa: N802 - as gettext calls it
    """Marks a sentence for the catalogue; translated later."""
    return message


@dataclass(frozen=True, slots=True)
class Word:
    """How one stored word looks: `tone` is a CSS class, `icon` a symbol of icons.svg."""

    label: str
    tone: str
    icon: str
    meaning: str = ""


STATES: Final = {
    State.WAITING: Word(N_("Waiting"), "wait", "clock", N_("Not sent yet: it will be tried at a later time.")),
    State.READY: Word(N_("Ready"), "busy", "ready", N_("In line to be sent now.")),
    State.CLAIMED: Word(N_("Sending"), "busy", "sending", N_("In a worker's hands, perhaps on the wire.")),
    State.HELD: Word(
        N_("Held"),
        "wait",
        "pause",
        N_("Stopped by hand, as mass mail or with all bulk mail of its domain, until someone releases it."),
    ),
    State.DELIVERED: Word(N_("Delivered"), "good", "check", N_("The receiving server took responsibility for it.")),
    State.BOUNCED: Word(N_("Bounced"), "bad", "cross", N_("The receiving server refused it for good.")),
    State.EXPIRED: Word(N_("Expired"), "bad", "expired", N_("It could not be delivered within its lifetime.")),
    State.CANCELLED: Word(N_("Cancelled"), "", "slash", N_("Stopped by hand before it was sent.")),
    State.SUPPRESSED: Word(
        N_("Suppressed"),
        "",
        "shield",
        N_("Not sent: the address is on the suppression list, where bounces and opt-outs go."),
    ),
}

EVENTS: Final = {
    EventKind.ACCEPTED: Word(N_("Accepted"), "busy", "in"),
    EventKind.DELIVERED: Word(N_("Delivered"), "good", "check"),
    EventKind.DEFERRED: Word(N_("Deferred: the receiving server asked us to try later"), "wait", "clock"),
    EventKind.UNKNOWN: Word(
        N_("Outcome unknown: the connection was lost after the mail was handed over"), "wait", "warning"
    ),
    EventKind.BOUNCED: Word(N_("Bounced"), "bad", "cross"),
    EventKind.EXPIRED: Word(N_("Expired"), "bad", "expired"),
    EventKind.CANCELLED: Word(N_("Cancelled"), "", "slash"),
    EventKind.SUPPRESSED: Word(N_("Suppressed"), "", "shield"),
    EventKind.HELD: Word(N_("Held"), "wait", "pause"),
    EventKind.RELEASED: Word(N_("Released"), "busy", "play"),
    EventKind.RETRIED: Word(N_("Put first in line by hand"), "busy", "retry"),
    EventKind.MOVED: Word(N_("Moved to another pool by hand"), "busy", "forward"),
    EventKind.LATE_BOUNCE: Word(N_("Bounced after delivery: a report came back later"), "bad", "cross"),
    EventKind.DELAYED: Word(N_("The receiving side reports a delay"), "wait", "clock"),
    EventKind.COMPLAINED: Word(N_("Complaint: the recipient marked it as spam"), "bad", "warning"),
    EventKind.UNSUBSCRIBED: Word(N_("Unsubscribed"), "", "slash"),
    EventKind.RESUBSCRIBED: Word(N_("Took back that they had unsubscribed"), "", "check"),
    EventKind.HEADER_IGNORED: Word(N_("A header was ignored"), "", "info"),
    EventKind.CLASS_CROSSED: Word(N_("Sent from a domain meant for other mail"), "wait", "warning"),
    EventKind.MASS_FLAGGED: Word(N_("Looks like mass mail"), "wait", "warning"),
    EventKind.PRIORITY_HEADER_IGNORED: Word(N_("A priority header was ignored"), "", "info"),
}

ROUTES: Final = {
    Route.INBOX: N_("Mailbox"),
    Route.TRANSACTIONAL: N_("Transactional"),
    Route.MARKETING: N_("Marketing"),
}
CLASSES: Final = {
    MailClass.TRANSACTIONAL: N_("Transactional"),
    MailClass.MARKETING: N_("Marketing"),
    MailClass.BUSINESS: N_("Business"),
}
SOURCES: Final = {
    Source.API: N_("API"),
    Source.SMTP: N_("SMTP"),
    Source.MANUAL: N_("By hand"),
    Source.NOTICE: N_("Posthouse itself"),
}
POOLS: Final = {
    Pool.TRANSACTIONAL: N_("Transactional"),
    Pool.NOTIFICATION: N_("Notifications"),
    Pool.MARKETING: N_("Marketing"),
}
ROLES: Final = {Role.ADMIN: N_("Administrator"), Role.SENDER: N_("Sender"), Role.READER: N_("Reader")}
SCOPES: Final = {
    Scope.SEND: (N_("Send"), N_("Hand over mail.")),
    Scope.READ: (N_("Read"), N_("See messages, events and content.")),
    Scope.MANAGE: (N_("Manage"), N_("Change domains, keys and settings.")),
}

SUPPRESSION_SCOPES: Final = {
    suppression.EVERYTHING: (N_("Everything"), N_("No mail of any kind, receipts included.")),
    suppression.CHANNEL_EMAIL: (N_("Everything by email"), N_("The person wants no mail at all.")),
    suppression.MARKETING: (N_("Marketing"), N_("Receipts and the like still go.")),
}
SUPPRESSION_REASONS: Final = {
    suppression.HARD_BOUNCE: N_("Bounced: no such address"),
    suppression.INVALID: N_("Marked as invalid"),
    "complaint": N_("Complaint"),
    "unsubscribe": N_("Unsubscribed"),
    "manual": N_("By hand"),
    "imported": N_("Imported"),
    suppression.SOFT_BOUNCES: N_("Bounced for weeks"),
}
# Why a mail was not sent, said of one mail. The code word for programs stays with the API.
_SUPPRESSED: Final = {
    suppression.HARD_BOUNCE: N_("Not sent: the address does not exist, an earlier mail bounced for good."),
    suppression.INVALID: N_("Not sent: the address is marked as invalid."),
    "complaint": N_("Not sent: the recipient reported an earlier mail as spam."),
    "unsubscribe": N_("Not sent: the recipient unsubscribed."),
    "manual": N_("Not sent: the address was put on the suppression list by hand."),
    "imported": N_("Not sent: the address came with an imported suppression list."),
    suppression.SOFT_BOUNCES: N_("Not sent: mail after mail could not be delivered for weeks."),
}
# Who put an address on the list when it was no person.
SUPPRESSED_BY: Final = {
    "delivery": N_("a receiving server"),
    "report": N_("a delivery report"),
    "recipient": N_("the recipient"),
}

# In a list, the state that most needs eyes comes first.
ATTENTION: Final = (
    State.BOUNCED,
    State.EXPIRED,
    State.HELD,
    State.WAITING,
    State.SUPPRESSED,
    State.CLAIMED,
    State.READY,
    State.CANCELLED,
    State.DELIVERED,
)


def in_order(states: dict[State, int]) -> list[tuple[State, int]]:
    """The counts with the state that most needs eyes first."""
    return [(state, states[state]) for state in ATTENTION if states.get(state)]


def suppression_scope(scope: str, speech: Speech) -> str:
    """What an entry of the suppression list stops."""
    if scope in SUPPRESSION_SCOPES:
        return speech.say(SUPPRESSION_SCOPES[scope][0])
    return speech.say("Mailing type {name}", name=scope.removeprefix(suppression.MAILING_TYPE))


def reason(sentence: str, speech: Speech) -> str:
    """What was kept with a mail: why it is suppressed in the reader's language, anything else as it was said."""
    found = suppression.why(sentence)
    if found is None:
        return sentence
    of_type = speech.say("Mailing type {name}", name=found.mailing_type) if found.mailing_type else ""
    return " ".join(filter(None, (speech.say(_SUPPRESSED[found.reason]), of_type and f"{of_type}.")))


def why(recipient: RecipientRow, situation: Situation, speech: Speech) -> str:
    """Where this recipient's mail is, why, and until when, in the reader's language. What others said is quoted as they said it."""
    return " ".join(told(each, speech) for each in waiting.why(recipient, speech.now, situation))


def alert(trouble: Trouble, speech: Speech) -> str:
    """What is wrong, in the reader's language; in English where it was kept before alerts had clauses."""
    return " ".join(told(each, speech) for each in trouble.clauses) or trouble.sentence


def told(value: object, speech: Speech) -> str:
    """A sentence, or a value in one, in the reader's language and time zone."""
    match value:
        case Sentence():
            # The names of the places are ours, the sentence's own: none is called `message`.
            return speech.say(value.words, **{name: told(each, speech) for name, each in value.values.items()})
        case datetime():
            return speech.clock(value)
        case timedelta():
            return speech.duration(value)
        case int() | float():
            return speech.number(value)
        case str():
            return reason(value, speech)
        case _:
            return str(value)


BOUNCE_TYPES: Final = {
    BounceType.HARD: Word(N_("Hard"), "bad", "cross", N_("The address does not exist and is not written to again.")),
    BounceType.SOFT: Word(N_("Soft"), "wait", "clock", N_("Full, busy or not reachable: the address may be good.")),
    BounceType.BLOCKED: Word(
        N_("Blocked"), "", "shield", N_("Refused for what we are or send: it says nothing of the address.")
    ),
}

CAUSES: Final = {
    "no_such_mailbox": N_("There is no such mailbox."),
    "no_such_domain": N_("The domain does not exist or has no mail server."),
    "takes_no_mail": N_("The domain takes no mail."),
    "moved": N_("The recipient has moved."),
    "bad_address": N_("The address cannot exist."),
    "mailbox_full": N_("The mailbox is full."),
    "mailbox_disabled": N_("The mailbox is disabled, suspended or not used any more."),
    "message_too_large": N_("The message is too large."),
    "receiver_busy": N_("The receiver has a problem or too much to do."),
    "not_reachable": N_("The receiver could not be reached."),
    "expired": N_("It could not be delivered in time."),
    "loop": N_("The message went round in circles."),
    "greylisted": N_("The receiver wants to see a second try."),
    "rate_limited": N_("Too many messages or connections."),
    "not_understood": N_("The two servers did not understand each other."),
    "reputation": N_("The receiver does not trust our address or domain."),
    "authentication": N_("SPF, DKIM or DMARC was missing or failed."),
    "sender_dns": N_("The name of the sending server is not in order."),
    "sender_rejected": N_("The sender's address was refused."),
    "content": N_("The content was taken for spam or was not allowed."),
    "virus": N_("The content was taken for malware."),
    "policy": N_("A policy of the receiver forbids it."),
    "relaying": N_("The server does not relay for us."),
    "encryption": N_("Encryption was required and failed."),
    "unexplained": N_("No reason was given."),
}
"""Why a mail bounced, by the reason of the classifier."""

BLAME: Final = {
    "hard": N_("The address is not written to again."),
    "soft": N_("The address may be good."),
    "blocked": N_("It is not the recipient's fault."),
    "unknown": N_("Nothing follows for the address."),
}
"""What a bounce says of the address, by its class."""
