"""Sending domains: adding them, the DNS records to publish, and verification."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from posthouse.accounts import changes, domains
from posthouse.accounts.dns_records import Purpose, records_for
from posthouse.accounts.domains import SendingDomain
from posthouse.web.api.bodies import read_object
from posthouse.web.api.exchange import Answer, Exchange, answer
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.wire.addresses import to_a_label

DOMAIN_BODY: Schema = {
    "type": "object",
    "properties": {"name": {"type": "string", "minLength": 1, "maxLength": 253, "description": "the domain in From"}},
    "required": ["name"],
    "additionalProperties": False,
}


class RecordView(msgspec.Struct, frozen=True):
    """A DNS record to publish."""

    purpose: Purpose
    name: str
    type: str
    value: str
    why: str
    required: bool


class CheckView(msgspec.Struct, frozen=True):
    """What the DNS said about one record when it was last asked."""

    purpose: Purpose
    name: str
    type: str
    passed: bool
    detail: str
    found: tuple[str, ...]


class DomainSummary(msgspec.Struct, frozen=True):
    """A line of the list of domains."""

    name: str
    verified_at: Annotated[datetime | None, Meta(description="null: no mail may be sent from it yet")]
    checked_at: datetime | None
    created_at: datetime


class Domains(msgspec.Struct, frozen=True):
    """The workspace's sending domains."""

    domains: tuple[DomainSummary, ...]


class DomainView(msgspec.Struct, frozen=True):
    """One sending domain with what to publish for it."""

    name: str
    verified_at: datetime | None
    checked_at: datetime | None
    created_at: datetime
    records: tuple[RecordView, ...]
    checks: tuple[CheckView, ...]


async def list_domains(exchange: Exchange) -> Answer:
    """The workspace's sending domains."""
    async with exchange.rooms.process.pool.acquire() as connection:
        found = await domains.listing(connection, exchange.submitter.workspace_id)
    lines = (DomainSummary(each.name, each.verified_at, each.checked_at, each.created_at) for each in found)
    return answer(Domains(tuple(lines)))


async def add_domain(exchange: Exchange) -> Answer:
    """Add a domain; it may send once its records are seen in the DNS."""
    body = read_object(exchange.body, DOMAIN_BODY)
    if isinstance(body, Answer):
        return body
    submitter = exchange.submitter
    async with changes.making(exchange.rooms.process, submitter.workspace_id, f"key:{submitter.name}") as change:
        outcome = await domains.add(change, body["name"])
    return answer(_view(exchange, outcome), 201) if isinstance(outcome, SendingDomain) else refusal(invalid(outcome))


async def show_domain(exchange: Exchange) -> Answer:
    """One domain."""
    found = await _find(exchange)
    return answer(_view(exchange, found)) if found else _unknown()


async def verify_domain(exchange: Exchange) -> Answer:
    """Ask the DNS now."""
    found = await _find(exchange)
    if found is None:
        return _unknown()
    rooms, submitter = exchange.rooms, exchange.submitter
    actor = f"key:{submitter.name}"
    checked = await domains.verify(rooms.process, submitter.workspace_id, found.domain_id, rooms.resolver(), actor)
    return answer(_view(exchange, checked)) if checked else _unknown()


async def _find(exchange: Exchange) -> SendingDomain | None:
    name = to_a_label(exchange.path["name"])
    if name is None:
        return None
    async with exchange.rooms.process.pool.acquire() as connection:
        return await domains.find(connection, exchange.submitter.workspace_id, name)


def _view(exchange: Exchange, domain: SendingDomain) -> DomainView:
    settings = exchange.rooms.process.settings
    records = records_for(domain, settings.server.hostname, settings.bounce_domain)
    return DomainView(
        name=domain.name,
        verified_at=domain.verified_at,
        checked_at=domain.checked_at,
        created_at=domain.created_at,
        records=tuple(RecordView(r.purpose, r.name, r.type, r.value, r.why, r.required) for r in records),
        checks=tuple(CheckView(c.purpose, c.name, c.type, c.passed, c.detail, tuple(c.found)) for c in domain.checks),
    )


def _unknown() -> Answer:
    return refuse(404, "There is no such domain in the workspace.")
