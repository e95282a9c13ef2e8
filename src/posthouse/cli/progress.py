"""How far a long command is: nothing for the first two seconds, then what is done, the rate, and the time left where it is known."""

import sys
import time
from typing import Final

_QUIET_S: Final = 2.0
_TERMINAL_EVERY_S: Final = 0.2
_LINE_EVERY_S: Final = 5.0
_MB: Final = 1_000_000


class Progress:
    """Octets of one step, told on standard error: one line rewritten on a terminal, a plain line now and then elsewhere."""

    def __init__(self, doing: str, total: int | None = None) -> None:
        self._doing = doing
        self._total = total
        self._done = 0
        self._began = 0.0  # the first octets: a rate that counts the preparations would mean nothing
        self._next = 0.0
        self._shown = False
        self._terminal = sys.stderr.isatty()

    def advance(self, octets: int) -> None:
        """So much more is done."""
        now = time.monotonic()
        if not self._done:
            self._began, self._next = now, now + _QUIET_S
        self._done += octets
        if now < self._next:
            return
        self._next = now + (_TERMINAL_EVERY_S if self._terminal else _LINE_EVERY_S)
        self._shown = True
        line = sentence(self._doing, self._done, self._total, now - self._began)
        print(
            f"\r\x1b[K{line}" if self._terminal else line,
            end="" if self._terminal else "\n",
            file=sys.stderr,
            flush=True,
        )

    def end(self) -> None:
        """The step is over."""
        if self._shown and self._terminal:
            print(file=sys.stderr)


def sentence(doing: str, done: int, total: int | None, elapsed_s: float) -> str:
    """`Reading the backup: 120 of 400 MB, 60.0 MB/s, 5 s left`."""
    rate = done / elapsed_s if elapsed_s > 0 else 0.0
    whole = f" of {total / _MB:,.0f}" if total else ""
    left = f", {max(0.0, (total - done) / rate):,.0f} s left" if total and rate else ""
    return f"{doing}: {done / _MB:,.0f}{whole} MB, {rate / _MB:,.1f} MB/s{left}"
