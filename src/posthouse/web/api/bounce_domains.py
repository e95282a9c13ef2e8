"""Bounce domains of the workspace's own, and what receivers make of a sending domain's mail."""

import asyncio
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from posthouse.accounts import bounce_domains, changes, domains, self_test, workspaces
from posthouse.accounts.bounce_domains import PROCESSING_OFF, BounceDomain
from posthouse.accounts.self_test import SelfTest
from posthouse.delivery import sts_fetch
from posthouse.runtime.https import HttpsClient
from posthouse.web.api.bodies import read_object
from posthouse.web.api.exchange import Answer, Exchange, answer
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.wire.addresses import to_a_label

BOUNCE_DOMAIN_BODY: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 253, "description": "an alias (CNAME) of `target`"}
    },
    "required": ["name"],
    "additionalProperties": False,
}
PROCESSING_BODY: Schema = {
    "type": "object",
    "properties": {"processing": {"type": "boolean", "description": "false: mail returns to its sender's own mailbox"}},
    "required": ["processing"],
    "additionalProperties": False,
}


class BounceDomainView(msgspec.Struct, frozen=True):
    """A bounce domain."""

    name: str
    created_at: datetime
    checked_at: datetime
    usable: Annotated[bool, Meta(description="false: its alias leads elsewhere; the installation's own domain is used")]
    problem: str


class BounceDomains(msgspec.Struct, frozen=True):
    """Where bounces return to."""

    processing: bool
    target: Annotated[str, Meta(description="what a bounce domain has to be an alias (CNAME) of")]
    default: Annotated[str, Meta(description="the domain of return paths where none of these aligns with From")]
    bounce_domains: tuple[BounceDomainView, ...]


class AlignmentView(msgspec.Struct, frozen=True):
    """What a receiver makes of mail from a sending domain, as the DNS is now."""

    from_domain: str
    return_domain: str
    own_return_domain: bool
    sending_addresses: tuple[str, ...]
    spf: str
    spf_reason: str
    spf_aligned: Annotated[bool, Meta(description="SPF passes for a domain that is aligned with From")]
    dkim_aligned: bool
    dmarc: str
    policy: Annotated[str, Meta(description="none, quarantine or reject")]
    policy_domain: str
    unproven: Annotated[str, Meta(description="what receivers do with mail from this domain that proves nothing")]
    mta_sts: Annotated[
        str | None,
        Meta(
            description="what is wrong with the MTA-STS policy for mail to it; empty: nothing, null: it announces none"
        ),
    ]
    warnings: tuple[str, ...]


async def list_bounce_domains(exchange: Exchange) -> Answer:
    """Where bounces return to."""
    return answer(await _all(exchange))


async def switch_processing(exchange: Exchange) -> Answer:
    """Bounce processing on or off."""
    body = read_object(exchange.body, PROCESSING_BODY)
    if isinstance(body, Answer):
        return body
    submitter = exchange.submitter
    async with changes.making(exchange.rooms.process, submitter.workspace_id, exchange.actor) as change:
        await bounce_domains.switch(change, on=body["processing"])
    return answer(await _all(exchange))


async def add_bounce_domain(exchange: Exchange) -> Answer:
    """Add one whose alias is in the DNS."""
    body = read_object(exchange.body, BOUNCE_DOMAIN_BODY)
    if isinstance(body, Answer):
        return body
    rooms, submitter = exchange.rooms, exchange.submitter
    outcome = await bounce_domains.add(
        rooms.process, submitter.workspace_id, body["name"], rooms.resolver(), exchange.actor
    )
    if isinstance(outcome, BounceDomain):
        return answer(_view(outcome), 201)
    return refusal(invalid(outcome, 409 if outcome[0].code == PROCESSING_OFF else 422))


async def verify_bounce_domain(exchange: Exchange) -> Answer:
    """Ask the DNS now."""
    found, rooms = await _find(exchange), exchange.rooms
    if found is None:
        return _unknown()
    submitter = exchange.submitter
    checked = await bounce_domains.verify(
        rooms.process, submitter.workspace_id, found.bounce_domain_id, rooms.resolver(), exchange.actor
    )
    return answer(_view(checked)) if checked else _unknown()


async def remove_bounce_domain(exchange: Exchange) -> Answer:
    """Remove one."""
    found, submitter = await _find(exchange), exchange.submitter
    if found is None:
        return _unknown()
    async with changes.making(exchange.rooms.process, submitter.workspace_id, exchange.actor) as change:
        removed = await bounce_domains.remove(change, found.bounce_domain_id)
    return answer(_view(found)) if removed else _unknown()


async def show_alignment(exchange: Exchange) -> Answer:
    """Test a sending domain against the live DNS."""
    rooms, name = exchange.rooms, to_a_label(exchange.path["name"])
    workspace_id = exchange.submitter.workspace_id
    domain = await domains.find(rooms.process.pool, workspace_id, name) if name else None
    if domain is None:
        return refuse(404, "There is no such domain in the workspace.")
    own = await bounce_domains.aligning(rooms.process.pool, workspace_id, domain.name)
    resolver = rooms.resolver()
    test, sts = await asyncio.gather(
        self_test.run(rooms.process.settings, domain, own, resolver),
        sts_fetch.fault(HttpsClient(resolver), resolver, domain.name),
    )
    return answer(alignment_view(test, sts))


def alignment_view(test: SelfTest, mta_sts: str | None) -> AlignmentView:
    """A test as it is told."""
    return AlignmentView(
        from_domain=test.from_domain,
        return_domain=test.return_domain,
        own_return_domain=test.own,
        sending_addresses=test.addresses,
        spf=test.spf,
        spf_reason=test.spf_reason,
        spf_aligned=test.aligned,
        dkim_aligned=test.dkim_aligned,
        dmarc=test.dmarc,
        policy=test.policy,
        policy_domain=test.policy_domain,
        unproven=test.unproven,
        mta_sts=mta_sts,
        warnings=test.warnings,
    )


async def _all(exchange: Exchange) -> BounceDomains:
    process, workspace_id = exchange.rooms.process, exchange.submitter.workspace_id
    async with process.pool.acquire() as connection:
        found = await bounce_domains.listing(connection, workspace_id)
        workspace = await workspaces.find(connection, workspace_id)
    assert workspace is not None
    settings = process.settings
    return BounceDomains(
        workspace.bounce_processing, settings.return_target, settings.bounce_domain, tuple(map(_view, found))
    )


async def _find(exchange: Exchange) -> BounceDomain | None:
    return await bounce_domains.find(
        exchange.rooms.process.pool, exchange.submitter.workspace_id, exchange.path["name"]
    )


def _view(domain: BounceDomain) -> BounceDomainView:
    return BounceDomainView(domain.name, domain.created_at, domain.checked_at, domain.broken_at is None, domain.problem)


def _unknown() -> Answer:
    return refuse(404, "There is no such bounce domain in the workspace.")
