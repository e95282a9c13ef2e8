"""What the house adds to every message: an identity, a date and the name receivers report under."""

import re
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from posthouse.model.values import dataclass
from posthouse.model.words import MailClass
from posthouse.wire import headers
from posthouse.wire.addresses import Mailbox

_SENDER_ID: Final = "posthouse"  # Gmail wants 5-15 characters that stay the same over everything one platform sends

_OTHERS: Final = re.compile(r"[^a-z0-9._]+")
_MAILING_CHARS: Final = 30


@dataclass(frozen=True, slots=True)
class Stamp:
    """Made once per message and never again: every attempt carries the same."""

    message_id: str  # with angle brackets
    date: datetime
    feedback_id: str

    @property
    def date_text(self) -> str:
        """The date as RFC 5322 3.3 writes it."""
        return _date_text(self.date.replace(microsecond=0))


@lru_cache(4)  # hundreds of messages share a second
def _date_text(second: datetime) -> str:
    return format_datetime(second)


def stamp(
    message_id: UUID,
    sender: Mailbox,
    mail_class: MailClass,
    workspace_number: int,
    now: datetime,
    mailing: str = "",
) -> Stamp:
    """The stamp of one message. Its Message-ID lives in the sender's own domain and carries the id's 74 random bits.

    Complaints are counted by each part of Feedback-ID: the mailing (`mailing_of`) where it is marketing, the class, the workspace, us.
    """
    first = f"{mailing}:" if mailing and mail_class is MailClass.MARKETING else ""
    return Stamp(
        message_id=f"<{message_id}@{sender.domain}>",
        date=now,
        feedback_id=f"{first}{mail_class}:{workspace_number}:{_SENDER_ID}",
    )


def mailing_of(mailing_type: str, tags: Sequence[str]) -> str:
    """The mailing as a part of Feedback-ID: the first tag, else the mailing type. Pure.

    Nothing of a name that may hold an address, since it is there for all to read.
    """
    name = tags[0] if tags else mailing_type
    return "" if "@" in name else _OTHERS.sub("-", name.lower())[:_MAILING_CHARS].strip("-")


def restamp(content: bytes, stamp: Stamp) -> bytes:
    """The content under a new Message-ID and Date, every other octet as it was: the same mail to be sent once more.

    One Message-ID names one message (RFC 5322 3.6.4): a receiver that has seen it may drop what comes under it again.
    """
    fresh = f"Date: {stamp.date_text}\r\nMessage-ID: {stamp.message_id}\r\n"
    return headers.prepend(headers.remove(content, ("Date", "Message-ID")), fresh.encode())
