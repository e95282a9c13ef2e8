"""Workspaces: the tenants, and what each has chosen."""

from dataclasses import asdict
from datetime import datetime
from typing import Self
from uuid import UUID

from posthouse.accounts import data_keys, names
from posthouse.accounts.changes import Change
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.model.values import dataclass
from posthouse.model.words import ClassPolicy, DomainPolicy, MassPolicy, Role
from posthouse.runtime import queries
from posthouse.runtime.postgres import Executor, Record

SQL = queries.load(__package__)


@dataclass(frozen=True, slots=True)
class Workspace:
    """One tenant. `any_domain`: a workspace of the lab, whose mail may come from any domain and is signed with the lab's key."""

    workspace_id: UUID
    number: int
    name: str
    default_priority: int
    priority_enabled: bool
    encrypt_bodies: bool
    support_contact: str
    created_at: datetime
    any_domain: bool
    class_policy: ClassPolicy = ClassPolicy.WARN
    mass_policy: MassPolicy = MassPolicy.HOLD
    failure_notices: bool = True
    allow_lists: str = ""
    bounce_processing: bool = True
    strict_optout: bool = False
    domain_policy: DomainPolicy = DomainPolicy.WARN
    postal_address: str = ""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What an admin may choose. `default_priority` is for mail that names none; mail already queued keeps its own.

    `class_policy` is about mail from a domain meant for other classes, `mass_policy` about mass mail sent as single messages;
    `failure_notices` tells senders by mail when theirs was not delivered; `allow_lists` notes certifications, which nothing checks;
    `strict_optout` lets any opt-out stop all mail to its address, not marketing alone; `domain_policy` is about mail from a
    verified domain that has lost DNS records; `postal_address` is where the sender is reached by post, which marketing has to say.
    """

    name: str
    default_priority: int
    priority_enabled: bool
    encrypt_bodies: bool
    support_contact: str
    class_policy: ClassPolicy = ClassPolicy.WARN
    mass_policy: MassPolicy = MassPolicy.HOLD
    failure_notices: bool = True
    allow_lists: str = ""
    strict_optout: bool = False
    domain_policy: DomainPolicy = DomainPolicy.WARN
    postal_address: str = ""

    @classmethod
    def of(cls, workspace: Workspace) -> Self:
        """What is chosen now."""
        return cls(**{name: getattr(workspace, name) for name in cls.__slots__})


async def find(connection: Executor, workspace_id: UUID) -> Workspace | None:
    """The workspace with this id."""
    row = await connection.fetchrow(SQL.workspace, workspace_id)
    return _workspace(row) if row else None


async def by_number(connection: Executor, number: int) -> Workspace | None:
    """The workspace with this short number."""
    row = await connection.fetchrow(SQL.workspace_by_number, number)
    return _workspace(row) if row else None


async def listing(connection: Executor) -> list[Workspace]:
    """Every workspace, oldest first."""
    return [_workspace(row) for row in await connection.fetch(SQL.workspaces)]


async def of_user(connection: Executor, user_id: UUID) -> list[tuple[Workspace, Role]]:
    """The workspaces a person belongs to and the role there, oldest first."""
    return [(_workspace(row), Role(row["role"])) for row in await connection.fetch(SQL.workspaces_of_user, user_id)]


async def create(change: Change, name: str) -> Workspace:
    """A new workspace with the id of the change, and its first data key."""
    await change.connection.execute(SQL.insert_workspace, change.workspace_id, name, change.now)
    await data_keys.add(change.connection, change.workspace_id, change.ids, change.vault, change.now)
    await change.record("workspace.create", name)
    return await _existing(change)


async def update(change: Change, preferences: Preferences) -> Workspace | tuple[FieldProblem, ...]:
    """Change what is chosen; the audit entry has the old and the new of what differs."""
    if found := problems(preferences):
        return found
    before = asdict(Preferences.of(await _existing(change)))
    after = asdict(preferences)
    await change.connection.execute(SQL.update_workspace, change.workspace_id, *after.values())
    differing = [name for name in after if after[name] != before[name]]
    if differing:
        told = {name: {"from": before[name], "to": after[name]} for name in differing}
        await change.record("workspace.update", preferences.name, **told)
    return await _existing(change)


def problems(preferences: Preferences) -> tuple[FieldProblem, ...]:
    """What is wrong with a choice."""
    found: list[FieldProblem] = []
    found.extend(names.problems("/name", preferences.name))
    if not limits.PRIORITY_LOWEST <= preferences.default_priority <= limits.PRIORITY_HIGHEST:
        detail = f"A priority is a number from {limits.PRIORITY_LOWEST} to {limits.PRIORITY_HIGHEST}."
        found.append(FieldProblem("/default_priority", "out_of_range", detail))
    if preferences.support_contact:
        found.extend(names.problems("/support_contact", preferences.support_contact, limits.ADDRESS_OCTETS))
    if preferences.allow_lists:
        found.extend(names.problems("/allow_lists", preferences.allow_lists, limits.ALLOW_LISTS_CHARS))
    if preferences.postal_address:
        found.extend(names.problems("/postal_address", preferences.postal_address, limits.POSTAL_ADDRESS_CHARS))
    return tuple(found)


async def _existing(change: Change) -> Workspace:
    workspace = await find(change.connection, change.workspace_id)
    assert workspace is not None
    return workspace


def _workspace(row: Record) -> Workspace:
    values = {name: row[name] for name in Workspace.__slots__}
    values |= {"class_policy": ClassPolicy(row["class_policy"]), "mass_policy": MassPolicy(row["mass_policy"])}
    values["domain_policy"] = DomainPolicy(row["domain_policy"])
    return Workspace(**values)
