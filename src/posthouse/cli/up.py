"""`posthouse up`: the whole installation on this machine under one supervisor.

lock the data folder -> keys -> ports free? -> PostgreSQL -> migrate -> first workspace -> every role -> say where it is
SIGTERM or Ctrl-C: drain every role -> stop PostgreSQL; a second one hurries
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from cyclopts import Parameter

from posthouse.cli.announcement import Announcement, as_text
from posthouse.cli.world import Where, run
from posthouse.model import limits
from posthouse.runtime import data_folder, log, migrate, network, systemd
from posthouse.runtime.embedded import Server
from posthouse.runtime.process import open_process
from posthouse.runtime.seats import doors
from posthouse.runtime.settings import Settings, connectable
from posthouse.runtime.settings_source import SettingsError
from posthouse.runtime.supervisor import Supervisor
from posthouse.runtime.vault import ensure_kek

LAB_PORTS: Final = 8600
LAB_RETRY_S: Final = 5.0
_POLL_S: Final = 0.1


def up_command(
    *,
    lab: Annotated[
        bool, Parameter(negative="", help="Deliver to a built-in recipient world instead of the Internet.")
    ] = False,
    json: Annotated[
        bool, Parameter(negative="", help="Print one line of JSON when ready, and nothing else on standard output.")
    ] = False,
    port_base: Annotated[int | None, Parameter(help="Use this port and the ones after it; 8600 with --lab.")] = None,
    where: Annotated[Where, Parameter(name="*")] = Where(),  # noqa: B008 - frozen
) -> None:
    """Run everything on this machine: PostgreSQL, every role, and with --lab a recipient world to try it on.

    Continues where the last run stopped. Ctrl-C drains; a second Ctrl-C hurries.

    Exit status: 0 after draining, 1 when something cannot start, 2 when the
    settings are wrong.

    For example:

        posthouse up --lab

        posthouse up --lab --json --data /tmp/trial --port-base 9000

        posthouse up --config /etc/posthouse/posthouse.toml
    """
    run(_up(where, Choice(lab=lab, json=json, port_base=port_base)))


@dataclass(frozen=True, slots=True)
class Choice:
    """What the command line asks for beyond the settings."""

    lab: bool
    json: bool
    port_base: int | None


def chosen(settings: Settings, choice: Choice) -> Settings:
    """The settings under the command line's choice."""
    if choice.lab:
        settings = in_lab(settings)
    base = choice.port_base
    if base is None and choice.lab and settings.web.port == Settings().web.port:
        base = LAB_PORTS
    return settings if base is None else on_ports(settings, base)


def in_lab(settings: Settings) -> Settings:
    """Everything on loopback, passwords also without TLS, and a second try while one still looks."""
    for section in ("web", "submission", "inbound", "lab", "metrics"):
        settings = settings.with_(section, host="127.0.0.1")
    settings = settings.with_("submission", auth_without_tls=True)
    retry_first_s = min(settings.delivery.retry_first_s, LAB_RETRY_S)
    settings = settings.with_("delivery", allow_private_mx=True, retry_first_s=retry_first_s)
    return settings.with_("lab", enabled=True)


def on_ports(settings: Settings, base: int) -> Settings:
    """Every port counted from a base."""
    settings = settings.with_("web", port=base)
    settings = settings.with_("submission", port=base + 1, tls_port=base + 2)
    settings = settings.with_("inbound", port=base + 3)
    settings = settings.with_("lab", smtp_port=base + 4, web_port=base + 5, broken_tls_port=base + 6)
    return settings.with_("metrics", port=base + 10)


def with_lab_routes(settings: Settings) -> Settings:
    """Domains without a route go to the lab."""
    lab = settings.lab
    own = {"*": f"{lab.host}:{lab.smtp_port}", "broken-tls.lab.test": f"{lab.host}:{lab.broken_tls_port}"}
    return settings.with_("delivery", routes={**own, **settings.delivery.routes})


async def _up(where: Where, choice: Choice) -> None:
    settings = chosen(where.settings(), choice)
    _require_rules(settings)
    if choice.lab:
        settings = with_lab_routes(settings)
    logger = log.configure("supervisor", settings.server.log_level, settings.server.log_format)
    stop = Stop()
    began = time.monotonic()
    data_folder.ensure(settings.data)
    async with data_folder.locked(settings.data):
        ensure_kek(settings.kek_path)
        network.ensure_self_signed(settings.data / "tls", settings.server.hostname)
        await _require_ports(settings)
        async with _database(settings, logger, stop) as database:
            await _run_roles(settings.with_("postgres", dsn=database.app_dsn), database, stop, choice, logger, began)
    logger.info("supervisor.stopped")


def _require_rules(settings: Settings) -> None:
    """The rules for receivers can be used: better told now than by a delivery role that cannot start. Raises SettingsError."""
    from posthouse.delivery.rules import RulesError  # here: only a real start pays for it
    from posthouse.delivery.shaping_file import rules_of

    try:
        rules_of(settings)
    except RulesError as error:
        raise SettingsError(list(error.problems)) from error


class Stop:
    """SIGTERM and SIGINT: the first one drains (or gives up a start that is still under way), the second hurries."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.hurry = asyncio.Event()
        self.started = False
        self._task = asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._asked)

    def _asked(self) -> None:
        if self.stopping.is_set():
            self.hurry.set()
        self.stopping.set()
        if not self.started and self._task is not None:
            self._task.cancel()


async def _require_ports(settings: Settings) -> None:
    """Every port is free of others, or becomes so while a predecessor leaves. Raises PortError."""
    end = time.monotonic() + limits.LOCK_PATIENCE_S
    for door in doors(settings):
        while True:
            try:
                network.bind(door.host, door.port, door.setting, shared=False).close()
                break
            except network.PortError as error:
                if time.monotonic() >= end:
                    raise network.PortError(f"{error}, or move all ports with --port-base") from error
            await asyncio.sleep(_POLL_S)


@dataclass(frozen=True, slots=True)
class Database:
    """The migrated database: how its owner and how the processes reach it; `server` when it is the embedded one."""

    owner_dsn: str
    app_dsn: str
    server: Server | None = None

    def pids(self) -> dict[str, int]:
        """The postmaster, if it is ours."""
        return {"postgres": self.server.pid} if self.server else {}


@contextlib.asynccontextmanager
async def _database(settings: Settings, logger: log.Logger, stop: Stop) -> AsyncIterator[Database]:
    """The database while the block runs, migrated. The embedded one is kept alive; when it cannot be, everything stops."""
    if dsn := settings.postgres.dsn:
        await migrate.migrate(dsn)
        yield Database(dsn, await migrate.app_dsn(dsn))
        return
    server = Server(settings.data, logger, port=settings.postgres.port)
    keeping: asyncio.Task[None] | None = None
    try:
        await server.start()
        await migrate.migrate(server.owner_dsn, app_password=server.app_password)
        keeping = asyncio.create_task(server.keep())
        keeping.add_done_callback(lambda _: stop.stopping.set())
        yield Database(server.owner_dsn, server.app_dsn, server)
    finally:
        await server.stop()
        if keeping is not None:
            await keeping  # raises what made it give up


async def _run_roles(
    settings: Settings, database: Database, stop: Stop, choice: Choice, logger: log.Logger, began: float
) -> None:
    announcement = await _first_workspace(settings, database)
    supervisor = Supervisor(settings, logger)
    stop.started = True
    running = asyncio.create_task(supervisor.run(stop.stopping, stop.hurry))
    ready = asyncio.create_task(supervisor.all_ready())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    if ready.done():
        pids = {"supervisor": os.getpid(), **database.pids(), **supervisor.pids()}
        logger.info("supervisor.ready", seconds=round(time.monotonic() - began, 2), **pids)
        _announce(msgspec.structs.replace(announcement, pids=pids), choice)
        systemd.notify("READY=1")
    ready.cancel()
    beating = asyncio.create_task(systemd.beat())
    try:
        await running
    finally:
        beating.cancel()
        systemd.notify("STOPPING=1")


async def _first_workspace(settings: Settings, database: Database) -> Announcement:
    from posthouse.accounts import bootstrap  # here: only a real start pays for it

    data_folder.note_address(settings.data, settings.public_url)
    async with open_process(settings, "supervisor", database.app_dsn, owner_dsn=database.owner_dsn) as process:
        made = await bootstrap.ensure(process)
    return announce(settings, made.api_key, made.smtp_user, made.smtp_password, made.sign_in_token)


def announce(settings: Settings, api_key: str, smtp_user: str, smtp_password: str, token: str) -> Announcement:
    """Where everything is, before the processes have numbers."""
    submission, inbound, lab = settings.submission, settings.inbound, settings.lab
    return Announcement(
        web=settings.public_url,
        submission=f"{connectable(submission.host)}:{submission.port}",
        submissions=f"{connectable(submission.host)}:{submission.tls_port}",
        inbound=f"{connectable(inbound.host)}:{inbound.port}",
        lab_smtp=f"{connectable(lab.host)}:{lab.smtp_port}" if lab.enabled else "",
        lab_web=f"http://{connectable(lab.host)}:{lab.web_port}" if lab.enabled else "",
        api_key=api_key,
        smtp_user=smtp_user,
        smtp_password=smtp_password,
        sign_in=f"{settings.public_url}/sign-in/{token}" if token else "",
        pids={},
    )


def _announce(announcement: Announcement, choice: Choice) -> None:
    text = msgspec.json.encode(announcement).decode() if choice.json else as_text(announcement)
    print(text, flush=True)
