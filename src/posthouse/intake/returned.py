"""What mail to one of our signed addresses means. Pure.

Such an address takes what its purpose says and nothing else; the rest is refused where a person might wait for an answer, and
swallowed where a program would only answer the refusal again (RFC 3834 2).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from posthouse.intake.answers import No
from posthouse.ledger import explain
from posthouse.ledger.bounce_rules import OwnRule
from posthouse.ledger.explain import Explained
from posthouse.ledger.kind import Kind
from posthouse.model.limits import RECEIVED_HOPS
from posthouse.wire import dsn, headers
from posthouse.wire.verp import Purpose


@dataclass(frozen=True, slots=True)
class Complaint:
    """A reader called the mail spam. `addresses`: who complains, as far as the report says."""

    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Somebody wrote to an unsubscribe address, or had it passed on that he wants no more: the writing is the wish (RFC 2369 3.2)."""

    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """A mail to the address for reports about our domains: whatever is in it is read on."""


class Nothing(Enum):
    """Accepted, and nothing changes; the value is logged."""

    AUTO_REPLY = "automatic reply"
    UNREADABLE = "report unreadable"
    AUTH_FAILURE = "authentication failure report"
    NOT_SPAM = "report that it is no spam"
    VIRUS = "report of a virus"


Fact: TypeAlias = Explained | Complaint | Unsubscribe | ReceiverReport
Meaning: TypeAlias = Fact | Nothing | No

_TELLING: Final = frozenset({Kind.BOUNCE, Kind.DELAY, Kind.SUCCESS})
"""What tells of a delivery; anything else at a bounce address is an answer."""
_NO_COMPLAINT: Final = {"not-spam": Nothing.NOT_SPAM, "virus": Nothing.VIRUS}
"""Feedback that nobody is to be written to less for; of other types, a program found that DMARC failed (RFC 6591)."""

LOOP: Final = No(554, "5.4.6", f"The message has passed more than {RECEIVED_HOPS} servers")
ONLY_REPORTS: Final = No(550, "5.7.1", "Only delivery reports are taken at this address")
ONLY_COMPLAINTS: Final = No(550, "5.7.1", "Only feedback reports are taken at this address")


def meaning(purpose: Purpose, mail_from: str, content: bytes, own: tuple[OwnRule, ...] = ()) -> Meaning:
    """What a mail from `mail_from` (empty for the null sender) to an address of this purpose asks for.

    `own` are the workspace's own rules for what a bounce means.
    """
    block, _ = headers.split(content)
    if headers.count(block, "Received") > RECEIVED_HOPS:
        return LOOP
    if purpose is Purpose.REPORT:
        return ReceiverReport()
    if purpose is Purpose.UNSUBSCRIBE:
        return Nothing.AUTO_REPLY if not mail_from or dsn.is_auto_reply(block) or _is_report(block) else Unsubscribe()
    found = explain.explain(content, own)
    # Receivers also send feedback to the return path, which is all they have of an unregistered sender.
    if feedback := _feedback(found):
        return feedback
    if purpose is Purpose.COMPLAINT:
        return _other(block, mail_from, ONLY_COMPLAINTS)
    if found.kind not in _TELLING:
        found = explain.unnamed(content, own, from_nobody=not mail_from)
    return found if found.kind in _TELLING else _other(block, mail_from, ONLY_REPORTS)


def _feedback(found: Explained) -> Complaint | Unsubscribe | Nothing | None:
    addresses = tuple(each.address for each in found.recipients)
    if found.kind is Kind.COMPLAINT:
        return Complaint(addresses)
    if found.kind is Kind.OPT_OUT:
        return Unsubscribe(addresses)
    return _NO_COMPLAINT.get(found.feedback, Nothing.AUTH_FAILURE) if found.feedback else None


def _other(block: bytes, mail_from: str, refusal: No) -> Nothing | No:
    if _is_report(block):
        return Nothing.UNREADABLE
    if dsn.is_auto_reply(block):
        return Nothing.AUTO_REPLY
    return refusal if mail_from else Nothing.UNREADABLE


def _is_report(block: bytes) -> bool:
    return (headers.first(block, "Content-Type") or b"").lower().startswith(b"multipart/report")
