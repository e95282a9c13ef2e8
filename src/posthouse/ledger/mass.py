"""What processes tell each other about texts that go to many, and the mass mailings that were found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from posthouse.ledger.sql import SQL
from posthouse.model.limits import MASS_RECIPIENTS, MASS_WINDOW_MINUTES
from posthouse.runtime.postgres import Connection

Seen = Mapping[int, int]
"""Recipient (a number) -> minute since 1970."""


@dataclass(frozen=True, slots=True)
class MassMailing:
    """One text that went to too many. `message_id` is None when the mail it was found with was refused."""

    found_at: datetime
    action: str
    message_id: UUID | None
    sender: str
    subject: str
    reason: str  # of a sender who insisted


async def share(connection: Connection, workspace_id: UUID, seen: Mapping[int, Seen]) -> None:
    """Tells the others who got which text (a fingerprint)."""
    rows = [(text, minute, who) for text, each in seen.items() for minute, who in _by_minute(each).items()]
    await connection.execute(
        SQL.share_sightings,
        workspace_id,
        [text for text, _, _ in rows],
        [moment(minute) for _, minute, _ in rows],
        [",".join(map(str, who)) for _, _, who in rows],
        2 * MASS_RECIPIENTS,
    )


async def recent(
    connection: Connection, workspace_id: UUID, texts: list[int], minute: int
) -> dict[int, list[tuple[int, int]]]:
    """What all processes together saw of these texts in the window that ends with `minute`: (recipient, minute) by text."""
    since = moment(minute - MASS_WINDOW_MINUTES)
    found: dict[int, list[tuple[int, int]]] = {}
    for row in await connection.fetch(SQL.recent_sightings, workspace_id, texts, since):
        at = minute_of(row["minute"])
        found.setdefault(row["text"], []).extend((recipient, at) for recipient in row["recipients"])
    return found


async def note(connection: Connection, workspace_id: UUID, text: int, mailing: MassMailing) -> bool:
    """Keeps what was found; True when nobody has been told within the last window."""
    before = mailing.found_at - timedelta(minutes=MASS_WINDOW_MINUTES)
    row = mailing.found_at, mailing.action, mailing.message_id, mailing.sender, mailing.subject, mailing.reason
    return await connection.fetchrow(SQL.note_mass_mailing, workspace_id, text, before, *row) is not None


async def mailings(connection: Connection, workspace_id: UUID, since: datetime, most: int) -> list[MassMailing]:
    """The latest mass mailings found."""
    rows = await connection.fetch(SQL.mass_mailings, workspace_id, since, most)
    return [MassMailing(**dict(row.items())) for row in rows]


async def drop_old(connection: Connection, workspace_id: UUID, now: datetime) -> None:
    """Forgets sightings that no window reaches any more."""
    await connection.execute(SQL.drop_sightings, workspace_id, now - timedelta(minutes=2 * MASS_WINDOW_MINUTES))


def minute_of(at: datetime) -> int:
    """Minutes since 1970."""
    return int(at.timestamp()) // 60


def moment(minute: int) -> datetime:
    """The beginning of a minute counted by `minute_of`."""
    return datetime.fromtimestamp(minute * 60, UTC)


def _by_minute(seen: Seen) -> dict[int, list[int]]:
    grouped: dict[int, list[int]] = {}
    for recipient, minute in seen.items():
        grouped.setdefault(minute, []).append(recipient)
    return grouped
