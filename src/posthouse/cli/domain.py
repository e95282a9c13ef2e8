"""`posthouse domain`: sending domains and the DNS records they need."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from cyclopts import App, Parameter
from rich.text import Text

from posthouse.accounts import bounce_domains, domains, rotation, self_test
from posthouse.accounts.dns_records import Check, DnsRecord, Incomplete, Need, PublishedKey
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.selectors import Selectors
from posthouse.accounts.self_test import SelfTest
from posthouse.cli import console
from posthouse.cli.console import EXIT_REFUSED, HERE, Installation, Json, Number, Refused, Room, Yes
from posthouse.cli.world import Where
from posthouse.model.words import MailClass
from posthouse.runtime.dns import Resolver

app: Final = App(name="domain", help="Sending domains and the DNS records they need.")

_EMPTY: Final = "No domains yet. Add the one your mail comes from: posthouse domain add example.com"

Classes = Annotated[
    tuple[MailClass, ...],
    Parameter(name="--class", negative="", help="Mail it is for; may be repeated. Without: any."),
]
_STYLES: Final = {Need.REQUIRED: "bold red", Need.RECOMMENDED: "yellow", Need.OPTIONAL: "dim"}


@app.command(name="list")
def list_domains(*, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """List sending domains.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse domain list
        posthouse domain list --json
    """
    found = console.run(_listing(where, workspace))
    console.show([_view(each) for each in found], lambda: _table(found), as_json=as_json)


@app.command
def add(
    name: str,
    /,
    *,
    mail_class: Classes = (),
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Add a domain to send from, make its DKIM keys, and print what to publish.

    Exit status: 0 done, 1 refused (with the reason), 2 wrong usage, 3 no database.

    For example:

        posthouse domain add example.com
        posthouse domain add news.example.com --class marketing
    """
    domain, records = console.run(_add(where, workspace, name, mail_class))
    shown = {**_view(domain), "records": [_record(each) for each in records]}
    console.show(shown, lambda: _instructions(domain, records), as_json=as_json)


@app.command
def records(
    name: str,
    /,
    *,
    zone: Annotated[bool, Parameter(negative="", help="Lines for a zone file.")] = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Print the DNS records to publish for a domain, and what each is for. As zone lines: without the optional ones.

    Exit status: 0 done, 1 no such domain, 2 wrong usage, 3 no database.

    For example:

        posthouse domain records example.com
        posthouse domain records example.com --zone >> example.com.zone
    """
    domain, found = console.run(_records(where, workspace, name))
    if zone and not as_json:
        print("\n".join(each.zone_line for each in found if each.need is not Need.OPTIONAL))
        return
    console.show([_record(each) for each in found], lambda: _instructions(domain, found), as_json=as_json)


@app.command
def classes(
    name: str,
    /,
    *,
    mail_class: Classes = (),
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Say what mail a domain is for. Other mail from it is warned of, or refused where the workspace's settings say so.

    Exit status: 0 done, 1 no such domain, 2 wrong usage, 3 no database.

    For example:

        posthouse domain classes news.example.com --class marketing
        posthouse domain classes example.com --class business --class transactional
        posthouse domain classes example.com
    """
    domain = console.run(_assign(where, workspace, name, mail_class))
    console.show(_view(domain), lambda: f"{domain.name} is for {_purpose(domain)} mail.", as_json=as_json)


@app.command
def keys(
    name: str,
    /,
    *,
    selector: Annotated[
        tuple[str, ...],
        Parameter(negative="", help="Name of a new key; may be repeated. With -ed at its end: Ed25519."),
    ],
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Make further DKIM keys of a domain and print what to publish.

    A key signs once the DNS was seen to publish it. A pool whose settings name its selector signs with it alone.

    Exit status: 0 done, 1 refused (with the reason), 2 wrong usage, 3 no database.

    For example:

        posthouse domain keys example.com --selector mk1 --selector mk1-ed
    """
    domain, records = console.run(_keys(where, workspace, name, selector))
    shown = {**_view(domain), "records": [_record(each) for each in records]}
    console.show(shown, lambda: _instructions(domain, records), as_json=as_json)


@app.command
def rotate(name: str, /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """Begin to replace the DKIM keys of a domain and print what to publish.

    The present keys sign until `posthouse domain verify`, or the daily look, finds the new records; then the new ones take over. Keep
    the former records for a week, for mail that is still on its way; then: posthouse domain remove-key.

    Exit status: 0 done, 1 refused (with the reason), 2 wrong usage, 3 no database.

    For example:

        posthouse domain rotate example.com
    """
    domain, records = console.run(_rotate(where, workspace, name))
    new = {key.selector for key in domain.keys if key.replacing}
    shown = {**_view(domain), "records": [_record(each) for each in records if _selector(each) in new]}
    told = tuple(each for each in records if _selector(each) in new)
    console.show(shown, lambda: _instructions(domain, told), as_json=as_json)


@app.command(name="remove-key")
def remove_key(
    name: str,
    selector: str,
    /,
    *,
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Destroy a DKIM key that has signed no mail for a week, or that has not taken over yet.

    Exit status: 0 done, 1 refused (with the reason), 2 wrong usage, 3 no database.

    For example:

        posthouse domain remove-key example.com ph1-rsa --yes
    """
    console.confirm(f"Destroy the DKIM key {selector} of {name}?", yes=yes)
    domain = console.run(_remove_key(where, workspace, name, selector))
    told = f"Removed the key {selector}. Its record may go too: {selector}._domainkey.{domain.name}"
    console.show(_view(domain), lambda: told, as_json=as_json)


@app.command
def verify(name: str, /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """Ask the DNS for every record of a domain. Once ownership and a DKIM key are seen, mail may be sent from it.

    Exit status: 0 verified and nothing required is missing, 1 otherwise or no such domain, 2 wrong usage, 3 no database.

    For example:

        posthouse domain verify example.com
        until posthouse domain verify example.com; do sleep 60; done
    """
    domain = console.run(_verify(where, workspace, name))
    shown = {**_view(domain), "checks": [_check(each) for each in domain.checks]}
    console.show(shown, lambda: _verdict(domain), as_json=as_json)
    whole = domain.verified_at is not None and domain.incomplete is not Incomplete.REQUIRED
    sys.exit(0 if whole else EXIT_REFUSED)


@app.command(name="test")
def judge(name: str, /, *, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """Judge a domain's mail as receivers would, with the DNS as it is now: SPF and its alignment, DKIM, DMARC.

    Exit status: 0 nothing to put right, 1 something is (or no such domain), 2 wrong usage, 3 no database.

    For example:

        posthouse domain test example.com
    """
    test = console.run(_test(where, workspace, name))
    console.show({**asdict(test), "warnings": test.warnings}, lambda: _judgement(test), as_json=as_json)
    sys.exit(EXIT_REFUSED if test.warnings else 0)


@app.command
def remove(
    name: str, /, *, yes: Yes = False, as_json: Json = False, workspace: Number = None, where: Installation = HERE
) -> None:
    """Remove a domain and its keys: nothing can be sent from it any more, and mail that waits goes out unsigned.

    Exit status: 0 done, 1 no such domain, 2 wrong usage, 3 no database.

    For example:

        posthouse domain remove example.com --yes
    """
    console.confirm(f"Remove {name}, its DKIM keys and the right to send from it?", yes=yes)
    domain = console.run(_remove(where, workspace, name))
    console.show(_view(domain), lambda: f"Removed {domain.name}.", as_json=as_json)


async def _listing(where: Where, number: int | None) -> list[SendingDomain]:
    async with console.opened(where, number) as room:
        return await domains.listing(room.process.pool, room.workspace.workspace_id)


async def _add(
    where: Where, number: int | None, name: str, mail_class: tuple[MailClass, ...]
) -> tuple[SendingDomain, tuple[DnsRecord, ...]]:
    async with console.opened(where, number) as room, room.changing() as change:
        own = Selectors.of(room.process.settings).all
        domain = console.accepted(await domains.add(change, name, own, frozenset(mail_class)))
        return domain, domains.records(room.process, domain)


async def _assign(where: Where, number: int | None, name: str, mail_class: tuple[MailClass, ...]) -> SendingDomain:
    async with console.opened(where, number) as room:
        domain = await _found(room, name)
        async with room.changing() as change:
            return await domains.assign(change, domain.domain_id, frozenset(mail_class)) or domain


async def _keys(
    where: Where, number: int | None, name: str, selectors: tuple[str, ...]
) -> tuple[SendingDomain, tuple[DnsRecord, ...]]:
    async with console.opened(where, number) as room:
        domain = await _found(room, name)
        async with room.changing() as change:
            domain = console.accepted(await domains.add_keys(change, domain, selectors))
        return domain, domains.records(room.process, domain)


async def _rotate(where: Where, number: int | None, name: str) -> tuple[SendingDomain, tuple[DnsRecord, ...]]:
    async with console.opened(where, number) as room:
        domain = await _found(room, name)
        async with room.changing() as change:
            domain = console.accepted(await domains.rotate(change, domain, Selectors.of(room.process.settings)))
        return domain, domains.records(room.process, domain)


async def _remove_key(where: Where, number: int | None, name: str, selector: str) -> SendingDomain:
    async with console.opened(where, number) as room:
        domain = await _found(room, name)
        async with room.changing() as change:
            outcome = await domains.remove_key(change, domain, selector.lower())
        if outcome is None:
            raise Refused(f"{domain.name} has no key {selector}.")
        return console.accepted(outcome)


async def _records(where: Where, number: int | None, name: str) -> tuple[SendingDomain, tuple[DnsRecord, ...]]:
    async with console.opened(where, number) as room:
        domain = await _found(room, name)
        return domain, domains.records(room.process, domain)


async def _verify(where: Where, number: int | None, name: str) -> SendingDomain:
    async with console.opened(where, number) as room:
        domain = await _found(room, name)
        resolver = Resolver(room.process.settings.delivery.resolvers)
        asked = room.process, room.workspace.workspace_id, domain.domain_id, resolver, console.actor()
        return await domains.verify(*asked) or domain


async def _remove(where: Where, number: int | None, name: str) -> SendingDomain:
    async with console.opened(where, number) as room:
        domain = await _found(room, name)
        async with room.changing() as change:
            await domains.remove(change, domain.domain_id)
        return domain


async def _test(where: Where, number: int | None, name: str) -> SelfTest:
    async with console.opened(where, number) as room:
        domain = await _found(room, name)
        own = await bounce_domains.aligning(room.process.pool, room.workspace.workspace_id, domain.name)
        resolver = Resolver(room.process.settings.delivery.resolvers)
        return await self_test.run(room.process.settings, domain, own, resolver)


def _judgement(test: SelfTest) -> str:
    lines = [
        f"Return path  {test.return_domain}, {'aligned' if test.aligned else 'not aligned'} with {test.from_domain}",
        f"SPF          {test.spf} for {', '.join(test.addresses) or 'no known address'}",
        f"DKIM         {'aligned' if test.dkim_aligned else 'no key seen in the DNS'}",
        f"DMARC        {test.dmarc}, p={test.policy}; mail that proves nothing: {test.unproven}",
    ]
    return "\n".join([*lines, *test.warnings])


async def _found(room: Room, name: str) -> SendingDomain:
    domain = await domains.find(room.process.pool, room.workspace.workspace_id, name)
    if domain is None:
        raise Refused(f"There is no domain {name} in the workspace {room.workspace.name}.")
    return domain


def _view(domain: SendingDomain) -> dict[str, Any]:
    return {
        "id": domain.domain_id,
        "name": domain.name,
        "classes": sorted(domain.mail_classes),
        "verified_at": domain.verified_at,
        "incomplete": domain.incomplete,
        "checked_at": domain.checked_at,
        "created_at": domain.created_at,
        "selectors": [key.selector for key in domain.keys],
        "keys": [_key(key, domain) for key in domain.keys],
    }


def _key(key: PublishedKey, domain: SendingDomain) -> dict[str, Any]:
    return {
        "selector": key.selector,
        "algorithm": key.algorithm,
        "state": rotation.state_of(key, domain, datetime.now(UTC)),
        "removable_at": rotation.removable_at(key),
    }


def _selector(record: DnsRecord) -> str:
    return record.name.partition("._domainkey.")[0]


def _record(record: DnsRecord) -> dict[str, Any]:
    return {
        "purpose": record.purpose,
        "name": record.name,
        "type": record.type,
        "value": record.value,
        "why": record.why,
        "required": record.required,
        "need": record.need,
        "pools": record.pools,
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "purpose": check.purpose,
        "name": check.name,
        "type": check.type,
        "need": check.need,
        "passed": check.passed,
        "lost": check.lost,
        "detail": check.detail,
        "expected": check.expected,
        "found": check.found,
    }


def _table(found: list[SendingDomain]) -> object:
    rows = [(each.name, _state(each), _purpose(each), each.checked_at or "never", each.created_at) for each in found]
    return console.table(("domain", "state", "for", "checked", "added"), rows, _EMPTY)


def _purpose(domain: SendingDomain) -> str:
    return " and ".join(sorted(domain.mail_classes)) or "any"


def _state(domain: SendingDomain) -> Text:
    if domain.verified_at is None:
        return Text("not verified", style="yellow")
    if domain.incomplete is Incomplete.REQUIRED:
        return Text("verified, records missing", style="bold red")
    return Text("verified", style="green")


def _instructions(domain: SendingDomain, records: tuple[DnsRecord, ...]) -> Text:
    told = Text(f"Publish these records in the DNS, then: posthouse domain verify {domain.name}\n")
    for record in records:
        need = "" if record.required else f" ({record.need})"
        told.append(f"\n{record.name}  {record.type}{need}\n", style="bold").append(f"    {record.value}\n")
        told.append(f"    {record.why}\n", style="dim")
    return told


def _verdict(domain: SendingDomain) -> Text:
    told = Text(f"{domain.name} is ").append_text(_state(domain)).append(".\n")
    for check in domain.checks:
        need = "" if check.need is Need.REQUIRED else f" ({check.need})"
        told.append("  pass  " if check.passed else "  FAIL  ", style="green" if check.passed else _STYLES[check.need])
        told.append(f"{check.name}  {check.type}{need}\n        {check.detail}\n")
        if check.answered and not check.passed:
            told.append(
                f"        expected: {check.expected}\n        found:    {' | '.join(check.found) or 'nothing'}\n"
            )
    return told
