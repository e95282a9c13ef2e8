"""Ids that sort by time: UUID version 7 (RFC 9562 section 5.7)."""

import random
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from posthouse.runtime.clock import Clock

_VERSION_7: Final = 0x7 << 76
_VARIANT: Final = 0b10 << 62
_LOW_62: Final = (1 << 62) - 1
_TAIL_BITS: Final = 74  # rand_a and rand_b together
_STEP_BITS: Final = 32
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_bits = random.SystemRandom().getrandbits


class Ids:
    """New ids, each greater than every one before it from the same process.

    Within a millisecond the random tail is a counter that grows by a random step (RFC 9562 section 6.2, method 2), so ids stay
    unguessable; a clock that steps back keeps the last millisecond until the time has caught up.
    """

    __slots__ = ("_clock", "_millisecond", "_tail")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._millisecond = 0
        self._tail = 0

    def new(self) -> UUID:
        """The next id."""
        millisecond = int(self._clock.now().timestamp() * 1000)
        if millisecond > self._millisecond:
            self._millisecond = millisecond
            self._tail = _bits(_TAIL_BITS - 1)  # the top bit stays free: the counter cannot overflow in one millisecond
        else:
            self._tail += 1 + _bits(_STEP_BITS)
        return UUID(int=_compose(self._millisecond, self._tail))


def _compose(millisecond: int, tail: int) -> int:
    return millisecond << 80 | _VERSION_7 | (tail >> 62) << 64 | _VARIANT | tail & _LOW_62


def uuid7_floor(moment: datetime) -> UUID:
    """The bound of a range of ids: sorts before every id made at `moment` or later and after every earlier one.

    It is the millisecond with zeros behind it, as the schema's `uuid_floor` writes it, not a valid version 7 id.
    """
    return UUID(int=(moment - _EPOCH) // _MILLISECOND << 80)


def time_of(identifier: UUID) -> datetime:
    """When an id was made, to the millisecond."""
    return _EPOCH + _MILLISECOND * (identifier.int >> 80)
