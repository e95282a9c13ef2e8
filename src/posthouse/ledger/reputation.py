"""How mail fared by pool, From domain and provider, and by mailing: the counts beside those of `counting`, and who counts as a bulk sender.

A mail counts as sent once, when it is delivered or bounces for good. A bounce that is reported after delivery and a complaint count
when they come. What a person bounced by hand was not sent.

A mailing is marketing under one name: the first tag, or else the mailing type. Names are the senders' to choose, and some choose one for
each mail: of each quarter only the largest mailings are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from posthouse.ledger.breakers import Tally
from posthouse.ledger.providers import PATTERNS, Provider
from posthouse.ledger.sql import SQL
from posthouse.model.limits import MAILINGS_COUNTED, MAILINGS_KEPT_DAYS, REPUTATION_KEPT_DAYS
from posthouse.model.words import Pool
from posthouse.runtime.postgres import Connection

_QUARTER: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Counted:
    """What happened to the mail of one pool and From domain at one provider."""

    pool: Pool
    sender_domain: str
    provider: Provider
    tally: Tally


@dataclass(frozen=True, slots=True)
class BulkSender:
    """An organizational domain that once sent `mails` to a provider within 24 hours."""

    domain: str
    provider: Provider
    mails: int
    since: datetime


async def count(connection: Connection, workspace_id: UUID, since: UUID, until: UUID) -> None:
    """Adds the events from `since` up to, not including, `until`; whoever moves the cursor calls it in the same transaction."""
    await connection.execute(SQL.count_reputation, workspace_id, since, until, list(PATTERNS), list(PATTERNS.values()))
    quarters = {row["quarter"] for row in await connection.fetch(SQL.count_mailings, workspace_id, since, until)}
    if quarters:
        await connection.execute(SQL.keep_largest_mailings, workspace_id, list(quarters), MAILINGS_COUNTED)


async def tallies(connection: Connection, workspace_id: UUID, since: datetime) -> list[Counted]:
    """The sums of the quarters that begin at `since` or later."""
    rows = await connection.fetch(SQL.reputation_since, workspace_id, since)
    return [
        Counted(
            Pool(row["pool"]),
            row["sender_domain"],
            Provider(row["provider"]),
            Tally(row["sent"], row["delivered"], row["hard_bounces"], row["complaints"]),
        )
        for row in rows
    ]


async def mailings(
    connection: Connection, workspace_id: UUID, since: datetime, later: Mapping[str, datetime]
) -> dict[str, Tally]:
    """The sums of the quarters that begin at `since` or later, for the mailings in `later` at that; the largest only."""
    names, times = list(later), list(later.values())
    rows = await connection.fetch(SQL.mailings_since, workspace_id, since, names, times, MAILINGS_COUNTED)
    return {
        row["mailing"]: Tally(row["sent"], row["delivered"], row["hard_bounces"], row["complaints"]) for row in rows
    }


async def bulk_senders(connection: Connection, workspace_id: UUID) -> list[BulkSender]:
    """All that were ever found, by name."""
    rows = await connection.fetch(SQL.bulk_senders, workspace_id)
    return [BulkSender(row["domain"], Provider(row["provider"]), row["mails"], row["since"]) for row in rows]


async def note_bulk_sender(connection: Connection, workspace_id: UUID, found: BulkSender) -> bool:
    """Keeps it for ever. False when it is known already."""
    row = await connection.fetchrow(
        SQL.note_bulk_sender, workspace_id, found.domain, found.provider, found.mails, found.since
    )
    return row is not None


async def drop_old(connection: Connection, workspace_id: UUID, now: datetime) -> None:
    """Forgets counts that nobody looks at any more."""
    await connection.execute(SQL.drop_reputation, workspace_id, now - timedelta(days=REPUTATION_KEPT_DAYS))
    await connection.execute(SQL.drop_mailings, workspace_id, now - timedelta(days=MAILINGS_KEPT_DAYS))


def quarter_of(moment: datetime) -> datetime:
    """The beginning of the quarter of an hour that a moment is in."""
    return moment - timedelta(minutes=moment.minute % 15, seconds=moment.second, microseconds=moment.microsecond)


def quarter_after(moment: datetime) -> datetime:
    """The beginning of the first quarter that has nothing of what was before a moment."""
    begun = quarter_of(moment)
    return begun if begun == moment else begun + _QUARTER
