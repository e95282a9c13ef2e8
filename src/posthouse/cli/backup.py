"""`posthouse backup`: everything that is kept, in one file."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from posthouse.cli import console
from posthouse.cli.console import HERE, Installation, Json, Refused
from posthouse.cli.progress import Progress
from posthouse.cli.world import Where, open_world
from posthouse.runtime import backup
from posthouse.runtime.archive import ArchiveError, Manifest
from posthouse.runtime.dump import DumpError


def backup_command(
    file: Annotated[Path, Parameter(help="The file to write; it must not be there yet.")],
    /,
    *,
    without_key: Annotated[
        bool, Parameter(negative="", help="Leave the key-encryption key out; without it nothing secret opens.")
    ] = False,
    as_json: Json = False,
    where: Installation = HERE,
) -> None:
    """Write the database, the key-encryption key and the settings into one file, while everything runs.

    The file is a consistent snapshot: accounts, DKIM keys, the queue, events,
    suppressions. With the key in it whoever has the file can read every secret;
    it is made readable by you alone. Copy it to another machine.

    Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 no database.

    For example:

        posthouse backup /srv/backups/posthouse-monday.tar

        posthouse backup monday.tar --without-key --json
    """
    manifest = console.run(_backup(where, file.absolute(), with_key=not without_key))
    shown = {"file": file.absolute(), "octets": file.stat().st_size, **_view(manifest)}
    console.show(shown, lambda: _text(file, manifest), as_json=as_json)


async def _backup(where: Where, file: Path, *, with_key: bool) -> Manifest:
    settings = where.settings()
    progress = Progress("Writing the backup")
    try:
        async with open_world(settings) as process:
            assert process.owner_dsn is not None
            source = backup.Source(settings, process.owner_dsn)
            return await backup.write(source, file, process.clock, with_key=with_key, progress=progress.advance)
    except (ArchiveError, DumpError) as error:
        raise Refused(str(error)) from error
    finally:
        progress.end()


def _view(manifest: Manifest) -> dict[str, object]:
    return {
        "made_at": manifest.made_at,
        "hostname": manifest.hostname,
        "key_included": manifest.key_included,
        "kek_id": manifest.kek_id,
        "files": manifest.files,
    }


def _text(file: Path, manifest: Manifest) -> Text:
    told = Text(f"Wrote {file}, {file.stat().st_size:,} octets.\n")
    if manifest.key_included:
        told.append("It contains the key-encryption key: whoever has this file can read every secret in it.\n", "bold")
    else:
        told.append(f"It does not contain the key-encryption key {manifest.kek_id}: keep that key elsewhere, ")
        told.append("without it DKIM keys and encrypted bodies do not open.\n")
    return told.append(f"Bring it back with: posthouse restore {file} --data FOLDER")
