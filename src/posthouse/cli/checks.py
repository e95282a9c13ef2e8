"""The checks of `posthouse doctor`: each looks at one thing and returns what it found, in words an operator can act on."""

import asyncio
import ctypes
import shutil
import stat
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from posthouse.accounts import host_records
from posthouse.accounts.host_records import Fact, State
from posthouse.intake import links
from posthouse.intake.scan import Scanner, ScannerError
from posthouse.model.dns import DnsStatus
from posthouse.runtime import data_folder, migrate, network, vault
from posthouse.runtime.data_folder import FolderError
from posthouse.runtime.dns import Resolver
from posthouse.runtime.embedded import running_postmaster
from posthouse.runtime.log import Logger
from posthouse.runtime.postgres import DATABASE_GONE, PostgresError
from posthouse.runtime.process import Process
from posthouse.runtime.seats import doors
from posthouse.runtime.settings import Settings
from posthouse.wire import uribl

_SPACE_LOW: Final = 2 * 1024**3
_SPACE_OUT: Final = 512 * 1024**2
_CLOCK_UNSYNCHRONISED: Final = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_OCTETS: Final = 512  # more than struct timex has on any platform
_DNS_PATIENCE_S: Final = 15.0
_SECONDS_APART: Final = 5.0
_DATABASE_TROUBLE: Final[tuple[type[Exception], ...]] = (*DATABASE_GONE, PostgresError, migrate.MigrationError)


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: `detail` says what is the case and, unless all is well, what to do; `fix` is what to copy for that."""

    check: str
    verdict: Verdict
    detail: str
    fix: str = ""


_VERDICTS: Final = {State.RIGHT: Verdict.OK, State.WEAK: Verdict.WARNING, State.WRONG: Verdict.FAILED}
_CHECKS: Final = {
    Fact.NO_ANSWER: "resolver",
    Fact.NAME_HERE: "hostname",
    Fact.NAME_UNKNOWN: "hostname",
    Fact.NAME_ELSEWHERE: "hostname",
    Fact.AT_HOME: "sender",
    Fact.CONFIRMED: "sender",
    Fact.NO_POINTER: "sender",
    Fact.NO_POINTER_V6: "sender",
    Fact.NOT_CONFIRMED: "sender",
    Fact.OTHER_NAME: "sender",
    Fact.RETURNS: "return path",
    Fact.NO_MX: "return path",
    Fact.NO_SPF: "return path",
}


def data_folder_state(settings: Settings) -> Finding:
    """Private, writable, and there."""
    folder = settings.data
    if not folder.exists():
        return Finding("data folder", Verdict.OK, f"{folder} will be made at the first start")
    try:
        data_folder.ensure(folder)
    except FolderError as error:
        return Finding("data folder", Verdict.FAILED, str(error))
    if folder.stat().st_mode & (stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH):
        return Finding("data folder", Verdict.WARNING, f"others may look into {folder}: chmod 700 {folder}")
    return Finding("data folder", Verdict.OK, str(folder))


def key(settings: Settings) -> Finding:
    """The key-encryption key is there and private."""
    if settings.kek:
        return Finding("key", Verdict.OK, "the key-encryption key comes with the settings")
    path = settings.kek_path
    if not path.exists():
        return Finding("key", Verdict.OK, f"{path} will be made at the first start; keep a copy of it elsewhere")
    try:
        vault.read_kek(path)
    except vault.KekError as error:
        return Finding("key", Verdict.FAILED, str(error))
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding("key", Verdict.FAILED, f"others may read the key-encryption key: chmod 600 {path}")
    return Finding("key", Verdict.OK, f"{path}; without a copy of it a backup opens nothing")


def disk_space(settings: Settings) -> Finding:
    """Room for the queue and the log of the database."""
    place = next(path for path in (settings.data, *settings.data.parents) if path.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / 1024**3:.1f} GiB free at {place}"
    if free < _SPACE_OUT:
        return Finding("disk space", Verdict.FAILED, f"{text}: mail will be refused soon, make room")
    if free < _SPACE_LOW:
        return Finding("disk space", Verdict.WARNING, f"{text}: make room before the queue needs it")
    return Finding("disk space", Verdict.OK, text)


def clock() -> Finding:
    """Signatures and expiry need the right time."""
    if ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_OCTETS)) == _CLOCK_UNSYNCHRONISED:
        return Finding(
            "clock", Verdict.WARNING, "nothing keeps this machine's clock right: enable systemd-timesyncd or chrony"
        )
    return Finding("clock", Verdict.OK, "synchronised")


def ports(settings: Settings) -> list[Finding]:
    """Every port can be listened on; meaningless while we listen ourselves."""
    if running_postmaster(settings.data / "postgres"):
        return [Finding("ports", Verdict.OK, "Posthouse is running and has its own")]
    problems = []
    for door in doors(settings):
        try:
            network.bind(door.host, door.port, door.setting, shared=False).close()
        except network.PortError as error:
            problems.append(Finding("ports", Verdict.FAILED, str(error)))
    return problems or [Finding("ports", Verdict.OK, "all free")]


def opt_out_links(settings: Settings) -> Finding:
    """Receivers take the one click of marketing mail only to an https address (RFC 8058 3.1)."""
    if settings.public_url.startswith("https://"):
        return Finding("opt-outs", Verdict.OK, f"links in marketing mail lead to {settings.public_url}")
    detail = f"links in marketing mail lead to {settings.public_url}, and one-click needs https: "
    if settings.lab.enabled:
        return Finding("opt-outs", Verdict.OK, detail + "good enough for the lab")
    return Finding("opt-outs", Verdict.WARNING, detail + "set web.public_url to the address of the TLS proxy")


async def malware_scanner(settings: Settings, logger: Logger) -> list[Finding]:
    """The scanner, where there is one, judges a message of the largest size: its own limits may be lower than ours."""
    address = settings.intake.malware_scanner
    if not address:
        return []
    try:
        await Scanner(address, logger).find([bytes(settings.submission.max_size)])
    except ScannerError as error:
        reason = f"clamd at {address} does not judge a message of the largest size: {error.__cause__}"
        return [Finding("scanner", Verdict.FAILED, f"{reason}; no mail is accepted until it does")]
    return [Finding("scanner", Verdict.OK, f"clamd at {address}")]


async def database(process: Process) -> AsyncIterator[Finding]:
    """Version, schema, rights and clock of PostgreSQL."""
    try:
        async with process.pool.acquire() as connection:
            version = await connection.fetchval("SELECT current_setting('server_version')")
            user = await connection.fetchval("SELECT current_user")
            apart = (await connection.fetchval("SELECT clock_timestamp()") - process.clock.now()).total_seconds()
            missing = await migrate.outstanding(connection)
    except _DATABASE_TROUBLE as error:
        yield Finding("database", Verdict.FAILED, str(error))
        return
    yield Finding("database", Verdict.OK, f"PostgreSQL {version}")
    yield _schema([migration.name for migration in missing])
    yield _rights(user)
    if abs(apart) > _SECONDS_APART:
        yield Finding("clock", Verdict.FAILED, f"the database's clock is {apart:.0f} s away from this machine's")


async def block_lists(process: Process) -> AsyncIterator[Finding]:
    """What block lists say of the addresses mail leaves from, as the worker has found it."""
    from posthouse.delivery.block_lists import listings  # here: only this check pays for it

    zones = process.settings.block_lists.zones
    try:
        found = [each for each in await listings(process.pool) if each.zone in zones]
    except _DATABASE_TROUBLE:
        return  # the schema is told of already
    listed = [each for each in found if each.listed_at is not None]
    for each in listed:
        where = f"; ask for removal at {each.removal}" if each.removal else ""
        detail = f"{each.address} is on {each.zone} since {each.listed_at:%Y-%m-%d %H:%M} UTC: {each.reason or each.codes}{where}"
        yield Finding("block lists", Verdict.FAILED, detail)
    for zone in sorted({each.zone for each in found if each.trouble}):
        why = next(each.trouble for each in found if each.zone == zone and each.trouble)
        yield Finding("block lists", Verdict.WARNING, f"{zone} cannot be asked: {why}")
    if found and not listed:
        addresses = len({each.address for each in found})
        yield Finding(
            "block lists", Verdict.OK, f"{addresses} addresses on none of {', '.join(sorted({e.zone for e in found}))}"
        )


async def link_lists(settings: Settings) -> AsyncIterator[Finding]:
    """Whether the lists that a dry run asks about links answer this machine."""
    zones = () if settings.lab.enabled else settings.block_lists.link_zones
    if not zones:
        return
    resolver = Resolver(settings.delivery.resolvers)
    found = await asyncio.gather(*(links.trouble(resolver, zone) for zone in zones))
    for zone, why in zip(zones, found, strict=True):
        if why:
            yield Finding("link lists", Verdict.WARNING, f"{uribl.shown(zone)} cannot be asked: {why}")
    if working := [uribl.shown(zone) for zone, why in zip(zones, found, strict=True) if not why]:
        yield Finding("link lists", Verdict.OK, f"a dry run looks links up on {', '.join(working)}")


def _schema(missing: list[str]) -> Finding:
    if missing:
        return Finding("schema", Verdict.FAILED, f"not applied: {', '.join(missing)}; run posthouse migrate")
    return Finding("schema", Verdict.OK, "up to date")


def _rights(user: str) -> Finding:
    if user == migrate.APP_ROLE:
        return Finding("rights", Verdict.OK, f"processes work as {user} and cannot change the schema")
    return Finding(
        "rights",
        Verdict.WARNING,
        f"processes work as {user}, who owns the schema: let an administrator run GRANT {migrate.APP_ROLE} TO {user}",
    )


async def names(settings: Settings, local: Sequence[str]) -> AsyncIterator[Finding]:
    """The resolver answers, and what it says of this server's name, the addresses it sends from, and where bounces return to.

    `local` are the addresses of this machine.
    """
    resolver = Resolver(settings.delivery.resolvers)
    try:
        async with asyncio.timeout(_DNS_PATIENCE_S):
            answer = await resolver.addresses(settings.server.hostname)
            if answer.status in {DnsStatus.SERVFAIL, DnsStatus.TIMEOUT}:
                yield Finding("resolver", Verdict.FAILED, f"does not answer: {answer.detail or answer.status}")
                return
            yield Finding("resolver", Verdict.OK, "answers")
            for found in await host_records.look(settings, resolver, local):
                yield Finding(_CHECKS[found.fact], _VERDICTS[found.state], found.sentence, found.fix)
    except TimeoutError:
        yield Finding(
            "resolver", Verdict.FAILED, "does not answer in time: check delivery.resolvers or /etc/resolv.conf"
        )
