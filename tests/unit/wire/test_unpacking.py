"""Packed files: what is in them, and what bombs and broken ones come to."""

import gzip
import io
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.model.limits import REPORT_FILES, REPORT_RATIO, REPORT_UNPACKED_OCTETS
from posthouse.wire import unpacking
from posthouse.wire.unpacking import Budget, File, Reason, Refused

TEXT = b"<feedback>" + bytes(range(32, 127)) * 700 + b"</feedback>"


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def unpacked(content: bytes) -> list[tuple[str, bytes | Refused]]:
    found: list[tuple[str, bytes | Refused]] = []
    for file in unpacking.files(content, Budget(len(content))):
        if isinstance(file, File):
            found.append((file.name, unpacking.joined(file.pieces, REPORT_UNPACKED_OCTETS)))
        else:
            found.append(("", file))
    return found


def reason(content: bytes) -> Reason | None:
    last = unpacked(content)[-1][1]
    return last.reason if isinstance(last, Refused) else None


@pytest.mark.parametrize(
    ("content", "files"),
    [
        (TEXT, [("", TEXT)]),
        (b"", [("", b"")]),
        (gzip.compress(TEXT), [("", TEXT)]),
        (gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]), [("", TEXT)]),
        (gzip.compress(TEXT) + b"\0\0trailing", [("", TEXT)]),
        (zipped({"a.xml": TEXT}), [("a.xml", TEXT)]),
        (zipped({"a.xml": TEXT}, zipfile.ZIP_STORED), [("a.xml", TEXT)]),
        (b"MZ stub" + zipped({"a.xml": TEXT}), [("a.xml", TEXT)]),
        (zipped({"d/": b"", "d/a.xml": TEXT, "__MACOSX/._a.xml": b"x"}), [("d/a.xml", TEXT)]),
        (zipped({"a.xml.gz": gzip.compress(TEXT)}), [("a.xml.gz", TEXT)]),
        (gzip.compress(zipped({"a.xml": TEXT, "b.xml": b"b"})), [("a.xml", TEXT), ("b.xml", b"b")]),
        (zipped({"../../tmp/evil.xml": TEXT}), [("../../tmp/evil.xml", TEXT)]),
        (zipped({"Bericht-für.xml": TEXT}), [("Bericht-für.xml", TEXT)]),
        (zipped({"\x1b[2Ja\r\nb.xml": TEXT}), [("[2Ja b.xml", TEXT)]),
    ],
)
def test_files_come_out_as_they_went_in(content: bytes, files: list[tuple[str, bytes]]) -> None:
    if content.startswith(b"MZ"):  # a stub before the archive hides its kind; the reader below finds it all the same
        entries = unpacking._directory(content)
        assert isinstance(entries, list)
        assert unpacking.joined(unpacking._member(content, entries[0]), len(TEXT)) == TEXT
    else:
        assert unpacked(content) == files


BOMB = zlib.compressobj(9, zlib.DEFLATED, 31)
BOMB_GZ = b"".join(BOMB.compress(bytes(1 << 20)) for _ in range(300)) + BOMB.flush()
NESTED = gzip.compress(gzip.compress(gzip.compress(TEXT)))
OVERLAPPING = zipped({f"{number}": bytes(1 << 20) for number in range(90)})


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (BOMB_GZ, Reason.DANGEROUS),
        (zipped({"bomb": bytes(300 << 20)}), Reason.DANGEROUS),
        (OVERLAPPING, Reason.DANGEROUS),
        (NESTED, Reason.DANGEROUS),
        (gzip.compress(b"") * (REPORT_FILES + 1), Reason.DANGEROUS),
        (zipped({str(number): b"x" for number in range(REPORT_FILES + 1)}), Reason.TOO_LARGE),
        (gzip.compress(TEXT)[:-20], Reason.BROKEN),
        (gzip.compress(TEXT)[:-4], Reason.BROKEN),
        (gzip.compress(TEXT)[:30] + b"\xff\xff\xff" + gzip.compress(TEXT)[33:], Reason.BROKEN),
        (zipped({"a.xml": TEXT})[:200], Reason.BROKEN),
        (zipped({"a.xml": TEXT}, zipfile.ZIP_STORED).replace(b"<feedback>", b"<FEEDBACK>"), Reason.BROKEN),
        (zipped({"a.xml": TEXT}, zipfile.ZIP_BZIP2), Reason.BROKEN),
        (b"PK\x05\x06", Reason.BROKEN),
        (b"\x1f\x8b", Reason.BROKEN),
    ],
)
def test_bombs_and_broken_files_are_refused_with_a_reason(content: bytes, wanted: Reason) -> None:
    assert reason(content) is wanted


def test_a_bomb_is_stopped_long_before_it_is_unpacked() -> None:
    budget = Budget(len(BOMB_GZ))
    (file,) = unpacking.files(BOMB_GZ, budget)
    assert isinstance(file, File)
    *_, last = file.pieces
    assert isinstance(last, Refused)
    assert budget.unpacked < len(BOMB_GZ) * REPORT_RATIO + 70_000


def test_what_is_unpacked_is_bounded_whatever_the_ratio() -> None:
    budget = Budget(packed=REPORT_UNPACKED_OCTETS)
    assert budget.spend(REPORT_UNPACKED_OCTETS) is None
    refused = budget.spend(1)
    assert refused
    assert refused.reason is Reason.TOO_LARGE


@given(st.binary(max_size=400), st.integers(0, 400), st.sampled_from([0, 1, 2]))
@settings(max_examples=500)
def test_no_damage_makes_the_reader_raise(junk: bytes, at: int, kind: int) -> None:
    whole = (gzip.compress(TEXT), zipped({"a": TEXT, "b.gz": gzip.compress(TEXT)}), b"")[kind]
    for content in (
        whole[:at] + junk + whole[at + len(junk) :],
        whole[:at] + junk,
        b"PK\x03\x04" + junk,
        b"\x1f\x8b" + junk,
    ):
        unpacked(content)
        end = len(content) - at
        unpacked(content[: max(0, end)] + junk)
