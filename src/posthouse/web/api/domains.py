"""Sending domains: adding them, what they are for, their keys, the DNS records to publish, and verification."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from posthouse.accounts import changes, domains, rotation
from posthouse.accounts.dns_records import Check, DnsRecord, Incomplete, Need, PublishedKey, Purpose
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.rotation import KeyState
from posthouse.accounts.selectors import Selectors
from posthouse.model import limits
from posthouse.model.words import MailClass, Pool
from posthouse.web.api.bodies import read_object
from posthouse.web.api.exchange import Answer, Exchange, answer
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.wire.addresses import to_a_label

_CLASSES: Schema = {
    "type": "array",
    "items": {"type": "string", "enum": [*MailClass]},
    "maxItems": len(MailClass),
    "description": "the mail it is for; all when empty. Other mail from it is warned of or refused, as the workspace's settings say",
}
DOMAIN_BODY: Schema = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 253, "description": "the domain in From"},
        "classes": _CLASSES,
    },
    "required": ["name"],
    "additionalProperties": False,
}
CLASSES_BODY: Schema = {
    "type": "object",
    "properties": {"classes": _CLASSES},
    "required": ["classes"],
    "additionalProperties": False,
}
KEYS_BODY: Schema = {
    "type": "object",
    "properties": {
        "selectors": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 63},
            "minItems": 1,
            "maxItems": limits.KEYS_PER_DOMAIN,
            "description": "names of the new keys; one that ends in `-ed` gets an Ed25519 key, any other an RSA key",
        }
    },
    "required": ["selectors"],
    "additionalProperties": False,
}

_Incomplete = Annotated[
    Incomplete | None,
    Meta(
        description="the worst a verified domain lacks: a required record, or one that large receivers ask for; null when it is whole."
        " Whether its mail is refused meanwhile is the workspace's setting"
    ),
]


class RecordView(msgspec.Struct, frozen=True):
    """A DNS record to publish."""

    purpose: Purpose
    name: str
    type: str
    value: str
    why: str
    required: bool
    need: Annotated[
        Need, Meta(description="required: no mail may be sent before it is seen; of the DKIM keys one is enough")
    ]
    pools: Annotated[
        tuple[Pool, ...], Meta(description="of a DKIM key: the pools that alone sign with it; all when empty")
    ]


class CheckView(msgspec.Struct, frozen=True):
    """What the DNS said about one record when it was last asked."""

    purpose: Purpose
    name: str
    type: str
    need: Need
    passed: bool
    detail: Annotated[
        str, Meta(description="what is wrong and how to mend it; of a record that passes it may be advice")
    ]
    found: tuple[str, ...]
    lost: Annotated[bool, Meta(description="it was there once and is gone")]


class KeyView(msgspec.Struct, frozen=True):
    """A DKIM key of a domain."""

    selector: str
    algorithm: str
    state: Annotated[
        KeyState,
        Meta(
            description="unseen: not found in the DNS yet; replacing: takes over once it is found; signing; retired: signs no more, stays"
            " published for mail on its way; over: may be removed"
        ),
    ]
    created_at: datetime | None
    removable_at: Annotated[
        datetime | None, Meta(description="of a retired key: when its record and it may be removed")
    ]


class DomainSummary(msgspec.Struct, frozen=True):
    """A line of the list of domains."""

    name: str
    classes: Annotated[tuple[MailClass, ...], Meta(description="the mail it is for; all when empty")]
    verified_at: Annotated[datetime | None, Meta(description="null: no mail may be sent from it yet")]
    incomplete: _Incomplete
    checked_at: datetime | None
    created_at: datetime


class Domains(msgspec.Struct, frozen=True):
    """The workspace's sending domains."""

    domains: tuple[DomainSummary, ...]


class DomainView(msgspec.Struct, frozen=True):
    """One sending domain with what to publish for it."""

    name: str
    classes: Annotated[tuple[MailClass, ...], Meta(description="the mail it is for; all when empty")]
    verified_at: datetime | None
    incomplete: _Incomplete
    checked_at: datetime | None
    created_at: datetime
    keys: tuple[KeyView, ...]
    records: tuple[RecordView, ...]
    checks: tuple[CheckView, ...]


async def list_domains(exchange: Exchange) -> Answer:
    """The workspace's sending domains."""
    async with exchange.rooms.process.pool.acquire() as connection:
        found = await domains.listing(connection, exchange.submitter.workspace_id)
    lines = (
        DomainSummary(each.name, _classes(each), each.verified_at, each.incomplete, each.checked_at, each.created_at)
        for each in found
    )
    return answer(Domains(tuple(lines)))


async def add_domain(exchange: Exchange) -> Answer:
    """Add a domain; it may send once its records are seen in the DNS."""
    body = read_object(exchange.body, DOMAIN_BODY)
    if isinstance(body, Answer):
        return body
    submitter = exchange.submitter
    process, own = exchange.rooms.process, Selectors.of(exchange.rooms.process.settings).all
    async with changes.making(process, submitter.workspace_id, exchange.actor) as change:
        outcome = await domains.add(change, body["name"], own, frozenset(map(MailClass, body.get("classes", ()))))
    return answer(_view(exchange, outcome), 201) if isinstance(outcome, SendingDomain) else refusal(invalid(outcome))


async def show_domain(exchange: Exchange) -> Answer:
    """One domain."""
    found = await _find(exchange)
    return answer(_view(exchange, found)) if found else _unknown()


async def assign_domain(exchange: Exchange) -> Answer:
    """Say what mail a domain is for."""
    body = read_object(exchange.body, CLASSES_BODY)
    if isinstance(body, Answer):
        return body
    found, submitter = await _find(exchange), exchange.submitter
    if found is None:
        return _unknown()
    classes = frozenset(map(MailClass, body["classes"]))
    async with changes.making(exchange.rooms.process, submitter.workspace_id, exchange.actor) as change:
        assigned = await domains.assign(change, found.domain_id, classes)
    return answer(_view(exchange, assigned)) if assigned else _unknown()


async def add_keys(exchange: Exchange) -> Answer:
    """Make further DKIM keys of a domain."""
    body = read_object(exchange.body, KEYS_BODY)
    if isinstance(body, Answer):
        return body
    found, submitter = await _find(exchange), exchange.submitter
    if found is None:
        return _unknown()
    async with changes.making(exchange.rooms.process, submitter.workspace_id, exchange.actor) as change:
        outcome = await domains.add_keys(change, found, body["selectors"])
    return answer(_view(exchange, outcome), 201) if isinstance(outcome, SendingDomain) else refusal(invalid(outcome))


async def rotate_keys(exchange: Exchange) -> Answer:
    """Begin to replace the DKIM keys of a domain."""
    found, submitter = await _find(exchange), exchange.submitter
    if found is None:
        return _unknown()
    process = exchange.rooms.process
    async with changes.making(process, submitter.workspace_id, exchange.actor) as change:
        outcome = await domains.rotate(change, found, Selectors.of(process.settings))
    if isinstance(outcome, SendingDomain):
        return answer(_view(exchange, outcome), 201)
    return refusal(invalid(outcome, 409))


async def remove_key(exchange: Exchange) -> Answer:
    """Destroy a DKIM key that signs no more, or not yet."""
    found, submitter = await _find(exchange), exchange.submitter
    if found is None:
        return _unknown()
    async with changes.making(exchange.rooms.process, submitter.workspace_id, exchange.actor) as change:
        outcome = await domains.remove_key(change, found, exchange.path["selector"].lower())
    if outcome is None:
        return refuse(404, "There is no such key of the domain.")
    return answer(_view(exchange, outcome)) if isinstance(outcome, SendingDomain) else refusal(invalid(outcome, 409))


async def verify_domain(exchange: Exchange) -> Answer:
    """Ask the DNS now."""
    found = await _find(exchange)
    if found is None:
        return _unknown()
    rooms, submitter = exchange.rooms, exchange.submitter
    actor = exchange.actor
    checked = await domains.verify(rooms.process, submitter.workspace_id, found.domain_id, rooms.resolver(), actor)
    return answer(_view(exchange, checked)) if checked else _unknown()


async def _find(exchange: Exchange) -> SendingDomain | None:
    name = to_a_label(exchange.path["name"])
    if name is None:
        return None
    async with exchange.rooms.process.pool.acquire() as connection:
        return await domains.find(connection, exchange.submitter.workspace_id, name)


def _view(exchange: Exchange, domain: SendingDomain) -> DomainView:
    process = exchange.rooms.process
    now = process.clock.now()
    return DomainView(
        name=domain.name,
        classes=_classes(domain),
        verified_at=domain.verified_at,
        incomplete=domain.incomplete,
        checked_at=domain.checked_at,
        created_at=domain.created_at,
        keys=tuple(_key(key, domain, now) for key in domain.keys),
        records=tuple(_record(record) for record in domains.records(process, domain)),
        checks=tuple(_check(check) for check in domain.checks),
    )


def _key(key: PublishedKey, domain: SendingDomain, now: datetime) -> KeyView:
    state = rotation.state_of(key, domain, now)
    return KeyView(key.selector, key.algorithm, state, key.created_at, rotation.removable_at(key))


def _record(record: DnsRecord) -> RecordView:
    return RecordView(
        record.purpose, record.name, record.type, record.value, record.why, record.required, record.need, record.pools
    )


def _check(check: Check) -> CheckView:
    return CheckView(
        check.purpose, check.name, check.type, check.need, check.passed, check.detail, tuple(check.found), check.lost
    )


def _classes(domain: SendingDomain) -> tuple[MailClass, ...]:
    return tuple(each for each in MailClass if each in domain.mail_classes)


def _unknown() -> Answer:
    return refuse(404, "There is no such domain in the workspace.")
