"""Suspending mail and resuming it: the form, and what is in force as the queue's page shows it."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.exceptions import NotFoundException
from litestar.response import Redirect

from posthouse.accounts.sign_in import SignedIn
from posthouse.intake import operate
from posthouse.intake.operate import Stop
from posthouse.model.limits import OPERATOR_REASON_CHARS
from posthouse.model.words import Pool, Role
from posthouse.outbox import suspensions, waiting
from posthouse.outbox.suspensions import Suspension
from posthouse.runtime.postgres import Connection
from posthouse.web.pages import query, words
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.view import by_field, page, see
from posthouse.web.pages.words import N_
from posthouse.web.text import Speech

# Minutes and what they are called; none is until somebody resumes it.
_LASTING: Final = {
    "": N_("until someone resumes it"),
    "15": N_("15 minutes"),
    "60": N_("1 hour"),
    "240": N_("4 hours"),
    "1440": N_("1 day"),
    "10080": N_("1 week"),
}


@get("/queue/suspend", include_in_schema=False)
async def suspend_page(request: Page, person: Person) -> Response[str]:
    """The form; the address may name the destination or the mailing."""
    need(person, Role.ADMIN)
    return _form(request, person, {name: query.text(request.query_params, name) for name in ("domain", "mailing")})


@post("/queue/suspend", status_code=200, include_in_schema=False)
async def suspend(request: Page, person: Person) -> Response[str] | Redirect:
    """Stops the mail."""
    need(person, Role.ADMIN)
    fields = await form(request, person)
    values = {
        name: text(fields, name) for name in ("domain", "pool", "mailing", "everything", "lasting", "drain", "reason")
    }
    if values["pool"] not in ("", *Pool) or values["lasting"] not in _LASTING:
        raise NotFoundException  # our form offers no such thing, and reading it as "all" would stop more than was meant
    process, workspace_id = rooms(request).process, person.workspace.workspace_id
    made = await operate.suspend(process, workspace_id, _stop(fields, process.clock.now()), person.actor)
    if isinstance(made, Suspension):
        return see("/queue?said=suspended")
    return _form(request, person, values, status=422, errors=by_field(made, speech(request, person)))


@post("/queue/resume", include_in_schema=False)
async def resume(request: Page, person: Person) -> Redirect:
    """Lets the mail go."""
    need(person, Role.ADMIN)
    written = text(await form(request, person), "suspension")
    try:
        ids = [UUID(written)]
    except ValueError:
        ids = []
    ended = await operate.resume(rooms(request).process, person.workspace.workspace_id, ids, person.actor)
    return see(f"/queue?said={'resumed' if ended else 'nothing'}")


async def in_force(connection: Connection, person: SignedIn, spoken: Speech) -> list[dict[str, Any]]:
    """The suspensions of the workspace in words."""
    found = await suspensions.in_force(connection, person.workspace.workspace_id, spoken.now)
    return [
        {
            "id": each.suspension_id,
            "what": words.told(waiting.scope(each), spoken),
            "by": each.created_by.removeprefix("user:"),
            "reason": each.reason,
            "drain": each.drain,
            "since": each.created_at,
            "until": each.until,
        }
        for each in found
    ]


def _stop(fields: FormMultiDict, now: datetime) -> Stop:
    minutes, pool = text(fields, "lasting"), text(fields, "pool")
    return Stop(
        pool=Pool(pool) if pool else None,
        domain=text(fields, "domain"),
        mailing=text(fields, "mailing"),
        everything=text(fields, "everything") == "1",
        drain=text(fields, "drain") == "1",
        until=now + timedelta(minutes=int(minutes)) if minutes else None,
        reason=text(fields, "reason")[:OPERATOR_REASON_CHARS],
    )


def _form(request: Page, person: SignedIn, values: dict[str, str], **context: Any) -> Response[str]:  # noqa: ANN401
    return page(
        request,
        person,
        "queue_suspend.html",
        "queue",
        form={"domain": "", "pool": "", "mailing": "", "everything": "", "lasting": "", "drain": "", "reason": ""}
        | values,
        pools=[*Pool],
        lasting=_LASTING,
        **context,
    )
