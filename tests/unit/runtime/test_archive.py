"""The file of a backup: whole or not at all, never over another, damage noticed."""

import hashlib
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from posthouse.runtime.archive import FORMAT, ArchiveError, Manifest, Reader, Stored, Writer


def manifest(files: dict[str, Stored], version: int = 1) -> Manifest:
    return Manifest(
        format=FORMAT,
        version=version,
        made_at=datetime(2026, 11, 21, tzinfo=UTC),
        made_by="posthouse",
        hostname="mail.test",
        postgres="18",
        migrations=("0001_accounts.sql",),
        kek_id="0" * 16,
        key_included=False,
        files=files,
    )


def written(target: Path, content: bytes, version: int = 1) -> Path:
    with Writer(target) as writer:
        with writer.member("database.dump") as member:
            for start in range(0, len(content), 700):
                member.write(content[start : start + 700])
        writer.finish(manifest(dict(writer.files), version))
    return target


@pytest.mark.parametrize("octets", [0, 1, 511, 512, 513, 5_000])
def test_what_is_streamed_in_comes_out_again_and_tar_can_read_it(tmp_path: Path, octets: int) -> None:
    content = bytes(index % 251 for index in range(octets))
    file = written(tmp_path / "a.tar", content)
    told: list[int] = []
    with Reader(file) as reader:
        reader.verify(told.append)
        assert reader.content("database.dump") == content
        assert reader.manifest.files["database.dump"] == Stored(octets, hashlib.sha256(content).hexdigest())
    assert sum(told) == octets
    with tarfile.open(file) as tar:
        assert tar.getnames() == ["database.dump", "manifest.json"]


def test_a_member_of_more_than_eight_gibibytes_still_has_a_header_of_one_block() -> None:
    info = tarfile.TarInfo("database.dump")
    info.size = 9 * 1024**3
    assert len(info.tobuf(tarfile.GNU_FORMAT)) == tarfile.BLOCKSIZE


def test_what_is_not_finished_leaves_neither_a_file_nor_a_draft(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.tar") as writer:
        writer.add("kek", b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_refused_also_when_it_is_taken_meanwhile(tmp_path: Path) -> None:
    target = tmp_path / "a.tar"
    with Writer(target) as writer:
        target.write_text("another")
        with pytest.raises(ArchiveError, match="appeared meanwhile"):
            writer.finish(manifest({}))
    with pytest.raises(ArchiveError, match="never overwritten"):
        Writer(target)
    assert target.read_text() == "another"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("kept", [0, 100, 600, 1_500, 2_600])
def test_a_file_that_was_cut_off_is_no_backup(tmp_path: Path, kept: int) -> None:
    file = written(tmp_path / "a.tar", bytes(2_000))
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ArchiveError, match="backup"):
        Reader(file)


def test_one_changed_octet_is_noticed(tmp_path: Path) -> None:
    file = written(tmp_path / "a.tar", bytes(2_000))
    content = bytearray(file.read_bytes())
    content[1_000] ^= 1
    file.write_bytes(content)
    with Reader(file) as reader, pytest.raises(ArchiveError, match="is damaged"):
        reader.verify(lambda _: None)


def test_a_later_format_is_refused_by_name(tmp_path: Path) -> None:
    file = written(tmp_path / "a.tar", b"x", version=2)
    with pytest.raises(ArchiveError, match="is of version 2; this program reads 1"):
        Reader(file)
