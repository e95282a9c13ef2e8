"""One shaping file as it is written (TOML) into tables of checked values. Pure.

Every problem is noted with file, table and key, and reading goes on, so that an operator sees all of them at once.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import Any, Final, NamedTuple

from posthouse.delivery import rule_values
from posthouse.delivery.backoff import Action, Do
from posthouse.delivery.rule_values import Place, Reader
from posthouse.delivery.warmup import OTHERS, Plan, Warming, Warmups
from posthouse.model import limits
from posthouse.model.values import dataclass
from posthouse.model.words import Pool

SHIPPED: Final = "shaping.toml"
"""What the file in this package is called; an operator's own is called by its path."""

SETTINGS: Final = "the settings"
"""Where numbers are from that stand there."""

POOLS: Final = frozenset(pool.value for pool in Pool)

_SUBJECTS: Final = frozenset({"default", "route", "provider", "domain"})
_NUMBERS: Final[Mapping[str, Reader]] = {
    "connections": rule_values.count,
    "mails_per_connection": rule_values.count,
    "mail_rates": rule_values.rate_list,
    "connection_rate": rule_values.rate_or_none,
    "tls": rule_values.one_of("opportunistic", "required", "verified", "off"),
    "ipv4_only": rule_values.truth,
    "connect_failures": rule_values.count,
    "idle": rule_values.duration,
    "remember_broken_tls": rule_values.duration,
    "after_421": rule_values.one_of("next", "end"),
}
_IDENTITY: Final[Mapping[str, Reader]] = {"mx_suffix": rule_values.suffixes, "shared": rule_values.truth}
_EVERY_ACTION: Final = frozenset({"name", "match", "codes", "stages", "do"})
_ACTION: Final[Mapping[str, Reader]] = {
    "name": rule_values.text,
    "match": rule_values.patterns,
    "codes": rule_values.codes,
    "stages": rule_values.stages,
    "do": rule_values.what_to_do,
    "for": rule_values.duration,
    "rate": rule_values.rate,
    "connections": rule_values.count,
    "after": rule_values.matches,
    "within": rule_values.duration,
}
_FIELDS: Final = {
    "idle": "idle_s",
    "remember_broken_tls": "remember_broken_tls_s",
    "match": "texts",
    "for": "for_s",
    "within": "within_s",
}
"""What the keys that hold a time or read better in the file are called in Python."""

KEYS: Final = {_FIELDS.get(key, key): key for key in _NUMBERS}
"""The key in the file for each number of `rules.Limits`."""


@dataclass(frozen=True, slots=True)
class File:
    """A file's name as people are told, and what is in it."""

    name: str
    content: bytes


class Key(NamedTuple):
    """What a table is about: `kind` is default, route, provider or domain, `subject` its name; `pool` "" is every pool."""

    kind: str
    subject: str = ""
    pool: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of one file: `numbers` by field of `rules.Limits`; `suffixes` and `shared` only of a provider. None: not said."""

    key: Key
    file: str
    numbers: Mapping[str, Any]
    actions: tuple[Action, ...] = ()
    suffixes: tuple[str, ...] | None = None
    shared: bool | None = None

    @property
    def name(self) -> str:
        """As it stands in the file, without brackets."""
        if self.file == SETTINGS:
            return self.key.pool or "delivery"
        subject = f'"{self.key.subject}"' if self.key.kind == "domain" else self.key.subject
        return ".".join(filter(None, (self.key.kind, subject, self.key.pool)))

    def says_anything(self) -> bool:
        """Whether it is there for more than to hold tables of pools."""
        return bool(self.numbers or self.actions) or (self.suffixes, self.shared) != (None, None)

    @property
    def place(self) -> str:
        """What it is about and in which file, for people."""
        subject = "fixed routes" if self.key.kind == "route" else self.key.subject or self.key.kind
        return f"{subject} in {self.file}"


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that one file says."""

    file: str
    tables: tuple[Table, ...] = ()
    warmups: Warmups = field(default_factory=Warmups)


def read(file: File, problems: list[str]) -> Sheet:
    """The tables of a file; what is wrong with it is added to `problems`."""
    if len(file.content) > limits.SHAPING_FILE_OCTETS:
        problems.append(f"{file.name}: is larger than {limits.SHAPING_FILE_OCTETS} octets")
        return Sheet(file.name)
    try:
        document = tomllib.loads(file.content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{file.name}: is not TOML: {error}")
        return Sheet(file.name)
    place = Place(file.name, (), problems)
    sheet = Sheet(file.name, tuple(_tables(place, document)), _warmups(place.at("warmup"), document.get("warmup", {})))
    for name in document.keys() - {*_SUBJECTS, "warmup"}:
        place.at(name).note("there is no such table; there are default, route, provider, domain and warmup")
    return sheet


def _tables(place: Place, document: Mapping[str, Any]) -> Iterator[Table]:
    for kind in _SUBJECTS & document.keys():
        here = place.at(kind)
        given = here.table(document[kind])
        named = {"": given} if kind in {"default", "route"} else given
        for name, value in named.items():
            there = here.at(*filter(None, (name,)))
            if name and not _is_name(kind, name):
                there.note("is not a name for that: lower case, no blanks")
                continue
            yield from filter(Table.says_anything, _of_subject(there, Key(kind, name), there.table(value)))


def _of_subject(place: Place, key: Key, given: Mapping[str, Any]) -> Iterator[Table]:
    """The table of a subject and, under it, those of single pools."""
    own = {name: value for name, value in given.items() if name not in POOLS}
    yield _table(place, key, own, {**_NUMBERS, **_IDENTITY} if key.kind == "provider" else _NUMBERS)
    for pool in sorted(POOLS & given.keys()):
        there = place.at(pool)
        yield _table(there, key._replace(pool=pool), there.table(given[pool]), _NUMBERS)


def _table(place: Place, key: Key, given: Mapping[str, Any], readers: Mapping[str, Reader]) -> Table:
    said = place.values({name: value for name, value in given.items() if name != "action"}, readers)
    numbers = {_FIELDS.get(name, name): value for name, value in said.items() if name in _NUMBERS}
    table = Table(key, place.file, numbers, (), said.get("mx_suffix"), said.get("shared"))
    return replace(table, actions=tuple(_actions(place.at("action"), given.get("action", []), table.place)))


def _actions(place: Place, given: object, rule: str) -> Iterator[Action]:
    if not isinstance(given, list):
        place.note(f"is no list: write [[{'.'.join(place.path)}]]")
        return
    for index, each in enumerate(given, start=1):
        here = place.at(str(index))
        table = here.table(each)
        said = here.values(table, _ACTION)
        if said.keys() != table.keys():
            continue  # noted already
        if trouble := _trouble(said):
            here.note(trouble)
        else:
            yield Action(rule=rule, **{_FIELDS.get(name, name): value for name, value in said.items()})


def _trouble(said: Mapping[str, Any]) -> str:
    """What an action lacks, or has too much."""
    if missing := [name for name in ("name", "do") if name not in said]:
        return f"lacks {' and '.join(missing)}"
    if "match" not in said and "codes" not in said:
        return "lacks match or codes: it would take every refusal"
    lasting = said["do"] in {Do.SUSPEND, Do.SLOW}
    if lasting and "for" not in said:
        return f"lacks for: how long does it {said['do']}?"
    if said["do"] == Do.SLOW and not said.keys() & {"rate", "connections"}:
        return "lacks rate or connections: what does it slow down to?"
    allowed = _EVERY_ACTION | ({"for", "after", "within"} if lasting else set())
    allowed |= {"rate", "connections"} if said["do"] == Do.SLOW else set()
    if idle := sorted(said.keys() - allowed):
        return f"{' and '.join(idle)} would have no effect when it does {said['do']}"
    return ""


def _warmups(place: Place, given: object) -> Warmups:
    said = place.table(given)
    for name in said.keys() - {"plan", "sources"}:
        place.at(name).note("there is no such table; there are plan and sources")
    plans = {
        name: _plans(place.at("plan", name), value)
        for name, value in place.at("plan").table(said.get("plan", {})).items()
    }
    sources = dict(_sources(place.at("sources"), said.get("sources", {})))
    return Warmups(plans, sources)


def _plans(place: Place, given: object) -> dict[str, Plan]:
    """One plan: by provider, `OTHERS` for all receivers without their own."""
    found = {}
    table = place.table(given)
    own = {name: value for name, value in table.items() if not isinstance(value, dict)}
    for provider, value in {OTHERS: own, **{name: value for name, value in table.items() if name not in own}}.items():
        said = place.at(*filter(None, (provider,))).values(value, {"daily": rule_values.daily})
        if "daily" in said:
            found[provider] = Plan(place.path[-1], said["daily"])
    return found


def _sources(place: Place, given: object) -> Iterator[tuple[str, Warming]]:
    for name, value in place.table(given).items():
        here = place.at(name)
        try:
            source = rule_values.address(name)
        except ValueError as error:
            here.note(str(error))
            continue
        said = here.values(here.table(value), {"since": rule_values.day, "plan": rule_values.text})
        if missing := {"since", "plan"} - here.table(value).keys():
            here.note(f"lacks {' and '.join(sorted(missing))}")
        elif len(said) == 2:
            yield source, Warming(source, said["since"], said["plan"])


def _is_name(kind: str, name: str) -> bool:
    if kind == "provider":
        return rule_values.is_plain(name) and name not in POOLS
    return name == name.lower().strip(".") and not any(letter.isspace() for letter in name) and name.isascii()
