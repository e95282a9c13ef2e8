"""Rows as octets: CSV or JSON lines, packed with gzip. Pure, and slow enough for a thread."""

import gzip
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from posthouse.intake import suppression_csv

_LEVEL: Final = 6
_encode: Final = msgspec.json.Encoder().encode

Row = Mapping[str, object]


class Format(StrEnum):
    """How an export is written."""

    CSV = "csv"
    JSONL = "jsonl"


def part(columns: Sequence[str], rows: Iterable[Row], form: Format, *, first: bool) -> bytes:
    """Some rows as one member of a gzip file; the first brings the names of the columns."""
    if form is Format.JSONL:
        text = b"".join(_encode({name: row[name] for name in columns}) + b"\n" for row in rows)
    else:
        head = [list(columns)] if first else []
        text = suppression_csv.write([*head, *([_cell(row[name]) for name in columns] for row in rows)])
    return gzip.compress(text, _LEVEL, mtime=0)


def unpacked(content: bytes) -> bytes:
    """What a part was made from."""
    return zlib.decompress(content, wbits=31)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return suppression_csv.time(value)
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    if isinstance(value, Mapping):
        return _encode(value).decode() if value else ""
    return str(value)
