"""Exports: what was asked for and how far it is, the file, asking for another, and schedules."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Stream

from posthouse.accounts import changes
from posthouse.accounts.sign_in import SignedIn
from posthouse.exports import files, jobs, links, schedules
from posthouse.exports.jobs import ENDED, Export, State, Wish
from posthouse.exports.schedule import LAST_DAY, Every, Rhythm
from posthouse.exports.schedules import Plan, Schedule
from posthouse.exports.sources import What
from posthouse.exports.writing import Format
from posthouse.model import limits
from posthouse.model.words import Role
from posthouse.runtime.process import Process
from posthouse.web.pages import query
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.view import by_field, page, part, see
from posthouse.web.pages.words import N_, Word
from posthouse.web.text import Speech
from posthouse.webhooks import endpoints

_PER_PAGE: Final = 25
_DAYS_BACK: Final = 30  # of a form that is opened anew
_AT: Final = "/reports/exports"
WHAT: Final = {
    What.MESSAGES: N_("Messages and what became of them"),
    What.BOUNCES: N_("Bounces"),
    What.COMPLAINTS: N_("Complaints"),
    What.UNSUBSCRIBES: N_("Unsubscribes"),
    What.SUPPRESSIONS: N_("Suppressions"),
    What.INVALID: N_("Invalid addresses"),
    What.LOGIN_FAILURES: N_("Login failures"),
}
STATES: Final = {
    State.SUBMITTED: Word(
        N_("Submitted"), "wait", "clock", N_("It begins when its period is over and another is done.")
    ),
    State.PREPARING: Word(N_("Preparing"), "busy", "ready", N_("Its rows are counted.")),
    State.RUNNING: Word(N_("Running"), "busy", "sending", N_("Its rows are written.")),
    State.UPLOADING: Word(N_("Uploading"), "busy", "sending", N_("It is there, and is being posted to its webhook.")),
    State.COMPLETE: Word(N_("Complete"), "good", "check", N_("Everything is done.")),
    State.FAILED: Word(N_("Failed"), "bad", "cross", N_("It was given up; the reason stands beside it.")),
}
FORMATS: Final = {Format.CSV: N_("CSV, for spreadsheets"), Format.JSONL: N_("JSON lines, for programs")}
_EVERY: Final = {Every.DAY: N_("Every day"), Every.WEEK: N_("Every week"), Every.MONTH: N_("Every month")}
_WEEKDAYS: Final = (
    *(N_("Monday"), N_("Tuesday"), N_("Wednesday"), N_("Thursday"), N_("Friday"), N_("Saturday"), N_("Sunday")),
)


@get(_AT, include_in_schema=False)
async def export_list(request: Page, person: Person) -> Response[str]:
    """The exports, the newest first, and the schedules."""
    spoken, workspace_id = speech(request, person), person.workspace.workspace_id
    before = query.identifier(request.query_params.get("after", ""))
    async with rooms(request).process.pool.acquire() as connection:
        found = await jobs.listing(connection, workspace_id, before, _PER_PAGE + 1)
        planned = await schedules.listing(connection, workspace_id)
    shown = found[:_PER_PAGE]
    context: dict[str, Any] = {
        "exports": [_line(each, person, spoken) for each in shown],
        "under_way": any(each.state not in ENDED for each in shown),
        "older": f"{_AT}?after={shown[-1].export_id}" if len(found) > _PER_PAGE else "",
        "newer": _AT if before else "",
        "schedules": [_plan(each, spoken) for each in planned],
    }
    if request.query_params.get("part"):
        return part(request, person, "exports_live.html", **context)
    return page(request, person, "exports.html", "reports", **context)


@get(f"{_AT}/new", include_in_schema=False)
async def export_form(request: Page, person: Person) -> Response[str]:
    """The form for one."""
    spoken = speech(request, person)
    today = spoken.now.astimezone(spoken.zone).date()
    values = {
        "what": query.word(What, request.query_params.get("what", "")) or What.MESSAGES,
        "since": f"{today - timedelta(days=_DAYS_BACK)}",
        "until": f"{today - timedelta(days=1)}",
    }
    return await _form(request, person, values)


@post(_AT, status_code=200, include_in_schema=False)
async def export_submit(request: Page, person: Person) -> Response[str] | Redirect:
    """Asks for it."""
    fields = await form(request, person)
    values = {name: text(fields, name) for name in ("what", "format", "since", "until", "webhook")}
    spoken, errors = speech(request, person), {}
    since, until = query.moment_of(values["since"], spoken.zone, 0), query.moment_of(values["until"], spoken.zone, 1)
    what, form_ = query.word(What, values["what"]), query.word(Format, values["format"])
    what = what if what in _kinds(person) else None
    for name, value in (("what", what), ("format", form_)):
        if value is None:
            errors[name] = [spoken.say("Choose one of these.")]
    for name, moment in (("since", since), ("until", until)):
        if moment is None:
            errors[name] = [spoken.say("Choose a day.")]
    webhook_id = await _webhook(request, person, values["webhook"])
    if errors or what is None or form_ is None or since is None or until is None:
        return await _form(request, person, values, status=422, errors=errors)
    wish = Wish(what, form_, since, min(until, max(spoken.now, since + timedelta(seconds=1))), webhook_id)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        made = await jobs.submit(change, wish)
    if isinstance(made, Export):
        return see(f"{_AT}?said=export")
    found = by_field(made, spoken, {"": "what"})
    return await _form(request, person, values, status=422, errors=found)


@get(f"{_AT}/{{export_id:uuid}}/file", include_in_schema=False)
async def export_fetch(request: Page, person: Person, export_id: FromPath[UUID]) -> Stream:
    """The file."""
    workspace_id = person.workspace.workspace_id
    found = await jobs.find(rooms(request).process.pool, workspace_id, export_id)
    if found is not None and found.what.is_for_managers:
        need(person, Role.ADMIN)
    return _file(rooms(request).process, workspace_id, found, packed="packed" in request.query_params)


@get("/export/{workspace_id:uuid}/{export_id:uuid}/{until:int}/{signature:str}", include_in_schema=False)
async def export_by_link(
    request: Page,
    workspace_id: FromPath[UUID],
    export_id: FromPath[UUID],
    until: FromPath[int],
    signature: FromPath[str],
) -> Stream:
    """The file for whoever has been given a link to it, while that is good."""
    process = rooms(request).process
    found = await jobs.find(process.pool, workspace_id, export_id)
    now = process.clock.now()
    if found is None or not links.is_good(workspace_id, export_id, found.link_key, until, signature, now):
        raise NotFoundException
    return _file(process, workspace_id, found, packed="packed" in request.query_params)


@get(f"{_AT}/{{export_id:uuid}}/delete", include_in_schema=False)
async def export_delete_page(request: Page, person: Person, export_id: FromPath[UUID]) -> Response[str]:
    """Says what deleting does, and asks."""
    need(person, Role.ADMIN)
    spoken = speech(request, person)
    touches = spoken.say(
        "Its file is deleted, links to it open nothing, and what is under way ends. This cannot be undone."
    )
    heading = spoken.say("Delete this export?")
    return _sure(request, person, heading, touches, f"{_AT}/{export_id}/delete")


@post(f"{_AT}/{{export_id:uuid}}/delete", status_code=200, include_in_schema=False)
async def export_delete(request: Page, person: Person, export_id: FromPath[UUID]) -> Redirect:
    """Deletes it."""
    need(person, Role.ADMIN)
    await form(request, person)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        deleted = await jobs.delete(change, export_id)
    return see(f"{_AT}?said={'removed' if deleted else 'nothing'}")


@get(f"{_AT}/schedule", include_in_schema=False)
async def schedule_form(request: Page, person: Person) -> Response[str]:
    """The form for a schedule."""
    need(person, Role.ADMIN)
    return await _schedule_form(request, person, {})


@post(f"{_AT}/schedule", status_code=200, include_in_schema=False)
async def schedule_add(request: Page, person: Person) -> Response[str] | Redirect:
    """Makes it."""
    need(person, Role.ADMIN)
    fields = await form(request, person)
    values = {name: text(fields, name) for name in ("what", "format", "every", "weekday", "day", "hour", "webhook")}
    spoken, errors = speech(request, person), {}
    what, form_ = query.word(What, values["what"]), query.word(Format, values["format"])
    every, hour = query.word(Every, values["every"]), _number(values["hour"], 0, 23)
    on_day = {
        Every.DAY: 0,
        Every.WEEK: _number(values["weekday"], 1, 7),
        Every.MONTH: _number(values["day"], 1, LAST_DAY),
    }
    known = {"what": what, "format": form_, "every": every, "hour": hour, "day": on_day.get(every or Every.DAY)}
    for name, value in known.items():
        if value is None:
            errors[name] = [spoken.say("Choose one of these.")]
    day = known["day"]
    if errors or what is None or form_ is None or every is None or hour is None or not isinstance(day, int):
        return await _schedule_form(request, person, values, status=422, errors=errors)
    plan = Plan(
        what, form_, Rhythm(every, day, hour, str(spoken.zone)), await _webhook(request, person, values["webhook"])
    )
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        made = await schedules.add(change, plan)
    if isinstance(made, Schedule):
        return see(f"{_AT}?said=saved")
    found = by_field(made, spoken, {"": "what", "zone": "hour", "on_day": "day"})
    return await _schedule_form(request, person, values, status=422, errors=found)


@get(f"{_AT}/schedule/{{schedule_id:uuid}}/delete", include_in_schema=False)
async def schedule_delete_page(request: Page, person: Person, schedule_id: FromPath[UUID]) -> Response[str]:
    """Says what deleting does, and asks."""
    need(person, Role.ADMIN)
    spoken = speech(request, person)
    touches = spoken.say("No more exports come of it. Those that were made stay as long as any.")
    return _sure(request, person, spoken.say("End this schedule?"), touches, f"{_AT}/schedule/{schedule_id}/delete")


@post(f"{_AT}/schedule/{{schedule_id:uuid}}/delete", status_code=200, include_in_schema=False)
async def schedule_delete(request: Page, person: Person, schedule_id: FromPath[UUID]) -> Redirect:
    """Deletes it."""
    need(person, Role.ADMIN)
    await form(request, person)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        deleted = await schedules.delete(change, schedule_id)
    return see(f"{_AT}?said={'removed' if deleted else 'nothing'}")


def _file(process: Process, workspace_id: UUID, found: Export | None, *, packed: bool) -> Stream:
    if found is None or not found.is_there:
        raise NotFoundException
    name = files.name(found, packed=packed)
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    pieces = files.pieces(process, workspace_id, found, packed=packed)
    return Stream(pieces, media_type=files.media(found, packed=packed), headers=headers)


async def _form(
    request: Page, person: SignedIn, values: dict[str, str], **context: Any,  # noqa: ANN401
) -> Response[str]:  # fmt: skip
    empty = {"what": What.MESSAGES, "format": Format.CSV, "since": "", "until": "", "webhook": ""}
    return page(
        request, person, "export_new.html", "reports", form=empty | values, **await _choices(request, person), **context
    )


async def _schedule_form(
    request: Page, person: SignedIn, values: dict[str, str], **context: Any,  # noqa: ANN401
) -> Response[str]:  # fmt: skip
    empty = {
        "what": What.MESSAGES,
        "format": Format.CSV,
        "every": Every.WEEK,
        "weekday": "1",
        "day": "1",
        "hour": "6",
        "webhook": "",
    }
    shown: dict[str, Any] = {
        "every": _EVERY,
        "weekdays": tuple((str(number), name) for number, name in enumerate(_WEEKDAYS, 1)),
        "days": tuple(str(day) for day in range(1, LAST_DAY + 1)),
        "hours": tuple((str(hour), f"{hour:02}:00") for hour in range(24)),
        "zone": str(speech(request, person).zone),
    }
    choices = await _choices(request, person)
    return page(request, person, "export_schedule.html", "reports", form=empty | values, **choices, **shown, **context)


async def _choices(request: Page, person: SignedIn) -> dict[str, Any]:
    process, webhooks = rooms(request).process, []
    if person.may(Role.ADMIN):
        webhooks = [
            each for each in await endpoints.listing(process.pool, person.workspace.workspace_id) if each.enabled
        ]
    return {
        "kinds": _kinds(person),
        "formats": FORMATS,
        "webhooks": [(str(each.endpoint_id), each.url) for each in webhooks],
    }


def _kinds(person: SignedIn) -> dict[What, str]:
    """What this person may have."""
    return {what: label for what, label in WHAT.items() if not what.is_for_managers or person.may(Role.ADMIN)}


async def _webhook(request: Page, person: SignedIn, text: str) -> UUID | None:
    """The webhook that was chosen; only who may see webhooks may choose one."""
    chosen = query.identifier(text)
    if chosen is None or not person.may(Role.ADMIN):
        return None
    found = await endpoints.find(rooms(request).process.pool, person.workspace.workspace_id, chosen)
    return found.endpoint_id if found else None


def _sure(request: Page, person: SignedIn, heading: str, touches: str, action: str) -> Response[str]:
    spoken = speech(request, person)
    return page(
        request,
        person,
        "sure.html",
        "reports",
        heading=heading,
        back=_AT,
        back_label=spoken.say("Exports"),
        touches=(touches,),
        tone="bad",
        action=action,
        fields={},
        label=spoken.say("Delete"),
        look="danger sure",
        possible=True,
    )


def _line(export: Export, person: SignedIn, spoken: Speech) -> dict[str, Any]:
    last = export.until - timedelta(seconds=1)
    kept_until = (export.finished_at or export.created_at) + timedelta(seconds=limits.EXPORT_KEPT_S)
    return {
        "what": spoken.say(WHAT[export.what]),
        "format": export.form,
        "since": spoken.iso(export.since),
        "first": spoken.day(export.since),
        "until": spoken.iso(last),
        "last": spoken.day(last),
        "state": STATES[export.state],
        "expected": export.expected,
        "completed": export.completed,
        "ended": export.state in ENDED,
        "problem": export.problem,
        "size": spoken.size(export.octets) if export.is_there else "",
        "file": f"{_AT}/{export.export_id}/file" if export.is_there and export.what in _kinds(person) else "",
        "created": export.created_at,
        "by": export.created_by.removeprefix("user:"),
        "kept_until": spoken.day(kept_until),
        "delete": f"{_AT}/{export.export_id}/delete",
    }


def _plan(plan: Schedule, spoken: Speech) -> dict[str, Any]:
    rhythm = plan.rhythm
    when = {
        Every.DAY: spoken.say("Every day"),
        Every.WEEK: spoken.say("Every week, {day}", day=spoken.say(_WEEKDAYS[(rhythm.on_day or 1) - 1])),
        Every.MONTH: spoken.say("Every month, day {day}", day=rhythm.on_day),
    }[rhythm.every]
    return {
        "what": spoken.say(WHAT[plan.what]),
        "format": plan.form,
        "when": when,
        "hour": f"{rhythm.hour:02}:00",
        "zone": rhythm.zone,
        "next": spoken.clock(plan.next_at),
        "pushed": plan.webhook_id is not None,
        "delete": f"{_AT}/schedule/{plan.schedule_id}/delete",
    }


def _number(text: str, least: int, most: int) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 3 and least <= int(text) <= most else None
