"""Endpoints: added, changed, rotated, switched off and on, deleted. A secret is shown once and kept sealed."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from posthouse.accounts import audit, data_keys
from posthouse.accounts.changes import Change
from posthouse.ledger import feed
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.runtime.ids import uuid7_floor
from posthouse.runtime.postgres import Connection, Executor, Record
from posthouse.runtime.reach import Network
from posthouse.runtime.vault import Place, Vault, key_id_of
from posthouse.webhooks import payload, signature, target
from posthouse.webhooks.sql import SQL

READER: Final = "webhooks"
_TABLE: Final = "webhook_endpoints"
_SECRET, _PREVIOUS = "sealed_secret", "sealed_previous"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to hear, and where. No kinds: every one, those that are yet to be invented too."""

    url: str
    description: str = ""
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What may be known of an endpoint."""

    endpoint_id: UUID
    url: str
    description: str
    kinds: tuple[str, ...]
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str
    failing_since: datetime | None
    previous_until: datetime | None
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True)
class InService:
    """An endpoint as it is told of events. The secrets are sealed."""

    workspace_id: UUID
    endpoint_id: UUID
    url: str
    kinds: frozenset[str]
    since: UUID
    failing_since: datetime | None
    sealed_secret: bytes
    sealed_previous: bytes | None
    previous_until: datetime | None

    def wants(self, event_id: UUID, kind: str) -> bool:
        """Whether it is to be told of this event."""
        return event_id.int >= self.since.int and (not self.kinds or kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Out:
    """An endpoint that is switched off or deleted."""

    workspace_id: UUID
    endpoint_id: UUID
    deleted: bool


@dataclass(frozen=True, slots=True)
class Made:
    """A new endpoint, or one with a new secret, which is shown this once."""

    endpoint: Endpoint
    secret: str


async def listing(connection: Executor, workspace_id: UUID) -> list[Endpoint]:
    """The endpoints of a workspace, oldest first."""
    return [_endpoint(row) for row in await connection.fetch(SQL.endpoints, workspace_id)]


async def find(connection: Executor, workspace_id: UUID, endpoint_id: UUID) -> Endpoint | None:
    """One endpoint of this workspace."""
    row = await connection.fetchrow(SQL.endpoint, workspace_id, endpoint_id)
    return _endpoint(row) if row else None


async def in_service(connection: Connection) -> list[InService]:
    """Every endpoint of every workspace that is told of events."""
    rows = [dict(row.items()) for row in await connection.fetch(SQL.in_service)]
    return [InService(**(row | {"kinds": frozenset(row["kinds"])})) for row in rows]


async def out_of_service(connection: Connection) -> list[Out]:
    """Every endpoint of every workspace that is switched off or deleted."""
    return [Out(**dict(row.items())) for row in await connection.fetch(SQL.out_of_service)]


async def forget(connection: Connection, workspace_id: UUID, endpoint_id: UUID) -> None:
    """Takes the row of one that was deleted, once nothing is left of it."""
    await connection.execute(SQL.drop_endpoint, workspace_id, endpoint_id)


def check(wish: Wish, allowed: Sequence[Network]) -> tuple[FieldProblem, ...]:
    """Everything that is wrong with a wish; `allowed` are the networks the operator lets webhooks into."""
    found = []
    if isinstance(problem := target.read(wish.url, allowed), FieldProblem):
        found.append(problem)
    if len(wish.description) > limits.WEBHOOK_DESCRIPTION_CHARS or not (wish.description + "x").isprintable():
        detail = f"One line of at most {limits.WEBHOOK_DESCRIPTION_CHARS} characters."
        found.append(FieldProblem("/description", "too_long", detail))
    found += [
        FieldProblem(f"/events/{index}", "unknown_event", "There is no such event.")
        for index, kind in enumerate(wish.kinds)
        if kind not in payload.KINDS
    ]
    return tuple(found)


async def add(change: Change, wish: Wish, allowed: Sequence[Network]) -> Made | tuple[FieldProblem, ...]:
    """Makes an endpoint that is told of what happens from now on."""
    if problems := check(wish, allowed):
        return problems
    await change.connection.execute(SQL.lock_endpoints, str(change.workspace_id))
    if await change.connection.fetchval(SQL.count_endpoints, change.workspace_id) >= limits.WEBHOOKS_PER_WORKSPACE:
        detail = f"A workspace has at most {limits.WEBHOOKS_PER_WORKSPACE} webhooks; delete one first."
        return (FieldProblem("", "too_many", detail),)
    endpoint_id, secret = change.ids.new(), _new_secret()
    await change.connection.execute(
        SQL.insert_endpoint,
        *(change.workspace_id, endpoint_id, wish.url, wish.description, list(dict.fromkeys(wish.kinds))),
        *(await _sealed(change, endpoint_id, _SECRET, secret), uuid7_floor(change.now), change.now, change.actor),
    )
    # In this commit, so that nothing is missed however late the process that reads the ledger comes to life.
    await feed.begin(change.connection, change.workspace_id, READER, change.now)
    await change.record("webhook.add", wish.url, id=str(endpoint_id), events=sorted(wish.kinds))
    return Made(await _found(change, endpoint_id), secret)


async def alter(
    change: Change, endpoint_id: UUID, wish: Wish, allowed: Sequence[Network]
) -> Endpoint | tuple[FieldProblem, ...] | None:
    """Changes where it is and what it hears. None when there is no such endpoint."""
    if problems := check(wish, allowed):
        return problems
    if await find(change.connection, change.workspace_id, endpoint_id) is None:
        return None
    await change.connection.execute(
        SQL.update_endpoint,
        *(change.workspace_id, endpoint_id, wish.url, wish.description, list(dict.fromkeys(wish.kinds))),
    )
    await change.record("webhook.change", wish.url, id=str(endpoint_id), events=sorted(wish.kinds))
    return await _found(change, endpoint_id)


async def switch(change: Change, endpoint_id: UUID, *, on: bool) -> bool:
    """Switches it on or off; whether that changed anything. What happens while it is off is not sent by itself later."""
    if on:
        since = uuid7_floor(change.now)
        url = await change.connection.fetchval(SQL.enable_endpoint, change.workspace_id, endpoint_id, since)
        await feed.begin(change.connection, change.workspace_id, READER, change.now)
    else:
        place = SQL.disable_endpoint, change.workspace_id, endpoint_id
        url = await change.connection.fetchval(*place, change.now, "Switched off by hand.")
    if url is None:
        return False
    await change.record("webhook.enable" if on else "webhook.disable", url, id=str(endpoint_id))
    return True


async def rotate(change: Change, endpoint_id: UUID) -> Made | None:
    """A new secret; the one before signs beside it for a day, so that the consumer can change over in its own time."""
    row = await change.connection.fetchrow(SQL.endpoint, change.workspace_id, endpoint_id)
    if row is None:
        return None
    before = await _opened(change.connection, change.vault, change.workspace_id, endpoint_id, _SECRET, row[_SECRET])
    secret, until = _new_secret(), change.now + timedelta(seconds=limits.WEBHOOK_OVERLAP_S)
    await change.connection.execute(
        SQL.rotate_secret,
        *(change.workspace_id, endpoint_id, await _sealed(change, endpoint_id, _SECRET, secret)),
        *(await _sealed(change, endpoint_id, _PREVIOUS, before), until),
    )
    await change.record("webhook.rotate", row["url"], id=str(endpoint_id))
    return Made(await _found(change, endpoint_id), secret)


async def delete(change: Change, endpoint_id: UUID) -> bool:
    """Ends it for everybody; whether there was one. Housekeeping takes what was kept of it."""
    url = await change.connection.fetchval(SQL.delete_endpoint, change.workspace_id, endpoint_id, change.now)
    if url is None:
        return False
    await change.record("webhook.delete", url, id=str(endpoint_id))
    return True


async def disable(connection: Connection, workspace_id: UUID, endpoint_id: UUID, reason: str, now: datetime) -> None:
    """Switches it off because of how it answers, with an entry in the audit log."""
    url = await connection.fetchval(SQL.disable_endpoint, workspace_id, endpoint_id, now, reason)
    if url is not None:
        detail: dict[str, Any] = {"id": str(endpoint_id), "reason": reason}
        await audit.record(connection, workspace_id, "posthouse", "webhook.disable", url, detail, now)


async def note_failing(connection: Connection, workspace_id: UUID, endpoint_id: UUID, since: datetime) -> None:
    """Nothing went well since then."""
    await connection.execute(SQL.note_failing, workspace_id, endpoint_id, since)


async def note_well(connection: Connection, workspace_id: UUID, endpoint_id: UUID) -> None:
    """It took something."""
    await connection.execute(SQL.note_well, workspace_id, endpoint_id)


async def secrets_of(connection: Executor, vault: Vault, endpoint: InService, now: datetime) -> list[str]:
    """What signs: the secret, and the one before it for as long as that counts."""
    at = connection, vault, endpoint.workspace_id, endpoint.endpoint_id
    found = [await _opened(*at, _SECRET, endpoint.sealed_secret)]
    if endpoint.sealed_previous is not None and endpoint.previous_until is not None and now < endpoint.previous_until:
        found.append(await _opened(*at, _PREVIOUS, endpoint.sealed_previous))
    return found


def _new_secret() -> str:
    return signature.secret_of(secrets.token_bytes(signature.SECRET_OCTETS))


async def _sealed(change: Change, endpoint_id: UUID, column: str, secret: str) -> bytes:
    data_key = await data_keys.current(change.connection, change.workspace_id)
    assert data_key is not None, "a workspace has a data key from the beginning"
    return change.vault.seal(data_key, secret.encode(), _place(change.workspace_id, endpoint_id, column))


async def _opened(
    connection: Executor, vault: Vault, workspace_id: UUID, endpoint_id: UUID, column: str, sealed: bytes
) -> str:
    data_key = await data_keys.find(connection, workspace_id, key_id_of(sealed))
    assert data_key is not None, f"the data key of a webhook's secret is gone: {key_id_of(sealed)}"
    return vault.open(data_key, sealed, _place(workspace_id, endpoint_id, column)).decode()


def _place(workspace_id: UUID, endpoint_id: UUID, column: str) -> Place:
    return Place(_TABLE, column, workspace_id, str(endpoint_id))


async def _found(change: Change, endpoint_id: UUID) -> Endpoint:
    endpoint = await find(change.connection, change.workspace_id, endpoint_id)
    assert endpoint is not None
    return endpoint


def _endpoint(row: Record) -> Endpoint:
    values = {name: row[name] for name in Endpoint.__slots__}
    return Endpoint(**(values | {"kinds": tuple(values["kinds"])}))
