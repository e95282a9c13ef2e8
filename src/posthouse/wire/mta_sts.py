"""MTA-STS (RFC 8461): the TXT record that announces a policy, the policy file, and which hosts it covers. Pure."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from posthouse.model.limits import STS_MAX_AGE_S, STS_MIN_AGE_S, STS_PATTERNS
from posthouse.model.values import dataclass

_RECORD: Final = re.compile(r"v=STSv1[ \t]*;(.*)", re.DOTALL)
_ID: Final = re.compile(r"[ \t]*id[ \t]*=[ \t]*([A-Za-z0-9]{1,32})[ \t]*")
_PATTERN: Final = re.compile(
    r"(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
_AGE: Final = re.compile(r"[0-9]{1,10}")


class Mode(StrEnum):
    """What a policy asks for (RFC 8461 5): ENFORCE forbids delivery that does not comply, TESTING only wants to hear of it."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """One policy. `mx` are patterns in lower case, `max_age_s` how long it may be kept after it was fetched."""

    mode: Mode
    mx: tuple[str, ...]
    max_age_s: int

    @property
    def enforced(self) -> bool:
        """Whether mail must not go to a host that does not comply."""
        return self.mode is Mode.ENFORCE

    @property
    def announced(self) -> bool:
        """Whether it asks for anything: mode none takes back what an earlier policy said (RFC 8461 8.3)."""
        return self.mode is not Mode.NONE

    def covers(self, host: str) -> bool:
        """Whether the policy names this MX host (RFC 8461 4.1): `*` stands for exactly one label, the first."""
        wildcard = "*." + host.partition(".")[2]
        return host in self.mx or wildcard in self.mx


class PolicyError(ValueError):
    """A policy file that cannot be used; the text says why."""


def record_id(texts: Sequence[str]) -> str | None:
    """The id in the TXT records of `_mta-sts.` and the domain; None unless exactly one is an MTA-STS record (RFC 8461 3.1)."""
    records = [found[1] for text in texts if (found := _RECORD.fullmatch(text))]
    if len(records) != 1:
        return None
    ids = [found[1] for field in records[0].split(";") if (found := _ID.fullmatch(field))]
    return ids[0] if ids else None


def policy(body: bytes) -> StsPolicy:
    """The policy in a file (RFC 8461 3.2). Unknown fields are passed over, of repeated ones the first counts. Raises PolicyError."""
    try:
        fields = _fields(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PolicyError("it is not UTF-8") from error
    if _first(fields, "version") != "STSv1":
        raise PolicyError("it does not say version: STSv1")
    mode, age = _first(fields, "mode"), _first(fields, "max_age")
    if mode not in set(Mode):
        raise PolicyError(f"mode is {mode[:20]!r}, which is none of enforce, testing and none")
    if not _AGE.fullmatch(age):
        raise PolicyError("max_age is not a number of seconds")
    age_s = max(STS_MIN_AGE_S, min(int(age), STS_MAX_AGE_S))
    return StsPolicy(Mode(mode), _patterns(fields, required=mode != Mode.NONE), age_s)


def _fields(text: str) -> list[tuple[str, str]]:
    pairs = (line.partition(":") for line in text.splitlines())
    return [(name.strip(), value.strip()) for name, colon, value in pairs if colon]


def _first(fields: list[tuple[str, str]], wanted: str) -> str:
    return next((value for name, value in fields if name == wanted), "")


def _patterns(fields: list[tuple[str, str]], *, required: bool) -> tuple[str, ...]:
    found = tuple(value.lower().rstrip(".") for name, value in fields if name == "mx")[:STS_PATTERNS]
    for pattern in found:
        if not _PATTERN.fullmatch(pattern):
            raise PolicyError(f"mx {pattern[:80]!r} is no host name")
    if required and not found:
        raise PolicyError("it names no mx")
    return found
