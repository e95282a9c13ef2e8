"""Sending domains: added, shown what to publish, verified against the live DNS, removed."""

import asyncio
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID

import msgspec

from posthouse.accounts import audit, changes, dkim_store, tokens
from posthouse.accounts.changes import Change
from posthouse.accounts.dns_records import (
    Check,
    DnsRecord,
    PublishedKey,
    Purpose,
    SendingDomain,
    judge,
    parents,
    records_for,
    remembered,
    verified_at,
)
from posthouse.accounts.selectors import Selectors, algorithm_of, is_selector
from posthouse.accounts.terms import domain_name
from posthouse.model import limits
from posthouse.model.dns import Answer
from posthouse.model.errors import FieldProblem
from posthouse.model.words import MailClass
from posthouse.runtime import queries
from posthouse.runtime.postgres import Executor, Record
from posthouse.runtime.process import Process
from posthouse.runtime.settings import Settings
from posthouse.wire.dkim_keys import Algorithm

__all__ = [
    "SendingDomain",
    "TxtLookup",
    "add",
    "add_keys",
    "assign",
    "find",
    "listing",
    "records",
    "remove",
    "verified_above",
    "verify",
]

SQL = queries.load(__package__)


class TxtLookup(Protocol):
    """Who asks the DNS: `runtime.dns.Resolver`. Bring a fresh one, its cache remembers what was not there a minute ago."""

    async def txt(self, name: str) -> Answer[str]:
        """Each record's strings joined."""
        ...


async def add(
    change: Change, name: str, own: Collection[str] = (), classes: Collection[MailClass] = ()
) -> SendingDomain | tuple[FieldProblem, ...]:
    """Add a domain with a token of its own and new DKIM keys, not verified yet.

    `own` are the selectors some pool has for itself (`Selectors.all`); `classes` what the domain is for, none for everything.
    """
    domain = domain_name(name)
    if domain is None:
        return (FieldProblem("/name", "invalid_domain", "This is not a domain name such as example.com."),)
    if await change.connection.fetchval(SQL.domain_count, change.workspace_id) >= limits.DOMAINS_PER_WORKSPACE:
        return (FieldProblem("/name", "too_many", f"A workspace has at most {limits.DOMAINS_PER_WORKSPACE} domains."),)
    number = await change.connection.fetchval(SQL.workspace_number, change.workspace_id)
    # The number keeps apart what two workspaces publish under the same domain.
    selectors = {f"ph{number}-rsa": Algorithm.RSA, f"ph{number}-ed": Algorithm.ED25519}
    return await insert(change, domain, selectors | {each: algorithm_of(each) for each in own}, classes)


async def insert(
    change: Change, domain: str, selectors: Mapping[str, Algorithm], classes: Collection[MailClass] = ()
) -> SendingDomain | tuple[FieldProblem, ...]:
    """The same with selectors of the caller's choice."""
    domain_id = change.ids.new()
    token = tokens.ownership_token(secrets.token_bytes(tokens.SECRET_OCTETS))
    row = change.workspace_id, domain_id, domain, token, change.now, sorted(classes)
    if await change.connection.fetchval(SQL.insert_domain, *row) is None:
        return (FieldProblem("/name", "taken", f"{domain} is here already."),)
    await dkim_store.add(change, domain_id, domain, selectors)
    await change.record("domain.add", domain, selectors=sorted(selectors), classes=sorted(classes))
    return await _existing(change, domain_id)


async def add_keys(
    change: Change, domain: SendingDomain, selectors: Sequence[str]
) -> SendingDomain | tuple[FieldProblem, ...]:
    """Make further DKIM keys. Nothing is signed with one before the DNS was seen to publish it."""
    wanted = [selector.lower() for selector in selectors]
    if found := _selector_problems(wanted, {key.selector for key in domain.keys}):
        return found
    await dkim_store.add(change, domain.domain_id, domain.name, {each: algorithm_of(each) for each in wanted})
    await change.record("domain.keys", domain.name, selectors=wanted)
    return await _existing(change, domain.domain_id)


async def assign(change: Change, domain_id: UUID, classes: Collection[MailClass]) -> SendingDomain | None:
    """Say what mail a domain is for; none means every class. None when there is no such domain."""
    before = await find(change.connection, change.workspace_id, domain_id)
    if before is None:
        return None
    await change.connection.execute(SQL.assign_classes, change.workspace_id, domain_id, sorted(classes))
    was, will = sorted(before.mail_classes), sorted(classes)
    if was != will:
        await change.record("domain.classes", before.name, classes={"from": was, "to": will})
    return await _existing(change, domain_id)


def records(settings: Settings, domain: SendingDomain) -> tuple[DnsRecord, ...]:
    """Everything to publish for a domain of this installation."""
    return records_for(domain, settings.server.hostname, settings.bounce_domain, Selectors.of(settings).pools_of)


async def listing(connection: Executor, workspace_id: UUID) -> list[SendingDomain]:
    """The domains of a workspace by name."""
    return await _with_keys(connection, workspace_id, await connection.fetch(SQL.domains, workspace_id))


async def find(connection: Executor, workspace_id: UUID, name_or_id: str | UUID) -> SendingDomain | None:
    """One domain, by id or by a name in any spelling."""
    if isinstance(name_or_id, UUID):
        row = await connection.fetchrow(SQL.domain, workspace_id, name_or_id)
    else:
        row = await connection.fetchrow(SQL.domain_by_name, workspace_id, domain_name(name_or_id))
    return (await _with_keys(connection, workspace_id, [row]))[0] if row else None


async def verified_above(connection: Executor, workspace_id: UUID, name: str) -> str | None:
    """The verified domain that `name` (lower-case A-label) is, or is below; whoever has a domain has the names in it."""
    labels = name.split(".")
    names = [".".join(labels[at:]) for at in range(len(labels))]
    found: str | None = await connection.fetchval(SQL.verified_among, workspace_id, names)
    return found


async def remove(change: Change, domain_id: UUID) -> bool:
    """Remove a domain and its keys; nothing can be sent from it any more. False when there is none."""
    name = await change.connection.fetchval(SQL.delete_domain, change.workspace_id, domain_id)
    if name is None:
        return False
    await change.record("domain.remove", name)
    return True


async def verify(
    process: Process, workspace_id: UUID, domain_id: UUID, resolver: TxtLookup, actor: str
) -> SendingDomain | None:
    """Ask the DNS for every record and keep what it said; None when there is no such domain.

    No transaction is open while the DNS is asked. A domain whose records are seen to be gone is verified no more. Where a pool
    has got selectors of its own since, keys are made for them, to be published.
    """
    domain = await find(process.pool, workspace_id, domain_id)
    if domain is None:
        return None
    domain = await _with_all_keys(process, domain, actor)
    checks = await check(records(process.settings, domain), domain.name, resolver)
    async with changes.making(process, workspace_id, actor) as change:
        return await settle(change, domain, checks)


async def check(wanted: Sequence[DnsRecord], domain: str, lookup: TxtLookup) -> tuple[Check, ...]:
    """What the DNS says about each record. A DMARC policy may also stand at a domain above."""
    checks = await asyncio.gather(*(_check(record, lookup) for record in wanted))
    return tuple([await _inherited(each, domain, lookup) for each in checks])


async def settle(change: Change, domain: SendingDomain, checks: tuple[Check, ...]) -> SendingDomain:
    """Keep the outcome of a verification."""
    checks = remembered(checks, domain.checks)
    since = verified_at(checks, domain.verified_at, change.now)
    kept = msgspec.to_builtins(checks)
    await change.connection.execute(SQL.settle_checks, change.workspace_id, domain.domain_id, since, change.now, kept)
    if (since is None) != (domain.verified_at is None):
        await change.record("domain.verify", domain.name, verified=since is not None)
    else:
        await audit.announce(change.connection, change.workspace_id)
    return replace(domain, verified_at=since, checked_at=change.now, checks=checks)


async def _with_all_keys(process: Process, domain: SendingDomain, actor: str) -> SendingDomain:
    known = {key.selector for key in domain.keys}
    missing = [selector for selector in Selectors.of(process.settings).all if selector not in known]
    if not missing:
        return domain
    async with changes.making(process, domain.workspace_id, actor) as change:
        outcome = await add_keys(change, domain, missing)
    return outcome if isinstance(outcome, SendingDomain) else domain


def _selector_problems(wanted: Sequence[str], known: Collection[str]) -> tuple[FieldProblem, ...]:
    if len(known) + len(wanted) > limits.KEYS_PER_DOMAIN:
        return (FieldProblem("/selectors", "too_many", f"A domain has at most {limits.KEYS_PER_DOMAIN} keys."),)
    found = []
    for index, selector in enumerate(wanted):
        if not is_selector(selector):
            detail = "A selector is letters, digits and hyphens, such as mk1."
            found.append(FieldProblem(f"/selectors/{index}", "invalid_selector", detail))
        elif selector in known or selector in wanted[:index]:
            found.append(FieldProblem(f"/selectors/{index}", "taken", f"There is a key {selector} already."))
    return tuple(found)


async def _existing(change: Change, domain_id: UUID) -> SendingDomain:
    domain = await find(change.connection, change.workspace_id, domain_id)
    assert domain is not None
    return domain


async def _check(record: DnsRecord, lookup: TxtLookup) -> Check:
    return judge(record, await lookup.txt(record.name))


async def _inherited(found: Check, domain: str, lookup: TxtLookup) -> Check:
    if found.purpose is not Purpose.DMARC or found.passed or found.found:
        return found
    for parent in parents(domain, limits.DMARC_PARENTS):
        wanted = DnsRecord(Purpose.DMARC, f"_dmarc.{parent}", "TXT", found.expected, "", required=False)
        above = judge(wanted, await lookup.txt(wanted.name))
        if above.passed:
            return replace(above, name=found.name, detail=f"Covered by the policy of {parent}.")
    return found


async def _with_keys(connection: Executor, workspace_id: UUID, rows: Sequence[Record]) -> list[SendingDomain]:
    ids = [row["domain_id"] for row in rows]
    keys: dict[UUID, list[PublishedKey]] = {domain_id: [] for domain_id in ids}
    for key in await connection.fetch(SQL.published_keys, workspace_id, ids):
        keys[key["domain_id"]].append(PublishedKey(key["selector"], key["algorithm"], key["public_key"]))
    return [_domain(row, tuple(keys[row["domain_id"]])) for row in rows]


def _domain(row: Record, keys: tuple[PublishedKey, ...]) -> SendingDomain:
    return SendingDomain(
        workspace_id=row["workspace_id"],
        domain_id=row["domain_id"],
        name=row["name"],
        ownership_token=row["ownership_token"],
        verified_at=row["verified_at"],
        checked_at=row["checked_at"],
        checks=msgspec.convert(row["checks"], tuple[Check, ...]),
        created_at=row["created_at"],
        keys=keys,
        mail_classes=frozenset(map(MailClass, row["mail_classes"])),
    )
