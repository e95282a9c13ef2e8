"""Login failures of a workspace: kept by the quarter of an hour, read in pages and for exports, dropped when they are old.

The id of a row begins with its quarter of an hour, so that periods, pages and a day's limit are ranges of the primary key.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from posthouse.accounts import tokens
from posthouse.accounts.login_attempts import (
    Attempt,
    Failure,
    Known,
    LoginDoor,
    Named,
    Person,
    Reason,
    Tally,
    quarter_of,
)
from posthouse.model import limits
from posthouse.runtime import queries
from posthouse.runtime.ids import uuid7_floor
from posthouse.runtime.postgres import Connection, Executor, Record

SQL = queries.load(__package__)

_FIRST: Final = UUID(int=0)
_LAST: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class LoginFailure:
    """Refusals at one door, of one account, from one place and for one reason, within a quarter of an hour."""

    failure_id: UUID
    door: LoginDoor
    account: str
    source: str
    reason: Reason
    attempts: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which ones: of quarters that contain `since` or are later, and begin before `until`."""

    since: datetime | None = None
    until: datetime | None = None
    door: LoginDoor | None = None


@dataclass(frozen=True, slots=True)
class Guessed:
    """An account that somebody may be guessing at."""

    account: str
    attempts: int
    sources: int


async def named(connection: Executor, attempts: Iterable[Attempt]) -> Named:
    """Whom these attempts may have meant."""
    people, links, hints = set(), set(), set()
    for each in attempts:
        if each.door is not LoginDoor.PAGES:
            hints.add(each.account)
        elif each.account:
            people.add(each.account)
        else:
            links.add(each.proof)
    persons: list[Person] = []
    if people:
        rows = await connection.fetch(SQL.people_turned_away, list(people))
        persons += (Person(row["workspace_id"], row["email"], row["disabled"]) for row in rows)
    if links:
        rows = await connection.fetch(SQL.links_turned_away, list(links))
        persons += (Person(row["workspace_id"], row["email"], row["disabled"], row["token_hash"]) for row in rows)
    return Named(persons, await _credentials(connection, hints) if hints else ())


async def keep(connection: Executor, workspace_id: UUID, failures: Mapping[Failure, Tally], now: datetime) -> int:
    """Adds them to what is there. How many attempts found the rows of the day all taken."""
    # In the order of their ids, as in every process: two that wait for each other's rows would never end.
    ordered = sorted((each.failure_id, each, tally) for each, tally in failures.items())
    columns: list[list[object]] = [
        [failure_id for failure_id, _, _ in ordered],
        *([getattr(each, name) for _, each, _ in ordered] for name in ("door", "account", "source", "reason")),
        *([getattr(tally, name) for _, _, tally in ordered] for name in Tally._fields),
    ]
    midnight = uuid7_floor(now.replace(hour=0, minute=0, second=0, microsecond=0))
    rows = await connection.fetch(
        SQL.keep_login_failures, workspace_id, *columns, midnight, limits.LOGIN_FAILURES_A_DAY
    )
    kept = {row["failure_id"] for row in rows}
    return sum(tally.attempts for failure_id, _, tally in ordered if failure_id not in kept)


async def listing(
    connection: Executor, workspace_id: UUID, wanted: Wanted, before: UUID | None, most: int
) -> list[LoginFailure]:
    """The newest quarter of an hour first, from below `before`."""
    since = uuid7_floor(quarter_of(wanted.since)) if wanted.since else _FIRST
    until = uuid7_floor(wanted.until) if wanted.until else _LAST
    until = min(until, before) if before else until
    rows = await connection.fetch(SQL.login_failures, workspace_id, since, until, wanted.door, most)
    return [_failure(row) for row in rows]


async def after(connection: Executor, workspace_id: UUID, place: UUID, until: UUID, most: int) -> list[LoginFailure]:
    """Those of ids after a place and before another, oldest first."""
    return [_failure(row) for row in await connection.fetch(SQL.login_failures_after, workspace_id, place, until, most)]


async def count_after(connection: Executor, workspace_id: UUID, place: UUID, until: UUID) -> int:
    """How many there are of them."""
    counted: int = await connection.fetchval(SQL.count_login_failures, workspace_id, place, until)
    return counted


async def guessed(connection: Executor, workspace_id: UUID, now: datetime) -> list[Guessed]:
    """Accounts that fail alarmingly often: in this quarter of an hour and the one before, so that no minute is ever just forgotten."""
    since = uuid7_floor(quarter_of(now) - timedelta(minutes=15))
    least, most = limits.LOGIN_FAILURES_ALARMING, limits.GUESSED_ACCOUNTS
    rows = await connection.fetch(SQL.guessed_accounts, workspace_id, since, least, most)
    return [Guessed(row["account"], row["attempts"], row["sources"]) for row in rows]


async def drop_old(connection: Connection, workspace_id: UUID, now: datetime) -> None:
    """Forgets what has been kept long enough."""
    before = uuid7_floor(now - timedelta(days=limits.LOGIN_FAILURES_KEPT_DAYS))
    await connection.execute(SQL.drop_old_login_failures, workspace_id, before)


async def _credentials(connection: Executor, hints: Iterable[str]) -> Sequence[Known]:
    numbers = {number for hint in hints if (number := tokens.workspace_of_hint(hint)) is not None}
    rows = await connection.fetch(SQL.credentials_turned_away, list(numbers), list(hints))
    return [
        Known(row["workspace_id"], row["hint"], row["secret_hash"], tuple(row["networks"]), row["revoked"])
        for row in rows
    ]


def _failure(row: Record) -> LoginFailure:
    return LoginFailure(
        row["failure_id"],
        LoginDoor(row["door"]),
        row["account"],
        row["source"],
        Reason(row["reason"]),
        row["attempts"],
        row["first_at"],
        row["last_at"],
    )
