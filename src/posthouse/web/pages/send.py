"""Sending a test by hand: the road is shown by a dry run while the form is filled in, then the door takes it as it takes any mail."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.response import Redirect

from posthouse.accounts import domains
from posthouse.accounts.sign_in import SignedIn
from posthouse.intake import alignment, links
from posthouse.intake.accept import Idempotency, KeyConflict, Replay
from posthouse.intake.request import Context, parse_message
from posthouse.model.errors import FieldProblem
from posthouse.model.mail import Accepted, Receipt, Refused, Submission, Submitter
from posthouse.model.words import MailClass, Role, Source
from posthouse.web.pages import words
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.view import by_field, page, part, see
from posthouse.web.pages.words import N_

_FIELDS: Final = ("from", "to", "subject", "text", "html", "class", "priority")
_OFFERED: Final = (MailClass.TRANSACTIONAL, MailClass.BUSINESS)
_WARNED: Final = (alignment.NOT_ALIGNED, links.LISTED)
_SAMPLE: Final = {
    "subject": N_("A first mail from Posthouse"),
    "text": N_(
        "Hello,\n\nthis mail shows that everything works: it was accepted, signed and delivered by Posthouse.\n"
    ),
}


@dataclass(frozen=True, slots=True)
class _Filled:
    """The form as filled in, and what it means: a submission, or what is wrong with it."""

    values: dict[str, str]
    submitter: Submitter
    outcome: Submission | Refused


@get("/send", include_in_schema=False)
async def send_page(request: Page, person: Person) -> Response[str]:
    """The form with a mail in it that may be sent as it is."""
    need(person, Role.SENDER)
    spoken = speech(request, person)
    senders = await _senders(request, person)
    asked = request.query_params
    values = {name: spoken.say(sentence) for name, sentence in _SAMPLE.items()}
    values |= {
        "from": senders[0] if senders else _own_sender(request),
        "to": person.user.email,
        "html": "",
        "priority": "",
    }
    values |= {name: asked[name] for name in ("to", "from") if name in asked} | {"class": MailClass.TRANSACTIONAL}
    road = await _road(request, person, await _filled(request, person, values))
    return await _page(request, person, values, road=road)


@post("/send/road", status_code=200, include_in_schema=False)
async def send_road(request: Page, person: Person) -> Response[str]:
    """The road for what is filled in so far; nothing is kept."""
    need(person, Role.SENDER)
    filled = await _filled(request, person, _values(await form(request, person)))
    return part(request, person, "send_road.html", **await _road(request, person, filled))


@post("/send/check", status_code=200, include_in_schema=False)
async def send_check(request: Page, person: Person) -> Response[str]:
    """The same as a whole page, for browsers without scripts."""
    need(person, Role.SENDER)
    filled = await _filled(request, person, _values(await form(request, person)))
    return await _page(request, person, filled.values, road=await _road(request, person, filled))


@post("/send", status_code=200, include_in_schema=False)
async def send(request: Page, person: Person) -> Response[str] | Redirect:
    """Hands it to the door and goes to its page. A form posted twice sends once: it carries an idempotency key."""
    need(person, Role.SENDER)
    fields = await form(request, person)
    filled = await _filled(request, person, _values(fields))
    if isinstance(filled.outcome, Refused):
        return await _page(request, person, filled.values, refused=filled.outcome)
    key = f"page-{person.user.user_id}-{text(fields, 'once')[:64]}"
    fingerprint = sha256(repr(sorted(filled.values.items())).encode()).digest()
    idempotency = Idempotency(key, fingerprint, place)
    match await rooms(request).door.accept(filled.submitter, [filled.outcome], idempotency):
        case Replay(_, there):
            return see(there.decode())
        case KeyConflict():
            problem = FieldProblem(
                "/subject", "changed", N_("This form was sent already. Press Send again to send the changed one.")
            )
            return await _page(request, person, filled.values, refused=Refused((problem,), 409))
        case [Accepted() as accepted]:
            return see(place([accepted])[1].decode())
        case [Refused() as refused]:
            return await _page(request, person, filled.values, refused=refused)
        case _:
            raise AssertionError("one submission has one receipt")


def place(receipts: Sequence[Receipt]) -> tuple[int, bytes]:
    """Where the answer leads; kept with the key, so that a second press leads to the same place."""
    accepted = receipts[0]
    assert isinstance(accepted, Accepted)
    return 303, f"/messages/{accepted.message_id}?said=sent".encode()


def _values(fields: FormMultiDict) -> dict[str, str]:
    return {name: _value(fields, name) for name in _FIELDS}


async def _filled(request: Page, person: SignedIn, values: dict[str, str]) -> _Filled:
    submitter = await rooms(request).directory.for_person(person)
    process = rooms(request).process
    context = Context(submitter, process.clock.now(), process.ids.new, Source.MANUAL)
    return _Filled(values, submitter, parse_message(_message(values), context))


def _value(fields: FormMultiDict, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        return ""
    return value.replace("\r\n", "\n") if name in ("text", "html") else value.strip()


def _message(values: dict[str, str]) -> dict[str, object]:
    """The form as the API's message: the same reader judges both."""
    message: dict[str, object] = {
        name: values[name] for name in ("from", "subject", "text", "html", "class") if values[name]
    }
    message["to"] = [address.strip() for address in values["to"].split(",") if address.strip()]
    if values["priority"]:
        message["priority"] = _number(values["priority"])
    return message


def _number(text: str) -> int | str:
    """The number a field holds; what is none stays text, for the reader to refuse."""
    return int(text) if re.fullmatch("[0-9]{1,3}", text) else text


async def _road(request: Page, person: SignedIn, filled: _Filled) -> dict[str, Any]:
    """What the dry run says, for the panel beside the form."""
    outcome: Receipt | Submission = filled.outcome
    if isinstance(outcome, Submission):
        outcome = (await rooms(request).door.dry_run(filled.submitter, [outcome]))[0]
    known: dict[str, Any] = {"routes": words.ROUTES, "classes": words.CLASSES, "road": None}
    if isinstance(outcome, Accepted):
        told = {code: [each.values for each in outcome.warnings if each.code == code] for code in _WARNED}
        spoken = speech(request, person)
        recipients = [(each, words.reason(each.reason, spoken)) for each in outcome.recipients]
        return known | {"road": outcome.choice, "road_recipients": recipients, "warned": told}
    assert isinstance(outcome, Refused)
    spoken = speech(request, person)
    # A form that is not finished is not wrong yet.
    if not filled.values["to"]:
        return known | {"road_problems": []}
    return known | {"road_problems": [spoken.say(problem.detail) for problem in outcome.problems]}


async def _page(
    request: Page,
    person: SignedIn,
    values: dict[str, str],
    road: dict[str, Any] | None = None,
    refused: Refused | None = None,
) -> Response[str]:
    workspace = person.workspace
    if road is None:
        road = {"routes": words.ROUTES, "classes": words.CLASSES, "road": None, "road_problems": []}
    senders = await _senders(request, person)
    return page(
        request,
        person,
        "send.html",
        "send",
        status=refused.status if refused else 200,
        form=values,
        errors=by_field(refused.problems, speech(request, person)) if refused else {},
        senders=senders,
        any_sender=workspace.any_domain,
        only_to_oneself=not senders,
        domains=[sender.partition("@")[2] for sender in senders],
        default_priority=workspace.default_priority,
        once=str(rooms(request).process.ids.new()),
        offered={word: words.CLASSES[word] for word in MailClass if word in _OFFERED or workspace.any_domain},
        **road,
    )


async def _senders(request: Page, person: SignedIn) -> list[str]:
    """An address at each verified domain; in the lab one that always works."""
    async with rooms(request).process.pool.acquire() as connection:
        found = await domains.listing(connection, person.workspace.workspace_id)
    senders = [f"hello@{domain.name}" for domain in found if domain.verified_at]
    if senders or not person.workspace.any_domain:
        return senders
    return ["hello@example.com"]


def _own_sender(request: Page) -> str:
    return f"hello@{rooms(request).process.settings.server.hostname}"
