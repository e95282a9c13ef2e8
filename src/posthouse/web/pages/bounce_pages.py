"""Bounce domains: where bounces return to, with what to publish first, and the switch for all of it. Also what receivers make of a domain."""

import asyncio
from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from posthouse.accounts import bounce_domains, changes, domains, host_records, self_test
from posthouse.accounts.bounce_domains import BounceDomain
from posthouse.accounts.host_records import HostFinding, State
from posthouse.accounts.sign_in import SignedIn
from posthouse.delivery import sts_fetch
from posthouse.model.words import Role
from posthouse.runtime import network
from posthouse.runtime.https import HttpsClient
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.settings_pages import tabs
from posthouse.web.pages.view import by_field, page, part, see
from posthouse.web.pages.words import N_
from posthouse.web.text import Speech

_POLICIES: Final = {
    "none": N_("Receivers deliver it all the same."),
    "quarantine": N_("Receivers put it into the spam folder."),
    "reject": N_("Receivers refuse it."),
}
_TONES: Final = {State.RIGHT: ("good", "check"), State.WEAK: ("wait", "warning"), State.WRONG: ("bad", "cross")}


@get("/settings/bounce-domains", include_in_schema=False)
async def bounce_list(request: Page, person: Person) -> Response[str]:
    """The list with the form to add one."""
    return await _list(request, person)


@post("/settings/bounce-domains", status_code=200, include_in_schema=False)
async def bounce_add(request: Page, person: Person) -> Response[str] | Redirect:
    """Adds one, if the DNS leads here already."""
    need(person, Role.ADMIN)
    name = text(await form(request, person), "name")
    outcome = await bounce_domains.add(
        rooms(request).process, person.workspace.workspace_id, name, rooms(request).resolver(), person.actor
    )
    if isinstance(outcome, BounceDomain):
        return see("/settings/bounce-domains?said=saved")
    errors = by_field(outcome, speech(request, person))
    return await _list(request, person, status=422, errors=errors, form={"name": name})


@post("/settings/bounce-domains/processing", include_in_schema=False)
async def bounce_processing(request: Page, person: Person) -> Redirect:
    """The switch."""
    need(person, Role.ADMIN)
    on = text(await form(request, person), "processing") == "1"
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        await bounce_domains.switch(change, on=on)
    return see("/settings/bounce-domains?said=saved")


@post("/settings/bounce-domains/{bounce_domain_id:uuid}/verify", include_in_schema=False)
async def bounce_verify(request: Page, person: Person, bounce_domain_id: FromPath[UUID]) -> Redirect:
    """Asks the DNS now."""
    need(person, Role.ADMIN)
    await form(request, person)
    found = await bounce_domains.verify(
        rooms(request).process, person.workspace.workspace_id, bounce_domain_id, rooms(request).resolver(), person.actor
    )
    if found is None:
        raise NotFoundException
    return see("/settings/bounce-domains")


@post("/settings/bounce-domains/{bounce_domain_id:uuid}/remove", include_in_schema=False)
async def bounce_remove(request: Page, person: Person, bounce_domain_id: FromPath[UUID]) -> Redirect:
    """Removes it."""
    need(person, Role.ADMIN)
    await form(request, person)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        removed = await bounce_domains.remove(change, bounce_domain_id)
    return see(f"/settings/bounce-domains?said={'removed' if removed else 'nothing'}")


@get("/domains/{domain_id:uuid}/alignment", include_in_schema=False)
async def domain_alignment(request: Page, person: Person, domain_id: FromPath[UUID]) -> Response[str]:
    """What receivers make of a domain's mail, asked of the DNS now: a piece of the domain's page."""
    process, workspace_id = rooms(request).process, person.workspace.workspace_id
    domain = await domains.find(process.pool, workspace_id, domain_id)
    if domain is None:
        raise NotFoundException
    own = await bounce_domains.aligning(process.pool, workspace_id, domain.name)
    resolver = rooms(request).resolver()
    test, host, sts = await asyncio.gather(
        self_test.run(process.settings, domain, own, resolver),
        host_records.look(process.settings, resolver, network.local_addresses()),
        sts_fetch.fault(HttpsClient(resolver), resolver, domain.name),
    )
    told = [_host(found, speech(request, person)) for found in host]
    return part(request, person, "domain_alignment.html", test=test, policies=_POLICIES, host=told, sts=sts)


def _host(found: HostFinding, spoken: Speech) -> dict[str, Any]:
    """One line about this server."""
    sentence = spoken.say(host_records.SENTENCES[found.fact], **{"name": found.about, **found.values})
    tone, icon = _TONES[found.state]
    return {"sentence": sentence, "tone": tone, "icon": icon, "fixes": found.fix.splitlines()}


async def _list(request: Page, person: SignedIn, status: int = 200, **context: Any) -> Response[str]:  # noqa: ANN401
    process = rooms(request).process
    found = await bounce_domains.listing(process.pool, person.workspace.workspace_id)
    known: dict[str, Any] = {
        "form": {"name": ""},
        "found": found,
        "target": process.settings.return_target,
        "default": process.settings.bounce_domain,
        "processing": person.workspace.bounce_processing,
        "support": person.workspace.support_contact or process.settings.mail.support_contact,
        "settings_tabs": tabs(person),
        "tab_here": "bounces",
    }
    return page(request, person, "bounce_domains.html", "settings", status=status, **(known | context))
