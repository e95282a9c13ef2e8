"""`posthouse tls`: which encryption a receiver asks for and why, and how sessions with receivers fared."""

import datetime
from dataclasses import dataclass
from typing import Annotated, Any, Final

from cyclopts import App, Parameter
from rich.console import Group
from rich.table import Table
from rich.text import Text

from posthouse.cli import console, world
from posthouse.cli.console import HERE, Installation, Json
from posthouse.cli.world import EXIT_SETTINGS, Where
from posthouse.delivery import internet, tls_policy, tls_results
from posthouse.delivery.courier import NoRoute, Plan, SitePolicy, Target, TlsPolicy
from posthouse.delivery.sts_store import Kept
from posthouse.delivery.tls_results import TlsCount
from posthouse.model.limits import TLS_RESULTS
from posthouse.wire.addresses import to_a_label
from posthouse.wire.tlsrpt import ResultType

app: Final = App(name="tls", help="Encryption: what receivers ask for and why, and how sessions fared.")

_NO_SESSIONS: Final = "Nothing was counted: no mail went to a receiver found by its MX that day."


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a domain's receivers; `kept` is its MTA-STS policy in force."""

    domain: str
    road: Plan | NoRoute
    kept: Kept | None
    policy: SitePolicy


@app.command
def show(domain: str, /, *, as_json: Json = False, where: Installation = HERE) -> None:
    """Look up a domain as delivery does, and say for each of its hosts which encryption is asked for, and by which rule.

    DANE comes first, where DNSSEC vouches for the hosts and they publish TLSA records; then an MTA-STS policy in mode enforce; then
    delivery.tls of the settings.

    Exit status: 0 done, 1 mail has nowhere to go, 2 wrong usage, 3 no database.

    For example:

        posthouse tls show gmail.com

        posthouse tls show example.com --json
    """
    name = to_a_label(domain)
    if name is None:
        console.leave(f"{domain} is no domain.", status=EXIT_SETTINGS)
    found = world.run(_found(where, name))
    console.show(_view(found), lambda: _told(found), as_json=as_json)
    if isinstance(found.road, NoRoute):
        raise SystemExit(console.EXIT_REFUSED)


@app.command
def report(
    *,
    day: Annotated[
        datetime.date | None, Parameter(help="The day (UTC) as YYYY-MM-DD. Today unless said.", show_default=False)
    ] = None,
    domain: Annotated[str, Parameter(help="Only this domain.", show_default=False)] = "",
    as_json: Json = False,
    where: Installation = HERE,
) -> None:
    """Count the sessions of a day by the domain mail was for, the policy that applied, host and result (RFC 8460).

    Everything but success is a failure at first try, whether the mail went in the clear after all or waits. A policy or records that
    could not be had count on their own. Processes write their counters down every few seconds.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse tls report

        posthouse tls report --day 2026-11-21 --domain example.com
    """
    counts = world.run(_counts(where, day, to_a_label(domain) or domain))
    console.show([_count_view(each) for each in counts], lambda: _count_table(counts), as_json=as_json)


async def _found(where: Where, domain: str) -> Found:
    settings = where.settings()
    async with world.open_world(settings) as process:
        road = await internet.built(process)
        plan = await road.courier.route(domain)
        return Found(domain, plan, road.policies.kept(domain), SitePolicy(tls=TlsPolicy(settings.delivery.tls)))


async def _counts(where: Where, day: datetime.date | None, domain: str) -> list[TlsCount]:
    async with world.open_world(where.settings()) as process, process.pool.acquire() as connection:
        return await tls_results.of_day(connection, day or process.clock.now().date(), domain, TLS_RESULTS)


def _view(found: Found) -> dict[str, Any]:
    if isinstance(found.road, NoRoute):
        return {"domain": found.domain, "mta_sts": _policy_view(found.kept), "no_route": str(found.road.reply)}
    return {
        "domain": found.domain,
        "site": found.road.site,
        "fixed_route": not found.road.domain,
        "dnssec": found.road.authenticated,
        "mta_sts": _policy_view(found.kept),
        "hosts": [_host_view(found, found.road, target) for target in _hosts(found.road)],
    }


def _policy_view(kept: Kept | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    return {
        "id": kept.id,
        "mode": kept.policy.mode,
        "mx": kept.policy.mx,
        "fetched_at": kept.fetched_at,
        "ends_at": kept.ends_at,
    }


def _host_view(found: Found, plan: Plan, target: Target) -> dict[str, Any]:
    return {
        "host": target.host,
        "tlsa": None if target.tlsa is None else [str(record) for record in target.tlsa.records],
        "rule": tls_policy.explained(plan, target, found.policy),
    }


def _hosts(plan: Plan) -> list[Target]:
    """One target of each host, in the order they are tried."""
    return list({target.host: target for target in reversed(plan.targets)}.values())[::-1]


def _told(found: Found) -> Group | Text:
    if isinstance(found.road, NoRoute):
        return Text(f"Mail for {found.domain} has nowhere to go: {found.road.reply}", style="bold red")
    plan = found.road
    rows = [(target.host, tls_policy.explained(plan, target, found.policy)) for target in _hosts(plan)]
    lines = [f"A fixed route of the settings leads to {plan.site}."] if not plan.domain else _published(found, plan)
    return Group(*(Text(line) for line in lines), Text(), console.table(("host", "encryption"), rows, ""))


def _published(found: Found, plan: Plan) -> list[str]:
    dnssec = "DNSSEC vouches for its hosts." if plan.authenticated else "No DNSSEC, so DANE does not apply."
    if found.kept is None:
        return [dnssec, "No MTA-STS policy."]
    kept = found.kept
    names = ", ".join(kept.policy.mx) or "no host"
    ends = kept.ends_at.astimezone()
    return [
        dnssec,
        f"MTA-STS policy {kept.id}, mode {kept.policy.mode}, for {names}; in force until {ends:%Y-%m-%d %H:%M}.",
    ]


def _count_view(each: TlsCount) -> dict[str, Any]:
    return {
        "domain": each.domain,
        "policy": each.policy,
        "mx": each.mx,
        "result": each.result,
        "sessions": each.sessions,
    }


def _count_table(counts: list[TlsCount]) -> Table | Text:
    rows = [
        (each.domain, each.policy, each.mx, Text(each.result, style=_style(each)), f"{each.sessions:,}")
        for each in counts
    ]
    return console.table(("domain", "policy", "host", "result", "sessions"), rows, _NO_SESSIONS)


def _style(each: TlsCount) -> str:
    return "green" if each.result is ResultType.SUCCESS else "yellow"
