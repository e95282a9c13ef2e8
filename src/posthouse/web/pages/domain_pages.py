"""Sending domains: the list, and for each what to publish in the DNS, what the DNS says, and the way out."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from posthouse.accounts import changes, domains, link_hosts, rotation
from posthouse.accounts.dns_records import Check, DnsRecord, Incomplete, Need, PublishedKey, Purpose
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.record_lint import SENTENCES
from posthouse.accounts.rotation import KeyState
from posthouse.accounts.selectors import Selectors
from posthouse.accounts.sign_in import SignedIn
from posthouse.model.words import ClassPolicy, DomainPolicy, MailClass, Role
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.view import by_field, page, part, see
from posthouse.web.pages.words import CLASSES, N_, POOLS, Word
from posthouse.web.text import Speech

_TITLES: Final = {
    Purpose.OWNERSHIP: N_("Ownership"),
    Purpose.DKIM: "DKIM",
    Purpose.SPF: "SPF",
    Purpose.RETURN_PATH: N_("Return path"),
    Purpose.LINKS: N_("Links"),
    Purpose.DMARC: "DMARC",
    Purpose.REPORT_PERMISSION: N_("Permission for reports"),
    Purpose.TLS_REPORTS: N_("TLS reports"),
    Purpose.MTA_STS: "MTA-STS",
    Purpose.BIMI: "BIMI",
}
_WHY: Final = {
    Purpose.OWNERSHIP: N_("Shows that the domain is yours; nobody else can send from it here."),
    Purpose.DKIM: N_(
        "Lets receivers check the signature on your mail. One of the two keys is enough, both are better."
    ),
    Purpose.SPF: N_(
        "Allows this server to use the return path, where bounces come back to. It serves all domains at once."
    ),
    Purpose.RETURN_PATH: N_("Lets bounces return to a name of your own, so that SPF proves your domain too."),
    Purpose.LINKS: N_("Lets the links in your mail lead to a name of your own instead of this server's."),
    Purpose.DMARC: N_(
        "Tells receivers what to do with mail that fails the checks. Begin with none; tighten it when the reports look right."
    ),
    Purpose.REPORT_PERMISSION: N_(
        "Says that this server takes reports about the domain. It belongs where the DNS of this server is kept."
    ),
    Purpose.TLS_REPORTS: N_("Has other servers report how their sessions with yours were encrypted."),
    Purpose.MTA_STS: N_(
        "For mail to this domain: announces a policy, a file on a web server of yours, that it is only sent encrypted. Give it a new id whenever the policy changes."
    ),
    Purpose.BIMI: N_(
        "Names a logo that some receivers show beside your mail. Put your own address of an SVG there; DMARC has to ask for quarantine or reject first."
    ),
}
_KEY_STATES: Final = {
    KeyState.UNSEEN: Word(N_("Not in use"), "wait", "clock", N_("It signs once its record is found in the DNS.")),
    KeyState.REPLACING: Word(
        N_("New"),
        "wait",
        "clock",
        N_("Publish its record. It takes over once the record is found; the present key signs until then."),
    ),
    KeyState.SIGNING: Word(N_("Signing"), "good", "check", N_("Mail is signed with it.")),
    KeyState.RETIRED: Word(
        N_("Retired"),
        "wait",
        "pause",
        N_("It signs no more. Keep its record until then: mail it signed may still be on its way."),
    ),
    KeyState.OVER: Word(
        N_("Retired"), "", "check", N_("It is not needed any more. Remove its record from the DNS, then the key.")
    ),
}
_CONSEQUENCES: Final = {
    DomainPolicy.WARN: N_("Mail from it is still sent."),
    DomainPolicy.REFUSE: N_("Mail from it is refused while a required record is missing."),
    DomainPolicy.STRICT: N_("Mail from it is refused until ownership, DKIM, SPF and DMARC are all found."),
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
    domain, process = await _found(request, person, domain_id), rooms(request).process
    context = _records(request, person, domain)
    if domain.link_host:
        context["link_host"] = await link_hosts.find(process.pool, domain.workspace_id, domain_id)
    return page(request, person, "domain.html", "domains", link_target=process.settings.link_target, **context)


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


@post("/domains/{domain_id:uuid}/rotate", include_in_schema=False)
async def domain_rotate(request: Page, person: Person, domain_id: FromPath[UUID]) -> Redirect:
    """Makes the keys that will take over."""
    need(person, Role.ADMIN)
    await form(request, person)
    domain, process = await _found(request, person, domain_id), rooms(request).process
    async with changes.making(process, person.workspace.workspace_id, person.actor) as change:
        outcome = await domains.rotate(change, domain, Selectors.of(process.settings))
    return see(f"/domains/{domain_id}?said={'saved' if isinstance(outcome, SendingDomain) else 'nothing'}#keys")


@post("/domains/{domain_id:uuid}/keys/{selector:str}/remove", include_in_schema=False)
async def domain_key_remove(
    request: Page, person: Person, domain_id: FromPath[UUID], selector: FromPath[str]
) -> Redirect:
    """Destroys a key that signs no more, or not yet."""
    need(person, Role.ADMIN)
    await form(request, person)
    domain = await _found(request, person, domain_id)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        outcome = await domains.remove_key(change, domain, selector)
    return see(f"/domains/{domain_id}?said={'removed' if isinstance(outcome, SendingDomain) else 'nothing'}#keys")


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
    known: dict[str, Any] = {
        "form": {"name": ""},
        "domains": [_line(domain, person.workspace.domain_policy) for domain in found],
        "classes": CLASSES,
    }
    return page(request, person, "domains.html", "domains", status=status, **(known | context))


def _line(domain: SendingDomain, policy: DomainPolicy) -> dict[str, Any]:
    """One row of the list: of the records, those that count."""
    counted = [check for check in domain.checks if check.need is not Need.OPTIONAL]
    return {
        "domain": domain,
        "refused": domain.is_refused(policy),
        "lacking": domain.incomplete is Incomplete.REQUIRED or any(check.lost for check in counted),
        "passed": sum(check.passed for check in counted),
        "all": len(counted),
    }


def _records(request: Page, person: SignedIn, domain: SendingDomain) -> dict[str, Any]:
    spoken, process = speech(request, person), rooms(request).process
    checks = {(check.purpose, check.name): check for check in domain.checks}
    policy, now = person.workspace.domain_policy, process.clock.now()
    rows = [_record(r, checks.get((r.purpose, r.name)), domain, spoken) for r in domains.records(process, domain)]
    return {
        "domain": domain,
        "records": [row for row in rows if row["need"] is not Need.OPTIONAL],
        "extras": [row for row in rows if row["need"] is Need.OPTIONAL],
        "keys": [_key(key, domain, now) for key in domain.keys],
        "rotating": rotation.under_way(domain),
        "refused": domain.is_refused(policy),
        "consequence": _CONSEQUENCES[policy],
        "classes": CLASSES,
        "refuses": person.workspace.class_policy is ClassPolicy.REFUSE,
    }


def _record(record: DnsRecord, check: Check | None, domain: SendingDomain, spoken: Speech) -> dict[str, Any]:
    """One row of the table. An alias that leads here and is not in use yet comes with the `offer` to use it."""
    names = {f"{key.selector}._domainkey.{domain.name}": key for key in domain.keys}
    key = names.get(record.name)
    seen = check is not None and check.passed
    return {
        "title": spoken.say(_TITLES[record.purpose]),
        "is_new": key is not None and key.replacing,
        "is_former": key is not None and key.retired_at is not None,
        "offer": _offer(record.purpose, domain, spoken) if seen else None,
        "pools": [spoken.say(POOLS[pool]) for pool in record.pools],
        "why": spoken.say(_WHY[record.purpose]),
        "type": record.type,
        "name": record.name,
        "value": record.value,
        "need": record.need,
        "zone_line": record.zone_line,
        "check": check,
        "remark": _remark(check, spoken) if check else "",
    }


def _offer(purpose: Purpose, domain: SendingDomain, spoken: Speech) -> dict[str, str] | None:
    if purpose is Purpose.RETURN_PATH and domain.bounce_domain is None:
        return {"action": "/settings/bounce-domains", "label": spoken.say("Use it for bounces")}
    if purpose is Purpose.LINKS and domain.link_host is None and domain.verified_at:
        return {"action": f"/domains/{domain.domain_id}/links", "label": spoken.say("Use it for links")}
    return None


def _remark(check: Check, spoken: Speech) -> str:
    """What is the matter with a record that did not pass, or what might be better with one that did."""
    if check.fault is None:
        return "" if check.passed else check.detail
    return spoken.say(SENTENCES[check.fault], **{"name": check.name, **check.values})


def _key(key: PublishedKey, domain: SendingDomain, now: datetime) -> dict[str, Any]:
    state = rotation.state_of(key, domain, now)
    return {
        "selector": key.selector,
        "algorithm": "RSA" if key.algorithm.startswith("rsa") else "Ed25519",
        "created_at": key.created_at,
        "word": _KEY_STATES[state],
        "until": rotation.removable_at(key) if state is KeyState.RETIRED else None,
        "removable": state in {KeyState.REPLACING, KeyState.OVER},
    }
