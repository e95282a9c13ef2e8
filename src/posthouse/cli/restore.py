"""`posthouse restore`: a backup into an installation that has never been started."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from posthouse.accounts import workspaces
from posthouse.cli import console
from posthouse.cli.console import HERE, Installation, Json, Refused
from posthouse.cli.progress import Progress
from posthouse.cli.world import Where, open_world
from posthouse.model.words import State
from posthouse.outbox import shape
from posthouse.runtime import backup, data_folder, dump, log
from posthouse.runtime.archive import DUMP, ArchiveError, Reader
from posthouse.runtime.embedded import Server
from posthouse.runtime.settings import Settings


def restore_command(
    file: Annotated[Path, Parameter(help="A file that `posthouse backup` wrote.")],
    /,
    *,
    as_json: Json = False,
    where: Installation = HERE,
) -> None:
    """Bring a backup back, into an empty data folder or, with postgres.dsn, an empty database. Nothing there is overwritten.

    Nothing is sent until you start it. Mail delivered after the backup was made
    is in its queue again and will be sent again: look at `posthouse queue show`
    first, and stop the installation the backup came from. The backup of a lab
    goes on in a lab: start it with --lab.

    Exit status: 0 done, 1 refused or failed (then nothing is left behind),
    2 wrong usage, 3 no database.

    For example:

        posthouse restore /srv/backups/monday.tar --data /var/lib/posthouse
    """
    found = console.run(_restore(where, file))
    console.show(found, lambda: _text(found), as_json=as_json)


async def _restore(where: Where, file: Path) -> dict[str, Any]:
    settings = where.settings()
    try:
        with Reader(file) as reader:
            _verify(reader)
            data_folder.ensure(settings.data)
            async with data_folder.locked(settings.data, patience_s=0):
                await _bring_back(reader, settings)
            manifest = reader.manifest
    except (ArchiveError, dump.DumpError) as error:
        raise Refused(str(error)) from error
    return {
        "data": settings.data,
        "made_at": manifest.made_at,
        "hostname": manifest.hostname,
        "queue": await _unsettled(settings),
    }


def _verify(reader: Reader) -> None:
    progress = Progress("Checking the backup", sum(each.octets for each in reader.manifest.files.values()))
    reader.verify(progress.advance)
    progress.end()


async def _bring_back(reader: Reader, settings: Settings) -> None:
    """Key, database, migrations; on a failure what was made goes again."""
    cluster = settings.data / "postgres"
    if not settings.postgres.dsn and cluster.exists():
        raise ArchiveError(f"{settings.data} is in use already: restore into an empty folder, with --data")
    made = backup.restore_key(reader, settings)
    try:
        await _database(reader, settings)
    except BaseException:
        for path in made:
            path.unlink()
        if not settings.postgres.dsn:
            shutil.rmtree(cluster, ignore_errors=True)
        raise


async def _database(reader: Reader, settings: Settings) -> None:
    progress = Progress("Restoring the database", reader.manifest.files[DUMP].octets)
    if dsn := settings.postgres.dsn:
        await backup.restore_database(reader, dsn, None, progress.advance)
    else:
        server = Server(settings.data, log.configure("restore", "warning", settings.server.log_format))
        try:
            await server.start()
            await backup.restore_database(reader, server.owner_dsn, server.app_password, progress.advance)
        finally:
            await server.stop()
    progress.end()


async def _unsettled(settings: Settings) -> dict[State, int]:
    """How much mail will go on when this is started."""
    total: Counter[State] = Counter()
    async with open_world(settings) as process, process.pool.acquire() as connection:
        for workspace in await workspaces.listing(connection):
            total.update(await shape.counts(connection, workspace.workspace_id))
    return dict(total)


def _text(found: dict[str, Any]) -> Text:
    queue: dict[State, int] = found["queue"]
    mails = ", ".join(f"{count:,} {state}" for state, count in queue.items()) or "empty"
    kept = found["data"] / "settings.toml"
    told = Text(f"Restored the backup of {found['hostname']} made at {found['made_at']:%Y-%m-%d %H:%M:%S} UTC.\n")
    told.append(f"Queue: {mails}.\nSettings that were backed up: {kept}\n")
    return told.append(f"Start it with: posthouse up --config {kept} --data {found['data']}  (a lab: add --lab)")
