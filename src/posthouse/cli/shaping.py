"""`posthouse shaping`: how receivers are treated, which table says so, and how long it takes to warm up an address."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter
from rich.table import Table
from rich.text import Text

from posthouse.accounts import workspaces
from posthouse.cli import console, shaping_text, world
from posthouse.cli.console import HERE, Installation, Json, Refused
from posthouse.cli.shaping_text import Shown
from posthouse.cli.world import EXIT_SETTINGS, Where
from posthouse.delivery import rules, shaping_file, warmup
from posthouse.delivery.courier_mx import fixed_route
from posthouse.delivery.rules import Rulebook, RulesError
from posthouse.delivery.warmup import Day, Plan
from posthouse.intake import operate
from posthouse.model.limits import WARMUP_DAYS
from posthouse.model.words import Pool
from posthouse.outbox import sites
from posthouse.outbox.sites import Word
from posthouse.runtime.clock import SystemClock
from posthouse.runtime.dns import Resolver
from posthouse.runtime.settings import Settings
from posthouse.wire import mx
from posthouse.wire.addresses import to_a_label

app: Final = App(name="shaping", help="How receivers are treated, and which rule says so.")

Pooled = Annotated[Pool, Parameter(help="The pool whose numbers are asked for.")]


@app.command
def show(
    domain: str = "",
    /,
    *,
    pool: Pooled = Pool.TRANSACTIONAL,
    mx: Annotated[
        tuple[str, ...],
        Parameter(
            name="--mx", help="The domain's exchanges, instead of asking the DNS.", negative="", show_default=False
        ),
    ] = (),
    as_json: Json = False,
    where: Installation = HERE,
) -> None:
    """Show what holds for mail to a domain, and which table of which file each number comes from. Without a domain: all receivers.

    Exit status: 0 done, 1 the DNS knows no way to the domain, 2 wrong usage, settings or rules.

    For example:

        posthouse shaping show

        posthouse shaping show gmail.com --pool marketing

        posthouse shaping show example.com --mx mx1.example.net --mx mx2.example.net
    """
    if not domain and not mx:
        listed = console.run(_everyone(where, pool))
        console.show(
            [shaping_text.view(each) for each in listed], lambda: shaping_text.overview(listed), as_json=as_json
        )
        return
    shown = console.run(_one(where, pool, domain, mx))
    console.show(shaping_text.view(shown), lambda: shaping_text.details(shown), as_json=as_json)


@app.command
def check(file: Path, /, *, as_json: Json = False) -> None:
    """Read a file of your own as delivery would, over the shipped one, and say everything that is wrong with it.

    Exit status: 0 the file can be used, 2 it cannot, or wrong usage.

    For example:

        posthouse shaping check /etc/posthouse/shaping.toml
    """
    problems = _problems(file)
    console.show(problems, lambda: Text("\n".join(problems) or "The rules are fine."), as_json=as_json)
    sys.exit(EXIT_SETTINGS if problems else 0)


@app.command(name="warmup")
def warm_up(
    source: str,
    /,
    *,
    backlog: Annotated[int, Parameter(help="Mails that wait to leave from this address.")],
    provider: Annotated[str, Parameter(help="To one provider, as in `shaping show`.", show_default=False)] = "",
    plan: Annotated[
        str, Parameter(help="A plan it would follow from today on, whatever the rules say.", show_default=False)
    ] = "",
    days: Annotated[int, Parameter(help=f"Longest forecast, up to {WARMUP_DAYS} days.")] = 90,
    as_json: Json = False,
    where: Installation = HERE,
) -> None:
    """Forecast how a backlog leaves from an address that is being warmed up, day by day (UTC), to one provider.

    Exit status: 0 done, 1 the address follows no plan, 2 wrong usage, settings or rules.

    For example:

        posthouse shaping warmup 192.0.2.2 --backlog 100000

        posthouse shaping warmup 192.0.2.2 --backlog 100000 --provider outlook --plan default
    """
    forecast = console.run(_forecast(where, source, provider, plan, backlog, max(1, min(days, WARMUP_DAYS))))
    console.show([asdict(each) for each in forecast], lambda: shaping_text.days(forecast), as_json=as_json)


@app.command
def told(*, as_json: Json = False, where: Installation = HERE) -> None:
    """Show what receivers have told us to keep to for now: pauses, rates and connections, until when, and by which rule.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse shaping told
    """
    found = console.run(_told(where))
    console.show([{"pool": pool, **asdict(word)} for pool, word in found], lambda: _words(found), as_json=as_json)


@app.command
def lift(receiver: str, /, *, where: Installation = HERE) -> None:
    """Forget what a receiver told us, for every workspace: mail goes again within a second, its connections come back one by one.

    `receiver` as in `shaping told`. Exit status: 0 done, 1 it has told nothing that still holds, 2 wrong usage, 3 no database.

    For example:

        posthouse shaping lift yahoo
    """
    console.run(_lift(where, receiver))


async def _told(where: Where) -> list[tuple[Pool, Word]]:
    async with world.open_world(where.settings()) as process, process.pool.acquire() as connection:
        return await sites.all_words(connection, process.clock.now())


def _words(found: Sequence[tuple[Pool, Word]]) -> Table | Text:
    rows = [
        (word.group, pool, word.source or "any", "pause" if word.suspends else _slower(word), word.until, word.sentence)
        for pool, word in found
    ]
    return console.table(
        ("RECEIVER", "POOL", "FROM", "WHAT", "UNTIL", "WHY"), rows, "No receiver has told us anything."
    )


def _slower(word: Word) -> str:
    connections = f"{word.connections} connections" if word.connections else ""
    return ", ".join(filter(None, (word.rate, connections)))


async def _lift(where: Where, receiver: str) -> None:
    async with world.open_world(where.settings()) as process:
        ids = [each.workspace_id for each in await workspaces.listing(process.pool)]
        lifted = await operate.lift(process, ids, receiver, console.actor())
    if not lifted:
        raise Refused(f"{receiver} has told us nothing that still holds: see `posthouse shaping told`.")


async def _everyone(where: Where, pool: Pool) -> list[Shown]:
    """The receivers that rules know, each as a domain would be seen whose exchanges are there."""
    book = _rulebook(where.settings())
    others = [
        _shown(book, pool, "everyone else", "", "example.org"),
        _shown(book, pool, "fixed routes", "", "route:25"),
    ]
    known = [_shown(book, pool, each.name, "", each.name, (each.suffixes[0],)) for each in book.providers]
    return [*known, *(_shown(book, pool, domain, domain, domain) for domain in book.domains), *others]


async def _one(where: Where, pool: Pool, given: str, hosts: Sequence[str]) -> Shown:
    settings = where.settings()
    domain = to_a_label(given)
    if domain is None and not hosts:
        raise Refused(f"{given} is no domain.")
    domain = domain or ""
    book = _rulebook(settings)
    if hosts:
        return _shown(book, pool, domain or hosts[0], domain, mx.site_name([host.lower() for host in hosts]), hosts)
    if route := settings.delivery.routes.get(domain) or settings.delivery.routes.get("*"):
        return _shown(book, pool, domain, domain, fixed_route(route).site)
    found = await _exchanges(settings, domain)
    return _shown(book, pool, domain, domain, mx.site_name(found), found)


async def _exchanges(settings: Settings, domain: str) -> list[str]:
    answer = await Resolver(settings.delivery.resolvers).mx(domain)
    found = mx.hosts(domain, answer)
    if isinstance(found, mx.NoRoute):
        raise Refused(
            f"{found.reply.text}.",
            "Name its servers with --mx; what holds for fixed routes, the lab's among them, is in `posthouse shaping show`.",
        )
    return [record.exchange for record in found]


async def _forecast(where: Where, source: str, provider: str, plan: str, backlog: int, days: int) -> list[Day]:
    book, today = _rulebook(where.settings()), SystemClock().now().date()
    if provider and provider not in {each.name for each in book.providers}:
        raise Refused(f"There is no provider {provider}; `posthouse shaping show` lists them.")
    followed, since = _followed(book, source, provider, plan, today)
    return warmup.forecast(followed, since, backlog, max(today, since), days)


def _followed(book: Rulebook, source: str, provider: str, plan: str, today: date) -> tuple[Plan, date]:
    if plan:
        plans = book.warmups.plans.get(plan)
        if plans is None:
            raise Refused(f"There is no plan {plan}; there are {', '.join(book.warmups.plans)}.")
        return plans.get(provider, plans[warmup.OTHERS]), today
    found = book.warmups.plan(source, provider)
    if found is None:
        raise Refused(
            f'{source} is not being warmed up: your shaping file has no [warmup.sources."{source}"].',
            "See what a plan would mean with --plan default.",
        )
    return found


def _rulebook(settings: Settings) -> Rulebook:
    try:
        return shaping_file.rules_of(settings)
    except RulesError as error:
        console.leave(*error.problems, status=EXIT_SETTINGS)


def _problems(file: Path) -> list[str]:
    try:
        rules.load(shaping_file.shipped(), shaping_file.own_file(file))
    except RulesError as error:
        return list(error.problems)
    return []


def _shown(book: Rulebook, pool: Pool, name: str, domain: str, site: str, hosts: Sequence[str] = ()) -> Shown:
    tables = book.tables(pool, domain, site, hosts)
    origins = {number: f"[{table.name}] in {table.file}" for table in tables for number in table.numbers}
    return Shown(name, domain, pool, site, tuple(hosts), book.limits(pool, domain, site, hosts), origins)
