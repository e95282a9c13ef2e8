"""The readers of a message's JSON fields: each takes one decoded value and returns what it means.

Every reader has the same shape, `(value, pointer, problems) -> value | None`. It never raises: what is wrong is added to `problems`
with a pointer to the exact place, so that one answer names every bad field. The result counts only when nothing was added.
What a mail's header can hold is not asked here but by `content.draft`, of the whole draft.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

from posthouse.intake.request_problems import Problems, step
from posthouse.model.limits import (
    DISPLAY_NAME_CHARS,
    HEADERS_PER_MESSAGE,
    MAILING_TYPE_CHARS,
    MASS_REASON_CHARS,
    MESSAGE_LIFETIME_S,
    METADATA_CHARS,
    METADATA_ENTRIES,
    PRIORITY_HIGHEST,
    PRIORITY_LOWEST,
    RECIPIENTS_PER_MESSAGE,
    TAG_CHARS,
    TAGS_PER_MESSAGE,
)
from posthouse.model.words import MailClass, Pool
from posthouse.wire.addresses import AddressProblem, Mailbox, parse_address

VERIFIED: Final = "verified"
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_FIRST_YEAR: Final = 1970  # ids sort by time since then
_UNUSABLE: Final = Mailbox("")  # stands for a bad one, so that the places of the others in their list stay true


def priority(value: object, at: str, problems: Problems) -> int | None:
    """A JSON integer from 0 to 9: neither `true` nor `4.0` (AMB-18)."""
    return _integer(value, at, problems, PRIORITY_LOWEST, PRIORITY_HIGHEST)


def expires_in(value: object, at: str, problems: Problems) -> int | None:
    """Seconds after which an undelivered message is given up."""
    return _integer(value, at, problems, 1, MESSAGE_LIFETIME_S)


def instant(value: object, at: str, problems: Problems) -> datetime | None:
    """An instant in ISO 8601 with its offset from UTC (RFC 3339), as UTC."""
    if not isinstance(value, str):
        problems.wrong_type(at, "a string", value)
        return None
    try:
        local = datetime.fromisoformat(value)
        utc = local.astimezone(UTC) if local.tzinfo else None
    except (ValueError, OverflowError):
        problems.add(at, "invalid_time", "This must be a date and time such as 2030-01-31T09:30:00+01:00.")
        return None
    if utc is None:
        problems.add(
            at, "time_without_zone", "The time zone is missing: end it with Z or with an offset such as +01:00."
        )
        return None
    if utc.year < _FIRST_YEAR:
        problems.add(at, "out_of_range", f"This is before {_FIRST_YEAR}.")
        return None
    return utc


def mail_class(value: object, at: str, problems: Problems) -> MailClass | None:
    """What the message is for."""
    if isinstance(value, str) and value in MailClass.__members__.values():
        return MailClass(value)
    _no_word(value, at, problems, MailClass, "unknown_class")
    return None


def pool(value: object, at: str, problems: Problems) -> Pool | None:
    """The lane it takes; whether its class may take it is the door's to say."""
    if isinstance(value, str) and value in Pool.__members__.values():
        return Pool(value)
    _no_word(value, at, problems, Pool, "unknown_pool")
    return None


def tls(value: object, at: str, problems: Problems) -> Literal["verified"] | None:
    """What must be known of the receiver."""
    if value == VERIFIED:
        return VERIFIED
    _no_word(value, at, problems, (VERIFIED,), "unknown_tls")
    return None


def reason(value: object, at: str, problems: Problems) -> str | None:
    """One line in which a sender says why."""
    return _line(value, at, problems, MASS_REASON_CHARS, shortest=1)


def text(value: object, at: str, problems: Problems) -> str | None:
    """Any string; `content.draft` says what may stand in a header."""
    if not isinstance(value, str):
        problems.wrong_type(at, "a string", value)
        return None
    return value


def body_text(value: object, at: str, problems: Problems) -> str | None:
    """A body part, text or HTML."""
    if not isinstance(value, str):
        problems.wrong_type(at, "a string", value)
        return None
    if "\x00" in value:
        problems.add(at, "control_character", "A NUL character cannot be mailed (RFC 5322 section 3.5).")
        return None
    return value


def mailbox(value: object, at: str, problems: Problems) -> Mailbox | None:
    """`"a@b"`, `"Name <a@b>"` or `{"address": "a@b", "name": "Name"}`."""
    if isinstance(value, dict):
        return _mailbox_object(value, at, problems)
    if not isinstance(value, str):
        problems.wrong_type(at, "an address: a string or an object with address and name", value)
        return None
    found = parse_address(value)
    if isinstance(found, AddressProblem):
        problems.add(at, found.code, found.detail)
        return None
    shown = _line(found.name, at, problems, DISPLAY_NAME_CHARS)
    return found if shown is not None else None


def mailboxes(value: object, at: str, problems: Problems) -> tuple[Mailbox, ...] | None:
    """One address, or an array of them."""
    if not isinstance(value, list):
        one = mailbox(value, at, problems)
        return (one,) if one else None
    if len(value) > RECIPIENTS_PER_MESSAGE:
        problems.add(at, "too_many_recipients", f"At most {RECIPIENTS_PER_MESSAGE} recipients per message.")
        return None
    found = (mailbox(item, f"{at}/{index}", problems) for index, item in enumerate(value))
    return tuple(each or _UNUSABLE for each in found)


def mailing_type(value: object, at: str, problems: Problems) -> str | None:
    """The name of a mailing type."""
    found = _line(value, at, problems, MAILING_TYPE_CHARS, shortest=1)
    if found is not None and (found != found.strip() or not found.isprintable()):
        problems.add(at, "invalid_value", "A name begins and ends with a letter or sign that can be seen.")
        return None
    return found


def tags(value: object, at: str, problems: Problems) -> tuple[str, ...] | None:
    """Words to find and count messages by; a repeated one counts once."""
    if not isinstance(value, list):
        problems.wrong_type(at, "an array of strings", value)
        return None
    if len(value) > TAGS_PER_MESSAGE:
        problems.add(at, "too_many_tags", f"At most {TAGS_PER_MESSAGE} tags per message.")
        return None
    found = [_line(tag, f"{at}/{index}", problems, TAG_CHARS, shortest=1) for index, tag in enumerate(value)]
    return tuple(dict.fromkeys(tag for tag in found if tag))


def metadata(value: object, at: str, problems: Problems) -> dict[str, str] | None:
    """The caller's own names and values, given back with every event."""
    if not isinstance(value, dict):
        problems.wrong_type(at, "an object of strings", value)
        return None
    if len(value) > METADATA_ENTRIES:
        problems.add(at, "too_many_entries", f"At most {METADATA_ENTRIES} entries of metadata per message.")
        return None
    found: dict[str, str] = {}
    for name, item in value.items():
        _line(name, step(at, name), problems, METADATA_CHARS, shortest=1)
        found[name] = _line(item, step(at, name), problems, METADATA_CHARS) or ""
    return found


def headers(value: object, at: str, problems: Problems) -> tuple[tuple[str, str], ...] | None:
    """Further header fields by name."""
    if not isinstance(value, dict):
        problems.wrong_type(at, "an object of strings", value)
        return None
    if len(value) > HEADERS_PER_MESSAGE:
        problems.add(at, "too_many_headers", f"At most {HEADERS_PER_MESSAGE} headers per message.")
        return None
    found = [(name, text(item, step(at, name), problems)) for name, item in value.items()]
    return tuple((name, item) for name, item in found if item is not None)


def _mailbox_object(value: dict[str, object], at: str, problems: Problems) -> Mailbox | None:
    for name in value.keys() - {"address", "name"}:
        problems.add(step(at, name), "unknown_field", "An address has the fields address and name.")
    if "address" not in value:
        problems.add(f"{at}/address", "required", "The address is missing.")
        return None
    shown = _line(value.get("name", ""), f"{at}/name", problems, DISPLAY_NAME_CHARS)
    bare = value["address"]
    if not isinstance(bare, str):
        problems.wrong_type(f"{at}/address", "a string", bare)
        return None
    found = parse_address(bare)
    if isinstance(found, AddressProblem):
        problems.add(f"{at}/address", found.code, found.detail)
        return None
    return Mailbox(found.address, shown or found.name)


def _no_word(value: object, at: str, problems: Problems, known: Iterable[str], code: str) -> None:
    words = ", ".join(known)
    if isinstance(value, str):
        problems.add(at, code, f"This must be one of {words}.")
    else:
        problems.wrong_type(at, f"one of {words}", value)


def _integer(value: object, at: str, problems: Problems, lowest: int, highest: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        problems.wrong_type(at, f"an integer from {lowest} to {highest}", value)
        return None
    if not lowest <= value <= highest:
        problems.add(at, "out_of_range", f"This must be an integer from {lowest} to {highest}.")
        return None
    return value


def _line(value: object, at: str, problems: Problems, longest: int, shortest: int = 0) -> str | None:
    if not isinstance(value, str):
        problems.wrong_type(at, "a string", value)
        return None
    if CONTROL.search(value):
        problems.add(at, "control_character", "Line breaks and other control characters are not allowed here.")
        return None
    if not shortest <= len(value) <= longest:
        problems.add(at, "wrong_length", f"This must have {shortest} to {longest} characters.")
        return None
    return value
