"""`posthouse bounce-domain`: domains of your own that bounces return to, so that SPF aligns for DMARC."""

from dataclasses import dataclass
from typing import Any, Final

from cyclopts import App
from rich.table import Table

from posthouse.accounts import bounce_domains, workspaces
from posthouse.accounts.bounce_domains import BounceDomain
from posthouse.cli import console
from posthouse.cli.console import HERE, Installation, Json, Number, Refused, Room
from posthouse.cli.world import Where
from posthouse.runtime.dns import Resolver

app: Final = App(name="bounce-domain", help="Domains of your own that bounces return to, so that SPF aligns for DMARC.")


@dataclass(frozen=True, slots=True)
class _Listed:
    """What is there, and what a new one has to be an alias of."""

    processing: bool
    target: str
    default: str
    domains: list[BounceDomain]


@app.command(name="list")
def list_bounce_domains(*, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """List bounce domains, and what a new one has to be an alias (CNAME) of.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse bounce-domain list
    """
    found = console.run(_listing(where, workspace))
    shown = {"processing": found.processing, "target": found.target, "default": found.default}
    console.show(
        {**shown, "bounce_domains": [_view(each) for each in found.domains]}, lambda: _table(found), as_json=as_json
    )


@app.command
def add(name: str, /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """Add a bounce domain. Its CNAME has to be in the DNS already; `list` says where it has to lead.

    Exit status: 0 done, 1 refused (with the reason), 2 wrong usage, 3 no database.

    For example:

        posthouse bounce-domain add bounces.example.com
    """
    domain = console.run(_add(where, workspace, name))
    console.show(_view(domain), lambda: f"Mail from aligned domains returns to {domain.name}.", as_json=as_json)


@app.command
def verify(name: str, /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """Ask the DNS for the CNAME of a bounce domain now; it is asked daily anyway.

    Exit status: 0 done, 1 no such bounce domain, 2 wrong usage, 3 no database.

    For example:

        posthouse bounce-domain verify bounces.example.com
    """
    domain = console.run(_verify(where, workspace, name))
    console.show(_view(domain), lambda: domain.problem or f"{domain.name} leads here.", as_json=as_json)


@app.command
def remove(name: str, /, *, workspace: Number = None, where: Installation = HERE) -> None:
    """Remove a bounce domain. What comes back for mail sent so far is still taken.

    Exit status: 0 done, 1 no such bounce domain, 2 wrong usage, 3 no database.

    For example:

        posthouse bounce-domain remove bounces.example.com
    """
    console.run(_remove(where, workspace, name))
    print(f"Removed {name}.")


async def _listing(where: Where, number: int | None) -> _Listed:
    async with console.opened(where, number) as room:
        found = await bounce_domains.listing(room.process.pool, room.workspace.workspace_id)
        workspace = await workspaces.find(room.process.pool, room.workspace.workspace_id)
        assert workspace is not None
        settings = room.process.settings
        return _Listed(workspace.bounce_processing, settings.return_target, settings.bounce_domain, found)


async def _add(where: Where, number: int | None, name: str) -> BounceDomain:
    async with console.opened(where, number) as room:
        asked = room.process, room.workspace.workspace_id, name, _resolver(room), console.actor()
        return console.accepted(await bounce_domains.add(*asked))


async def _verify(where: Where, number: int | None, name: str) -> BounceDomain:
    async with console.opened(where, number) as room:
        found = await _found(room, name)
        asked = room.process, found.workspace_id, found.bounce_domain_id, _resolver(room), console.actor()
        return await bounce_domains.verify(*asked) or found


async def _remove(where: Where, number: int | None, name: str) -> None:
    async with console.opened(where, number) as room:
        found = await _found(room, name)
        async with room.changing() as change:
            await bounce_domains.remove(change, found.bounce_domain_id)


async def _found(room: Room, name: str) -> BounceDomain:
    found = await bounce_domains.find(room.process.pool, room.workspace.workspace_id, name)
    if found is None:
        raise Refused(f"There is no bounce domain {name} in the workspace {room.workspace.name}.")
    return found


def _resolver(room: Room) -> Resolver:
    return Resolver(room.process.settings.delivery.resolvers)


def _view(domain: BounceDomain) -> dict[str, Any]:
    return {
        "name": domain.name,
        "usable": domain.broken_at is None,
        "problem": domain.problem,
        "created_at": domain.created_at,
        "checked_at": domain.checked_at,
    }


def _table(found: _Listed) -> Table:
    caption = f"A new one has to be a CNAME that leads to {found.target}. Other mail returns to {found.default}."
    if not found.processing:
        caption = "Bounce processing is off: mail returns to its sender's own mailbox."
    table = Table(caption=caption, caption_justify="left", box=None, pad_edge=False)
    for heading in ("Bounce domain", "State", "Problem"):
        table.add_column(heading)
    for each in found.domains:
        table.add_row(each.name, "not used" if each.broken_at else "in use", each.problem)
    return table
