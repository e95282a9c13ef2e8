"""The X-Mail-* header fields of a submitted message, which steer Posthouse and are taken out of the mail. Pure."""

import re
from dataclasses import field
from typing import Final

import msgspec

from posthouse.intake import request_fields
from posthouse.intake.request_problems import Problems
from posthouse.model.errors import FieldProblem
from posthouse.model.limits import MESSAGE_LIFETIME_S, METADATA_CHARS
from posthouse.model.values import dataclass

_DURATION: Final = re.compile(
    r"P?(?:(\d{1,3})W)?(?:(\d{1,4})D)?T?(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?", re.IGNORECASE
)
_UNIT_S: Final = (604_800, 86_400, 3_600, 60, 1)


@dataclass(frozen=True, slots=True)
class Options:
    """What the fields ask for; `expires_in_s` None means the default lifetime."""

    tags: tuple[str, ...] = ()
    mailing_type: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    expires_in_s: int | None = None
    verified_tls: bool = False


def read(found: dict[str, str]) -> Options | tuple[FieldProblem, ...]:
    """`found` maps lower-case header names to their values, as `content.submitted.prepare` returns them."""
    problems = Problems()
    options = Options(
        mailing_type=_mailing_type(found.get("x-mail-mailing-type"), problems),
        tags=_tags(found.get("x-mail-tag"), problems),
        metadata=_metadata(found.get("x-mail-metadata"), problems),
        expires_in_s=_expires(found.get("x-mail-expires"), problems),
        verified_tls=_secure(found.get("x-mail-secure"), problems),
    )
    return problems.found() or options


def _tags(value: str | None, problems: Problems) -> tuple[str, ...]:
    """One tag, or several separated by commas."""
    if value is None:
        return ()
    named = [tag.strip() for tag in value.split(",") if tag.strip()]
    return request_fields.tags(named, "X-Mail-Tag", problems) or ()


def _mailing_type(value: str | None, problems: Problems) -> str:
    return (
        request_fields.mailing_type(value.strip(), "X-Mail-Mailing-Type", problems) or "" if value is not None else ""
    )


def _metadata(value: str | None, problems: Problems) -> dict[str, str]:
    """A JSON object of strings and numbers, or any text, which is then kept under the name `value`."""
    if not value:
        return {}
    if len(value) > METADATA_CHARS:
        problems.add("X-Mail-Metadata", "too_long", f"It may have {METADATA_CHARS} characters at most.")
        return {}
    if not value.startswith("{"):
        return {"value": value}
    try:
        decoded = msgspec.json.decode(value, type=dict[str, str | int | float | bool | None])
    except msgspec.DecodeError as error:
        problems.add("X-Mail-Metadata", "invalid_json", f"It begins like a JSON object but is not a flat one: {error}.")
        return {}
    return (
        request_fields.metadata({name: _as_text(item) for name, item in decoded.items()}, "X-Mail-Metadata", problems)
        or {}
    )


def _as_text(value: str | float | bool | None) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _expires(value: str | None, problems: Problems) -> int | None:
    """Seconds (`900`), or a duration as people (`15m`, `1h30m`) or ISO 8601 (`PT15M`) write it."""
    if value is None:
        return None
    seconds = _seconds(value.strip())
    if seconds is None or not 1 <= seconds <= MESSAGE_LIFETIME_S:
        detail = f"It must be seconds or a duration such as 15m or PT2H, at most {MESSAGE_LIFETIME_S // 3600} hours."
        problems.add("X-Mail-Expires", "invalid_duration", detail)
        return None
    return seconds


def _secure(value: str | None, problems: Problems) -> bool:
    """`verified`: rather not at all than to a receiver whose certificate proves nothing."""
    if value is None:
        return False
    return request_fields.tls(value.strip().lower(), "X-Mail-Secure", problems) is not None


def _seconds(text: str) -> int | None:
    if text.isascii() and text.isdigit():
        return int(text[:9])
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()):
        return None
    return sum(int(number or 0) * unit for number, unit in zip(match.groups(), _UNIT_S, strict=True))
