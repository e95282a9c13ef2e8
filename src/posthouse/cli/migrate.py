"""`posthouse migrate`: bring an external database to this program's schema."""

from typing import Annotated

from cyclopts import Parameter

from posthouse.cli.world import Where, run
from posthouse.runtime import migrate
from posthouse.runtime.settings_source import SettingsError


def migrate_command(*, where: Annotated[Where, Parameter(name="*")] = Where()) -> None:  # noqa: B008 - frozen
    """Apply the migrations the database of postgres.dsn lacks; its user must own the database. `posthouse up` does it by itself.

    For example:

        posthouse migrate --config /etc/posthouse/posthouse.toml
    """
    applied = run(_migrate(where))
    print("\n".join(f"applied {name}" for name in applied) or "The database is up to date.")


async def _migrate(where: Where) -> list[str]:
    settings = where.settings()
    if not settings.postgres.dsn:
        raise SettingsError(["postgres.dsn: is empty; `posthouse up` migrates the embedded database at every start"])
    return await migrate.migrate(settings.postgres.dsn)
