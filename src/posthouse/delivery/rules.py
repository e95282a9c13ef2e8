"""How each receiver wants to be treated: the tables of shaping.toml laid over each other. Pure.

From the least to the most specific: [default], then [route] for fixed routes or [provider.NAME] for known receivers, then
[domain."NAME"]; within each the table of the pool (`[default.marketing]`) over the table itself; within each of these the operator's
own file over the shipped one. The last to name a number wins, number by number. What the settings say
about receivers stands between the two files, as part of [default].
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from posthouse.delivery.backoff import Action
from posthouse.delivery.rates import Rate
from posthouse.delivery.rule_tables import SETTINGS, SHIPPED, File, Key, Sheet, Table, read
from posthouse.delivery.warmup import OTHERS, Warmups
from posthouse.model.values import dataclass
from posthouse.model.words import Pool

__all__ = ["SETTINGS", "SHIPPED", "File", "Limits", "Provider", "Rulebook", "RulesError", "Table", "is_route", "load"]


class RulesError(Exception):
    """Rules that cannot be used; `problems` are sentences that each begin with file, table and key."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Limits:
    """How one pool treats one site.

    `rule` is what people are told, as in "google in shaping.toml". Everything is counted by `group`: the provider's name where its
    sites are counted together, a domain with rules of its own by itself, else the site. `provider` is "" where none is known.
    """

    rule: str
    group: str
    provider: str
    connections: int
    mails_per_connection: int
    mail_rates: tuple[Rate, ...]
    connection_rate: Rate | None
    tls: str  # opportunistic, required, off or verified
    ipv4_only: bool
    connect_failures: int  # in a row, each of a whole plan, before the path is suspended
    idle_s: float
    remember_broken_tls_s: float
    after_421: str  # where to go on when a host says 421 instead of opening: next or end
    actions: tuple[Action, ...]  # most specific first


NUMBERS: Final = tuple(
    field.name for field in fields(Limits) if field.name not in {"rule", "group", "provider", "actions"}
)
"""The fields that tables set one by one."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A receiver known by the names of its exchanges; `shared`: its limits are for all its sites together."""

    name: str
    suffixes: tuple[str, ...]
    shared: bool

    def owns(self, hosts: Sequence[str]) -> int:
        """How exactly it is meant when all the hosts are its own (the longest suffix among them), else 0.

        All of them: or else whoever names one of its hosts beside their own could have their replies counted against it.
        """
        found = [max((len(each) for each in self.suffixes if f".{host}".endswith(each)), default=0) for host in hosts]
        return max(found, default=0) if all(found) else 0


class Rulebook:
    """All rules in force, and the warm-up plans that stand beside them."""

    def __init__(self, tables: Iterable[Table], warmups: Warmups) -> None:
        self.warmups = warmups
        self._tables: dict[Key, list[Table]] = {}
        for table in tables:
            self._tables.setdefault(table.key, []).append(table)
        self.providers = tuple(_providers(self._tables))
        self.domains = tuple(dict.fromkeys(key.subject for key in self._tables if key.kind == "domain"))

    def limits(self, pool: Pool, domain: str, site: str, hosts: Sequence[str]) -> Limits:
        """What holds for a domain's mail at a site; `hosts` are the names of its exchanges, whatever they are on a fixed route."""
        provider = self.provider(site, hosts)
        tables = self.tables(pool, domain, site, hosts)
        numbers: dict[str, Any] = {}
        for table in tables:
            numbers |= table.numbers
        return Limits(
            rule=_rule(tables[-1]),
            group=self._group(domain, site, provider),
            provider=provider.name if provider else "",
            actions=tuple(_actions(tables)),
            **numbers,
        )

    def tables(self, pool: Pool, domain: str, site: str, hosts: Sequence[str]) -> tuple[Table, ...]:
        """The tables that speak about a site, from the least to the most specific. [default] is always among them."""
        subjects = [("default", "")]
        if is_route(site):
            subjects.append(("route", ""))
        elif (provider := self.provider(site, hosts)) is not None:
            subjects.append(("provider", provider.name))
        subjects.append(("domain", domain))
        keys = (Key(kind, subject, part) for kind, subject in subjects for part in ("", pool))
        return tuple(table for key in keys for table in self._tables.get(key, ()))

    def provider(self, site: str, hosts: Sequence[str]) -> Provider | None:
        """Whose hosts these are; nobody's on a fixed route, which is the operator's own affair."""
        if is_route(site):
            return None
        bare = [host.rstrip(".").lower() for host in hosts]
        owning = [(exactness, each) for each in self.providers if (exactness := each.owns(bare))]
        return max(owning, key=lambda pair: pair[0])[1] if owning else None

    def _group(self, domain: str, site: str, provider: Provider | None) -> str:
        if domain in self.domains:
            return domain
        return provider.name if provider is not None and provider.shared else site


def is_route(site: str) -> bool:
    """Whether a site is a fixed route (`host:port`) and none that the DNS named."""
    return ":" in site


def load(shipped: File, own: File | None = None, settings: Sequence[Table] = ()) -> Rulebook:
    """The shipped rules, the settings over them, an operator's own file over both. Raises RulesError with everything that is wrong."""
    problems: list[str] = []
    sheets = [read(shipped, problems), Sheet(SETTINGS, tuple(settings))]
    if own is not None:
        sheets.append(read(own, problems))
    if problems:
        raise RulesError(problems)
    warmups = Warmups()
    for sheet in sheets:
        warmups = warmups.under(sheet.warmups)
    book = Rulebook((table for sheet in sheets for table in sheet.tables), warmups)
    if problems := [*_incomplete(sheets), *_unclear(book.providers), *_unplanned(book)]:
        # the last one makes the difference
        raise RulesError([f"{(own or shipped).name}: {problem}" for problem in problems])
    return book


def _incomplete(sheets: Sequence[Sheet]) -> Iterator[str]:
    """[default] has to answer every question, because the other tables answer only some."""
    said = {name for sheet in sheets for table in sheet.tables if table.key == Key("default") for name in table.numbers}
    if missing := [name for name in NUMBERS if name not in said]:
        yield f"default: lacks {', '.join(missing)}"


def _unclear(providers: Sequence[Provider]) -> Iterator[str]:
    owner: dict[str, str] = {}
    for provider in providers:
        if not provider.suffixes:
            yield f"provider.{provider.name}: lacks mx_suffix, so it is nobody"
        for suffix in provider.suffixes:
            if owner.setdefault(suffix, provider.name) != provider.name:
                yield f"provider.{provider.name}: mx_suffix {suffix} is also that of provider.{owner[suffix]}"


def _unplanned(book: Rulebook) -> Iterator[str]:
    """Warm-up for whom, and by what plan?"""
    known = {OTHERS, *(provider.name for provider in book.providers)}
    for name, plans in book.warmups.plans.items():
        if OTHERS not in plans:
            yield f"warmup.plan.{name}: lacks daily, for all receivers without their own"
        for stranger in plans.keys() - known:
            yield f"warmup.plan.{name}.{stranger}: there is no provider {stranger}"
    for source, warming in book.warmups.sources.items():
        if warming.plan not in book.warmups.plans:
            yield f'warmup.sources."{source}": plan: there is no plan {warming.plan}'


def _providers(tables: Mapping[Key, Sequence[Table]]) -> Iterator[Provider]:
    for name in dict.fromkeys(key.subject for key in tables if key.kind == "provider"):
        found = tables.get(Key("provider", name), ())
        suffixes = [table.suffixes for table in found if table.suffixes is not None]
        shared = [table.shared for table in found if table.shared is not None]
        yield Provider(name, suffixes[-1] if suffixes else (), bool(shared and shared[-1]))


def _actions(tables: Sequence[Table]) -> Iterator[Action]:
    """Most specific first; of those with one name only the most specific."""
    seen: set[str] = set()
    for action in (action for table in reversed(tables) for action in table.actions):
        if action.name not in seen:
            seen.add(action.name)
            yield action


def _rule(table: Table) -> str:
    return "default" if table.key.kind == "default" and table.file == SHIPPED else table.place
