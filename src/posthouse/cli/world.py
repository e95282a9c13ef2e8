"""What commands share: where the settings come from, and the way into a running or resting installation."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from posthouse.cli.ending import EXIT_DATABASE, EXIT_FAILED, EXIT_SETTINGS, run
from posthouse.model import limits
from posthouse.runtime import data_folder, log, migrate
from posthouse.runtime.data_folder import FolderError
from posthouse.runtime.embedded import Server
from posthouse.runtime.process import Process, open_process
from posthouse.runtime.settings import Settings
from posthouse.runtime.settings_source import default_file, load
from posthouse.runtime.vault import ensure_kek

__all__ = ["EXIT_DATABASE", "EXIT_FAILED", "EXIT_SETTINGS", "Where", "open_world", "run"]


@dataclass(frozen=True)
class Where:
    """The installation a command is about."""

    config: Annotated[
        Path | None, Parameter(help="Settings file (TOML); else $POSTHOUSE_CONFIG, else /etc/posthouse/posthouse.toml.")
    ] = None
    data: Annotated[Path | None, Parameter(help="Data folder; instead of server.data_dir.")] = None

    def settings(self) -> Settings:
        """Its settings. Raises SettingsError."""
        settings = load(self.config or default_file())
        return settings.with_("server", data_dir=self.data.absolute()) if self.data else settings


def public_url(settings: Settings) -> str:
    """Where people reach the pages: as the settings say, else where the last start put them; its command line may have chosen."""
    return settings.web.public_url.rstrip("/") or data_folder.noted_address(settings.data) or settings.public_url


@contextlib.asynccontextmanager
async def open_world(settings: Settings, *, migrating: bool = True) -> AsyncIterator[Process]:
    """A process for one command: beside a running installation, or on a resting one whose database starts for as long as it takes.

    A resting installation is migrated first unless `migrating` is false. Raises what `run` reports.
    """
    logger = log.configure("command", "warning", settings.server.log_format)
    if settings.postgres.dsn:
        app_dsn = await migrate.app_dsn(settings.postgres.dsn, patience_s=limits.COMMAND_PATIENCE_S)
        async with open_process(settings, "command", app_dsn, owner_dsn=settings.postgres.dsn) as process:
            yield process
        return
    data_folder.ensure(settings.data)
    server = Server(settings.data, logger, port=settings.postgres.port)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(_awake(server, settings, migrating=migrating))
        yield await stack.enter_async_context(
            open_process(settings, "command", server.app_dsn, owner_dsn=server.owner_dsn)
        )


@contextlib.asynccontextmanager
async def _awake(server: Server, settings: Settings, *, migrating: bool) -> AsyncIterator[None]:
    """The embedded server runs while the block does: by its supervisor, or by us when nobody holds the data folder."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(data_folder.locked(settings.data, patience_s=0))
        except FolderError:
            yield
            return
        ensure_kek(settings.kek_path)
        await server.start()
        stack.push_async_callback(server.stop)
        if migrating:
            await migrate.migrate(server.owner_dsn, app_password=server.app_password)
        yield
