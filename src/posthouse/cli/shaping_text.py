"""Shaping rules and forecasts as `posthouse shaping` prints them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from posthouse.cli import console
from posthouse.delivery.backoff import Action
from posthouse.delivery.rates import Rate, words
from posthouse.delivery.rule_tables import KEYS
from posthouse.delivery.rules import Limits
from posthouse.delivery.warmup import Day
from posthouse.model.words import Pool


@dataclass(frozen=True, slots=True)
class Shown:
    """What holds for one receiver, called `name`, and where each number comes from: `[table] in file`."""

    name: str
    domain: str
    pool: Pool
    site: str
    hosts: tuple[str, ...]
    limits: Limits
    origins: dict[str, str]


def view(shown: Shown) -> dict[str, Any]:
    """For programs."""
    limits = shown.limits
    return {
        "name": shown.name,
        "domain": shown.domain,
        "pool": shown.pool,
        "site": shown.site,
        "hosts": shown.hosts,
        "rule": limits.rule,
        "provider": limits.provider,
        "group": limits.group,
        "numbers": {
            number: {"value": _plain(getattr(limits, number)), "from": shown.origins[number]} for number in KEYS
        },
        "actions": [_action_view(action) for action in limits.actions],
    }


def overview(listed: Sequence[Shown]) -> Table:
    """One line for each receiver."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("RECEIVER", no_wrap=True)
    for heading in ("CONNECTIONS", "MAILS EACH"):
        drawn.add_column(heading, justify="right")
    for heading in ("COUNTED FOR", "MAILS", "NEW CONNECTIONS", "TLS", "ACTIONS"):
        drawn.add_column(heading)
    for each in listed:
        limits = each.limits
        numbers = (_value(limits, name) for name in ("connections", "mails_per_connection"))
        rates = (_value(limits, name) for name in ("mail_rates", "connection_rate", "tls"))
        drawn.add_row(Text(each.name), *numbers, _counted(each), *rates, str(len(limits.actions)))
    return drawn


def details(shown: Shown) -> Group:
    """All about one receiver."""
    limits = shown.limits
    told = Text(f"{shown.name} in the pool {shown.pool}: {limits.rule}\n", style="bold")
    told.append(f"Site {shown.site}; the numbers are for {_counted(shown)}.\n", style="dim")
    numbers = [(KEYS[number], _value(limits, number), shown.origins[number]) for number in KEYS]
    actions = [(action.name, _effect(action), action.rule) for action in limits.actions]
    return Group(
        told,
        console.table(("NUMBER", "VALUE", "FROM"), numbers, ""),
        Text(),
        console.table(("WHEN A REFUSAL SAYS", "THEN", "FROM"), actions, "No actions."),
    )


def days(forecast: Sequence[Day]) -> Table:
    """A forecast day by day."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    drawn.add_column("DAY")
    for heading in ("MAY SEND", "SENDS", "LEFT"):
        drawn.add_column(heading, justify="right")
    for each in forecast:
        most = "all" if each.cap is None else f"{each.cap:,}"
        drawn.add_row(str(each.day), most, f"{each.sent:,}", f"{each.left:,}")
    return drawn


def _value(limits: Limits, number: str) -> str:
    value: object = getattr(limits, number)
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return words(value)
        case tuple():
            return ", ".join(map(str, value)) or "no limit"
        case None:
            return "no limit"
        case _:
            return str(value)


def _counted(shown: Shown) -> str:
    """What the numbers are for."""
    limits = shown.limits
    if limits.group == shown.domain:
        return "this domain"
    return "all its sites together" if limits.provider and limits.group == limits.provider else "each site"


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [str(each) for each in value]
    return str(value) if isinstance(value, Rate) else value


def _action_view(action: Action) -> dict[str, Any]:
    return {
        "name": action.name,
        "from": action.rule,
        "match": action.texts,
        "codes": sorted(action.codes),
        "stages": sorted(action.stages),
        "do": action.do,
        "for_s": action.for_s or None,
        "rate": action.rate and str(action.rate),
        "connections": action.connections,
        "after": action.after,
        "within_s": action.within_s,
    }


def _effect(action: Action) -> str:
    limit = [str(action.rate)] if action.rate else []
    limit += [f"{action.connections} connection{'s' * (action.connections != 1)}"] if action.connections else []
    often = f", at {action.after} in {words(action.within_s)}" if action.after > 1 else ""
    lasting = f" for {words(action.for_s)}" if action.for_s else ""
    return f"{action.do}{' to ' * bool(limit)}{' over '.join(limit)}{lasting}{often}"
