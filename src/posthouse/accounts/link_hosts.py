"""Link hosts: aliases of this installation's public host, in a customer's own domain, that the links in its mail lead to.

A sending domain has at most one. It is chosen only where the DNS already leads here, asked again whenever its domain is, daily at least;
while it leads elsewhere the installation's own host stands in new mail. A host is one domain's, over the whole installation: a proxy that
asks for a certificate, and a person who follows a link, name the host and nothing else.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.accounts import alerts, aliases, audit, changes, domain_troubles
from posthouse.accounts.aliases import AliasLookup, Led, Standing, is_subdomain
from posthouse.accounts.changes import Change
from posthouse.accounts.dns_records import SendingDomain, link_host_for
from posthouse.accounts.terms import domain_name
from posthouse.model.errors import FieldProblem
from posthouse.runtime import queries
from posthouse.runtime.postgres import Executor, Record
from posthouse.runtime.process import Process

SQL = queries.load(__package__)

NO_ADDRESS: Final = "no_public_address"
NOT_VERIFIED: Final = "not_verified"
CONFLICTS: Final = frozenset({NO_ADDRESS, NOT_VERIFIED})
"""The codes of problems that are none of the name's: something else has to be done first."""

_UNREACHED: Final = "This server has no public address that begins with https:// yet: set web.public_url."
_HOST: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")  # nobody certifies any other name (RFC 5280 4.2.1.6)


@dataclass(frozen=True, slots=True)
class LinkHost:
    """The link host of a sending domain. While `broken_at` is set it is not used, and `problem` says why."""

    workspace_id: UUID
    domain_id: UUID
    domain: str
    name: str
    created_at: datetime
    checked_at: datetime
    broken_at: datetime | None
    problem: str


async def choose(
    process: Process, domain: SendingDomain, name: str, resolver: AliasLookup, actor: str
) -> LinkHost | tuple[FieldProblem, ...]:
    """Give a domain the link host whose alias is in the DNS already, instead of any it has; "" for the one that is suggested.

    No transaction is open while the DNS is asked.
    """
    target = process.settings.link_target
    host = domain_name(name) if name.strip() else link_host_for(domain)
    if found := refusal(domain, host, target):
        return found
    assert host is not None
    led = await aliases.follow(host, target, resolver)
    if not led.arrived:
        return (FieldProblem("/name", "no_alias", led.problem(host, target)),)
    async with changes.making(process, domain.workspace_id, actor) as change:
        return await _keep(change, domain, host)


def refusal(domain: SendingDomain, host: str | None, target: str) -> tuple[FieldProblem, ...]:
    """Why this cannot be its link host, whatever the DNS says. Pure."""
    if not target:
        return (FieldProblem("/name", NO_ADDRESS, _UNREACHED),)
    if domain.verified_at is None:
        return (FieldProblem("/name", NOT_VERIFIED, "A domain is verified before it gets a link host."),)
    if host is None or not _HOST.fullmatch(host):
        return (FieldProblem("/name", "invalid_domain", "This is not a host name such as links.example.com."),)
    if host != domain.name and not host.endswith(f".{domain.name}"):
        detail = f"A link host is below its domain: choose one such as links.{domain.name}."
        return (FieldProblem("/name", "not_below", detail),)
    if not is_subdomain(host):
        detail = f"An alias cannot stand at {host} itself. Choose a name below it, such as links.{host}."
        return (FieldProblem("/name", "not_a_subdomain", detail),)
    if host == target:
        return (FieldProblem("/name", "own_host", f"{host} is this server's own address: links lead there anyway."),)
    return ()


async def verify(
    process: Process, workspace_id: UUID, domain_id: UUID, resolver: AliasLookup, actor: str
) -> LinkHost | None:
    """Ask the DNS again and keep what it said; None where the domain has no link host. No answer changes nothing."""
    host = await find(process.pool, workspace_id, domain_id)
    if host is None:
        return None
    target = process.settings.link_target
    led = await aliases.follow(host.name, target, resolver) if target else Led((), False, True)
    problem = led.problem(host.name, target) if target else _UNREACHED
    async with changes.making(process, workspace_id, actor) as change:
        kept = await _settle(change, host, led, problem)
        if kept is not None:
            await _alert(change, kept)
    if kept is not None and kept.broken_at is not None:
        process.log.warning("link_host.broken", name=kept.name, problem=kept.problem)
    return kept


async def listing(connection: Executor, workspace_id: UUID) -> list[LinkHost]:
    """The link hosts of a workspace by the name of their domain."""
    return [_link_host(row) for row in await connection.fetch(SQL.link_hosts, workspace_id)]


async def find(connection: Executor, workspace_id: UUID, domain_id: UUID) -> LinkHost | None:
    """That of one sending domain."""
    row = await connection.fetchrow(SQL.link_host, workspace_id, domain_id)
    return _link_host(row) if row else None


async def remove(change: Change, domain_id: UUID) -> bool:
    """Remove it: new mail names the installation's own host. False when there is none."""
    name = await change.connection.fetchval(SQL.delete_link_host, change.workspace_id, domain_id)
    if name is None:
        return False
    await _end_alert(change, name)
    await change.record("link_host.remove", name)
    return True


async def in_use(connection: Executor, name: str) -> bool:
    """Whether somebody's links lead to this host, and it leads here."""
    return bool(await connection.fetchval(SQL.link_host_in_use, name))


async def _keep(change: Change, domain: SendingDomain, host: str) -> LinkHost | tuple[FieldProblem, ...]:
    place = change.workspace_id, domain.domain_id
    await change.connection.execute(SQL.lock_link_host, host)
    if await change.connection.fetchval(SQL.link_host_taken, *place, host):
        return (FieldProblem("/name", "taken", f"{host} is the link host of another domain already."),)
    before = await find(change.connection, *place)
    if await change.connection.fetchval(SQL.set_link_host, *place, host, change.now) is None:
        return (FieldProblem("/name", NOT_VERIFIED, "A domain is verified before it gets a link host."),)
    if before is not None:
        await _end_alert(change, before.name)
    replaced = before.name if before is not None and before.name != host else None
    await change.record("link_host.choose", host, domain=domain.name, **({"instead_of": replaced} if replaced else {}))
    kept = await find(change.connection, *place)
    assert kept is not None
    return kept


async def _settle(change: Change, host: LinkHost, led: Led, problem: str) -> LinkHost | None:
    """None where another was chosen meanwhile, about which nothing was asked."""
    stands = Standing(host.broken_at, host.problem).after(led, problem, change.now)
    place = change.workspace_id, host.domain_id, host.name
    if not await change.connection.fetchval(SQL.settle_link_host, *place, change.now, stands.broken_at, stands.problem):
        return None
    kept = replace(host, checked_at=change.now, broken_at=stands.broken_at, problem=stands.problem)
    if (kept.broken_at is None) != (host.broken_at is None):
        await change.record(
            "link_host.broken" if kept.broken_at else "link_host.mended", kept.name, problem=kept.problem
        )
    else:
        await audit.announce(change.connection, change.workspace_id)
    return kept


async def _alert(change: Change, host: LinkHost) -> None:
    if host.broken_at is None:
        await _end_alert(change, host.name)
        return
    trouble = domain_troubles.of_link_host(host.name, host.problem, f"/domains/{host.domain_id}")
    await alerts.report(change.connection, change.workspace_id, trouble, change.ids, change.actor, change.now)


async def _end_alert(change: Change, name: str) -> None:
    kind = domain_troubles.LINKS_BROKEN
    await alerts.end(change.connection, change.workspace_id, kind, name, change.actor, change.now)


def _link_host(row: Record) -> LinkHost:
    return LinkHost(**{name: row[name] for name in LinkHost.__slots__})
