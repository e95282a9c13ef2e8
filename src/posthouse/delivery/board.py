"""The sites a dispatcher works for now: made when mail comes, shaped by the rules, noted for those who ask, dropped when idle."""

from collections.abc import Collection, Sequence
from typing import Final, Protocol

from posthouse.delivery import standing
from posthouse.delivery.courier import Plan
from posthouse.delivery.desk import Desk
from posthouse.delivery.gate import Gate
from posthouse.delivery.ownership import Owned
from posthouse.delivery.path import Path
from posthouse.delivery.rules import Limits
from posthouse.delivery.shaping_file import ShapingFile
from posthouse.delivery.site import Site
from posthouse.delivery.sources import Rotation, Source, of_settings
from posthouse.delivery.warming import Warming
from posthouse.delivery.words import Words
from posthouse.model.words import Pool
from posthouse.outbox import sites
from posthouse.runtime.process import Process

DOMAINS_NOTED: Final = 100_000  # remembered as written down; then all are written once more


class Board:
    """All sites of one pool in this process, and the gates they pass."""

    def __init__(self, process: Process, pool: Pool, desk: "Dispatching", shaping: ShapingFile) -> None:
        own = process.settings.pool(pool)
        self.rotation = Rotation(of_settings(own.sources, own.helo))
        self._process = process
        self._pool = pool
        self._desk = desk
        self._shaping = shaping
        self.warming = Warming(process, pool, lambda: shaping.rulebook, desk.wake)
        self._sites: dict[tuple[str, str], Site] = {}  # by group and site: a domain with rules of its own has its own
        self._gates: dict[tuple[str, str], Gate] = {}
        self._words = Words(process, pool)
        self._domains: dict[str, str] = {}  # where each domain's mail is, still to be noted
        self._known: dict[str, str] = {}
        self._noted = standing.Noted()

    @property
    def sites(self) -> Sequence[Site]:
        """All of them."""
        return tuple(self._sites.values())

    @property
    def held(self) -> int:
        """How many mails wait in memory."""
        return sum(site.held for site in self._sites.values())

    def site(self, plan: Plan, limits: Limits, domain: str) -> Site:
        """The site of a plan, as the plan and the rules are now."""
        if len(self._known) > DOMAINS_NOTED:
            self._known.clear()
        now = self._process.clock.monotonic()
        site = self._sites.get((limits.group, plan.site))
        sources = self.rotation.available(now)
        if site is None or [path.source for path in site.paths] != [source.address for source in sources]:
            site = self._made(plan, limits, sources, site)
        elif site.plan is not plan or site.limits is not limits:
            site.renew(plan, limits, now)
        if site.retired:
            site.take_up()
        if self._known.get(domain) != site.name:
            self._known[domain] = self._domains[domain] = site.name
        return site

    def renew(self) -> None:
        """New rules: what holds at each site is asked again when its mail comes up, and at once for those that hold some."""
        now = self._process.clock.monotonic()
        for site in self._sites.values():
            hosts = list(dict.fromkeys(target.host for target in site.plan.targets))
            limits = self._shaping.rulebook.limits(self._pool, site.limits.group, site.plan.servers, hosts)
            if limits.group == site.limits.group:
                site.renew(site.plan, limits, now)

    def retiring(self) -> list[Site]:
        """Sites that another process should have now, each once; nothing more is claimed for them."""
        found = [
            site for site in self._sites.values() if not site.retired and not self._desk.owned.should(site.limits.group)
        ]
        for site in found:
            site.retire()
        return found

    def scale(self) -> None:
        """Lets every site open what it needs."""
        for site in self._sites.values():
            site.scale()

    def forget_idle(self, wanted: Collection[str]) -> set[str]:
        """Drops sites with nothing to do and nothing to remember, and gates nobody needs; the groups that still have a site.

        A site with ready mail stays, if only to say why it waits: `wanted` are the groups with some.
        """
        now = self._process.clock.monotonic()
        for key, site in list(self._sites.items()):
            idle = site.limits.group not in wanted and site.stopped(now) is None
            if site.quiet and (site.retired or idle):
                del self._sites[key]
        kept = {group for group, _ in self._sites}
        for pair, gate in list(self._gates.items()):
            if pair[1] not in kept and gate.open == 0 and not gate.remembers(now):
                del self._gates[pair]
        return kept

    async def inherit(self, groups: Collection[str]) -> None:
        """These groups of sites are ours from now on, with what their receivers told whoever had them before."""
        await self._words.read(groups)
        now = self._process.clock.monotonic()
        for (source, group), gate in self._gates.items():
            if group in groups:
                self._words.remind(gate, source, group, now)

    def source_missing(self, address: str) -> None:
        """A source leaves rotation for a while; its paths are dropped as mail comes up."""
        self.rotation.missing(address, self._process.clock.monotonic())

    async def note(self) -> None:
        """Writes down how the sites are doing and where domains' mail is."""
        now, monotonic = self._process.clock.now(), self._process.clock.monotonic()
        notes = [standing.note_of(site, now, monotonic, exhausted=self._desk.exhausted) for site in self.sites]
        news = self._noted.news(notes, monotonic)
        domains, self._domains = self._domains, {}
        words = self._words.news(self._gates)
        if not news and not domains and not words and not self._words.remembers:
            return
        async with self._process.pool.acquire() as connection:
            if news:
                await sites.note(connection, self._pool, news, self._process.worker_id, now)
            if domains:
                await sites.note_domains(connection, domains, now)
            if self._words.remembers and await self._words.lifted(connection, self._gates):
                self._desk.wake()
            if words:
                await self._words.keep(connection, words)

    def _made(self, plan: Plan, limits: Limits, sources: Sequence[Source], old: Site | None) -> Site:
        kept = {path.source: path for path in old.paths} if old else {}
        paths = [
            kept.pop(source.address) if source.address in kept else self._path(plan, limits, source)
            for source in sources
        ]
        former = [path for path in (*kept.values(), *(old.former if old else ())) if not path.quiet]
        site = self._sites[limits.group, plan.site] = Site(plan, limits, paths, self.warming, former)
        return site

    def _path(self, plan: Plan, limits: Limits, source: Source) -> Path:
        now = self._process.clock.monotonic()
        gate = self._gates.get((source.address, limits.group))
        if gate is None:
            gate = self._gates[source.address, limits.group] = Gate(limits, now)
            self._words.remind(gate, source.address, limits.group, now)
        return Path(self._desk, plan, source, gate)


class Dispatching(Desk, Protocol):
    """What the board needs of its dispatcher, beside what its paths need."""

    owned: Owned

    @property
    def exhausted(self) -> bool: ...
