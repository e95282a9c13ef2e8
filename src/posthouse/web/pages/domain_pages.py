"""Sending domains: the list, and for each what to publish in the DNS, what the DNS says, and the way out."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from posthouse.accounts import changes, domains
from posthouse.accounts.dns_records import Check, DnsRecord, Purpose
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.selectors import Selectors
from posthouse.accounts.sign_in import SignedIn
from posthouse.model.words import ClassPolicy, MailClass, Role
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.view import by_field, page, part, see
from posthouse.web.pages.words import CLASSES, N_, POOLS
from posthouse.web.text import Speech

_TITLES: Final = {Purpose.OWNERSHIP: N_("Ownership"), Purpose.DKIM: "DKIM", Purpose.SPF: "SPF", Purpose.DMARC: "DMARC"}
_WHY: Final = {
    Purpose.OWNERSHIP: N_("Shows that the domain is yours; nobody else can send from it here."),
    Purpose.DKIM: N_(
        "Lets receivers check the signature on your mail. One of the two keys is enough, both are better."
    ),
    Purpose.SPF: N_(
        "Allows this server to use the return path, where bounces come back to. It serves all domains at once."
    ),
    Purpose.DMARC: N_(
        "Tells receivers what to do with mail that fails the checks. Begin with none; tighten it when the reports look right."
    ),
}


@get("/domains", include_in_schema=False)
async def domain_list(request: Page, person: Person) -> Response[str]:
    """The list with the form to add one."""
    return await _list(request, person)


@post("/domains", status_code=200, include_in_schema=False)
async def domain_add(request: Page, person: Person) -> Response[str] | Redirect:
    """Adds one and goes to its records."""
    need(person, Role.ADMIN)
    name, process = text(await form(request, person), "name"), rooms(request).process
    async with changes.making(process, person.workspace.workspace_id, person.actor) as change:
        outcome = await domains.add(change, name, Selectors.of(process.settings).all)
    if isinstance(outcome, SendingDomain):
        return see(f"/domains/{outcome.domain_id}")
    errors = by_field(outcome, speech(request, person))
    return await _list(request, person, status=422, errors=errors, form={"name": name})


@get("/domains/{domain_id:uuid}", include_in_schema=False)
async def domain_page(request: Page, person: Person, domain_id: FromPath[UUID]) -> Response[str]:
    """One domain."""
    domain = await _found(request, person, domain_id)
    return page(request, person, "domain.html", "domains", **_records(request, person, domain))


@post("/domains/{domain_id:uuid}/verify", status_code=200, include_in_schema=False)
async def domain_verify(request: Page, person: Person, domain_id: FromPath[UUID]) -> Response[str] | Redirect:
    """Asks the DNS now."""
    need(person, Role.ADMIN)
    await form(request, person)
    process, workspace_id = rooms(request).process, person.workspace.workspace_id
    domain = await domains.verify(process, workspace_id, domain_id, rooms(request).resolver(), person.actor)
    if domain is None:
        raise NotFoundException
    if "hx-request" in request.headers:
        return part(request, person, "domain_records.html", **_records(request, person, domain))
    return see(f"/domains/{domain_id}")


@post("/domains/{domain_id:uuid}/classes", include_in_schema=False)
async def domain_classes(request: Page, person: Person, domain_id: FromPath[UUID]) -> Redirect:
    """Says what the domain is for."""
    need(person, Role.ADMIN)
    fields = await form(request, person)
    ticked = frozenset(each for each in MailClass if text(fields, each) == "1")
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        # Everything is what nothing in particular means too, and stays true when a class is added.
        domain = await domains.assign(change, domain_id, frozenset() if len(ticked) == len(MailClass) else ticked)
    if domain is None:
        raise NotFoundException
    return see(f"/domains/{domain_id}?said=saved")


@get("/domains/{domain_id:uuid}/remove", include_in_schema=False)
async def domain_remove_page(request: Page, person: Person, domain_id: FromPath[UUID]) -> Response[str]:
    """Says what removing does, and asks."""
    need(person, Role.ADMIN)
    domain = await _found(request, person, domain_id)
    spoken = speech(request, person)
    touches = (
        spoken.say("Mail from {domain} is refused from then on.", domain=domain.name),
        spoken.say("Its signing keys are destroyed. Adding it again makes new ones, with new DNS records."),
        spoken.say("Messages sent from it so far stay in the list."),
    )
    return page(
        request,
        person,
        "sure.html",
        "domains",
        heading=spoken.say("Remove {domain}?", domain=domain.name),
        back=f"/domains/{domain_id}",
        back_label=domain.name,
        back_is_name=True,
        touches=touches,
        tone="bad",
        action=f"/domains/{domain_id}/remove",
        fields={},
        label=spoken.say("Remove this domain"),
        look="danger sure",
        possible=True,
    )


@post("/domains/{domain_id:uuid}/remove", include_in_schema=False)
async def domain_remove(request: Page, person: Person, domain_id: FromPath[UUID]) -> Redirect:
    """Removes it."""
    need(person, Role.ADMIN)
    await form(request, person)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        removed = await domains.remove(change, domain_id)
    return see(f"/domains?said={'removed' if removed else 'nothing'}")


async def _found(request: Page, person: SignedIn, domain_id: UUID) -> SendingDomain:
    async with rooms(request).process.pool.acquire() as connection:
        domain = await domains.find(connection, person.workspace.workspace_id, domain_id)
    if domain is None:
        raise NotFoundException
    return domain


async def _list(request: Page, person: SignedIn, status: int = 200, **context: Any) -> Response[str]:  # noqa: ANN401
    async with rooms(request).process.pool.acquire() as connection:
        found = await domains.listing(connection, person.workspace.workspace_id)
    known: dict[str, Any] = {"form": {"name": ""}, "domains": found, "classes": CLASSES}
    return page(request, person, "domains.html", "domains", status=status, **(known | context))


def _records(request: Page, person: SignedIn, domain: SendingDomain) -> dict[str, Any]:
    spoken = speech(request, person)
    checks = {(check.purpose, check.name): check for check in domain.checks}
    records = domains.records(rooms(request).process.settings, domain)
    return {
        "domain": domain,
        "records": [_record(r, checks.get((r.purpose, r.name)), spoken) for r in records],
        "classes": CLASSES,
        "refuses": person.workspace.class_policy is ClassPolicy.REFUSE,
    }


def _record(record: DnsRecord, check: Check | None, spoken: Speech) -> dict[str, Any]:
    """One row of the table."""
    return {
        "title": spoken.say(_TITLES[record.purpose]),
        "pools": [spoken.say(POOLS[pool]) for pool in record.pools],
        "why": spoken.say(_WHY[record.purpose]),
        "type": record.type,
        "name": record.name,
        "value": record.value,
        "required": record.required,
        "zone_line": record.zone_line,
        "check": check,
        "wrong": _wrong(record, check, spoken) if check and not check.passed else "",
    }


def _wrong(record: DnsRecord, check: Check, spoken: Speech) -> str:
    """What is the matter with a record that did not pass."""
    if not check.answered:
        return spoken.say("The DNS did not answer. Try again in a minute.")
    if not check.found:
        return spoken.say("There is no such record yet. New ones take minutes to an hour to be seen.")
    if len(check.found) > 1 and record.purpose is not Purpose.OWNERSHIP:
        return spoken.say("There are {n} such records; receivers accept only one.", n=len(check.found))
    if record.purpose is Purpose.SPF:
        return spoken.say(
            "There is an SPF record, and it does not name this server. Add {term} to it.", term=record.value.split()[1]
        )
    return spoken.say("There is another value under this name:")
