"""Files as strangers pack them (plain, gzip RFC 1952, zip), told by their content, unpacked within bounds and piece by piece.

Names in archives are never used as paths. Whatever is wrong comes out as a `Refused` in the place of the octets that could not be
had: a bomb is seen while it unpacks, before it takes memory, and a checksum that does not fit or a cut end is never a file.
"""

import struct
import zlib
from collections.abc import Generator, Iterator
from dataclasses import field
from enum import StrEnum
from itertools import chain
from typing import Final, TypeAlias

from posthouse.model.limits import (
    REPORT_ARCHIVE_DEPTH,
    REPORT_FILES,
    REPORT_OCTETS,
    REPORT_RATIO,
    REPORT_RATIO_FROM_OCTETS,
    REPORT_UNPACKED_OCTETS,
)
from posthouse.model.values import dataclass
from posthouse.wire.report_values import line

_PIECE: Final = 65_536
_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
_GZIP_WINDOW, _RAW_WINDOW = 31, -15
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _UTF8_NAME = 0x1, 0x800
# APPNOTE.TXT 4.3.16, 4.3.12 and 4.3.7: end of the central directory, one entry of it, and what stands before the file itself.
_END: Final = struct.Struct("<4s4H2LH")
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_END_SPAN: Final = _END.size + 65_535  # with the longest comment
_ZIP64: Final = 0xFFFFFFFF


class Reason(StrEnum):
    """Why a file is refused."""

    TOO_LARGE = "too_large"
    BROKEN = "broken"
    NOT_A_REPORT = "not_a_report"
    DANGEROUS = "dangerous"


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is not read, with one sentence for people."""

    reason: Reason
    detail: str


Pieces: TypeAlias = Iterator[bytes | Refused]
"""Octets in order; a Refused is the last."""


@dataclass(slots=True)
class Budget:
    """What may still come out of one upload or mail, whatever it is packed in: `packed` octets were brought."""

    packed: int
    unpacked: int = 0
    files: int = 0

    def spend(self, octets: int) -> Refused | None:
        """Counts octets that came out."""
        self.unpacked += octets
        if self.unpacked > REPORT_UNPACKED_OCTETS:
            return Refused(Reason.TOO_LARGE, f"Unpacked it is larger than {REPORT_UNPACKED_OCTETS} octets.")
        if self.unpacked > max(REPORT_RATIO_FROM_OCTETS, self.packed * REPORT_RATIO):
            detail = f"It unpacks to more than {REPORT_RATIO} times its size, which no report does."
            return Refused(Reason.DANGEROUS, detail)
        return None

    def begin_file(self) -> Refused | None:
        """Counts a file."""
        self.files += 1
        if self.files > REPORT_FILES:
            return Refused(Reason.TOO_LARGE, f"There are more than {REPORT_FILES} files in it.")
        return None


@dataclass(frozen=True, slots=True)
class File:
    """One file: its name in the archive, to be shown and nothing else, and its octets, which are unpacked as they are taken."""

    name: str
    pieces: Pieces = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of a zip's directory."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    offset: int


def files(
    content: bytes, budget: Budget, name: str = "", depth: int = REPORT_ARCHIVE_DEPTH
) -> Iterator[File | Refused]:
    """The files in `content`, which is the only one when it is no archive. Never raises."""
    if not is_archive(content):
        yield budget.begin_file() or File(name, _metered(_slices(content), budget))
    elif not depth:
        yield Refused(Reason.DANGEROUS, "It is an archive inside an archive inside an archive.")
    elif content.startswith(_GZIP):
        yield from _inner(name, _metered(_gunzip(content), budget), budget, depth)
    else:
        yield from _unzip(content, budget, depth)


def is_archive(head: bytes) -> bool:
    """Whether a file that begins so is packed."""
    return head.startswith((_GZIP, *_ZIP))


def _unzip(content: bytes, budget: Budget, depth: int) -> Iterator[File | Refused]:
    entries = _directory(content)
    if isinstance(entries, Refused):
        yield entries
        return
    if len(entries) > REPORT_FILES:
        yield Refused(Reason.TOO_LARGE, f"There are more than {REPORT_FILES} files in it.")
        return
    for entry in entries:
        if not entry.name.endswith("/") and not entry.name.startswith("__MACOSX/"):
            yield from _inner(entry.name, _metered(_member(content, entry), budget), budget, depth)


def _inner(name: str, pieces: Pieces, budget: Budget, depth: int) -> Iterator[File | Refused]:
    """What is in one file of an archive: itself, or if it is an archive too, its files."""
    first = next(pieces, b"")
    if isinstance(first, Refused):
        yield first
    elif is_archive(first):
        whole = joined(chain((first,), pieces), REPORT_OCTETS)
        if isinstance(whole, Refused):
            yield whole
        else:
            yield from files(whole, budget, name, depth - 1)
    else:
        yield budget.begin_file() or File(name, chain((first,), pieces))


def joined(pieces: Pieces, most: int) -> bytes | Refused:
    """All octets, for what cannot be read piece by piece."""
    whole = bytearray()
    for piece in pieces:
        if isinstance(piece, Refused):
            return piece
        whole += piece
        if len(whole) > most:
            return Refused(Reason.TOO_LARGE, f"Unpacked it is larger than {most} octets.")
    return bytes(whole)


def _metered(pieces: Pieces, budget: Budget) -> Pieces:
    for piece in pieces:
        refused = None if isinstance(piece, Refused) else budget.spend(len(piece))
        yield refused or piece
        if refused:
            return


def _slices(content: bytes, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    end = len(content) if end is None else min(end, len(content))
    for at in range(start, end, _PIECE):
        yield content[at : min(at + _PIECE, end)]


def _gunzip(content: bytes) -> Pieces:
    """A gzip file; several members after one another are one file (RFC 1952 2.2), other octets at the end are no part of it."""
    at = 0
    for _ in range(REPORT_FILES):
        end = yield from _inflate(content, at, _GZIP_WINDOW)
        if end is None or not content.startswith(_GZIP, end):
            return
        at = end
    yield Refused(Reason.DANGEROUS, f"It has more than {REPORT_FILES} gzip members.")


def _inflate(content: bytes, start: int, window: int) -> Generator[bytes | Refused, None, int | None]:
    """The octets of one deflate stream; returns where it ended, None when it did not end well."""
    stream = zlib.decompressobj(window)
    try:
        for at in range(start, len(content), _PIECE):
            rest = content[at : at + _PIECE]
            while rest and not stream.eof:
                if piece := stream.decompress(rest, _PIECE):
                    yield piece
                rest = stream.unconsumed_tail
            while not stream.eof and (piece := stream.decompress(b"", _PIECE)):
                yield piece
            if stream.eof:
                return min(at + _PIECE, len(content)) - len(stream.unused_data)
    except zlib.error:
        yield Refused(Reason.BROKEN, "The compressed data is damaged.")
        return None
    yield Refused(Reason.BROKEN, "The compressed data is cut off.")
    return None


def _directory(content: bytes) -> list[_Entry] | Refused:
    """The central directory of a zip, at most one entry more than may be read."""
    at = content.rfind(b"PK\x05\x06", max(0, len(content) - _END_SPAN))
    if at < 0 or at + _END.size > len(content):
        return Refused(Reason.BROKEN, "The zip file is cut off: its directory is missing.")
    _, _, _, _, count, size, offset, _ = _END.unpack_from(content, at)
    if offset == _ZIP64 or size > at:
        return Refused(Reason.BROKEN, "The directory of the zip file cannot be read.")
    place = at - size
    shift = place - offset  # octets before the archive, as of a self-extracting one
    entries: list[_Entry] = []
    for _ in range(min(count, REPORT_FILES + 1)):
        if place + _ENTRY.size > at or not content.startswith(b"PK\x01\x02", place):
            return Refused(Reason.BROKEN, "The directory of the zip file cannot be read.")
        _, _, _, flags, method, _, _, crc, packed, _, named, extra, comment, _, _, _, start = _ENTRY.unpack_from(
            content, place
        )
        name = content[place + _ENTRY.size : place + _ENTRY.size + named]
        text = name.decode("utf-8" if flags & _UTF8_NAME else "cp437", "replace")
        entries.append(_Entry(line(text), flags, method, crc, packed, start + shift))
        place += _ENTRY.size + named + extra + comment
    return entries


def _member(content: bytes, entry: _Entry) -> Pieces:
    at = entry.offset
    if entry.flags & _ENCRYPTED:
        yield Refused(Reason.BROKEN, "The zip file is encrypted.")
    elif entry.method not in (_STORED, _DEFLATED):
        yield Refused(Reason.BROKEN, "The zip file uses a compression that is not read here.")
    elif at < 0 or at + _LOCAL.size > len(content) or not content.startswith(_ZIP[0], at):
        yield Refused(Reason.BROKEN, "The zip file is damaged.")
    else:
        *_, named, extra = _LOCAL.unpack_from(content, at)
        start = at + _LOCAL.size + named + extra
        stored = entry.method == _STORED
        raw: Pieces = _slices(content, start, start + entry.packed) if stored else _inflate(content, start, _RAW_WINDOW)
        yield from _proven(raw, entry.crc)


def _proven(pieces: Pieces, crc: int) -> Pieces:
    """The pieces, and a refusal after them when their checksum is another."""
    found = 0
    for piece in pieces:
        if isinstance(piece, Refused):
            yield piece
            return
        found = zlib.crc32(piece, found)
        yield piece
    if found != crc:
        yield Refused(Reason.BROKEN, "The zip file is damaged: a checksum does not fit.")
