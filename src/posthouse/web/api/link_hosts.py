"""Link hosts: where the links in a sending domain's mail lead."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from posthouse.accounts import changes, domains, link_hosts
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.link_hosts import CONFLICTS, LinkHost
from posthouse.web.api.bodies import read_object
from posthouse.web.api.exchange import Answer, Exchange, answer
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.wire.addresses import to_a_label

LINK_HOST_BODY: Schema = {
    "type": "object",
    "properties": {
        "name": {
            "type": "string",
            "minLength": 1,
            "maxLength": 253,
            "description": "an alias (CNAME) of `target`, below the domain; without it `links.` and the domain, or the one it has",
        }
    },
    "additionalProperties": False,
}


class LinkHostView(msgspec.Struct, frozen=True):
    """The link host of a sending domain."""

    domain: str
    name: str
    created_at: datetime
    checked_at: datetime
    usable: Annotated[
        bool,
        Meta(description="false: its alias leads elsewhere; links in new mail lead to the installation's own host"),
    ]
    problem: str


class LinkHosts(msgspec.Struct, frozen=True):
    """Where links lead."""

    target: Annotated[
        str | None,
        Meta(
            description="what a link host has to be an alias (CNAME) of, and where links of other mail lead; null while the installation"
            " has no public address by HTTPS"
        ),
    ]
    link_hosts: tuple[LinkHostView, ...]


async def list_link_hosts(exchange: Exchange) -> Answer:
    """The workspace's link hosts."""
    process = exchange.rooms.process
    found = await link_hosts.listing(process.pool, exchange.submitter.workspace_id)
    return answer(LinkHosts(process.settings.link_target or None, tuple(map(_view, found))))


async def choose_link_host(exchange: Exchange) -> Answer:
    """Give a domain a link host whose alias is in the DNS."""
    body = read_object(exchange.body, LINK_HOST_BODY)
    if isinstance(body, Answer):
        return body
    domain, rooms = await _domain(exchange), exchange.rooms
    if domain is None:
        return refuse(404, "There is no such domain in the workspace.")
    outcome = await link_hosts.choose(rooms.process, domain, body.get("name", ""), rooms.resolver(), exchange.actor)
    if isinstance(outcome, LinkHost):
        return answer(_view(outcome))
    return refusal(invalid(outcome, 409 if outcome[0].code in CONFLICTS else 422))


async def verify_link_host(exchange: Exchange) -> Answer:
    """Ask the DNS now."""
    domain, rooms = await _domain(exchange), exchange.rooms
    if domain is None:
        return _unknown()
    checked = await link_hosts.verify(
        rooms.process, domain.workspace_id, domain.domain_id, rooms.resolver(), exchange.actor
    )
    return answer(_view(checked)) if checked else _unknown()


async def remove_link_host(exchange: Exchange) -> Answer:
    """Remove it."""
    domain, process = await _domain(exchange), exchange.rooms.process
    found = await link_hosts.find(process.pool, domain.workspace_id, domain.domain_id) if domain else None
    if found is None:
        return _unknown()
    async with changes.making(process, found.workspace_id, exchange.actor) as change:
        removed = await link_hosts.remove(change, found.domain_id)
    return answer(_view(found)) if removed else _unknown()


async def _domain(exchange: Exchange) -> SendingDomain | None:
    name = to_a_label(exchange.path["name"])
    return await domains.find(exchange.rooms.process.pool, exchange.submitter.workspace_id, name) if name else None


def _view(host: LinkHost) -> LinkHostView:
    return LinkHostView(host.domain, host.name, host.created_at, host.checked_at, host.broken_at is None, host.problem)


def _unknown() -> Answer:
    return refuse(404, "There is no such domain in the workspace, or it has no link host.")
