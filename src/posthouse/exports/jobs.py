"""Exports as they are asked for, shown and deleted."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from posthouse.accounts.changes import Change
from posthouse.exports import links
from posthouse.exports.sources import What
from posthouse.exports.sql import SQL
from posthouse.exports.writing import Format
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.runtime.postgres import Connection, Executor, Record


class State(StrEnum):
    """Where an export is on its way."""

    SUBMITTED = "submitted"
    PREPARING = "preparing"
    RUNNING = "running"
    UPLOADING = "uploading"
    COMPLETE = "complete"
    FAILED = "failed"


ENDED: Final = frozenset({State.COMPLETE, State.FAILED})


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants: rows of a period, posted to a webhook of the workspace where one is named."""

    what: What
    form: Format
    since: datetime
    until: datetime
    webhook_id: UUID | None = None
    schedule_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """One export as it is. `expected` is None until its rows were counted; `octets` are packed."""

    export_id: UUID
    what: What
    form: Format
    since: datetime
    until: datetime
    state: State
    expected: int | None
    completed: int
    parts: int
    octets: int
    problem: str
    link_key: bytes
    webhook_id: UUID | None
    uploaded: int
    schedule_id: UUID | None
    created_at: datetime
    created_by: str
    finished_at: datetime | None

    @property
    def is_there(self) -> bool:
        """Whether it is whole and can be downloaded, even if posting it failed."""
        return self.finished_at is not None


def check(wish: Wish, now: datetime) -> tuple[FieldProblem, ...]:
    """What is wrong with a wish. Pure."""
    if wish.since >= wish.until:
        return (FieldProblem("/until", "empty_period", "The period ends before it begins."),)
    if wish.until - wish.since > timedelta(days=limits.EXPORT_DAYS):
        return (FieldProblem("/since", "too_long", f"A period has at most {limits.EXPORT_DAYS} days."),)
    if wish.until > now + timedelta(days=1):
        return (FieldProblem("/until", "in_future", "The period must be over within a day."),)
    return ()


async def submit(change: Change, wish: Wish) -> Export | tuple[FieldProblem, ...]:
    """-> submitted. Whoever asks has seen that the webhook, where one is named, is the workspace's."""
    if problems := check(wish, change.now):
        return problems
    await change.connection.execute(SQL.lock_exports, change.workspace_id)
    counted = await change.connection.fetchrow(SQL.count_exports, change.workspace_id)
    assert counted is not None
    if counted["unfinished"] >= limits.EXPORTS_UNFINISHED:
        detail = f"{limits.EXPORTS_UNFINISHED} exports are under way; wait until one is complete, or delete one."
        return (FieldProblem("", "too_many", detail),)
    if counted["kept"] >= limits.EXPORTS_KEPT:
        return (FieldProblem("", "too_many", f"{limits.EXPORTS_KEPT} exports are kept; delete some first."),)
    export_id = await add(change, wish)
    found = await find(change.connection, change.workspace_id, export_id)
    assert found is not None
    return found


async def add(change: Change, wish: Wish) -> UUID:
    """The row, with its entry in the audit log."""
    export_id = change.ids.new()
    await change.connection.execute(
        SQL.add_export,
        *(change.workspace_id, export_id, wish.what, wish.form, wish.since, wish.until),
        *(secrets.token_bytes(links.KEY_OCTETS), wish.webhook_id, wish.schedule_id, change.now, change.actor),
    )
    period = {"since": wish.since.isoformat(), "until": wish.until.isoformat()}
    await change.record("export.submit", wish.what, id=str(export_id), **period)
    return export_id


async def listing(connection: Executor, workspace_id: UUID, before: UUID | None, most: int) -> list[Export]:
    """The exports of a workspace, the newest first."""
    return [_export(row) for row in await connection.fetch(SQL.exports, workspace_id, before, most)]


async def find(connection: Executor, workspace_id: UUID, export_id: UUID) -> Export | None:
    """One export of this workspace."""
    row = await connection.fetchrow(SQL.export, workspace_id, export_id)
    return _export(row) if row else None


async def delete(change: Change, export_id: UUID) -> bool:
    """Ends it and takes what was made; whether there was one."""
    what = await change.connection.fetchval(SQL.delete_export, change.workspace_id, export_id)
    if what is None:
        return False
    await change.record("export.delete", what, id=str(export_id))
    return True


async def drop_old(connection: Connection, workspace_id: UUID, now: datetime) -> None:
    """Takes what has been kept long enough."""
    await connection.execute(SQL.drop_old_exports, workspace_id, now - timedelta(seconds=limits.EXPORT_KEPT_S))


def _export(row: Record) -> Export:
    values = dict(row.items())
    values |= {"what": What(values["what"]), "form": Format(values.pop("format")), "state": State(values["state"])}
    return Export(**values)
