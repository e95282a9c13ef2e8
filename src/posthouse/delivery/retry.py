"""When a deferred mail is tried again. Pure."""

from datetime import datetime, timedelta

from posthouse.model.values import dataclass


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """First delay, growth and cap, in seconds."""

    first_s: float
    factor: float
    cap_s: float


def delay_s(attempt: int, schedule: RetrySchedule, jitter: float) -> float:
    """Seconds to wait after attempt number `attempt` (from 1); `jitter` in [0, 1) spreads it by a tenth either way.

    Without the spread, mail deferred together would come back together and be deferred together again.
    """
    growth = schedule.factor ** min(attempt - 1, 64)
    return float(min(schedule.first_s * growth, schedule.cap_s) * (0.9 + 0.2 * jitter))


def next_attempt(attempt: int, now: datetime, expires_at: datetime, schedule: RetrySchedule, jitter: float) -> datetime:
    """The next try, or the expiry if that comes first: then the mail is ended instead of tried."""
    return min(now + timedelta(seconds=delay_s(attempt, schedule, jitter)), expires_at)
