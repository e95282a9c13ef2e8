"""When a delivery is tried again, when it is given up, and how much an endpoint is trusted with. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from posthouse.model.limits import (
    WEBHOOK_AT_ONCE,
    WEBHOOK_CONNECTIONS,
    WEBHOOK_FAILING_S,
    WEBHOOK_HELD,
    WEBHOOK_PROBE_S,
    WEBHOOK_RETRIED_S,
)

_MINUTE, _HOUR = 60.0, 3600.0
PAUSES_S: Final = (5.0, 30.0, 2 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR, 3 * _HOUR)
"""After the first try, the second and so on; the last is repeated until a day is over."""

_COME_BACK: Final = frozenset({429, 503})
GONE: Final = 410  # RFC 9110 15.5.11: it will not come back, and Standard Webhooks wants it believed at once
_PATIENCE: Final = 5  # failures in a row before an endpoint is taken to be down
_QUICK_S: Final = 1.0  # what is held ends within this: the endpoint could have more
_SLOW_S: Final = 10.0  # what is held takes longer than this: it must not wait in memory past its lease


class State(StrEnum):
    """Where one event is on its way to one endpoint."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a delivery after a try. `due_at` is when it is tried again, for one that is pending."""

    state: State
    due_at: datetime
    gone: bool = False

    @property
    def answered(self) -> bool:
        """Whether the endpoint took it."""
        return self.state is State.DELIVERED


def judge(
    status: int | None, tries: int, first_tried_at: datetime, now: datetime, jitter: float, asked_s: float = 0.0
) -> Verdict:
    """After try number `tries` (from 1) that ended with this status, None without any; `jitter` in [0, 1).

    Only 2xx is success: a redirect is somebody else's address, and nobody has allowed that. `asked_s` is how long the endpoint asked
    to be left alone (`asked_pause_s`): it is never tried before that, but for the last try at the end of the day.
    """
    if status is not None and 200 <= status < 300:
        return Verdict(State.DELIVERED, now)
    end = first_tried_at + timedelta(seconds=WEBHOOK_RETRIED_S)
    if status == GONE or now >= end:
        return Verdict(State.FAILED, now, gone=status == GONE)
    later = now + timedelta(seconds=max(pause_s(tries, jitter), asked_s))
    return Verdict(State.PENDING, min(later, end))


def pause_s(tries: int, jitter: float) -> float:
    """Seconds to wait after so many tries, a tenth more or less: what failed together must not come back together."""
    return PAUSES_S[min(tries, len(PAUSES_S)) - 1] * (0.9 + 0.2 * jitter)


def asked_pause_s(status: int | None, retry_after: str, now: datetime) -> float:
    """Seconds an answer asks to wait, as a number or a date (RFC 9110 10.2.3), at most the longest pause there is; 0 when it does not.

    Only where it means this: 429 (RFC 6585 4) and 503 (RFC 9110 15.6.4).
    """
    if status not in _COME_BACK or not retry_after:
        return 0.0
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after), PAUSES_S[-1])
    try:
        at = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):  # the second for years and zones of twenty digits
        return 0.0
    moment = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), PAUSES_S[-1])


def is_hopeless(failing_since: datetime | None, now: datetime) -> bool:
    """Whether an endpoint has failed for so long that it is switched off."""
    return failing_since is not None and (now - failing_since).total_seconds() >= WEBHOOK_FAILING_S


def probe_pause_s(failures: int) -> float:
    """How long an endpoint that failed so often in a row is left alone. The rest of what waits for it would fail as well."""
    if failures < _PATIENCE:
        return 0.0
    return min(2.0 ** min(failures - _PATIENCE, 10), WEBHOOK_PROBE_S)


def at_once(failures: int, busy: int) -> int:
    """How many requests an endpoint may have under way while so many endpoints are busy: one at a time while it seems to be down."""
    if failures >= _PATIENCE:
        return 1
    return max(1, min(WEBHOOK_AT_ONCE, WEBHOOK_CONNECTIONS // max(busy, 1)))


def held(before: int, took_s: float, room: int) -> int:
    """How many deliveries to hold next, when `before` of them took `took_s` seconds: more for a quick endpoint, few for a slow one."""
    if took_s > _SLOW_S:
        return room
    return max(room, min(WEBHOOK_HELD, before * 2 if took_s < _QUICK_S else before))
