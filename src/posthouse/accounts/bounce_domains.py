"""Custom bounce domains: aliases of this installation's return target, in a customer's own domain, so that SPF aligns for DMARC.

Added only where the DNS already leads here, asked again daily; while one leads elsewhere the installation's own domain is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from posthouse.accounts import alerts, aliases, audit, changes, domain_troubles, return_path, workspaces
from posthouse.accounts.aliases import AliasLookup, Led, Standing, is_subdomain
from posthouse.accounts.changes import Change
from posthouse.accounts.terms import domain_name
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.runtime import queries
from posthouse.runtime.postgres import Executor, Record
from posthouse.runtime.process import Process

SQL = queries.load(__package__)

PROCESSING_OFF = "processing_off"
"""The code of the problem that there is no bounce processing, which has to be switched on first."""


@dataclass(frozen=True, slots=True)
class BounceDomain:
    """One bounce domain. While `broken_at` is set it is not used, and `problem` says why."""

    workspace_id: UUID
    bounce_domain_id: UUID
    name: str
    created_at: datetime
    checked_at: datetime
    broken_at: datetime | None
    problem: str


async def add(
    process: Process, workspace_id: UUID, name: str, resolver: AliasLookup, actor: str
) -> BounceDomain | tuple[FieldProblem, ...]:
    """Add a bounce domain whose alias is in the DNS already. No transaction is open while the DNS is asked."""
    domain = domain_name(name)
    if found := await _refusal(process, workspace_id, domain):
        return found
    assert domain is not None
    target = process.settings.return_target
    led = await aliases.follow(domain, target, resolver)
    if not led.arrived:
        return (FieldProblem("/name", "no_alias", led.problem(domain, target)),)
    async with changes.making(process, workspace_id, actor) as change:
        row = await change.connection.fetchrow(
            SQL.insert_bounce_domain, workspace_id, change.ids.new(), domain, change.now
        )
        if row is None:
            return (FieldProblem("/name", "taken", f"{domain} is here already."),)
        await change.record("bounce_domain.add", domain)
    return _bounce_domain(row)


async def verify(
    process: Process, workspace_id: UUID, bounce_domain_id: UUID, resolver: AliasLookup, actor: str
) -> BounceDomain | None:
    """Ask the DNS again and keep what it said; None when there is no such domain. No answer changes nothing."""
    domain = await find(process.pool, workspace_id, bounce_domain_id)
    if domain is None:
        return None
    target = process.settings.return_target
    led = await aliases.follow(domain.name, target, resolver)
    async with changes.making(process, workspace_id, actor) as change:
        kept = await _settle(change, domain, led, led.problem(domain.name, target))
        await _alert(change, kept, process.settings.bounce_domain)
    return kept


async def listing(connection: Executor, workspace_id: UUID) -> list[BounceDomain]:
    """The bounce domains of a workspace by name."""
    return [_bounce_domain(row) for row in await connection.fetch(SQL.bounce_domains, workspace_id)]


async def find(connection: Executor, workspace_id: UUID, name_or_id: str | UUID) -> BounceDomain | None:
    """One bounce domain, by id or by name."""
    found = await listing(connection, workspace_id)
    wanted = name_or_id if isinstance(name_or_id, UUID) else domain_name(name_or_id)
    return next((each for each in found if wanted in (each.bounce_domain_id, each.name)), None)


async def remove(change: Change, bounce_domain_id: UUID) -> bool:
    """Remove one: later mail returns to another. What comes back for earlier mail is still taken. False when there is none."""
    name = await change.connection.fetchval(SQL.delete_bounce_domain, change.workspace_id, bounce_domain_id)
    if name is None:
        return False
    await _end_alert(change, name)
    await change.record("bounce_domain.remove", name)
    return True


async def switch(change: Change, *, on: bool) -> None:
    """Switch bounce processing on or off. While it is off, mail returns to its sender's own mailbox and nothing is learned here."""
    if await change.connection.fetchval(SQL.switch_bounce_processing, change.workspace_id, on) is not None:
        await change.record("workspace.bounce_processing", "on" if on else "off")


async def overdue(connection: Executor, workspace_id: UUID, before: datetime, most: int) -> list[UUID]:
    """The ids of those not asked about since then, for whoever asks daily."""
    rows = await connection.fetch(SQL.overdue_bounce_domains, workspace_id, before, most)
    return [row["bounce_domain_id"] for row in rows]


async def _refusal(process: Process, workspace_id: UUID, domain: str | None) -> tuple[FieldProblem, ...]:
    workspace = await workspaces.find(process.pool, workspace_id)
    assert workspace is not None
    if not workspace.bounce_processing:
        return (FieldProblem("/name", PROCESSING_OFF, "Enable bounce processing first."),)
    if domain is None:
        return (FieldProblem("/name", "invalid_domain", "This is not a domain name such as bounces.example.com."),)
    if not is_subdomain(domain):
        detail = f"An alias cannot stand at {domain} itself. Choose a name below it, such as bounces.{domain}."
        return (FieldProblem("/name", "not_a_subdomain", detail),)
    if len(await listing(process.pool, workspace_id)) >= limits.DOMAINS_PER_WORKSPACE:
        return (FieldProblem("/name", "too_many", f"A workspace has at most {limits.DOMAINS_PER_WORKSPACE} of them."),)
    return ()


async def _settle(change: Change, domain: BounceDomain, led: Led, problem: str) -> BounceDomain:
    stands = Standing(domain.broken_at, domain.problem).after(led, problem, change.now)
    broken_at = stands.broken_at
    kept = replace(domain, checked_at=change.now, broken_at=broken_at, problem=stands.problem)
    await change.connection.execute(
        SQL.settle_bounce_domain, change.workspace_id, kept.bounce_domain_id, change.now, broken_at, kept.problem
    )
    if (broken_at is None) != (domain.broken_at is None):
        await change.record(
            "bounce_domain.broken" if broken_at else "bounce_domain.mended", domain.name, problem=kept.problem
        )
    else:
        await audit.announce(change.connection, change.workspace_id)
    return kept


async def _alert(change: Change, domain: BounceDomain, default: str) -> None:
    if domain.broken_at is None:
        await _end_alert(change, domain.name)
        return
    trouble = domain_troubles.of_bounce_domain(domain.name, domain.problem, default)
    await alerts.report(change.connection, change.workspace_id, trouble, change.ids, change.actor, change.now)


async def _end_alert(change: Change, name: str) -> None:
    kind = domain_troubles.BOUNCE_BROKEN
    await alerts.end(change.connection, change.workspace_id, kind, name, change.actor, change.now)


def usable(domains: Sequence[BounceDomain]) -> tuple[str, ...]:
    """The names mail may return to."""
    return tuple(each.name for each in domains if each.broken_at is None)


async def aligning(connection: Executor, workspace_id: UUID, from_domain: str) -> str | None:
    """Where mail from this domain would return to as of this moment; None for the installation's own.

    For whoever has just changed something and looks: what sends asks the directory, which hears of it a moment later.
    """
    return return_path.choose(usable(await listing(connection, workspace_id)), from_domain)


def _bounce_domain(row: Record) -> BounceDomain:
    return BounceDomain(**{name: row[name] for name in BounceDomain.__slots__})
