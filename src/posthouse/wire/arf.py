"""Feedback reports: complaints in the Abuse Reporting Format, read from anybody and written for the lab (RFC 5965)."""

from datetime import datetime
from typing import Final

from posthouse.model.values import dataclass
from posthouse.wire import reports

_STATUS_TYPES: Final = frozenset({"message/feedback-report"})
AUTH_FAILURE: Final = "auth-failure"  # RFC 6591: about a domain in From, by its DMARC policy's wish; nobody complains
_WRITER: Final = "Posthouse-Lab/1"


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a mailbox provider tells us about one message. Fields that were not given, or were redacted away, are empty."""

    feedback_type: str  # abuse, fraud, not-spam, virus, other
    user_agent: str = ""
    original_mail_from: str = ""
    original_rcpt_to: str = ""
    source_ip: str = ""
    reported_domain: str = ""
    original_header: bytes = b""
    original_message_id: str = ""  # with angle brackets


def parse(content: bytes) -> Complaint | None:
    """The complaint in a message, None when it holds no feedback part. Never raises."""
    found = reports.read(content, _STATUS_TYPES)
    return of_feedback(found.status, found.original_header) if found else None


def of_feedback(status: bytes, original_header: bytes) -> Complaint:
    """The complaint in a part of fields, with the header of the message it is about."""
    named = _named(status)
    return Complaint(
        feedback_type=named.get("feedback-type", "").lower(),
        user_agent=named.get("user-agent", ""),
        original_mail_from=reports.without_type(named.get("original-mail-from", "")),
        original_rcpt_to=reports.without_type(named.get("original-rcpt-to", "")),
        source_ip=named.get("source-ip", ""),
        reported_domain=named.get("reported-domain", "").lower(),
        original_header=original_header,
        original_message_id=reports.message_id_of(original_header),
    )


def fields(content: bytes) -> tuple[dict[str, str], bytes] | None:
    """The fields of the feedback part by lower-case name, and the header of the message it is about. Never raises."""
    found = reports.read(content, _STATUS_TYPES)
    return (_named(found.status), found.original_header) if found else None


def write(complaint: Complaint, sender: str, to: str, now: datetime, entropy: bytes) -> bytes:
    """The complaint as a message with CRLF line ends. `entropy` is 16 random octets."""
    letter = reports.Letter(
        sender=sender,
        to=to,
        subject="Complaint about a message",
        text="A reader of this message marked it as unwanted.\n",
        now=now,
    )
    status = reports.typed_fields([
        ("Feedback-Type", complaint.feedback_type),
        ("User-Agent", complaint.user_agent or _WRITER),
        ("Version", "1"),
        ("Original-Mail-From", complaint.original_mail_from),
        ("Original-Rcpt-To", complaint.original_rcpt_to),
        ("Source-IP", complaint.source_ip),
        ("Reported-Domain", complaint.reported_domain),
    ])  # fmt: skip
    return reports.write(letter, "feedback-report", status, complaint.original_header, entropy)


def _named(status: bytes) -> dict[str, str]:
    named: dict[str, str] = {}
    for group in reports.groups(status):
        named = {**group, **named}
    return named
