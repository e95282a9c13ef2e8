"""Exports on their way to a webhook, as rows: which part is next, how that went. Whoever posts them holds a part for a while."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from posthouse.exports.sources import What
from posthouse.exports.sql import SQL
from posthouse.exports.writing import Format
from posthouse.runtime.postgres import Executor


@dataclass(frozen=True, slots=True)
class Upload:
    """The part number `uploaded` (from 0) of an export is to be posted now, for the `tries`th time since `first_tried_at`."""

    workspace_id: UUID
    export_id: UUID
    what: What
    form: Format
    since: datetime
    until: datetime
    webhook_id: UUID
    parts: int
    uploaded: int
    tries: int
    first_tried_at: datetime
    rows: int

    @property
    def place(self) -> tuple[UUID, UUID, int]:
        """Which part."""
        return self.workspace_id, self.export_id, self.uploaded


async def due(connection: Executor, now: datetime, most: int) -> list[tuple[UUID, UUID]]:
    """Workspace and export of those whose next part may be posted, in any workspace."""
    return [(row["workspace_id"], row["export_id"]) for row in await connection.fetch(SQL.uploads_due, now, most)]


async def claim(
    connection: Executor, workspace_id: UUID, export_id: UUID, now: datetime, until: datetime
) -> Upload | None:
    """The part is ours until then; None when another has it."""
    row = await connection.fetchrow(SQL.claim_upload, workspace_id, export_id, now, until)
    if row is None:
        return None
    return Upload(
        workspace_id,
        export_id,
        What(row["what"]),
        Format(row["format"]),
        row["since"],
        row["until"],
        row["webhook_id"],
        row["parts"],
        row["uploaded"],
        row["upload_tries"],
        row["upload_since"],
        row["completed"],
    )


async def taken(connection: Executor, upload: Upload, now: datetime) -> None:
    """The part is there: the next one is due, or the export is complete."""
    await connection.execute(SQL.note_uploaded, *upload.place, now)


async def put_off(connection: Executor, upload: Upload, until: datetime, problem: str) -> None:
    """The part was not taken and is posted again."""
    await connection.execute(SQL.put_off_upload, *upload.place, until, problem)


async def fail(connection: Executor, upload: Upload, problem: str) -> None:
    """Posting is given up; the file can still be downloaded."""
    await connection.execute(SQL.fail_upload, *upload.place, problem)
