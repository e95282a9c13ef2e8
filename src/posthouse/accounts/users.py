"""People and what they may do in a workspace.

A person may belong to several workspaces. Whoever could set the password of such a person, or make a link that signs in as them,
would enter the other workspaces too; so an admin may do that only to people of this workspace alone, an operator to everybody.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.accounts import names, passwords
from posthouse.accounts.changes import Change
from posthouse.model.errors import FieldProblem
from posthouse.model.words import Role
from posthouse.runtime import queries
from posthouse.runtime.postgres import Executor, Record
from posthouse.wire.addresses import AddressProblem, parse_address

SQL = queries.load(__package__)

_UNKNOWN: Final = FieldProblem("/user", "not_found", "Nobody of this workspace is meant.")
_ELSEWHERE: Final = FieldProblem(
    "/user",
    "belongs_elsewhere",
    "This person belongs to other workspaces too; only the operator can change the account.",
)


@dataclass(frozen=True, slots=True)
class User:
    """A person. `email` is in lower case; `disabled_at` is set for somebody who cannot sign in any more."""

    user_id: UUID
    email: str
    name: str
    locale: str
    created_at: datetime
    disabled_at: datetime | None
    has_password: bool


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a workspace."""

    user: User
    role: Role


async def members(connection: Executor, workspace_id: UUID) -> list[Member]:
    """Everybody in a workspace, by address."""
    return [_member(row) for row in await connection.fetch(SQL.members, workspace_id)]


async def find(connection: Executor, workspace_id: UUID, who: str | UUID) -> Member | None:
    """The member with this address or id."""
    if isinstance(who, UUID):
        row = await connection.fetchrow(SQL.member, workspace_id, who)
    else:
        row = await connection.fetchrow(SQL.member_by_email, workspace_id, normal(who))
    return _member(row) if row else None


async def create(change: Change, email: str, name: str, role: Role) -> Member | tuple[FieldProblem, ...]:
    """Add a person to the workspace: a new one, or one whom another workspace knows already and who keeps name and password."""
    if found := problems(email, name):
        return found
    address = normal(email)
    user_id = await change.connection.fetchval(SQL.keep_user, change.ids.new(), address, name, change.now)
    added = await change.connection.fetchval(SQL.insert_member, change.workspace_id, user_id, role, change.now)
    if added is None:
        return (FieldProblem("/email", "taken", f"{address} is a member already."),)
    await change.record("user.create", address, role=role)
    member = await find(change.connection, change.workspace_id, user_id)
    assert member is not None
    return member


async def disable(change: Change, user_id: UUID) -> tuple[FieldProblem, ...]:
    """End a person's sessions and links and let them sign in no more. () when done."""
    member = await changeable(change, user_id)
    if not isinstance(member, Member):
        return member
    await change.connection.execute(SQL.set_disabled, user_id, change.now)
    await change.connection.execute(SQL.end_sessions, user_id, None)
    await change.connection.execute(SQL.end_links, user_id)
    await change.record("user.disable", member.user.email)
    return ()


async def enable(change: Change, user_id: UUID) -> tuple[FieldProblem, ...]:
    """Let a disabled person sign in again. () when done."""
    member = await changeable(change, user_id)
    if not isinstance(member, Member):
        return member
    await change.connection.execute(SQL.set_disabled, user_id, None)
    await change.record("user.enable", member.user.email)
    return ()


async def set_password(
    change: Change, user_id: UUID, password: str, keep_session: bytes | None = None
) -> tuple[FieldProblem, ...]:
    """Give a person a new password. () when done; every session but `keep_session` and every open link has ended then."""
    member = await changeable(change, user_id)
    if not isinstance(member, Member):
        return member
    return await replace_password(change, member.user, password, keep_session)


async def replace_password(
    change: Change, user: User, password: str, keep_session: bytes | None
) -> tuple[FieldProblem, ...]:
    """The same for a caller who has shown to be allowed, such as the person."""
    if found := passwords.problems(password, user.email):
        return found
    await change.connection.execute(SQL.set_password, user.user_id, await passwords.hashed(password))
    await change.connection.execute(SQL.end_sessions, user.user_id, keep_session)
    await change.connection.execute(SQL.end_links, user.user_id)
    await change.record("user.password", user.email)
    return ()


async def set_locale(connection: Executor, user_id: UUID, locale: str) -> None:
    """The language a person reads pages in; their own taste, so no entry in the log."""
    await connection.execute(SQL.set_locale, user_id, locale)


async def changeable(change: Change, user_id: UUID) -> Member | tuple[FieldProblem, ...]:
    """The member, if whoever makes this change may change the account itself."""
    member = await find(change.connection, change.workspace_id, user_id)
    if member is None:
        return (_UNKNOWN,)
    if not change.operator and await change.connection.fetchval(SQL.belongs_elsewhere, change.workspace_id, user_id):
        return (_ELSEWHERE,)
    return member


def normal(email: str) -> str:
    """An address as it is stored and compared: of one person, however it is typed."""
    read = parse_address(email.strip().lower())
    return email.strip().lower() if isinstance(read, AddressProblem) else read.address.lower()


def user_of(row: Record) -> User:
    """The person in a row that has the columns of User."""
    return User(**{name: row[name] for name in User.__slots__})


def problems(email: str, name: str) -> tuple[FieldProblem, ...]:
    """What is wrong with the address and the name of a person."""
    read = parse_address(email.strip().lower())
    about_email = (read.at("/email"),) if isinstance(read, AddressProblem) else ()
    return (*about_email, *(names.problems("/name", name) if name else ()))


def _member(row: Record) -> Member:
    return Member(user_of(row), Role(row["role"]))
