"""What a pool has to send now and where to: ready mail by workspace and domain, with the way there and the rules on it."""

from collections import defaultdict
from typing import Final
from uuid import UUID

from posthouse.delivery.courier import NoRoute, Plan
from posthouse.delivery.routes import MOST, Routes
from posthouse.delivery.rules import Limits
from posthouse.delivery.shaping_file import ShapingFile
from posthouse.model.values import dataclass
from posthouse.model.words import Pool
from posthouse.outbox import claims
from posthouse.runtime.process import Process

DOMAINS_PER_ROUND: Final = 1_000


@dataclass(frozen=True, slots=True)
class Destination:
    """One workspace's mail for one domain, and the best priority ready there."""

    workspace_id: UUID
    domain: str
    priority: int


@dataclass(frozen=True, slots=True)
class Way:
    """Where a domain's mail goes and what holds there. `group` is what counts together, and has one owner."""

    plan: Plan | NoRoute
    limits: Limits | None

    def group(self, domain: str) -> str:
        """A domain that leads nowhere is a group of its own."""
        return self.limits.group if self.limits else domain


class Destinations:
    """Reads what is ready for a pool, best priority first, and knows the ways."""

    def __init__(self, process: Process, pool: Pool, routes: Routes, shaping: ShapingFile) -> None:
        self._process = process
        self._pool = pool
        self._routes = routes
        self._shaping = shaping
        self._version = shaping.version
        self._after: dict[UUID, str] = defaultdict(str)  # where the walk through a workspace's destinations goes on
        self._ways: dict[str, tuple[Plan | NoRoute, Way]] = {}

    async def ready(self) -> tuple[list[Destination], bool]:
        """Destinations with ready mail, and whether there are more than one look can take in."""
        found: list[Destination] = []
        more = False
        async with self._process.pool.acquire() as connection:
            for workspace_id in await claims.workspaces_with_mail(connection, self._pool):
                after = self._after.pop(workspace_id, "")
                domains = await claims.ready_domains(connection, workspace_id, self._pool, after, DOMAINS_PER_ROUND)
                if len(domains) == DOMAINS_PER_ROUND:
                    self._after[workspace_id] = domains[-1][0]
                more |= bool(after) or len(domains) == DOMAINS_PER_ROUND
                found += [Destination(workspace_id, domain, priority) for domain, priority in domains]
        return sorted(found, key=lambda destination: -destination.priority), more

    def way(self, domain: str) -> Way | None:
        """The way to a domain; None while it is being looked up."""
        if self._version != self._shaping.version:
            self._version = self._shaping.version
            self._ways.clear()
        plan = self._routes.known(domain)
        if plan is None:
            return None
        if len(self._ways) > MOST:
            self._ways.clear()
        known = self._ways.get(domain)
        if known is None or known[0] is not plan:
            known = self._ways[domain] = plan, self._way(domain, plan)
        return known[1]

    def group_of(self, domain: str) -> str | None:
        """The group a domain was of when its way was last asked for, as far as that is remembered."""
        known = self._ways.get(domain)
        return known[1].group(domain) if known else None

    def _way(self, domain: str, plan: Plan | NoRoute) -> Way:
        if isinstance(plan, NoRoute):
            return Way(plan, None)
        hosts = list(dict.fromkeys(target.host for target in plan.targets))
        return Way(plan, self._shaping.rulebook.limits(self._pool, domain, plan.servers, hosts))
