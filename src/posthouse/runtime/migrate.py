"""The schema and how it got here: numbered files applied once, in order, each in its own transaction.

A file that was applied must not change any more: its checksum is kept, and a difference refuses to start. Whoever owns the
database migrates; the processes of the product use the role `posthouse_app`, which the migrations grant what it needs and which
can create, alter or drop nothing.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from posthouse.model import limits
from posthouse.runtime.postgres import Connection, PostgresError, connect

APP_ROLE: Final = "posthouse_app"
_FILE: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK: Final = 7_310_578  # advisory: one migration at a time, whoever starts it

_CREATE_TABLE: Final = f"""
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON schema_migrations TO {APP_ROLE};
"""
_APPLIED: Final = "SELECT number, name, checksum FROM schema_migrations ORDER BY number"
_RECORD: Final = "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)"
_HAS_TABLE: Final = "SELECT to_regclass('schema_migrations') IS NOT NULL"
_ROLE_EXISTS: Final = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"
_OLDEST_SERVER: Final = 150_000


class MigrationError(Exception):
    """The schema cannot be brought to, or is not at, the version of this program; the text says which file and why."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of SQL; `checksum` is SHA-256 in hex."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Of the text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Applied:
    """One row of schema_migrations."""

    number: int
    name: str
    checksum: str


def shipped() -> list[Migration]:
    """The migrations of this program, in order."""
    found = []
    for file in resources.files("posthouse.runtime").joinpath("migrations").iterdir():
        if match := _FILE.fullmatch(file.name):
            found.append(Migration(int(match[1]), file.name, file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.number)


def pending(known: list[Migration], applied: list[Applied]) -> list[Migration]:
    """What is still to apply. Raises MigrationError when history and program contradict each other."""
    numbers = [migration.number for migration in known]
    if numbers != list(range(1, len(known) + 1)):
        raise MigrationError(f"the migrations of this program are not numbered 1, 2, 3 ...: {numbers}")
    for row, migration in zip(applied, known, strict=False):
        if (row.number, row.checksum) != (migration.number, migration.checksum):
            raise MigrationError(
                f"{migration.name} was changed after it had been applied to this database as {row.name}: "
                "a migration never changes, put the difference into a new one"
            )
    if len(applied) > len(known):
        raise MigrationError(f"the database is newer than this program: it already has {applied[-1].name}")
    return known[len(applied) :]


async def migrate(dsn: str, *, app_password: str | None = None) -> list[str]:
    """Bring the database of an owner's DSN to this program's schema; the names of the files applied.

    With `app_password` the role posthouse_app may log in with it (the embedded server), else it is only for SET ROLE. Raises
    MigrationError.
    """
    connection = await connect(dsn, name="posthouse migrate")
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await _require_server(connection)
        await _ensure_role(connection, app_password)
        await connection.execute(_CREATE_TABLE)
        return [await _apply(connection, migration) for migration in await outstanding(connection)]
    except PostgresError as error:
        raise MigrationError(f"the owner of the database cannot migrate it: {error}") from error
    finally:
        await connection.close()


async def is_empty(dsn: str, *, app_password: str | None = None) -> bool:
    """Whether nothing was ever migrated here; then the role that a dump's grants name is there. Raises MigrationError."""
    connection = await connect(dsn, name="posthouse restore")
    try:
        if await connection.fetchval(_HAS_TABLE):
            return False
        await _ensure_role(connection, app_password)
        return True
    finally:
        await connection.close()


async def outstanding(connection: Connection) -> list[Migration]:
    """What this database lacks. Raises MigrationError when it is not this program's."""
    if not await connection.fetchval(_HAS_TABLE):
        return pending(shipped(), [])
    return pending(shipped(), [Applied(*row) for row in await connection.fetch(_APPLIED)])


async def _require_server(connection: Connection) -> None:
    version = int(await connection.fetchval("SELECT current_setting('server_version_num')"))
    if version < _OLDEST_SERVER:
        raise MigrationError(f"PostgreSQL 15 or later is needed, this server is {version // 10_000}")


async def _ensure_role(connection: Connection, password: str | None) -> None:
    """The role has to exist before a migration can grant it anything; its owner may then step into it."""
    try:
        if not await connection.fetchval(_ROLE_EXISTS, APP_ROLE):
            await connection.execute(f"CREATE ROLE {APP_ROLE} NOLOGIN")
        if password is not None:
            await connection.execute(f"ALTER ROLE {APP_ROLE} LOGIN PASSWORD {_literal(password)}")
        elif not await _may_become_app(connection):
            await connection.execute(f"GRANT {APP_ROLE} TO current_user")
    except PostgresError as error:
        if not await connection.fetchval(_ROLE_EXISTS, APP_ROLE):
            raise MigrationError(
                f"there is no role {APP_ROLE} and this user may not create it ({error}): "
                f"let an administrator of the server run CREATE ROLE {APP_ROLE} NOLOGIN"
            ) from error


def _literal(text: str) -> str:
    assert text.isalnum(), "passwords of roles are made here and are letters and digits"
    return f"'{text}'"


async def _apply(connection: Connection, migration: Migration) -> str:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(_RECORD, migration.number, migration.name, migration.checksum)
    except PostgresError as error:
        raise MigrationError(f"{migration.name}: {error}") from error
    return migration.name


async def app_dsn(dsn: str, *, patience_s: float = limits.DATABASE_PATIENCE_S) -> str:
    """The DSN processes use: as posthouse_app where the user of `dsn` may step into that role, else unchanged."""
    connection = await connect(dsn, name="posthouse", patience_s=patience_s)
    try:
        able = await _may_become_app(connection)
    finally:
        await connection.close()
    return with_option(dsn, "role", APP_ROLE) if able else dsn


async def _may_become_app(connection: Connection) -> bool:
    """Only trying tells: since PostgreSQL 16 a member of a role need not be allowed to step into it."""
    try:
        await connection.execute(f"SET ROLE {APP_ROLE}")
        await connection.execute("RESET ROLE")
    except PostgresError:
        return False
    return True


def with_option(dsn: str, name: str, value: str) -> str:
    """A DSN with one more query option, unless it is there already."""
    parts = urlsplit(dsn)
    added = f"{name}={quote(value, safe='')}"
    if added in parts.query.split("&"):
        return dsn
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))
