"""The daily look at what was right once: sending domains and bounce domains are asked about again before anybody complains.

What is gone raises an alert and stands on the domain's page. It stops no mail by itself: a domain stays verified, and whether its mail
is refused while records are missing is the workspace's policy (`domain_policy`); a broken bounce domain or link host gives way to
the installation's own. The same look finds the records of new DKIM keys, which take over then.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from posthouse.accounts import bounce_domains, domains
from posthouse.accounts.dkim_store import LAB_DOMAIN
from posthouse.accounts.dns_records import Check, Need
from posthouse.accounts.domains import SQL
from posthouse.runtime.dns import Resolver
from posthouse.runtime.process import Process

_DAILY: Final = timedelta(hours=20)  # and a worker that was away for some hours still keeps to once a day
_PER_ROUND: Final = 50
_ACTOR: Final = "daily check"


async def advance(process: Process, workspace_id: UUID) -> None:
    """Asks about those of a workspace whose turn it is."""
    resolver = Resolver(process.settings.delivery.resolvers)
    before = process.clock.now() - _DAILY
    overdue = await process.pool.fetch(SQL.overdue_domains, workspace_id, before, _PER_ROUND, LAB_DOMAIN)
    for row in overdue:
        await _domain(process, workspace_id, row["domain_id"], resolver)
    for bounce_domain_id in await bounce_domains.overdue(process.pool, workspace_id, before, _PER_ROUND):
        found = await bounce_domains.verify(process, workspace_id, bounce_domain_id, resolver, _ACTOR)
        if found is not None and found.broken_at is not None:
            process.log.warning("bounce_domain.broken", name=found.name, problem=found.problem)


async def _domain(process: Process, workspace_id: UUID, domain_id: UUID, resolver: Resolver) -> None:
    found = await domains.verify(process, workspace_id, domain_id, resolver, _ACTOR)
    missing = [check.name for check in found.checks if not check.passed and _counts(check)] if found else []
    if found and missing:
        process.log.warning("domain.incomplete", name=found.name, missing=missing)


def _counts(check: Check) -> bool:
    return check.need is Need.REQUIRED or check.lost
