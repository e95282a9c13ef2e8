"""Values in reports as their senders spell them: moments, counts, addresses, domains and words."""

import ipaddress
import re
from datetime import UTC, datetime
from typing import Final

from posthouse.model.limits import REPORT_COUNT, REPORT_TEXT_CHARS
from posthouse.wire.addresses import to_a_label

_YEARS: Final = (1970, 2200)
_WORD: Final = re.compile(r"[a-z0-9_.-]{1,40}")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_DOMAIN_CHARS: Final = 253


def moment(text: str) -> datetime | None:
    """Seconds since 1970, as the format asks for, or a date and time as some write it; None when it is neither."""
    try:
        found = datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        try:
            found = datetime.fromisoformat(text.strip())
        except ValueError:
            return None
    try:
        found = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        return None
    return found if _YEARS[0] <= found.year < _YEARS[1] else None


def count(value: object, least: int = 0) -> int:
    """A number of messages or sessions; what is no number counts as `least`, nonsense is cut."""
    try:
        found = int(float(str(value)[:40]))
    except (ValueError, OverflowError):
        return least
    return max(least, min(found, REPORT_COUNT))


def address(text: str) -> str:
    """An IP address in its one spelling; empty when it is none."""
    try:
        found = ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)


def domain(text: str) -> str:
    """The domain of an address, or the domain itself, as lower-case A-label where it can be one; ASCII in any case."""
    bare = line(text).rpartition("@")[2].strip("<>. ").lower()
    return (not bare.isascii() and to_a_label(bare)) or ascii_text(bare)[:_DOMAIN_CHARS]


def word(text: str) -> str:
    """The first word, in lower case; empty when there is none."""
    found = _WORD.match(text.strip().lower())
    return found[0] if found else ""


def ascii_text(text: str) -> str:
    """With a question mark for what is not ASCII."""
    return text.encode("ascii", "replace").decode("ascii")


def line(value: object) -> str:
    """Any text as one line without control characters, cut at REPORT_TEXT_CHARS; empty for what is no text."""
    return (
        _CONTROL.sub(" ", value[: 2 * REPORT_TEXT_CHARS]).strip()[:REPORT_TEXT_CHARS] if isinstance(value, str) else ""
    )
