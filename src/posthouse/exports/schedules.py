"""Schedules: kept, shown, deleted, and turned into exports when they are due, each period exactly once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import available_timezones

from posthouse.accounts import changes
from posthouse.accounts.changes import Change
from posthouse.exports import jobs
from posthouse.exports.jobs import Wish
from posthouse.exports.schedule import Every, Rhythm, latest, next_after
from posthouse.exports.sources import What
from posthouse.exports.sql import SQL
from posthouse.exports.writing import Format
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.runtime.postgres import Executor, Record
from posthouse.runtime.process import Process

_ACTOR: Final = "schedule"
_PER_ROUND: Final = 50


@dataclass(frozen=True, slots=True)
class Schedule:
    """The next export is of `covered_until` up to `next_at`, when it is made."""

    schedule_id: UUID
    what: What
    form: Format
    rhythm: Rhythm
    webhook_id: UUID | None
    covered_until: datetime
    next_at: datetime
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What somebody wants again and again."""

    what: What
    form: Format
    rhythm: Rhythm
    webhook_id: UUID | None = None


def check(plan: Plan) -> tuple[FieldProblem, ...]:
    """What is wrong with a plan."""
    if plan.rhythm.zone not in available_timezones():
        detail = "This is not the name of a time zone such as Europe/Copenhagen."
        return (FieldProblem("/zone", "unknown_zone", detail),)
    if not plan.rhythm.is_sound():
        return (FieldProblem("/on_day", "invalid_day", "A week has days 1 to 7, a month 1 to 28, and every day is 0."),)
    return ()


async def add(change: Change, plan: Plan) -> Schedule | tuple[FieldProblem, ...]:
    """Begins with what happens from now on."""
    if problems := check(plan):
        return problems
    await change.connection.execute(SQL.lock_exports, change.workspace_id)
    known = await listing(change.connection, change.workspace_id)
    if len(known) >= limits.EXPORT_SCHEDULES:
        return (FieldProblem("", "too_many", f"A workspace has at most {limits.EXPORT_SCHEDULES} schedules."),)
    rhythm, schedule_id = plan.rhythm, change.ids.new()
    await change.connection.execute(
        SQL.add_schedule,
        *(
            change.workspace_id,
            schedule_id,
            plan.what,
            plan.form,
            rhythm.every,
            rhythm.on_day,
            rhythm.hour,
            rhythm.zone,
        ),
        *(plan.webhook_id, change.now, next_after(rhythm, change.now), change.now, change.actor),
    )
    await change.record("export.schedule", plan.what, id=str(schedule_id), every=str(rhythm.every))
    return next(
        each for each in await listing(change.connection, change.workspace_id) if each.schedule_id == schedule_id
    )


async def listing(connection: Executor, workspace_id: UUID) -> list[Schedule]:
    """Those of a workspace, oldest first."""
    return [_schedule(row) for row in await connection.fetch(SQL.schedules, workspace_id)]


async def delete(change: Change, schedule_id: UUID) -> bool:
    """No more exports come of it; whether there was one."""
    what = await change.connection.fetchval(SQL.delete_schedule, change.workspace_id, schedule_id)
    if what is None:
        return False
    await change.record("export.unschedule", what, id=str(schedule_id))
    return True


async def start_due(process: Process) -> None:
    """Submits the exports whose time has come, each in one transaction with the schedule's next time."""
    due = await process.pool.fetch(SQL.schedules_due, process.clock.now(), _PER_ROUND)
    for row in due:
        async with changes.making(process, row["workspace_id"], _ACTOR) as change:
            found = await change.connection.fetchrow(
                SQL.lock_schedule, change.workspace_id, row["schedule_id"], change.now
            )
            if found is not None:
                await _start(change, _schedule(found))


async def _start(change: Change, schedule: Schedule) -> None:
    until = latest(schedule.rhythm, schedule.next_at, change.now)
    since = max(schedule.covered_until, until - timedelta(days=limits.EXPORT_DAYS))
    wish = Wish(schedule.what, schedule.form, since, until, schedule.webhook_id, schedule.schedule_id)
    await jobs.add(change, wish)
    following = next_after(schedule.rhythm, until)
    await change.connection.execute(SQL.advance_schedule, change.workspace_id, schedule.schedule_id, until, following)


def _schedule(row: Record) -> Schedule:
    rhythm = Rhythm(Every(row["every"]), row["on_day"], row["hour"], row["zone"])
    return Schedule(
        row["schedule_id"],
        What(row["what"]),
        Format(row["format"]),
        rhythm,
        row["webhook_id"],
        row["covered_until"],
        row["next_at"],
        row["created_at"],
        row["created_by"],
    )
