"""Suppression lists as CSV (RFC 4180): read as they arrive, however they are cut into pieces, and written so that no spreadsheet runs them. Pure.

The first line names the columns; `address` (or `email`) must be among them, `scope`, `reason`, `note` and `expires_at` may be, others
are passed over. A file without such a line is a list of addresses in its first column. Commas, semicolons and tabs divide.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from posthouse.model import limits
from posthouse.wire.addresses import Mailbox, parse_address

COLUMNS: Final = ("address", "scope", "reason", "note", "expires_at", "added_by", "created_at", "message_id")
_READ: Final = frozenset(COLUMNS[:5])
_OTHER_NAMES: Final = {"email": "address", "e-mail": "address", "mail": "address"}
_RUN: Final = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula, or its beginning
_HARMLESS: Final = "'"


class HeaderError(Exception):
    """The file does not say where its addresses are."""


@dataclass(frozen=True, slots=True)
class Line:
    """One record by the names of its columns; `number` is the line it begins on, from 1."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Bad:
    """A record that cannot be read, and why."""

    number: int
    detail: str


class Reader:
    """Octets in, records out; what it holds is one line at most.

    A record is a line: a quotation mark left open spoils its own line and not the thousand after it.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._tail = ""
        self._number = 0
        self._passing = False  # over the rest of a line that is too long
        self._columns: dict[int, str] | None = None
        self._divider = ","

    def feed(self, octets: bytes) -> Iterator[Line | Bad]:
        """The records that end in these octets. Raises HeaderError."""
        *lines, self._tail = (self._tail + self._decoder.decode(octets)).split("\n")
        for line in lines:
            yield from self._line(line.rstrip("\r"))
        if len(self._tail) > limits.CSV_RECORD_CHARS and not self._passing:
            yield from self._line(self._tail)
            self._passing = True
        if self._passing:
            self._tail = ""

    def end(self) -> Iterator[Line | Bad]:
        """What is left when nothing more comes. Raises HeaderError."""
        yield from self.feed(b"\n")
        if self._columns is None:
            raise HeaderError("The file is empty.")

    def _line(self, line: str) -> Iterator[Line | Bad]:
        if self._passing:
            self._passing = False
            return
        self._number += 1
        if len(line) > limits.CSV_RECORD_CHARS:
            yield Bad(self._number, f"It is longer than {limits.CSV_RECORD_CHARS} characters.")
        elif any("\udc80" <= letter <= "\udcff" for letter in line):
            yield Bad(self._number, "It is not UTF-8.")
        elif line.strip():
            yield from self._record(line)

    def _record(self, line: str) -> Iterator[Line | Bad]:
        if self._columns is None:
            self._divider = next((each for each in ",;\t" if each in line), ",")
        try:
            cells = [cell.strip() for cell in next(csv.reader([line], delimiter=self._divider, strict=True))]
        except csv.Error:
            yield Bad(self._number, "Its quotation marks do not fit together; a cell is one line.")
            return
        cells = [harmful(cell) for cell in cells]
        if self._columns is None:
            self._columns = _columns(cells)
            if "address" in map(_name, cells):
                return
        yield Line(self._number, {name: cells[index] for index, name in self._columns.items() if index < len(cells)})


def write(rows: Iterable[Sequence[str]]) -> bytes:
    """Records, with every cell that a spreadsheet would run made text."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([harmless(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def harmless(cell: str) -> str:
    """The cell with an apostrophe before it if it begins as a formula does."""
    return _HARMLESS + cell if cell.startswith(_RUN) else cell


def harmful(cell: str) -> str:
    """What `harmless` was given."""
    return cell[1:] if cell.startswith(_HARMLESS) and cell[1:].startswith(_RUN) else cell


def time(moment: datetime) -> str:
    """RFC 3339, to the second, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _columns(cells: Sequence[str]) -> dict[int, str]:
    """Which column is what, by the first record."""
    names = [_name(cell) for cell in cells]
    if "address" in names:
        return {names.index(name): name for name in _READ if name in names}
    if isinstance(parse_address(cells[0]), Mailbox):
        return {0: "address"}
    raise HeaderError("The first line names no column “address”, and its first cell is no address either.")


def _name(cell: str) -> str:
    lower = cell.lower()
    return _OTHER_NAMES.get(lower, lower)
