"""Who is not written to: the list, adding to it, and lifting what stands against an address."""

from datetime import datetime, timedelta
from typing import Any, Final

from litestar import Response, get, post
from litestar.response import Redirect

from posthouse.accounts.sign_in import SignedIn
from posthouse.intake import suppressing
from posthouse.intake.request_problems import Problems
from posthouse.intake.suppressing import Asked
from posthouse.ledger import suppression
from posthouse.ledger.suppression import MARKETING, New, Suppressed, Wanted
from posthouse.model import limits
from posthouse.model.words import Role
from posthouse.web.api.suppressions import cursor_of, place_of
from posthouse.web.pages import query
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.view import by_field, page, see
from posthouse.web.pages.words import N_, SUPPRESSED_BY, SUPPRESSION_REASONS, SUPPRESSION_SCOPES, suppression_scope
from posthouse.web.text import Speech

_PER_PAGE: Final = 50
_PASTED: Final = 1_000  # addresses in one form; a longer list is a file
TABS: Final = (
    {"name": "list", "href": "/suppressions", "label": N_("Suppressions")},
    {"name": "invalid", "href": "/suppressions/invalid", "label": N_("Invalid addresses")},
    {"name": "bounced", "href": "/suppressions/bounced", "label": N_("Bounced addresses")},
    {"name": "check", "href": "/suppressions/list-check", "label": N_("Check a list")},
)
_OWN_WISH: Final = N_(
    "They opted out by themselves. Only they can take that back, by the link in a mail they have got."
)
_OF_ONE_TYPE: Final = "mailing_type"
_FILTERS: Final = ("address", "scope", "reason", "since")


@get("/suppressions", include_in_schema=False)
async def suppression_list(request: Page, person: Person) -> Response[str]:
    """A page of the list, in order of address."""
    spoken = speech(request, person)
    kept, wanted = read(request.query_params, spoken)
    async with rooms(request).process.pool.acquire() as connection:
        after = place_of(request.query_params.get("after", ""))
        found = await suppression.listing(connection, person.workspace.workspace_id, wanted, after, _PER_PAGE + 1)
    shown = found[:_PER_PAGE]
    following = cursor_of(suppressing.place_of(shown[-1])) if len(found) > _PER_PAGE else ""
    return page(
        request,
        person,
        "suppressions.html",
        "suppressions",
        listed=[_line(each, spoken) for each in shown],
        next_page=_link(kept | {"after": following}) if following else "",
        first_page=_link(kept) if after else "",
        export="/suppressions/export?" + query.encoded(kept),
        kept=dict.fromkeys(_FILTERS, "") | kept,
        narrowed=bool(kept),
        scopes=SUPPRESSION_SCOPES,
        reasons=SUPPRESSION_REASONS,
        tabs=TABS,
        tab_here="list",
    )


@get("/suppressions/new", include_in_schema=False)
async def suppression_form(request: Page, person: Person) -> Response[str]:
    """The form to add addresses."""
    need(person, Role.SENDER)
    return _form(request, person, {"addresses": query.text(request.query_params, "address")})


@post("/suppressions", status_code=200, include_in_schema=False)
async def suppression_add(request: Page, person: Person) -> Response[str] | Redirect:
    """Adds them: all, or none when one cannot be read."""
    need(person, Role.SENDER)
    fields = await form(request, person)
    values = {name: text(fields, name) for name in ("addresses", "scope", "mailing_type", "reason", "note", "until")}
    spoken, process = speech(request, person), rooms(request).process
    new, errors = _read(values, spoken, process.clock.now())
    if errors:
        return _form(request, person, values, status=422, errors=errors)
    await suppressing.add(process, person.workspace.workspace_id, person.actor, new)
    beginning = new[0].address if len(new) == 1 else ""
    return see("/suppressions?" + query.encoded({"said": "suppressed", "address": beginning}))


@get("/suppressions/remove", include_in_schema=False)
async def suppression_remove_page(request: Page, person: Person) -> Response[str]:
    """Says what stands against the address, and asks why it is to be lifted."""
    need(person, Role.ADMIN)
    return await _sure(request, person, _meant(request.query_params), "", {})


@post("/suppressions/remove", status_code=200, include_in_schema=False)
async def suppression_remove(request: Page, person: Person) -> Response[str] | Redirect:
    """Lifts it."""
    need(person, Role.ADMIN)
    fields = await form(request, person)
    meant, why = {name: text(fields, name) for name in ("address", "scope")}, text(fields, "reason")
    if not why:
        errors = {"reason": [speech(request, person).say("Say why: the audit log keeps it.")]}
        return await _sure(request, person, meant, why, errors)
    removed = await suppressing.remove(
        rooms(request).process,
        person.workspace.workspace_id,
        person.actor,
        [meant["address"]],
        meant["scope"] or None,
        why[: limits.OPERATOR_REASON_CHARS],
    )
    return see(f"/suppressions?said={'lifted' if removed else 'nothing'}")


def read(params: Any, spoken: Speech) -> tuple[dict[str, str], Wanted]:  # noqa: ANN401 - a mapping of texts
    """The filters of an address as they were written, and understood; what cannot be read is as if it were not there."""
    kept = {name: query.text(params, name) for name in _FILTERS}
    since = query.moment_of(kept["since"], spoken.zone, 0)
    if kept["reason"] not in SUPPRESSION_REASONS:
        kept["reason"] = ""
    if since is None:
        kept["since"] = ""
    wanted = Wanted(kept["address"], kept["scope"] or None, kept["reason"] or None, since)
    return {name: value for name, value in kept.items() if value}, wanted


def said_by(added_by: str, spoken: Speech) -> str:
    """Who put an address on the list."""
    word = SUPPRESSED_BY.get(added_by)
    return spoken.say(word) if word else added_by.removeprefix("user:")


def _read(values: dict[str, str], spoken: Speech, now: datetime) -> tuple[list[New], dict[str, list[str]]]:
    """The entries the form asks for, or what is wrong by field."""
    addresses = [each for each in values["addresses"].replace(",", "\n").replace(";", "\n").split("\n") if each.strip()]
    errors: dict[str, list[str]] = {}
    if not 0 < len(addresses) <= _PASTED:
        errors["addresses"] = [spoken.say("Give from 1 to {most} addresses.", most=spoken.number(_PASTED))]
        return [], errors
    scope = suppression.of_type(values["mailing_type"]) if values["scope"] == _OF_ONE_TYPE else values["scope"]
    until = query.moment_of(values["until"], spoken.zone, 1) if values["until"] else None
    if values["until"] and until is None:
        errors["until"] = [spoken.say("Choose a day.")]
    new = []
    for address in addresses:
        problems = Problems()
        expires_at = until.isoformat() if until else ""
        asked = Asked(address.strip(), scope, values["reason"], values["note"], expires_at)
        one = suppressing.read(asked, now, "", problems)
        if one is not None:
            new.append(one)
        for name, told in by_field(problems.found(), spoken, {"address": "addresses", "expires_at": "until"}).items():
            lines = [f"{address.strip()}: {each}" for each in told] if name == "addresses" else told
            errors[name] = list(dict.fromkeys([*errors.get(name, ()), *lines]))[:10]
    return new, errors


def _form(request: Page, person: SignedIn, values: dict[str, str], **context: Any) -> Response[str]:  # noqa: ANN401
    empty = {"addresses": "", "scope": MARKETING, "mailing_type": "", "reason": "manual", "note": "", "until": ""}
    return page(
        request,
        person,
        "suppression_new.html",
        "suppressions",
        form=empty | values,
        scopes=SUPPRESSION_SCOPES,
        reasons=SUPPRESSION_REASONS,
        of_one_type=_OF_ONE_TYPE,
        **context,
    )


async def _sure(
    request: Page, person: SignedIn, meant: dict[str, str], why: str, errors: dict[str, list[str]]
) -> Response[str]:
    spoken, address = speech(request, person), suppressing.canonical(meant["address"])
    async with rooms(request).process.pool.acquire() as connection:
        found = await suppression.listing(
            connection, person.workspace.workspace_id, Wanted(address, meant["scope"] or None)
        )
    standing = [each for each in found if each.address == address and not each.is_own_wish]
    own = any(each.address == address and each.is_own_wish for each in found)
    lines = [_line(each, spoken) for each in standing]
    touches = [
        spoken.say("It no longer stops: {what}. {why}, since {when}.", what=line["scope"], why=line["reason"], when=spoken.day(each.created_at))
        for line, each in zip(lines, standing, strict=True)
    ]  # fmt: skip
    return page(
        request,
        person,
        "sure.html",
        "suppressions",
        status=422 if errors else 200,
        heading=spoken.say("Write to {address} again?", address=address),
        back="/suppressions",
        back_label=spoken.say("Suppressions"),
        touches=touches
        or [spoken.say(_OWN_WISH) if own else spoken.say("Nothing stands against this address any more.")],
        tone="wait",
        action="/suppressions/remove",
        fields={"address": address, "scope": meant["scope"]},
        label=spoken.say("Lift it"),
        look="danger sure",
        possible=bool(standing),
        ask_reason=True,
        reason=why,
        reason_help=spoken.say("Kept in the audit log."),
        errors=errors,
    )


def _meant(params: Any) -> dict[str, str]:  # noqa: ANN401 - a mapping of texts
    return {name: query.text(params, name) for name in ("address", "scope")}


def _line(row: Suppressed, spoken: Speech) -> dict[str, Any]:
    return {
        "address": row.address,
        "scope": suppression_scope(row.entry.scope, spoken),
        "reason": spoken.say(SUPPRESSION_REASONS[row.entry.reason]),
        "note": row.note,
        "by": said_by(row.added_by, spoken),
        "since": row.created_at,
        "last": row.entry.expires_at and row.entry.expires_at - timedelta(seconds=1),  # midnight ends the day before it
        "ended": not row.lasts(spoken.now),
        "message_id": row.message_id,
        "own_wish": row.is_own_wish,
        "remove": "/suppressions/remove?" + query.encoded({"address": row.address, "scope": row.entry.scope}),
    }


def _link(values: dict[str, str]) -> str:
    said = query.encoded(values)
    return "/suppressions" + (f"?{said}" if said else "")
