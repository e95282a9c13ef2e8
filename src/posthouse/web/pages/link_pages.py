"""The link host of a sending domain: what to publish, the choice, and whether it is in use."""

from typing import Any
from uuid import UUID

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from posthouse.accounts import changes, domains, link_hosts
from posthouse.accounts.dns_records import link_host_for
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.link_hosts import LinkHost
from posthouse.accounts.sign_in import SignedIn
from posthouse.model.words import Role
from posthouse.web.pages.session import Page, Person, form, need, rooms, speech, text
from posthouse.web.pages.view import by_field, page, see


@get("/domains/{domain_id:uuid}/links", include_in_schema=False)
async def link_page(request: Page, person: Person, domain_id: FromPath[UUID]) -> Response[str]:
    """Where the links of its mail lead, with the form to choose."""
    return await _page(request, person, await _domain(request, person, domain_id))


@post("/domains/{domain_id:uuid}/links", status_code=200, include_in_schema=False)
async def link_choose(request: Page, person: Person, domain_id: FromPath[UUID]) -> Response[str] | Redirect:
    """Chooses a host, if the DNS leads here already."""
    need(person, Role.ADMIN)
    name = text(await form(request, person), "name")
    domain, here = await _domain(request, person, domain_id), rooms(request)
    outcome = await link_hosts.choose(here.process, domain, name, here.resolver(), person.actor)
    if isinstance(outcome, LinkHost):
        return see(f"/domains/{domain_id}/links?said=saved")
    errors = by_field(outcome, speech(request, person))
    return await _page(request, person, domain, status=422, errors=errors, form={"name": name})


@post("/domains/{domain_id:uuid}/links/verify", include_in_schema=False)
async def link_verify(request: Page, person: Person, domain_id: FromPath[UUID]) -> Redirect:
    """Asks the DNS now."""
    need(person, Role.ADMIN)
    await form(request, person)
    here, workspace_id = rooms(request), person.workspace.workspace_id
    found = await link_hosts.verify(here.process, workspace_id, domain_id, here.resolver(), person.actor)
    if found is None:
        raise NotFoundException
    return see(f"/domains/{domain_id}/links")


@post("/domains/{domain_id:uuid}/links/remove", include_in_schema=False)
async def link_remove(request: Page, person: Person, domain_id: FromPath[UUID]) -> Redirect:
    """Removes it."""
    need(person, Role.ADMIN)
    await form(request, person)
    async with changes.making(rooms(request).process, person.workspace.workspace_id, person.actor) as change:
        removed = await link_hosts.remove(change, domain_id)
    return see(f"/domains/{domain_id}/links?said={'removed' if removed else 'nothing'}")


async def _domain(request: Page, person: SignedIn, domain_id: UUID) -> SendingDomain:
    domain = await domains.find(rooms(request).process.pool, person.workspace.workspace_id, domain_id)
    if domain is None:
        raise NotFoundException
    return domain


async def _page(
    request: Page,
    person: SignedIn,
    domain: SendingDomain,
    status: int = 200,
    **context: Any,  # noqa: ANN401
) -> Response[str]:
    process = rooms(request).process
    known: dict[str, Any] = {
        "form": {"name": link_host_for(domain)},
        "domain": domain,
        "host": await link_hosts.find(process.pool, domain.workspace_id, domain.domain_id),
        "target": process.settings.link_target,
    }
    return page(request, person, "domain_links.html", "domains", status=status, **(known | context))
