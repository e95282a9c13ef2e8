"""Reputation: bounces and complaints of a day against the rates at which mail is paused, and letting it go again."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.response import Redirect

from posthouse.intake import operate, reputation
from posthouse.intake.reputation import Reputation
from posthouse.ledger import reputation as counts
from posthouse.ledger.breakers import Rate, Scope, Standing
from posthouse.ledger.providers import NAMES, Provider
from posthouse.model.words import Pool, Role
from posthouse.web.pages import words
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.view import page, see
from posthouse.web.pages.words import N_, Word
from posthouse.web.text import Speech

_ROWS_SHOWN: Final = 75  # of one table, the worst first: a page stays below 100 kB
_PAUSED: Final = Word(N_("Paused"), "bad", "stop")
_STANDINGS: Final = {
    Standing.FEW: Word(N_("Too few to judge"), "", "info"),
    Standing.GOOD: Word(N_("Good"), "good", "check"),
    Standing.WARNING: Word(N_("High"), "wait", "warning"),
    Standing.TOO_HIGH: Word(N_("Too high"), "bad", "cross"),
}
_WORST_FIRST: Final = tuple(reversed(_STANDINGS))
_SECTIONS: Final = (
    (Scope.POOL, N_("Pools"), ""),
    (Scope.DOMAIN, N_("From domains"), N_("Marketing and notifications")),
    (Scope.PROVIDER, N_("Providers"), N_("Marketing to their personal accounts, told by the recipient's domain")),
    (Scope.MAILING, N_("Mailings"), N_("Marketing by its first tag, or else its mailing type")),
)


@get("/reputation", include_in_schema=False)
async def reputation_page(request: Page, person: Person) -> Response[str]:
    """All of it."""
    process, spoken = rooms(request).process, speech(request, person)
    workspace_id = person.workspace.workspace_id
    async with process.pool.acquire() as connection:
        found = await reputation.read(connection, process.settings, workspace_id, spoken.now)
        bulk = await counts.bulk_senders(connection, workspace_id)
    context: dict[str, Any] = {
        "sections": [_section(scope, title, about, found, spoken) for scope, title, about in _SECTIONS],
        "any": bool(found),
        "least": process.settings.breakers.min_sends,
        "bulk": [
            {"domain": each.domain, "provider": NAMES[each.provider], "mails": each.mails, "since": each.since}
            for each in bulk[:_ROWS_SHOWN]
        ],
    }
    return page(request, person, "reputation.html", "reports", **context)


@post("/reputation/resume", include_in_schema=False)
async def resume(request: Page, person: Person) -> Redirect:
    """Lets paused mail go."""
    need(person, Role.ADMIN)
    written = text(await form(request, person), "suspension")
    try:
        ids = [UUID(written)]
    except ValueError:
        ids = []
    ended = await operate.resume(rooms(request).process, person.workspace.workspace_id, ids, person.actor)
    return see(f"/reputation?said={'resumed' if ended else 'nothing'}")


def _section(scope: Scope, title: str, about: str, found: list[Reputation], spoken: Speech) -> dict[str, Any]:
    own = sorted((each for each in found if each.subject.scope is scope), key=_urgency)
    return {
        "id": scope.value,
        "title": title,
        "about": about,
        "rows": [_row(each, spoken) for each in own[:_ROWS_SHOWN]],
        "more": max(0, len(own) - _ROWS_SHOWN),
    }


def _urgency(found: Reputation) -> tuple[bool, int, int]:
    return found.paused is None, _WORST_FIRST.index(found.standing), -found.tally.sent


def _row(found: Reputation, spoken: Speech) -> dict[str, Any]:
    # a provider's is that of the marketing pool
    own = found.paused if found.subject.scope is not Scope.PROVIDER else None
    return {
        "name": _name(found, spoken),
        "word": _PAUSED if found.paused else _STANDINGS[found.standing],
        "reason": own.reason if own else "",
        "suspension": own.suspension_id if own else "",
        "since": found.since,
        "sent": found.tally.sent,
        "pauses": found.pauses,
        "rates": [_rate(each, spoken) for each in found.rates],
    }


def _name(found: Reputation, spoken: Speech) -> str:
    match found.subject.scope:
        case Scope.POOL:
            return spoken.say(words.POOLS[Pool(found.subject.name)])
        case Scope.PROVIDER:
            return NAMES.get(Provider(found.subject.name)) or spoken.say(N_("Other providers"))
        case _:
            return found.subject.name


def _rate(rate: Rate, spoken: Speech) -> dict[str, Any]:
    word = _STANDINGS[rate.standing]
    return {
        "label": {"bounces": N_("Hard bounces"), "complaints": N_("Complaints")}[rate.measure],
        "percent": _percent(rate.percent, spoken) if rate.of else "–",
        "tone": word.tone if rate.standing in (Standing.WARNING, Standing.TOO_HIGH) else "",
        "icon": word.icon,
        "times": rate.times,
        "of": rate.of,
        "warn": _percent(rate.marks.warn, spoken) if rate.marks else "",
        "pause": _percent(rate.marks.pause, spoken) if rate.marks else "",
    }


def _percent(value: float, spoken: Speech) -> str:
    """Fine enough to tell on which side of a mark a rate is."""
    return f"{spoken.number(round(value, 2 if value >= 1 else 3))}\N{NO-BREAK SPACE}%"
