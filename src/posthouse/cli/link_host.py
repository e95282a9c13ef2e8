"""`posthouse link-host`: hosts of your own that the links in your mail lead to."""

from dataclasses import dataclass
from typing import Any, Final

from cyclopts import App
from rich.table import Table

from posthouse.accounts import domains, link_hosts
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.link_hosts import LinkHost
from posthouse.cli import console
from posthouse.cli.console import HERE, Installation, Json, Number, Refused, Room
from posthouse.cli.world import Where
from posthouse.runtime.dns import Resolver

app: Final = App(name="link-host", help="Hosts of your own that the links in your mail lead to.")


@dataclass(frozen=True, slots=True)
class _Listed:
    """What is there, and what a new one has to be an alias of."""

    target: str
    hosts: list[LinkHost]


@app.command(name="list")
def list_link_hosts(*, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """List link hosts, and what a new one has to be an alias (CNAME) of.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse link-host list
    """
    found = console.run(_listing(where, workspace))
    shown = {"target": found.target or None, "link_hosts": [_view(each) for each in found.hosts]}
    console.show(shown, lambda: _table(found), as_json=as_json)


@app.command
def choose(
    domain: str, name: str = "", /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE
) -> None:
    """Give a sending domain a link host, `links.` and the domain where you name none. Its CNAME has to be in the DNS already.

    It takes the place of any the domain has. `list` says where the CNAME has to lead, docs/tls.md how the host gets its certificate.

    Exit status: 0 done, 1 refused (with the reason), 2 wrong usage, 3 no database.

    For example:

        posthouse link-host choose example.com
        posthouse link-host choose example.com go.example.com
    """
    host = console.run(_choose(where, workspace, domain, name))
    told = f"Links in new mail from {host.domain} lead to https://{host.name}."
    console.show(_view(host), lambda: told, as_json=as_json)


@app.command
def verify(domain: str, /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """Ask the DNS for the CNAME of a domain's link host now; it is asked daily anyway.

    Exit status: 0 done, 1 no such domain or no link host, 2 wrong usage, 3 no database.

    For example:

        posthouse link-host verify example.com
    """
    host = console.run(_verify(where, workspace, domain))
    console.show(_view(host), lambda: host.problem or f"{host.name} leads here.", as_json=as_json)


@app.command
def remove(domain: str, /, *, workspace: Number = None, where: Installation = HERE) -> None:
    """Remove the link host of a domain. Links in mail sent so far work for as long as its CNAME and its certificate do.

    Exit status: 0 done, 1 no such domain or no link host, 2 wrong usage, 3 no database.

    For example:

        posthouse link-host remove example.com
    """
    host = console.run(_remove(where, workspace, domain))
    print(f"Removed {host.name}.")


async def _listing(where: Where, number: int | None) -> _Listed:
    async with console.opened(where, number) as room:
        found = await link_hosts.listing(room.process.pool, room.workspace.workspace_id)
        return _Listed(room.process.settings.link_target, found)


async def _choose(where: Where, number: int | None, domain: str, name: str) -> LinkHost:
    async with console.opened(where, number) as room:
        asked = room.process, await _domain(room, domain), name, _resolver(room), console.actor()
        return console.accepted(await link_hosts.choose(*asked))


async def _verify(where: Where, number: int | None, domain: str) -> LinkHost:
    async with console.opened(where, number) as room:
        found = await _found(room, domain)
        asked = room.process, found.workspace_id, found.domain_id, _resolver(room), console.actor()
        return await link_hosts.verify(*asked) or found


async def _remove(where: Where, number: int | None, domain: str) -> LinkHost:
    async with console.opened(where, number) as room:
        found = await _found(room, domain)
        async with room.changing() as change:
            await link_hosts.remove(change, found.domain_id)
        return found


async def _domain(room: Room, name: str) -> SendingDomain:
    found = await domains.find(room.process.pool, room.workspace.workspace_id, name)
    if found is None:
        raise Refused(f"There is no domain {name} in the workspace {room.workspace.name}.")
    return found


async def _found(room: Room, name: str) -> LinkHost:
    domain = await _domain(room, name)
    host = await link_hosts.find(room.process.pool, domain.workspace_id, domain.domain_id)
    if host is None:
        raise Refused(f"{domain.name} has no link host.")
    return host


def _resolver(room: Room) -> Resolver:
    return Resolver(room.process.settings.delivery.resolvers)


def _view(host: LinkHost) -> dict[str, Any]:
    return {
        "domain": host.domain,
        "name": host.name,
        "usable": host.broken_at is None,
        "problem": host.problem,
        "created_at": host.created_at,
        "checked_at": host.checked_at,
    }


def _table(found: _Listed) -> Table:
    caption = f"A new one has to be a CNAME that leads to {found.target}. Links of other mail lead there too."
    if not found.target:
        caption = "This server has no public address that begins with https:// yet: set web.public_url."
    table = Table(caption=caption, caption_justify="left", box=None, pad_edge=False)
    for heading in ("Domain", "Link host", "State", "Problem"):
        table.add_column(heading)
    for each in found.hosts:
        table.add_row(each.domain, each.name, "not used" if each.broken_at else "in use", each.problem)
    return table
