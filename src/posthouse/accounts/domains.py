"""Sending domains: added, shown what to publish, verified against the live DNS, removed."""

import asyncio
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol
from uuid import UUID

import msgspec

from posthouse.accounts import (
    alerts,
    aliases,
    audit,
    bounce_domains,
    changes,
    dkim_store,
    domain_troubles,
    link_hosts,
    record_lint,
    report_address,
    return_path,
    rotation,
    tokens,
)
from posthouse.accounts.changes import Change
from posthouse.accounts.dns_lookups import TextsOf
from posthouse.accounts.dns_records import (
    Check,
    DnsRecord,
    Incomplete,
    Installation,
    PublishedKey,
    Purpose,
    SendingDomain,
    is_proven,
    judge,
    outcome,
    records_for,
    remembered,
    seen_selectors,
    shortfall,
)
from posthouse.accounts.record_lint import Fault, Remark
from posthouse.accounts.rotation import RETIRED_FOR, IsCommon, Turn
from posthouse.accounts.selectors import Selectors, algorithm_of, is_selector
from posthouse.accounts.terms import domain_name
from posthouse.model import limits
from posthouse.model.dns import Answer
from posthouse.model.errors import FieldProblem
from posthouse.model.words import DomainPolicy, MailClass
from posthouse.runtime import queries
from posthouse.runtime.postgres import Executor, Record
from posthouse.runtime.process import Process
from posthouse.wire import dmarc
from posthouse.wire.dkim_keys import Algorithm
from posthouse.wire.dmarc import InForce

__all__ = [
    "RecordLookup",
    "SendingDomain",
    "add",
    "add_keys",
    "assign",
    "find",
    "listing",
    "records",
    "remove",
    "remove_key",
    "rotate",
    "tell",
    "verified_above",
    "verify",
]

SQL = queries.load(__package__)


class RecordLookup(Protocol):
    """Who asks the DNS: `runtime.dns.Resolver`. Bring a fresh one, its cache remembers what was not there a minute ago."""

    async def txt(self, name: str) -> Answer[str]:
        """Each record's strings joined."""
        ...

    async def lookup(self, name: str, rdtype: str) -> Answer[str]:
        """Records of another type as text."""
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


async def rotate(
    change: Change, domain: SendingDomain, selectors: Selectors
) -> SendingDomain | tuple[FieldProblem, ...]:
    """Make the keys that will take over from the present ones; those go on signing until the new records are seen."""
    if domain.verified_at is None:
        return (FieldProblem("/name", "not_verified", "A domain is verified before its keys are replaced."),)
    if rotation.under_way(domain):
        detail = "New keys are waiting already: publish their records, or remove them."
        return (FieldProblem("/name", "under_way", detail),)
    taken = {key.selector for key in domain.keys} | set(selectors.all)
    names = rotation.new_selectors(domain.workspace_number, change.now, taken)
    if len(domain.keys) + len(names) > limits.KEYS_PER_DOMAIN:
        return (FieldProblem("/name", "too_many", f"A domain has at most {limits.KEYS_PER_DOMAIN} keys."),)
    await dkim_store.add(change, domain.domain_id, domain.name, names, replacing=True)
    await change.record("domain.rotate", domain.name, selectors=sorted(names))
    return await _existing(change, domain.domain_id)


async def remove_key(
    change: Change, domain: SendingDomain, selector: str
) -> SendingDomain | tuple[FieldProblem, ...] | None:
    """Destroy a key that signs no more, or not yet; None when there is none. One that signs, or did lately, is refused."""
    key = next((each for each in domain.keys if each.selector == selector), None)
    if key is None:
        return None
    over = change.now - RETIRED_FOR
    if await change.connection.fetchval(SQL.delete_key, change.workspace_id, domain.domain_id, selector, over):
        await change.record("domain.key.remove", domain.name, selector=selector)
        return await _existing(change, domain.domain_id)
    if key.retired_at:
        detail = f"Mail it signed may still be on its way: keep it and its record until {key.retired_at + RETIRED_FOR:%Y-%m-%d %H:%M} UTC."
        return (FieldProblem("/selector", "in_use", detail),)
    return (FieldProblem("/selector", "in_use", "Mail is signed with it. Replace the keys first."),)


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


def records(process: Process, domain: SendingDomain) -> tuple[DnsRecord, ...]:
    """Everything to publish for a domain of this installation."""
    settings = process.settings
    reports = report_address.of(process, domain.workspace_number, domain.workspace_id)
    here = Installation(
        settings.server.hostname, settings.bounce_domain, settings.return_target, reports, settings.link_target
    )
    return records_for(domain, here, Selectors.of(settings).pools_of)


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
    """Remove a domain, its keys and its link host; nothing can be sent from it any more. False when there is none."""
    await link_hosts.remove(change, domain_id)
    name = await change.connection.fetchval(SQL.delete_domain, change.workspace_id, domain_id)
    if name is None:
        return False
    await _end_alert(change, name)
    await change.record("domain.remove", name)
    return True


async def verify(
    process: Process, workspace_id: UUID, domain_id: UUID, resolver: RecordLookup, actor: str
) -> SendingDomain | None:
    """Ask the DNS for every record and keep what it said; None when there is no such domain.

    No transaction is open while the DNS is asked. Its link host is asked about with it. A domain once verified stays so: what is missing raises an alert, and whether its
    mail is refused meanwhile is the workspace's policy. Where a pool has got selectors of its own since, keys are made for them, to
    be published.
    """
    domain = await find(process.pool, workspace_id, domain_id)
    if domain is None:
        return None
    domain = await _with_all_keys(process, domain, actor)
    checks = await check(records(process, domain), domain.name, resolver)
    selectors = Selectors.of(process.settings)
    if domain.link_host:
        await link_hosts.verify(process, workspace_id, domain_id, resolver, actor)
    async with changes.making(process, workspace_id, actor) as change:
        return await settle(change, domain, checks, lambda selector: not selectors.pools_of(selector))


async def tell(change: Change) -> None:
    """Raise and end the alerts of every domain anew: what is missing means something else since the policy was changed."""
    policy = await _policy(change)
    for domain in await listing(change.connection, change.workspace_id):
        await _alert(change, domain, policy)


async def check(wanted: Sequence[DnsRecord], domain: str, lookup: RecordLookup) -> tuple[Check, ...]:
    """What the DNS says about each record. A DMARC policy may also stand at a domain above."""
    policy = await dmarc.in_force(domain, TextsOf(lookup))
    return tuple(await asyncio.gather(*(_check(record, domain, policy, lookup) for record in wanted)))


async def settle(
    change: Change, domain: SendingDomain, checks: tuple[Check, ...], is_common: IsCommon = lambda _: True
) -> SendingDomain:
    """Keep the outcome of a look at the DNS: what was seen, which keys take over, and the alert that follows from it."""
    checks = remembered(checks, domain.checks)
    await _turn(change, domain, rotation.turn(domain.keys, seen_selectors(checks), is_common))
    since = domain.verified_at or (change.now if is_proven(checks, domain.keys) else None)
    incomplete = shortfall(checks, domain.keys) if since else None
    kept = msgspec.to_builtins(checks)
    place = change.workspace_id, domain.domain_id
    await change.connection.execute(SQL.settle_checks, *place, since, change.now, kept, incomplete)
    settled = await _existing(change, domain.domain_id)
    await _alert(change, settled, await _policy(change))
    await _alert_of_spf(change, settled)
    if (since is None) != (domain.verified_at is None):
        await change.record("domain.verify", domain.name, verified=True)
    else:
        await audit.announce(change.connection, change.workspace_id)
    return settled


async def _turn(change: Change, domain: SendingDomain, turn: Turn) -> None:
    """In the commit that keeps what was seen, so that no mail is signed by neither, and none by a key nobody sees."""
    if not turn.arrived:
        return
    place = change.workspace_id, domain.domain_id
    await change.connection.execute(SQL.retire_keys, *place, list(turn.leaving), change.now)
    await change.connection.execute(SQL.take_over, *place, list(turn.arrived))
    await change.record("domain.keys.turn", domain.name, signing=list(turn.arrived), retired=list(turn.leaving))


async def _alert(change: Change, domain: SendingDomain, policy: DomainPolicy) -> None:
    trouble = domain_troubles.of_domain(domain, policy)
    if trouble is None:
        await _end_alert(change, domain.name)
    else:
        await alerts.report(change.connection, change.workspace_id, trouble, change.ids, change.actor, change.now)


async def _alert_of_spf(change: Change, domain: SendingDomain) -> None:
    """One for all domains: the record is that of the installation's return path."""
    place = change.connection, change.workspace_id
    for check in domain.checks:
        if check.purpose is not Purpose.SPF or domain.verified_at is None:
            continue
        trouble = domain_troubles.of_spf(check, f"/domains/{domain.domain_id}")
        if trouble is not None:
            await alerts.report(*place, trouble, change.ids, change.actor, change.now)
        elif check.passed:
            await alerts.end(*place, domain_troubles.SPF_LOST, check.name, change.actor, change.now)


async def _policy(change: Change) -> DomainPolicy:
    return DomainPolicy(await change.connection.fetchval(SQL.domain_policy, change.workspace_id))


async def _end_alert(change: Change, name: str) -> None:
    kind = domain_troubles.INCOMPLETE
    await alerts.end(change.connection, change.workspace_id, kind, name, change.actor, change.now)


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


async def _check(record: DnsRecord, domain: str, policy: InForce | None, lookup: RecordLookup) -> Check:
    if record.type == "CNAME":
        return await _alias(record, lookup)
    found = judge(record, await lookup.txt(record.name))
    if record.purpose is Purpose.DMARC and found.fault is Fault.MISSING and policy and policy.published_at != domain:
        return outcome(record, (), Remark(Fault.DMARC_INHERITED, {"value": policy.published_at}, passes=True))
    if record.purpose is Purpose.BIMI and found.passed and found.answered:
        weak = record_lint.logo_policy(
            policy.policy if policy else None, policy.record.subdomain_policy if policy else None
        )
        return outcome(record, found.found, weak)
    return found


async def _alias(record: DnsRecord, lookup: RecordLookup) -> Check:
    led = await aliases.follow(record.name, record.value, lookup)
    if led.arrived:
        return outcome(record, led.chain, None)
    if not led.answered:
        return outcome(record, (), Remark(Fault.NO_ANSWER, {"value": "timeout"}), answered=False)
    remark = Remark(Fault.ALIAS_ELSEWHERE, {"value": led.chain[-1]}) if led.chain else Remark(Fault.MISSING)
    return outcome(record, led.chain, remark)


async def _with_keys(connection: Executor, workspace_id: UUID, rows: Sequence[Record]) -> list[SendingDomain]:
    ids = [row["domain_id"] for row in rows]
    keys: dict[UUID, list[PublishedKey]] = {domain_id: [] for domain_id in ids}
    for key in await connection.fetch(SQL.published_keys, workspace_id, ids):
        keys[key["domain_id"]].append(_key(key))
    bounces = [each.name for each in await bounce_domains.listing(connection, workspace_id)] if rows else []
    links = {each.domain_id: each.name for each in await link_hosts.listing(connection, workspace_id)} if rows else {}
    return [
        replace(
            _domain(row, tuple(keys[row["domain_id"]])),
            bounce_domain=return_path.choose(bounces, row["name"]),
            link_host=links.get(row["domain_id"]),
        )
        for row in rows
    ]


def _key(row: Record) -> PublishedKey:
    return PublishedKey(
        row["selector"], row["algorithm"], row["public_key"], row["created_at"], row["replacing"], row["retired_at"]
    )


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
        incomplete=Incomplete(row["incomplete"]) if row["incomplete"] else None,
        workspace_number=row["number"],
    )
