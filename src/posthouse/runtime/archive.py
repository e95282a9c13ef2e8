"""The file of a backup: a tar of a database dump, the key, the settings, and last a manifest with everything's checksum.

The manifest comes last, so a file that was cut off has none. The file is written beside its name, readable only by its owner, and
gets the name when it is whole and on disk; a file that is already there is never replaced. Members are streamed: a header is
written before its content and corrected when the size is known.
"""

import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Final, Self

import msgspec

FORMAT: Final = "posthouse-backup"
VERSION: Final = 1
DUMP: Final = "database.dump"
KEK: Final = "kek"
SETTINGS: Final = "settings.toml"
MANIFEST: Final = "manifest.json"
_BLOCK: Final = tarfile.BLOCKSIZE
_CHUNK: Final = 1_048_576
_MANIFEST_OCTETS: Final = 1_048_576


class ArchiveError(Exception):
    """A backup that cannot be written or read; the text says why."""


class Stored(msgspec.Struct, frozen=True):
    """One member: size in octets and SHA-256 in hex."""

    octets: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file holds. `kek_id` names the key-encryption key the secrets in the dump need, whether it is in the file or not."""

    format: str
    version: int
    made_at: datetime
    made_by: str
    hostname: str
    postgres: str
    migrations: tuple[str, ...]
    kek_id: str
    key_included: bool
    files: dict[str, Stored]


class Writer:
    """Writes one file; use as a context manager. Left without `finish` it leaves nothing behind."""

    def __init__(self, target: Path) -> None:
        """Raises ArchiveError when the name is taken or cannot be used."""
        if target.exists():
            raise ArchiveError(f"{target} is there already: choose another name, a backup is never overwritten")
        self._target = target
        self._draft = target.with_name(f"{target.name}.part")
        self.files: dict[str, Stored] = {}
        try:
            self._draft.unlink(missing_ok=True)
            self._file = os.fdopen(os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        except OSError as error:
            raise ArchiveError(f"{target} cannot be written: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._draft.unlink(missing_ok=True)

    def add(self, name: str, content: bytes) -> None:
        """A whole member."""
        with self.member(name) as member:
            member.write(content)

    def member(self, name: str) -> "Member":
        """A member to stream; its size need not be known."""
        return Member(self._file, name, self.files)

    def finish(self, manifest: Manifest) -> int:
        """The manifest, the end, and the name. The octets of the file. Raises ArchiveError when the name was taken meanwhile."""
        self.add(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        self._file.write(bytes(2 * _BLOCK))
        self._file.flush()
        os.fsync(self._file.fileno())
        try:
            self._target.hardlink_to(self._draft)  # unlike a rename this never replaces
        except FileExistsError as error:
            raise ArchiveError(f"{self._target} has appeared meanwhile; nothing was written") from error
        return self._file.tell()


class Member:
    """One member while it is written; use as a context manager."""

    def __init__(self, file: IO[bytes], name: str, files: dict[str, Stored]) -> None:
        self._file = file
        self._name = name
        self._files = files
        self._digest = hashlib.sha256()
        self._octets = 0

    def __enter__(self) -> Self:
        self._header_at = self._file.tell()
        self._file.write(bytes(_BLOCK))
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if failed:
            return
        self._file.write(bytes(-self._octets % _BLOCK))
        end = self._file.tell()
        self._file.seek(self._header_at)
        self._file.write(_header(self._name, self._octets))
        self._file.seek(end)
        self._files[self._name] = Stored(self._octets, self._digest.hexdigest())

    def write(self, data: bytes) -> None:
        """The next octets."""
        self._digest.update(data)
        self._octets += len(data)
        self._file.write(data)


def _header(name: str, octets: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = octets, 0o600
    header = info.tobuf(tarfile.GNU_FORMAT)  # sizes over 8 GiB still fit one block
    assert len(header) == _BLOCK
    return header


class Reader:
    """Reads one file; use as a context manager."""

    def __init__(self, source: Path) -> None:
        """Raises ArchiveError when it is no whole backup that this program can read."""
        try:
            self._tar = tarfile.open(source, "r:")  # noqa: SIM115 - closed by __exit__
        except (OSError, tarfile.TarError) as error:
            raise ArchiveError(f"{source} is no backup: {error}") from error
        self._source = source
        try:
            self.manifest = self._read_manifest()
        except BaseException:
            self._tar.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def chunks(self, name: str) -> Iterator[bytes]:
        """The octets of a member, a piece at a time."""
        with self._open(name) as member:
            while chunk := member.read(_CHUNK):
                yield chunk

    def content(self, name: str) -> bytes:
        """A small member."""
        return b"".join(self.chunks(name))

    def verify(self, progress: Callable[[int], None]) -> None:
        """Read everything and compare the checksums. Raises ArchiveError."""
        for name, stored in self.manifest.files.items():
            digest, octets = hashlib.sha256(), 0
            for chunk in self.chunks(name):
                digest.update(chunk)
                octets += len(chunk)
                progress(len(chunk))
            if (octets, digest.hexdigest()) != (stored.octets, stored.sha256):
                raise ArchiveError(f"{self._source} is damaged: {name} is not what was written")

    def _read_manifest(self) -> Manifest:
        try:
            with self._open(MANIFEST) as member:
                manifest = msgspec.json.decode(member.read(_MANIFEST_OCTETS), type=Manifest)
        except (tarfile.TarError, msgspec.DecodeError, OSError) as error:
            raise ArchiveError(f"{self._source} is no whole backup: its manifest cannot be read ({error})") from error
        if (manifest.format, manifest.version) != (FORMAT, VERSION):
            raise ArchiveError(f"{self._source} is of version {manifest.version}; this program reads {VERSION}")
        return manifest

    def _open(self, name: str) -> IO[bytes]:
        try:
            member = self._tar.extractfile(name)
        except (KeyError, tarfile.TarError) as error:
            raise ArchiveError(f"{self._source} is no whole backup: {name} is missing") from error
        if member is None:
            raise ArchiveError(f"{self._source}: {name} is no file")
        return member
