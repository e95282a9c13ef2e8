"""What an export is as a file: its parts one after the other, packed or not, never more than one of them in memory."""

from collections.abc import AsyncIterator
from uuid import UUID

from posthouse.exports import writing
from posthouse.exports.jobs import Export
from posthouse.exports.sql import SQL
from posthouse.runtime.postgres import Executor
from posthouse.runtime.process import Process


async def part(connection: Executor, workspace_id: UUID, export_id: UUID, number: int) -> tuple[int, bytes] | None:
    """Rows and packed octets of one part, counted from 0."""
    row = await connection.fetchrow(SQL.export_part, workspace_id, export_id, number)
    return (row["rows"], row["content"]) if row else None


async def pieces(process: Process, workspace_id: UUID, export: Export, *, packed: bool) -> AsyncIterator[bytes]:
    """The file as it is sent; one that is deleted meanwhile breaks off."""
    for number in range(export.parts):
        found = await part(process.pool, workspace_id, export.export_id, number)
        if found is None:
            raise LookupError(f"export {export.export_id} was deleted")
        yield found[1] if packed else writing.unpacked(found[1])


def name(export: Export, *, packed: bool) -> str:
    """What the file is called."""
    days = f"{export.since:%Y-%m-%d}-{export.until:%Y-%m-%d}"
    return f"{str(export.what).replace('_', '-')}-{days}.{export.form}{'.gz' if packed else ''}"


def media(export: Export, *, packed: bool) -> str:
    """Its media type."""
    if packed:
        return "application/gzip"
    return {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}[export.form]
