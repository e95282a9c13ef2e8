"""Ids that sort by time: UUID version 7 (RFC 9562 section 5.7)."""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg.pgproto.pgproto

from posthouse.runtime.clock import Clock

_VERSION_7: Final = 0x7 << 76
_VARIANT: Final = 0b10 << 62
_LOW_62: Final = (1 << 62) - 1
_TAIL_BITS: Final = 74  # rand_a and rand_b together
_STEP_BITS: Final = 32
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DRAWN_OCTETS: Final = 4_096
# A UUID as any other, but made, printed and sent to the database several times faster than the standard library's.
_uuid: Final[Callable[[bytes], UUID]] = asyncpg.pgproto.pgproto.UUID


class _SystemBits:
    """Random bits of the operating system, drawn many at once: one by one they would cost more than all the rest of an id."""

    __slots__ = ("_drawn", "_used")

    def __init__(self) -> None:
        self._drawn = b""
        self._used = 0

    def __call__(self, count: int) -> int:
        start, end = self._used, self._used + (count + 7) // 8
        if end > len(self._drawn):
            self._drawn = os.urandom(_DRAWN_OCTETS)
            start, end = 0, end - start
        self._used = end
        return int.from_bytes(self._drawn[start:end]) >> -count % 8


_system_bits: Final = _SystemBits()


class Ids:
    """New ids, each greater than every one before it from the same process.

    Within a millisecond the random tail is a counter that grows by a random step (RFC 9562 section 6.2, method 2), so ids stay
    unguessable; a clock that steps back keeps the last millisecond until the time has caught up. `bits(count)` gives random
    bits; those of the operating system unless a run is to be repeated exactly.
    """

    __slots__ = ("_bits", "_clock", "_millisecond", "_tail")

    def __init__(self, clock: Clock, bits: Callable[[int], int] = _system_bits) -> None:
        self._clock = clock
        self._bits = bits
        self._millisecond = 0
        self._tail = 0

    def new(self) -> UUID:
        """The next id."""
        millisecond = int(self._clock.now().timestamp() * 1000)
        if millisecond > self._millisecond:
            self._millisecond = millisecond
            # the top bit stays free: the counter cannot overflow in one millisecond
            self._tail = self._bits(_TAIL_BITS - 1)
        else:
            self._tail += 1 + self._bits(_STEP_BITS)
        return _uuid(_compose(self._millisecond, self._tail).to_bytes(16))


def _compose(millisecond: int, tail: int) -> int:
    return millisecond << 80 | _VERSION_7 | (tail >> 62) << 64 | _VARIANT | tail & _LOW_62


def uuid7_floor(moment: datetime) -> UUID:
    """The bound of a range of ids: sorts before every id made at `moment` or later and after every earlier one.

    It is the millisecond with zeros behind it, as the schema's `uuid_floor` writes it, not a valid version 7 id.
    """
    return UUID(int=(moment - _EPOCH) // _MILLISECOND << 80)


def uuid7_at(moment: datetime, high: int, low: int) -> UUID:
    """The id of something that has a name already: made of its moment and of twelve and sixty-two bits that are its own."""
    return UUID(int=_compose((moment - _EPOCH) // _MILLISECOND, high << 62 | low & _LOW_62))


def time_of(identifier: UUID) -> datetime:
    """When an id was made, to the millisecond."""
    return _EPOCH + _MILLISECOND * (identifier.int >> 80)
