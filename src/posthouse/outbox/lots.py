"""Which lot a row is of: indexes on what no one can foretell (addresses, Message-IDs) have it before the value.

So whatever is accepted now lands in one small part of such an index, however many millions it holds, and not on a page of its own that
must be read, and written to the log whole. Who looks something up goes from lot to lot; docs/decisions/0025-indexes-in-lots.md has both
costs.
"""

from datetime import date, datetime
from typing import Final

_LOT: Final = 50_000  # rows: some 8 MB of each index
_A_DAY: Final = 10_000  # numbers there are for the lots of one day
_FIRST_DAY: Final = date(2024, 1, 1).toordinal()


class Lots:
    """The lots of one process: a new one each day, and whenever one is full.

    Processes share numbers, and one that starts anew begins its day again: a lot may hold a few times as many as one process puts there.
    """

    __slots__ = ("_day", "_rows")

    def __init__(self) -> None:
        self._day = 0
        self._rows = 0

    def take(self, rows: int, now: datetime) -> int:
        """The lot for so many rows that are written together."""
        day = now.toordinal() - _FIRST_DAY
        if day != self._day:
            self._day, self._rows = day, 0
        number = min(self._rows // _LOT, _A_DAY - 1)
        self._rows += rows
        return day * _A_DAY + number
