"""Home: today against the two weeks before, what needs a hand, and for a new workspace how to begin."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from babel import dates
from litestar import Response, get

from posthouse.accounts import domains
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.sign_in import SignedIn
from posthouse.ledger import mass, timeline
from posthouse.ledger.mass import MassMailing
from posthouse.model.words import EventKind, MailClass, State
from posthouse.outbox import messages, shape
from posthouse.outbox.messages import Filters
from posthouse.outbox.shape import AGES_MINUTES, ShapeRow
from posthouse.runtime.postgres import Connection
from posthouse.web.pages import query
from posthouse.web.pages.key_pages import smtp_settings
from posthouse.web.pages.query import UNSETTLED
from posthouse.web.pages.session import Page, Person, rooms, speech
from posthouse.web.pages.view import page, part
from posthouse.web.pages.words import CLASSES, N_
from posthouse.web.text import Speech

DAYS: Final = 14
_SLOW_BUCKET: Final = AGES_MINUTES.index(80) + 1  # waiting longer than this is worth a look
_BOUNCES_WORRY: Final = 0.05  # receivers begin to distrust a sender around there
_MANY: Final = 100  # mails, below which a share says little
_SLOW_SHOWN: Final = 4
_MASSES_SHOWN: Final = 4
_MASS_SHOWN: Final = timedelta(days=1)
_MASS_WORDS: Final = {
    "flag": N_("From {sender}. It is sent; if it is a newsletter, it belongs to marketing."),
    "hold": N_("From {sender}. It is held: release it, or send it as marketing."),
    "refuse": N_("From {sender}. It was refused, as the settings say."),
    "allow": N_("From {sender}. It was sent, as its sender gave a reason; the audit log has it."),
}
_PLOT_TOP, _PLOT_HEIGHT, _PLOT_LEFT, _PLOT_WIDTH = 12, 164, 44, 596


@dataclass(frozen=True, slots=True)
class Day:
    """What happened on one day."""

    day: date
    accepted: int = 0
    delivered: int = 0
    deferred: int = 0
    bounced: int = 0
    complained: int = 0
    label: str = ""
    href: str = ""


@dataclass(slots=True)
class _Past:
    """The days before today, which hardly change: asked for again only when a day has gone by or some minutes have."""

    asked_at: float
    today: date
    days: dict[date, dict[EventKind, int]]


_PAST_S: Final = 300.0


@get("/", include_in_schema=False)
async def home_page(request: Page, person: Person) -> Response[str]:
    """The page, or its changing part alone."""
    process, workspace_id, spoken = rooms(request).process, person.workspace.workspace_id, speech(request, person)
    chosen = query.word(MailClass, request.query_params.get("class", ""))
    counted = await _by_day(request, workspace_id, spoken, chosen)
    days = [_day(day, counts, spoken, chosen) for day, counts in counted.items()]
    async with process.pool.acquire() as connection:
        todo = await _todo(connection, person, days[-1], spoken)
        newest = await messages.search(connection, workspace_id, Filters(), None, 1)
    context: dict[str, Any] = {
        "figures": _figures(days, spoken, chosen),
        "classes": _classes(chosen),
        "chosen": chosen,
        "days": days,
        "compared": any(day.accepted for day in days[:-1]),
        "plot": plot(days, spoken),
        "todo": todo,
    }
    if "hx-request" in request.headers:
        return part(request, person, "home_live.html", **context)
    settings = process.settings
    context |= {"first_run": not newest, "smtp": smtp_settings(settings), "curl": _curl(settings.public_url)}
    return page(request, person, "home.html", "home", **context)


async def _by_day(
    request: Page, workspace_id: UUID, spoken: Speech, chosen: MailClass | None
) -> dict[date, dict[EventKind, int]]:
    """The last days, today fresh, the others remembered for some minutes."""
    process = rooms(request).process
    past: dict[tuple[UUID, str, MailClass | None], _Past] = request.app.state.setdefault("home_past", {})
    key, at, today = (
        (workspace_id, spoken.zone.key, chosen),
        process.clock.monotonic(),
        spoken.now.astimezone(spoken.zone).date(),
    )
    known = past.get(key)
    span = 1 if known and known.today == today and at - known.asked_at < _PAST_S else DAYS
    async with process.pool.acquire() as connection:
        fresh = await timeline.by_day(connection, workspace_id, spoken.now, span, spoken.zone, chosen)
    if known is None or span == DAYS:
        past[key] = known = _Past(at, today, fresh)
    return known.days | fresh


def _classes(chosen: MailClass | None) -> list[dict[str, Any]]:
    """The page for all mail, and for each class alone."""
    every = {"label": N_("All mail"), "href": "/", "current": chosen is None}
    return [
        every,
        *({"label": CLASSES[each], "href": f"/?class={each}", "current": each is chosen} for each in MailClass),
    ]


def _day(day: date, counts: dict[EventKind, int], spoken: Speech, chosen: MailClass | None) -> Day:
    return Day(
        day=day,
        accepted=counts.get(EventKind.ACCEPTED, 0),
        delivered=counts.get(EventKind.DELIVERED, 0),
        deferred=counts.get(EventKind.DEFERRED, 0),
        bounced=counts.get(EventKind.BOUNCED, 0) + counts.get(EventKind.LATE_BOUNCE, 0),
        complained=counts.get(EventKind.COMPLAINED, 0),
        label=dates.format_date(day, "d MMM", locale=spoken.locale),
        href=query.link(since=day.isoformat(), until=day.isoformat(), **_of(chosen)),
    )


def _of(chosen: MailClass | None) -> dict[str, str]:
    return {"class": chosen} if chosen else {}


def _figures(days: list[Day], spoken: Speech, chosen: MailClass | None) -> list[dict[str, Any]]:
    """Today's numbers with the average of the days before and the share of what was settled."""
    *before, today = days
    settled = today.delivered + today.bounced
    since, of = today.day.isoformat(), _of(chosen)
    rows = (
        (N_("Accepted"), "", "accepted", query.link(since=since, **of), ""),
        (
            N_("Delivered"),
            "good",
            "delivered",
            query.link(since=since, state=State.DELIVERED, **of),
            spoken.percent(today.delivered, settled),
        ),
        (N_("Deferred"), "wait", "deferred", query.link(state=State.WAITING, **of), ""),
        (
            N_("Bounced"),
            "bad",
            "bounced",
            query.link(since=since, state=State.BOUNCED, **of),
            spoken.percent(today.bounced, settled),
        ),
        (N_("Complaints"), "bad", "complained", query.link(since=since, **of), ""),
    )
    return [
        {
            "label": label,
            "tone": tone,
            "today": getattr(today, name),
            "average": round(sum(getattr(day, name) for day in before) / max(1, len(before))),
            "href": href,
            "share": share if settled else "",
        }
        for label, tone, name, href, share in rows
    ]


def plot(days: list[Day], spoken: Speech) -> dict[str, Any]:
    """Stacked bars in user units of a 640 x 200 picture: where each piece begins and how high it is. Pure."""
    top = nice_top(max(day.delivered + day.deferred + day.bounced for day in days))
    step = _PLOT_WIDTH / len(days)
    lines = [
        {
            "y": round(_PLOT_TOP + _PLOT_HEIGHT * (1 - share)),
            "label": spoken.number(round(top * share)),
            "zero": share == 0,
        }
        for share in (0, 0.5, 1)
    ]
    bars = [
        {
            "x": round(_PLOT_LEFT + step * index + 8, 1),
            "href": day.href,
            "label": day.label,
            "named": (len(days) - 1 - index) % 3 == 0,
            "title": spoken.say(
                "{day}: {delivered} delivered, {deferred} deferred, {bounced} bounced",
                day=day.label,
                delivered=spoken.number(day.delivered),
                deferred=spoken.number(day.deferred),
                bounced=spoken.number(day.bounced),
            ),
            "pieces": _pieces(day, top),
        }
        for index, day in enumerate(days)
    ]
    return {"lines": lines, "bars": bars, "width": round(step - 16, 1)}


def _pieces(day: Day, top: int) -> list[dict[str, Any]]:
    pieces, base = [], float(_PLOT_TOP + _PLOT_HEIGHT)
    for tone, count in (("good", day.delivered), ("wait", day.deferred), ("bad", day.bounced)):
        height = count / top * _PLOT_HEIGHT
        base -= height
        if count:
            pieces.append({"tone": tone, "y": round(base, 1), "height": round(max(height, 1), 1)})
    return pieces


def nice_top(most: int) -> int:
    """The end of an axis: 1, 2, 4 or 8 times a power of ten above the largest value, so that its half is round too.

    >>> [nice_top(n) for n in (0, 3, 17, 81, 4100)]
    [2, 4, 20, 100, 8000]
    """
    power = 1
    while True:
        for factor in (2, 4, 8, 10):
            if factor * power >= most:
                return factor * power
        power *= 10


async def _todo(connection: Connection, person: SignedIn, today: Day, spoken: Speech) -> list[dict[str, str]]:
    """What a person should look at, the most urgent first."""
    workspace_id = person.workspace.workspace_id
    counts = await shape.counts(connection, workspace_id)
    rows = await shape.shape(connection, workspace_id, spoken.now)
    found = await domains.listing(connection, workspace_id)
    return [
        *_bounce_items(today, spoken),
        *_mass_items(await mass.mailings(connection, workspace_id, spoken.now - _MASS_SHOWN, _MASSES_SHOWN), spoken),
        *_slow_items(rows, spoken),
        *_held_items(counts.get(State.HELD, 0), spoken),
        *_domain_items(found, spoken),
        *_password_items(person, spoken),
    ]


def _bounce_items(today: Day, spoken: Speech) -> list[dict[str, str]]:
    settled = today.delivered + today.bounced
    if settled < _MANY or today.bounced < settled * _BOUNCES_WORRY:
        return []
    share = spoken.percent(today.bounced, settled)
    text = spoken.say("{share} of today's mail bounced", share=share)
    more = spoken.say("Receivers distrust senders with many bounces. Look for old or mistyped addresses.")
    href = query.link(since=today.day.isoformat(), state=State.BOUNCED)
    return [{"icon": "cross", "tone": "bad", "text": text, "more": more, "href": href}]


def _slow_items(rows: list[ShapeRow], spoken: Speech) -> list[dict[str, str]]:
    slow = [(row.domain, sum(row.buckets[_SLOW_BUCKET:])) for row in rows]
    return [
        {
            "icon": "clock",
            "tone": "",
            "text": spoken.count(
                "One mail for {domain} has waited for more than 80 minutes",
                "{n} mails for {domain} have waited for more than 80 minutes",
                mails,
                domain=domain,
            ),
            "more": spoken.say("Each message says what the receiving server answered and when the next try is."),
            "href": query.link(state=UNSETTLED, domain=domain),
        }
        for domain, mails in sorted(slow, key=lambda item: -item[1])[:_SLOW_SHOWN]
        if mails
    ]


def _mass_items(found: list[MassMailing], spoken: Speech) -> list[dict[str, str]]:
    """Mass mail among single messages, with what was done about it."""
    return [
        {
            "icon": "warning",
            "tone": "bad" if each.action in ("hold", "refuse") else "",
            "text": spoken.say("“{subject}” goes to many at once", subject=each.subject or each.sender),
            "more": spoken.say(_MASS_WORDS[each.action], sender=each.sender),
            "href": f"/messages/{each.message_id}" if each.message_id else "/settings",
        }
        for each in found
    ]


def _held_items(held: int, spoken: Speech) -> list[dict[str, str]]:
    if not held:
        return []
    text = spoken.count("One mail is held", "{n} mails are held", held)
    more = spoken.say("It stays until someone releases or cancels it.")
    return [{"icon": "pause", "tone": "", "text": text, "more": more, "href": query.link(state=State.HELD)}]


def _domain_items(found: list[SendingDomain], spoken: Speech) -> list[dict[str, str]]:
    return [
        {
            "icon": "domains",
            "tone": "",
            "text": spoken.say("{domain} is not verified", domain=domain.name),
            "more": spoken.say("Mail from it is refused until its DNS records are seen."),
            "href": f"/domains/{domain.domain_id}",
        }
        for domain in found
        if domain.verified_at is None
    ]


def _password_items(person: SignedIn, spoken: Speech) -> list[dict[str, str]]:
    if person.user.has_password:
        return []
    text = spoken.say("You have no password yet")
    more = spoken.say("Without one, each sign-in needs a new one-time link.")
    return [{"icon": "keys", "tone": "", "text": text, "more": more, "href": "/settings/you"}]


def _curl(public_url: str) -> str:
    return f"""curl {public_url}/v1/messages \\
  -H "Authorization: Bearer $POSTHOUSE_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{"from": "hello@example.com", "to": ["anna@example.net"],
       "subject": "Hello", "text": "It works."}}'"""
