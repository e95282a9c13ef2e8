"""Delivery status notifications: read from anybody (RFC 3464, 6533), written for senders of ours and by the lab.

Reading forgives what is seen in the wild: a status part in base64, angle brackets around addresses, missing and repeated
fields, groups in the wrong order. Whatever cannot be read is left out; nothing raises.
"""

import re
from datetime import datetime
from typing import Final

from posthouse.model.limits import REPORTED_RECIPIENTS
from posthouse.model.values import dataclass
from posthouse.wire import headers, reports
from posthouse.wire.headers import Header

SUBJECT: Final = "Delivery status notification"
_STATUS_TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_STATUS: Final = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
_ACTIONS: Final = re.compile(r"failed|delayed|delivered|relayed|expanded", re.IGNORECASE)
# RFC 3834 2; the X- ones are what Exchange, Google Groups and old vacation programs write instead.
_AUTO_FIELDS: Final = ("X-Autoreply", "X-Autorespond", "X-Auto-Response-From")
_AUTO_PRECEDENCE: Final = frozenset({"auto_reply", "auto-reply", "junk", "bulk"})


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """What happened to one recipient (RFC 3464 2.3). Fields that were not given are empty."""

    original_recipient: str
    final_recipient: str
    action: str  # failed, delayed, delivered, relayed or expanded
    status: str  # enhanced status code, "5.1.1"
    diagnostic: str = ""  # the receiver's own words, without their type
    remote_mta: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A whole notification."""

    reporting_mta: str
    envelope_id: str
    recipients: tuple[RecipientReport, ...]
    original_header: bytes = b""
    original_message_id: str = ""  # with angle brackets


def parse(content: bytes) -> Report | None:
    """The notification in a message, None when it holds no status part with a recipient. Never raises."""
    found = reports.read(content, _STATUS_TYPES)
    return of_status(found.status, found.original_header) if found else None


def of_status(status: bytes, original_header: bytes) -> Report | None:
    """The notification in a part of fields, with the header of the message it is about; None when it names no recipient."""
    groups = reports.groups(status)
    about = [group for group in groups if "final-recipient" in group or "original-recipient" in group]
    if not about:
        return None
    whole: dict[str, str] = {}
    for group in groups:
        whole = {**group, **whole}
    return Report(
        reporting_mta=reports.without_type(whole.get("reporting-mta", "")),
        envelope_id=whole.get("original-envelope-id", ""),
        recipients=tuple(_recipient(group) for group in about[:REPORTED_RECIPIENTS]),
        original_header=original_header,
        original_message_id=reports.message_id_of(original_header),
    )


def is_auto_reply(header: Header) -> bool:
    """Whether a program answered by itself: an absence note is no bounce, and must not be answered (RFC 3834)."""
    submitted = headers.first(header, "Auto-Submitted")
    if submitted is not None and headers.decode(submitted).partition(";")[0].strip().lower() not in {"", "no"}:
        return True
    if any(headers.first(header, name) for name in _AUTO_FIELDS):
        return True
    precedence = headers.decode(headers.first(header, "Precedence") or b"").strip().lower()
    return precedence in _AUTO_PRECEDENCE


def write(report: Report, sender: str, to: str, now: datetime, entropy: bytes, text: str = "") -> bytes:
    """The notification as a message with CRLF line ends, from `sender` to the return path `to`. `entropy` is 16 octets.

    `text` is for people; without it they are only told that there is news.
    """
    about = ", ".join(recipient.final_recipient for recipient in report.recipients)
    news = f"This is the mail system at {report.reporting_mta}.\nThere is news about your message to {about}.\n"
    letter = reports.Letter(sender=sender, to=to, subject=SUBJECT, text=text or news, now=now)
    groups = [_message_fields(report), *map(_recipient_fields, report.recipients)]
    return reports.write(letter, "delivery-status", b"\r\n".join(groups), report.original_header, entropy)


def _recipient(group: dict[str, str]) -> RecipientReport:
    action = _ACTIONS.search(group.get("action", ""))
    status = _STATUS.search(group.get("status", ""))
    return RecipientReport(
        original_recipient=reports.without_type(group.get("original-recipient", "")),
        final_recipient=reports.without_type(group.get("final-recipient", "")),
        action=action[0].lower() if action else "",
        status=status[1] if status else "",
        # A comment behind the status is all that some systems say.
        diagnostic=reports.without_type(group.get("diagnostic-code", "")) or _comment(group.get("status", "")),
        remote_mta=reports.without_type(group.get("remote-mta", "")),
    )


def _comment(status: str) -> str:
    return status.partition("(")[2].rpartition(")")[0].strip()


def _message_fields(report: Report) -> bytes:
    return reports.typed_fields(
        [("Reporting-MTA", f"dns; {report.reporting_mta}"), ("Original-Envelope-Id", report.envelope_id)]
    )


def _recipient_fields(recipient: RecipientReport) -> bytes:
    return reports.typed_fields([
        ("Original-Recipient", f"rfc822; {recipient.original_recipient}"),
        ("Final-Recipient", f"rfc822; {recipient.final_recipient}"),
        ("Action", recipient.action),
        ("Status", recipient.status),
        ("Remote-MTA", f"dns; {recipient.remote_mta}"),
        ("Diagnostic-Code", f"smtp; {recipient.diagnostic}"),
    ])  # fmt: skip
