"""API keys and SMTP credentials: listing, issuing and revoking them.

A key can only give away what it has: no scope it lacks, no domain it may not send from, no place it may not be used from.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from posthouse.accounts import changes, credentials
from posthouse.accounts.credentials import Credential, CredentialKind, Issued, Terms
from posthouse.accounts.networks import Network, contains, network_of
from posthouse.model.errors import FieldProblem
from posthouse.model.mail import Submitter
from posthouse.model.words import MailClass, Scope
from posthouse.web.api.bodies import read_object
from posthouse.web.api.exchange import Answer, Exchange, answer
from posthouse.web.api.operation import Schema
from posthouse.web.api.problems import invalid, refusal, refuse
from posthouse.wire.addresses import to_a_label

_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "description": "what people call it"}
_DOMAINS: Schema = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": 255},
    "maxItems": 100,
    "description": "sender domains it may use; every verified one when empty",
}
_NETWORKS: Schema = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": 49},
    "maxItems": 100,
    "description": "addresses or CIDR networks it may be used from; anywhere when empty",
}
_CLASS: Schema = {
    "type": "string",
    "enum": [*MailClass],
    "default": MailClass.TRANSACTIONAL,
    "description": "class of messages that do not say",
}
KEY_BODY: Schema = {
    "type": "object",
    "properties": {
        "name": _NAME,
        "scopes": {
            "type": "array",
            "items": {"type": "string", "enum": [*Scope]},
            "minItems": 1,
            "maxItems": 3,
            "description": "send: submit and cancel; read: look at messages and the queue; manage: keys, credentials, domains, suppressions",
        },
        "domains": _DOMAINS,
        "networks": _NETWORKS,
        "class": _CLASS,
    },
    "required": ["name", "scopes"],
    "additionalProperties": False,
}
SMTP_BODY: Schema = {
    "type": "object",
    "properties": {
        "name": _NAME,
        "domains": _DOMAINS,
        "networks": _NETWORKS,
        "without_auth": {
            "type": "boolean",
            "default": False,
            "description": "no user name and password from its networks",
        },
        "class": _CLASS,
    },
    "required": ["name"],
    "additionalProperties": False,
}


class KeyView(msgspec.Struct, frozen=True, rename={"mail_class": "class"}):
    """An API key, without its secret."""

    id: UUID
    name: str
    hint: Annotated[str, Meta(description="its first letters")]
    scopes: tuple[Scope, ...]
    domains: tuple[str, ...]
    networks: tuple[str, ...]
    mail_class: MailClass
    created_at: datetime
    created_by: str
    used_at: datetime | None
    revoked_at: datetime | None


class NewKey(msgspec.Struct, frozen=True):
    """An API key just made."""

    key: Annotated[str, Meta(description="the secret: shown this once")]
    details: KeyView


class Keys(msgspec.Struct, frozen=True):
    """API keys, newest first, revoked ones included."""

    keys: tuple[KeyView, ...]


class SmtpView(msgspec.Struct, frozen=True, rename={"mail_class": "class"}):
    """An SMTP credential, without its password."""

    id: UUID
    name: str
    username: str
    domains: tuple[str, ...]
    networks: tuple[str, ...]
    without_auth: bool
    mail_class: MailClass
    created_at: datetime
    created_by: str
    used_at: datetime | None
    revoked_at: datetime | None


class NewSmtp(msgspec.Struct, frozen=True):
    """An SMTP credential just made."""

    username: str
    password: Annotated[str, Meta(description="the secret: shown this once; empty when none is needed")]
    details: SmtpView


class SmtpCredentials(msgspec.Struct, frozen=True):
    """SMTP credentials, newest first, revoked ones included."""

    smtp_credentials: tuple[SmtpView, ...]


async def list_keys(exchange: Exchange) -> Answer:
    """The workspace's API keys."""
    return answer(Keys(tuple(map(_key, await _listing(exchange, CredentialKind.API_KEY)))))


async def list_smtp(exchange: Exchange) -> Answer:
    """The workspace's SMTP credentials."""
    return answer(SmtpCredentials(tuple(map(_smtp, await _listing(exchange, CredentialKind.SMTP)))))


async def create_key(exchange: Exchange) -> Answer:
    """Make an API key; its secret is in this answer only."""
    issued = await _create(exchange, CredentialKind.API_KEY, KEY_BODY)
    if isinstance(issued, Answer):
        return issued
    return answer(NewKey(issued.secret, _key(issued.credential)), 201)


async def create_smtp(exchange: Exchange) -> Answer:
    """Make an SMTP credential; its password is in this answer only."""
    issued = await _create(exchange, CredentialKind.SMTP, SMTP_BODY)
    if isinstance(issued, Answer):
        return issued
    return answer(NewSmtp(issued.credential.hint, issued.secret, _smtp(issued.credential)), 201)


async def revoke_key(exchange: Exchange) -> Answer:
    """End an API key at once."""
    return await _revoke(exchange, CredentialKind.API_KEY)


async def revoke_smtp(exchange: Exchange) -> Answer:
    """End an SMTP credential at once."""
    return await _revoke(exchange, CredentialKind.SMTP)


def beyond(submitter: Submitter, terms: Terms) -> tuple[FieldProblem, ...]:
    """What the terms ask for that the submitter does not have itself."""
    problems = [
        FieldProblem("/scopes", "scope_not_held", f"This key lacks the scope {scope} and cannot give it away.")
        for scope in sorted(terms.scopes - submitter.scopes)
    ]
    asked = {to_a_label(domain) or domain for domain in terms.domains}
    if submitter.domains and not (asked and submitter.domains.issuperset(asked)):
        allowed = ", ".join(sorted(submitter.domains))
        problems.append(
            FieldProblem("/domains", "domain_not_held", f"This key may only give away the domains {allowed}.")
        )
    if submitter.networks and not _within(terms.networks, submitter.networks):
        allowed = ", ".join(map(str, submitter.networks))
        problems.append(
            FieldProblem("/networks", "network_not_held", f"This key may only give away the networks {allowed}.")
        )
    return tuple(problems)


def _within(asked: Sequence[str], held: Sequence[Network]) -> bool:
    """Whether every place asked for is one of those held; anywhere is not, and what is no network is refused elsewhere."""
    blocks = [block for block in map(network_of, asked) if block]
    return bool(asked) and all(any(contains(own, block) for own in held) for block in blocks)


async def _listing(exchange: Exchange, kind: CredentialKind) -> list[Credential]:
    async with exchange.rooms.process.pool.acquire() as connection:
        return await credentials.listing(connection, exchange.submitter.workspace_id, kind)


async def _create(exchange: Exchange, kind: CredentialKind, schema: Schema) -> Issued | Answer:
    body = read_object(exchange.body, schema)
    if isinstance(body, Answer):
        return body
    terms = _terms(body)
    if refused := beyond(exchange.submitter, terms):
        return refusal(invalid(refused, 403))
    submitter = exchange.submitter
    async with changes.making(exchange.rooms.process, submitter.workspace_id, exchange.actor) as change:
        outcome = await credentials.create(change, kind, terms)
    return outcome if isinstance(outcome, Issued) else refusal(invalid(outcome))


def _terms(body: Mapping[str, Any]) -> Terms:
    return Terms(
        name=body["name"],
        scopes=frozenset(map(Scope, body.get("scopes", (Scope.SEND,)))),
        domains=tuple(body.get("domains", ())),
        networks=tuple(body.get("networks", ())),
        without_auth=body.get("without_auth", False),
        mail_class=MailClass(body.get("class", MailClass.TRANSACTIONAL)),
    )


async def _revoke(exchange: Exchange, kind: CredentialKind) -> Answer:
    unknown = refuse(404, "There is no such credential in the workspace, or it is revoked already.")
    credential_id = exchange.path_id
    if credential_id is None:
        return unknown
    submitter = exchange.submitter
    async with changes.making(exchange.rooms.process, submitter.workspace_id, exchange.actor) as change:
        found = await credentials.find(change.connection, submitter.workspace_id, credential_id)
        revoked = found is not None and found.kind is kind and await credentials.revoke(change, credential_id)
    return Answer(204, b"") if revoked else unknown


def _key(credential: Credential) -> KeyView:
    return KeyView(
        id=credential.credential_id,
        name=credential.name,
        hint=credential.hint,
        scopes=tuple(sorted(credential.scopes)),
        domains=tuple(credential.domains),
        networks=tuple(map(str, credential.networks)),
        mail_class=credential.mail_class,
        created_at=credential.created_at,
        created_by=credential.created_by,
        used_at=credential.used_at,
        revoked_at=credential.revoked_at,
    )


def _smtp(credential: Credential) -> SmtpView:
    return SmtpView(
        id=credential.credential_id,
        name=credential.name,
        username=credential.hint,
        domains=tuple(credential.domains),
        networks=tuple(map(str, credential.networks)),
        without_auth=credential.without_auth,
        mail_class=credential.mail_class,
        created_at=credential.created_at,
        created_by=credential.created_by,
        used_at=credential.used_at,
        revoked_at=credential.revoked_at,
    )
