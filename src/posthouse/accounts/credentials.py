"""API keys and SMTP credentials: made, listed, revoked. A secret is shown once; what is kept cannot be turned back into it."""

import secrets
from dataclasses import fields
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.accounts import tokens
from posthouse.accounts.changes import Change
from posthouse.accounts.networks import Network
from posthouse.accounts.terms import CredentialKind, Granted, Terms, check
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.model.values import dataclass
from posthouse.model.words import MailClass, Scope
from posthouse.runtime import queries
from posthouse.runtime.postgres import Executor, Record

__all__ = ["Credential", "CredentialKind", "Issued", "Secret", "Terms", "create", "find", "issue", "listing", "revoke"]

SQL = queries.load(__package__)

_BY_NETWORK: Final = "(by network)"


@dataclass(frozen=True, slots=True)
class Credential:
    """What may be known of a credential. `hint` is the SMTP user name, or the first characters of the key."""

    credential_id: UUID
    kind: CredentialKind
    name: str
    hint: str
    scopes: frozenset[Scope]
    domains: tuple[str, ...]
    networks: tuple[Network, ...]
    without_auth: bool
    any_domain: bool
    mail_class: MailClass
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
    used_at: datetime | None  # to the minute


@dataclass(frozen=True, slots=True)
class Secret:
    """What its owner keeps. `username` is empty for an API key, both are for a credential that stands for a network."""

    username: str
    secret: str

    @property
    def hint(self) -> str:
        """The part of it that may be shown."""
        return self.username or (tokens.hint_of(self.secret) if self.secret else _BY_NETWORK)


@dataclass(frozen=True, slots=True)
class Issued:
    """A new credential and, this once, its secret: the whole API key, or the SMTP password."""

    credential: Credential
    secret: str


async def create(change: Change, kind: CredentialKind, terms: Terms) -> Issued | tuple[FieldProblem, ...]:
    """Make a credential on these terms."""
    granted = check(kind, terms)
    if not isinstance(granted, Granted):
        return granted
    if refused := await _refusal(change, granted):
        return (refused,)
    number = await change.connection.fetchval(SQL.workspace_number, change.workspace_id)
    return await issue(change, kind, granted, _new_secret(kind, granted, number))


async def issue(
    change: Change, kind: CredentialKind, granted: Granted, secret: Secret, *, any_domain: bool = False
) -> Issued:
    """Store a credential with a secret of the caller's. `any_domain` waives domain verification: the lab's only."""
    credential_id = change.ids.new()
    kept = tokens.digest(secret.secret) if secret.secret else secrets.token_bytes(tokens.TOKEN_OCTETS)
    await change.connection.execute(
        SQL.insert_credential,
        *(change.workspace_id, credential_id, kind, granted.name, secret.hint, kept, sorted(granted.scopes)),
        *(granted.domains, granted.networks, granted.without_auth, any_domain, granted.mail_class),
        *(change.now, change.actor),
    )
    await change.record(
        "credential.create",
        secret.hint,
        kind=kind,
        name=granted.name,
        scopes=sorted(granted.scopes),
        domains=granted.domains,
        networks=[str(network) for network in granted.networks],
        without_auth=granted.without_auth,
        any_domain=any_domain,
    )
    credential = await find(change.connection, change.workspace_id, credential_id)
    assert credential is not None
    return Issued(credential, secret.secret)


async def listing(connection: Executor, workspace_id: UUID, kind: CredentialKind | None = None) -> list[Credential]:
    """The credentials of a workspace, revoked ones included, newest first."""
    return [_credential(row) for row in await connection.fetch(SQL.credentials, workspace_id, kind)]


async def find(connection: Executor, workspace_id: UUID, credential_id: UUID) -> Credential | None:
    """One credential."""
    row = await connection.fetchrow(SQL.credential, workspace_id, credential_id)
    return _credential(row) if row else None


async def revoke(change: Change, credential_id: UUID) -> bool:
    """Refuse it from now on, in every process. False when there is no such credential, or it is revoked already."""
    hint = await change.connection.fetchval(SQL.revoke_credential, change.workspace_id, credential_id, change.now)
    if hint is None:
        return False
    await change.record("credential.revoke", hint)
    return True


async def _refusal(change: Change, granted: Granted) -> FieldProblem | None:
    live = await change.connection.fetchval(SQL.live_credentials, change.workspace_id)
    if live >= limits.CREDENTIALS_PER_WORKSPACE:
        detail = f"A workspace has at most {limits.CREDENTIALS_PER_WORKSPACE} credentials; revoke one first."
        return FieldProblem("", "too_many", detail)
    taken = SQL.network_taken, change.workspace_id, granted.networks
    if granted.without_auth and await change.connection.fetchval(*taken):
        return FieldProblem("/networks", "taken", "Another workspace submits from one of these networks.")
    return None


def _new_secret(kind: CredentialKind, granted: Granted, number: int) -> Secret:
    entropy = secrets.token_bytes(tokens.SECRET_OCTETS)
    if granted.without_auth:
        return Secret("", "")
    if kind is CredentialKind.API_KEY:
        return Secret("", tokens.api_key(number, entropy))
    username = tokens.smtp_user(number, secrets.token_bytes(tokens.NAME_OCTETS))
    return Secret(username, tokens.smtp_password(entropy))


def _credential(row: Record) -> Credential:
    values = {each.name: row[each.name] for each in fields(Credential)}
    values |= {
        "kind": CredentialKind(row["kind"]),
        "scopes": frozenset(map(Scope, row["scopes"])),
        "domains": tuple(row["domains"]),
        "networks": tuple(row["networks"]),
        "mail_class": MailClass(row["mail_class"]),
    }
    return Credential(**values)
