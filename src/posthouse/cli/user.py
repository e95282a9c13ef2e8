"""`posthouse user`: people and how they get in."""

import getpass
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final
from uuid import UUID

from cyclopts import App, Parameter

from posthouse.accounts import sign_in, users
from posthouse.accounts.changes import Change
from posthouse.accounts.users import Member
from posthouse.cli import console, world
from posthouse.cli.console import HERE, Installation, Json, Number, Refused, Room
from posthouse.cli.world import Where
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.model.words import Role

app: Final = App(name="user", help="People and their sign-in links.")

_EMPTY: Final = "Nobody yet. Add somebody: posthouse user create ann@example.com --role admin"
_Step = Callable[[Change, UUID], Awaitable[tuple[FieldProblem, ...]]]


@app.command(name="list")
def list_users(*, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """List the people of a workspace.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse user list
        posthouse user list --json
    """
    found = console.run(_members(where, workspace))
    console.show([_view(each) for each in found], lambda: _table(found), as_json=as_json)


@app.command
def create(
    email: str,
    /,
    *,
    name: Annotated[str, Parameter(help="As shown on pages.")] = "",
    role: Annotated[Role, Parameter(help="Each includes the ones after it.")] = Role.SENDER,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Add a person to a workspace. They get in with `posthouse user sign-in-link` or a password.

    Exit status: 0 done, 1 refused (with the reason), 2 wrong usage, 3 no database.

    For example:

        posthouse user create ann@example.com --name "Ann Lee" --role admin
    """
    member = console.run(_create(where, workspace, email, name, role))
    told = f"Added {member.user.email} as {member.role}.\nLet them in: posthouse user sign-in-link {member.user.email}"
    console.show(_view(member), lambda: told, as_json=as_json)


@app.command
def sign_in_link(email: str, /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """Print a link that signs a person in once, within 24 hours.

    Exit status: 0 done, 1 not found or disabled, 2 wrong usage, 3 no database.

    For example:

        posthouse user sign-in-link ann@example.com
    """
    link = console.run(_link(where, workspace, email))
    console.show({"email": users.normal(email), "sign_in": link}, lambda: link, as_json=as_json)


@app.command
def disable(email: str, /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """Sign a person out everywhere, in every workspace, and let them in no more.

    Exit status: 0 done, 1 not found, 2 wrong usage, 3 no database.

    For example:

        posthouse user disable ann@example.com
    """
    member = console.run(_change(where, workspace, email, users.disable))
    console.show(_view(member), lambda: f"{member.user.email} is signed out and cannot sign in.", as_json=as_json)


@app.command
def enable(email: str, /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """Let a disabled person sign in again.

    Exit status: 0 done, 1 not found, 2 wrong usage, 3 no database.

    For example:

        posthouse user enable ann@example.com
    """
    member = console.run(_change(where, workspace, email, users.enable))
    console.show(_view(member), lambda: f"{member.user.email} can sign in.", as_json=as_json)


@app.command
def password(email: str, /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """Set a password: asked for on a terminal, else the first line of standard input. Signs the person out everywhere.

    Exit status: 0 done, 1 refused (with the reason) or not found, 2 wrong usage, 3 no database.

    For example:

        posthouse user password ann@example.com
        pass show posthouse/ann | posthouse user password ann@example.com
    """
    wanted = _asked()
    member = console.run(
        _change(where, workspace, email, lambda change, user_id: users.set_password(change, user_id, wanted))
    )
    console.show(_view(member), lambda: f"{member.user.email} has a new password.", as_json=as_json)


def _asked() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline(limits.PASSWORD_CHARS_MOST + 2).rstrip("\r\n")
    first = getpass.getpass("New password: ")
    if first != getpass.getpass("Once more: "):
        console.leave("These are two different passwords. Nothing was changed.")
    return first


async def _members(where: Where, number: int | None) -> list[Member]:
    async with console.opened(where, number) as room:
        return await users.members(room.process.pool, room.workspace.workspace_id)


async def _create(where: Where, number: int | None, email: str, name: str, role: Role) -> Member:
    async with console.opened(where, number) as room, room.changing() as change:
        return console.accepted(await users.create(change, email, name, role))


async def _link(where: Where, number: int | None, email: str) -> str:
    async with console.opened(where, number) as room:
        member = await _found(room, email)
        async with room.changing() as change:
            token = console.accepted(await sign_in.new_link(change, member.user.user_id))
        return f"{world.public_url(room.process.settings)}/sign-in/{token}"


async def _change(where: Where, number: int | None, email: str, step: _Step) -> Member:
    async with console.opened(where, number) as room:
        member = await _found(room, email)
        async with room.changing() as change:
            if problems := await step(change, member.user.user_id):
                console.accepted(problems)
        return await _found(room, email)


async def _found(room: Room, email: str) -> Member:
    member = await users.find(room.process.pool, room.workspace.workspace_id, email)
    if member is None:
        raise Refused(f"There is no {email} in the workspace {room.workspace.name}.")
    return member


def _view(member: Member) -> dict[str, Any]:
    user = member.user
    return {
        "id": user.user_id,
        "email": user.email,
        "name": user.name,
        "role": member.role,
        "has_password": user.has_password,
        "created_at": user.created_at,
        "disabled_at": user.disabled_at,
    }


def _table(found: list[Member]) -> object:
    rows = [
        (
            each.user.email,
            each.user.name,
            each.role,
            _state(each),
            "yes" if each.user.has_password else "no",
            each.user.created_at,
        )
        for each in found
    ]
    return console.table(("email", "name", "role", "state", "password", "since"), rows, _EMPTY)


def _state(member: Member) -> str:
    return "disabled" if member.user.disabled_at else "active"
