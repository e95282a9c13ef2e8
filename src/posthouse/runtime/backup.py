"""Backs up a whole installation into one file, and brings it back on an empty one.

    write    one snapshot of the database (dump) + key-encryption key + settings -> archive, manifest last
    restore  checksums -> key -> empty database -> the dump in one transaction -> migrations this program has and the dump lacks

A restored queue continues where the snapshot was taken: what was delivered after it is delivered again, and what a worker had in
its hands then is shown as unknown. Nothing is sent before somebody starts the restored installation.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from posthouse import __version__
from posthouse.runtime import archive, dump, migrate, settings_source
from posthouse.runtime.archive import ArchiveError, Manifest, Reader, Writer
from posthouse.runtime.clock import Clock
from posthouse.runtime.postgres import connect
from posthouse.runtime.settings import Settings
from posthouse.runtime.vault import LocalKey, read_kek

Progress = Callable[[int], None]

# They name this machine, or are secrets with a member of their own.
_NOT_KEPT: Final = {
    ("server", "data_dir"), ("server", "kek"), ("server", "kek_file"), ("server", "kek_retired"),
    ("postgres", "dsn"), ("postgres", "port"),
}  # fmt: skip
# Its default is the machine's name, and the return paths of mail under way follow from it.
_ALWAYS_KEPT: Final = {("server", "hostname")}


@dataclass(frozen=True, slots=True)
class Source:
    """What is backed up: the settings in force and the owner's way to the database."""

    settings: Settings
    owner_dsn: str


async def write(source: Source, target: Path, clock: Clock, *, with_key: bool, progress: Progress) -> Manifest:
    """One file, mode 0600. `progress` is told octets written. Raises ArchiveError, dump.DumpError."""
    settings, key = source.settings, _key(source.settings)
    with Writer(target) as writer:
        with writer.member(archive.DUMP) as member:

            def keep(chunk: bytes) -> None:
                member.write(chunk)
                progress(len(chunk))

            await dump.dump(source.owner_dsn, keep)
        for name, content in (_keys(settings, key) if with_key else {}).items():
            writer.add(name, content)
        writer.add(archive.SETTINGS, _settings_file(settings).encode())
        manifest = Manifest(
            format=archive.FORMAT,
            version=archive.VERSION,
            made_at=clock.now(),
            made_by=f"posthouse {__version__}",
            hostname=settings.server.hostname,
            postgres=str(await dump.server_version(source.owner_dsn)),
            migrations=tuple(await _applied(source.owner_dsn)),
            kek_id=LocalKey(key).kek_id,
            key_included=with_key,
            files=dict(writer.files),
        )
        writer.finish(manifest)
    return manifest


def restore_key(reader: Reader, settings: Settings) -> list[Path]:
    """Put the key and the settings where this installation looks for them; the files made. Raises ArchiveError.

    A key that is already there, or given by the settings, must be the one the backup was made with.
    """
    manifest, made = reader.manifest, []
    present = settings.kek or (read_kek(settings.kek_path) if settings.kek_path.exists() else None)
    if present is None:
        if not manifest.key_included:
            raise ArchiveError(
                f"the backup was made without its key-encryption key: put that key into {settings.kek_path} first"
            )
        made.append(_private(settings.kek_path, reader.content(archive.KEK)))
    elif LocalKey(present).kek_id != manifest.kek_id:
        raise ArchiveError("this installation has another key-encryption key, which does not open the backup")
    for name in manifest.files:
        if name.startswith(f"{archive.KEK}.retired."):
            made.append(_private(settings.data / name, reader.content(name)))
    kept = settings.data / archive.SETTINGS
    if not kept.exists():
        made.append(_private(kept, reader.content(archive.SETTINGS)))
    return made


async def restore_database(reader: Reader, owner_dsn: str, app_password: str | None, progress: Progress) -> None:
    """The dump into an empty database, then the migrations it lacks. Raises ArchiveError, MigrationError, dump.DumpError."""
    if not await migrate.is_empty(owner_dsn, app_password=app_password):
        raise ArchiveError("the database is not empty: restore into an installation that has never been started")

    def chunks() -> Any:  # noqa: ANN401 - an iterator of bytes
        for chunk in reader.chunks(archive.DUMP):
            yield chunk
            progress(len(chunk))

    await dump.restore(owner_dsn, chunks())
    await migrate.migrate(owner_dsn, app_password=app_password)


def _key(settings: Settings) -> bytes:
    return settings.kek or read_kek(settings.kek_path)


def _keys(settings: Settings, key: bytes) -> dict[str, bytes]:
    """The members for the key in use and the retired ones."""
    retired = {
        f"{archive.KEK}.retired.{number}": path.read_bytes()
        for number, path in enumerate(settings.server.kek_retired, start=1)
    }
    return {archive.KEK: base64.b64encode(key) + b"\n", **retired}


def _private(path: Path, content: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(content)
    return path


def _settings_file(settings: Settings) -> str:
    """The settings that were chosen, without secrets and without what only fits the machine they came from."""
    blocks = []
    for section in settings_source.SECTIONS:
        lines = [
            f"{name} = {_toml(value)}"
            for name, value in msgspec.structs.asdict(getattr(settings, section)).items()
            if (section, name) in _ALWAYS_KEPT
            or ((section, name) not in _NOT_KEPT and value != getattr(getattr(Settings(), section), name))
        ]
        if lines:
            blocks.append("\n".join((f"[{section}]", *lines)))
    chosen = "\n\n".join(blocks)
    return f"# The settings of the installation that was backed up.\n\n{chosen}\n"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    return msgspec.json.encode("" if value is None else value, enc_hook=str).decode()


async def _applied(dsn: str) -> list[str]:
    connection = await connect(dsn, name="posthouse backup")
    try:
        return [row["name"] for row in await connection.fetch("SELECT name FROM schema_migrations ORDER BY number")]
    finally:
        await connection.close()
