"""Suppression lists as CSV, from tidy exports to what spreadsheets make of them."""

import csv
import io

import pytest

from posthouse.intake.suppression_csv import Bad, HeaderError, Line, Reader, write
from posthouse.model import limits


def read(content: bytes, size: int = 1 << 20) -> list[Line | Bad]:
    reader = Reader()
    found = [line for at in range(0, len(content), size) for line in reader.feed(content[at : at + size])]
    return [*found, *reader.end()]


@pytest.mark.parametrize(
    ("content", "cells"),
    [
        (b"address,reason\na@x.test,complaint\n", {"address": "a@x.test", "reason": "complaint"}),
        (b'\xef\xbb\xbfEmail;Note\r\na@x.test;"a;b"\r\n', {"address": "a@x.test", "note": "a;b"}),
        (b"id\temail\n7\ta@x.test", {"address": "a@x.test"}),
        (b"a@x.test", {"address": "a@x.test"}),
        (b"a@x.test,Anna\n", {"address": "a@x.test"}),
        (b"address,note\n'+a@x.test,'=1+1\n", {"address": "+a@x.test", "note": "=1+1"}),
        (b"address,note\na@x.test,it's fine\n", {"address": "a@x.test", "note": "it's fine"}),
        ("address,note\na@x.test,blåbær\n".encode(), {"address": "a@x.test", "note": "blåbær"}),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_lists_are_read_however_they_are_cut(content: bytes, cells: dict[str, str], size: int) -> None:
    assert [line.cells for line in read(content, size) if isinstance(line, Line)] == [cells]


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_a_bad_line_is_named_and_costs_no_other(size: int) -> None:
    long = b"x" * (limits.CSV_RECORD_CHARS * 3)
    lines = [
        b"address,note",
        b"a@x.test,ok",
        b'b@x.test,"open',
        b"c@x.test,\xff\xfe",
        long + b"@x.test",
        b"",
        b"d@x.test,ok",
    ]
    found = read(b"\n".join(lines), size)
    assert [(type(each), each.number) for each in found] == [(Line, 2), (Bad, 3), (Bad, 4), (Bad, 5), (Line, 7)]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"name,age\nAnna,7\n", b"7,anna@x.test\n"])
def test_a_file_without_addresses_is_refused(content: bytes) -> None:
    with pytest.raises(HeaderError):
        read(content)


@pytest.mark.parametrize("cell", ["=1+1", "+45 12", "-1", "@SUM(A1)", "\tx", "plain", 'with "marks", and more', "'=x"])
def test_what_is_written_runs_in_no_spreadsheet_and_is_read_as_it_was(cell: str) -> None:
    content = write([("address", "note"), ("a@x.test", cell)])
    shown = list(csv.reader(io.StringIO(content.decode(), "")))[1][1]
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r"))
    (line,) = read(content)
    assert isinstance(line, Line)
    assert line.cells["note"] == ("=x" if cell == "'=x" else cell.strip() if cell != "\tx" else "\tx")
