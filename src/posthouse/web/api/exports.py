"""Exports by JSON: asked for, watched, fetched, deleted, and on schedules."""

from datetime import datetime
from typing import Annotated, Any, Final, cast
from uuid import UUID

import msgspec
from msgspec import Meta

from posthouse.accounts import changes
from posthouse.exports import files, jobs, links, schedules
from posthouse.exports.jobs import Export, State, Wish
from posthouse.exports.schedule import LAST_DAY, Every, Rhythm
from posthouse.exports.schedules import Plan, Schedule
from posthouse.exports.sources import What
from posthouse.exports.writing import Format
from posthouse.intake.request_fields import instant
from posthouse.intake.request_problems import Problems
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.model.words import Scope
from posthouse.runtime.postgres import Executor
from posthouse.web.api.bodies import read_object
from posthouse.web.api.exchange import Answer, Exchange, answer, id_of
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.webhooks import endpoints

_UNKNOWN: Final = refuse(404, "There is no such export in the workspace; they are kept for seven days.")
_NO_SCHEDULE: Final = refuse(404, "There is no such schedule in the workspace.")
_NEEDS_MANAGE: Final = refuse(403, "To have it posted to a webhook the key needs the scope manage.")
_FOR_MANAGERS: Final = refuse(403, "Who signs in from where is told to keys with the scope manage.")
_WHAT: Final[Schema] = {
    "type": "string",
    "enum": [*What],
    "description": "what is exported; login_failures needs the scope manage",
}
_FORMAT: Final[Schema] = {
    "type": "string",
    "enum": [*Format],
    "default": Format.CSV,
    "description": "CSV with a line of column names, or one JSON object a line",
}
_WEBHOOK: Final[Schema] = {
    "type": "string",
    "format": "uuid",
    "minLength": 36,
    "maxLength": 36,
    "description": "a webhook of the workspace it is posted to when it is made; needs the scope manage",
}
_MOMENT: Final[Schema] = {"type": "string", "format": "date-time", "maxLength": 64}
NEW_BODY: Final[Schema] = {
    "type": "object",
    "properties": {
        "what": _WHAT,
        "since": {**_MOMENT, "description": "from this time on"},
        "until": {**_MOMENT, "description": "up to, not including, this time; now when left out"},
        "format": _FORMAT,
        "webhook_id": _WEBHOOK,
    },
    "required": ["what", "since"],
    "additionalProperties": False,
}
SCHEDULE_BODY: Final[Schema] = {
    "type": "object",
    "properties": {
        "what": _WHAT,
        "format": _FORMAT,
        "every": {"type": "string", "enum": [*Every]},
        "on_day": {
            "type": "integer",
            "minimum": 0,
            "maximum": LAST_DAY,
            "default": 0,
            "description": "of the week from Monday as 1, or of the month; left out for every day",
        },
        "hour": {"type": "integer", "minimum": 0, "maximum": 23, "default": 0},
        "zone": {"type": "string", "minLength": 1, "maxLength": 64, "default": "UTC", "description": "its time zone"},
        "webhook_id": _WEBHOOK,
    },
    "required": ["what", "every"],
    "additionalProperties": False,
}


class ExportView(msgspec.Struct, frozen=True):
    """One export."""

    id: UUID
    what: What
    format: Format
    since: datetime
    until: datetime
    state: Annotated[
        State,
        Meta(
            description="submitted, preparing (rows are counted), running, uploading (to its webhook), complete, failed"
        ),
    ]
    expected_rows: Annotated[int | None, Meta(description="null until they are counted")]
    completed_rows: int
    octets: Annotated[int, Meta(description="packed with gzip")]
    problem: Annotated[str, Meta(description="why it failed, or why the last try to post it did; else empty")]
    webhook_id: UUID | None
    uploaded_parts: int
    parts: int
    schedule_id: UUID | None
    created_at: datetime
    created_by: str
    finished_at: Annotated[datetime | None, Meta(description="from then on it can be fetched")]
    link: Annotated[str | None, Meta(description="fetches it without a key for a day from now; null until it is there")]


class Exports(msgspec.Struct, frozen=True):
    """Exports, the newest first."""

    exports: tuple[ExportView, ...]
    next: Annotated[UUID | None, Meta(description="`cursor` of the next page; null on the last")]


class ScheduleView(msgspec.Struct, frozen=True):
    """One schedule."""

    id: UUID
    what: What
    format: Format
    every: Every
    on_day: int
    hour: int
    zone: str
    webhook_id: UUID | None
    covered_until: Annotated[datetime, Meta(description="where the next export begins: none is left out or told twice")]
    next_at: datetime
    created_at: datetime
    created_by: str


class Schedules(msgspec.Struct, frozen=True):
    """Schedules, oldest first."""

    schedules: tuple[ScheduleView, ...]


async def submit(exchange: Exchange) -> Answer:
    """Ask for an export."""
    body = read_object(exchange.body, NEW_BODY)
    if isinstance(body, Answer):
        return body
    process, problems = exchange.rooms.process, Problems()
    if not _may_have(exchange, What(body["what"])):
        return _FOR_MANAGERS
    since = instant(body["since"], "/since", problems)
    until = instant(body["until"], "/until", problems) if "until" in body else process.clock.now()
    webhook_id = await _webhook(exchange, body, problems)
    if isinstance(webhook_id, Answer):
        return webhook_id
    if problems or since is None or until is None:
        return refusal(invalid(problems.found()))
    wish = Wish(What(body["what"]), Format(body.get("format", Format.CSV)), since, until, webhook_id)
    async with changes.making(process, exchange.submitter.workspace_id, exchange.actor) as change:
        made = await jobs.submit(change, wish)
    return answer(view(exchange, made), 202) if isinstance(made, Export) else _refused(made)


async def list_exports(exchange: Exchange) -> Answer:
    """A page of them."""
    query, workspace_id = cast("dict[str, Any]", exchange.query), exchange.submitter.workspace_id
    most = query.get("limit", limits.PAGE_ROWS_DEFAULT)
    found = await jobs.listing(exchange.rooms.process.pool, workspace_id, query.get("cursor"), most + 1)
    shown = tuple(view(exchange, each) for each in found[:most])
    return answer(Exports(shown, shown[-1].id if len(found) > most else None))


async def show(exchange: Exchange) -> Answer:
    """One export."""
    found = await _found(exchange)
    return answer(view(exchange, found)) if found else _UNKNOWN


async def fetch(exchange: Exchange) -> Answer:
    """The file, sent as it is read."""
    found = await _found(exchange)
    if found is None:
        return _UNKNOWN
    if not _may_have(exchange, found.what):
        return _FOR_MANAGERS
    if not found.is_there:
        return refuse(409, f"It is {found.state}; ask again when finished_at is set.")
    packed = bool(exchange.query.get("packed", False))
    headers = (("content-disposition", f'attachment; filename="{files.name(found, packed=packed)}"'),)
    pieces = files.pieces(exchange.rooms.process, exchange.submitter.workspace_id, found, packed=packed)
    return Answer(200, b"", files.media(found, packed=packed), headers, pieces)


async def delete(exchange: Exchange) -> Answer:
    """End it and take what was made."""
    export_id = exchange.path_id
    if export_id is None:
        return _UNKNOWN
    async with changes.making(exchange.rooms.process, exchange.submitter.workspace_id, exchange.actor) as change:
        return Answer(204, b"") if await jobs.delete(change, export_id) else _UNKNOWN


async def schedule(exchange: Exchange) -> Answer:
    """Have an export made again and again."""
    body = read_object(exchange.body, SCHEDULE_BODY)
    if isinstance(body, Answer):
        return body
    problems = Problems()
    webhook_id = await _webhook(exchange, body, problems)
    if isinstance(webhook_id, Answer):
        return webhook_id
    if problems:
        return refusal(invalid(problems.found()))
    rhythm = Rhythm(Every(body["every"]), body.get("on_day", 0), body.get("hour", 0), body.get("zone", "UTC"))
    plan = Plan(What(body["what"]), Format(body.get("format", Format.CSV)), rhythm, webhook_id)
    async with changes.making(exchange.rooms.process, exchange.submitter.workspace_id, exchange.actor) as change:
        made = await schedules.add(change, plan)
    return answer(_schedule(made), 201) if isinstance(made, Schedule) else _refused(made)


async def list_schedules(exchange: Exchange) -> Answer:
    """All of them."""
    found = await schedules.listing(exchange.rooms.process.pool, exchange.submitter.workspace_id)
    return answer(Schedules(tuple(map(_schedule, found))))


async def delete_schedule(exchange: Exchange) -> Answer:
    """No more exports come of it."""
    schedule_id = exchange.path_id
    if schedule_id is None:
        return _NO_SCHEDULE
    async with changes.making(exchange.rooms.process, exchange.submitter.workspace_id, exchange.actor) as change:
        return Answer(204, b"") if await schedules.delete(change, schedule_id) else _NO_SCHEDULE


def view(exchange: Exchange, export: Export) -> ExportView:
    """An export as the API shows it to this caller."""
    process = exchange.rooms.process
    path = links.path(exchange.submitter.workspace_id, export.export_id, export.link_key, process.clock.now())
    return ExportView(
        id=export.export_id,
        what=export.what,
        format=export.form,
        since=export.since,
        until=export.until,
        state=export.state,
        expected_rows=export.expected,
        completed_rows=export.completed,
        octets=export.octets,
        problem=export.problem,
        webhook_id=export.webhook_id,
        uploaded_parts=export.uploaded,
        parts=export.parts,
        schedule_id=export.schedule_id,
        created_at=export.created_at,
        created_by=export.created_by,
        finished_at=export.finished_at,
        link=process.settings.public_url + path if export.is_there and _may_have(exchange, export.what) else None,
    )


async def is_ours(connection: Executor, workspace_id: UUID, webhook_id: UUID) -> bool:
    """Whether there is such a webhook in the workspace."""
    return await endpoints.find(connection, workspace_id, webhook_id) is not None


def _may_have(exchange: Exchange, what: What) -> bool:
    return not what.is_for_managers or Scope.MANAGE in exchange.submitter.scopes


async def _webhook(exchange: Exchange, body: dict[str, Any], problems: Problems) -> UUID | Answer | None:
    if "webhook_id" not in body:
        return None
    if Scope.MANAGE not in exchange.submitter.scopes:
        return _NEEDS_MANAGE
    found = id_of(body["webhook_id"])
    if found is None or not await is_ours(exchange.rooms.process.pool, exchange.submitter.workspace_id, found):
        problems.add("/webhook_id", "unknown_webhook", "There is no such webhook in the workspace.")
    return found


async def _found(exchange: Exchange) -> Export | None:
    export_id = exchange.path_id
    if export_id is None:
        return None
    return await jobs.find(exchange.rooms.process.pool, exchange.submitter.workspace_id, export_id)


def _refused(problems: tuple[FieldProblem, ...]) -> Answer:
    return refusal(invalid(problems))


def _schedule(each: Schedule) -> ScheduleView:
    rhythm = each.rhythm
    return ScheduleView(
        each.schedule_id,
        each.what,
        each.form,
        rhythm.every,
        rhythm.on_day,
        rhythm.hour,
        rhythm.zone,
        each.webhook_id,
        each.covered_until,
        each.next_at,
        each.created_at,
        each.created_by,
    )
