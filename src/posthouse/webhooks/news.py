"""What endpoints are told of that is no mail's: addresses that became invalid or were cleared, alerts raised and ended.

None of it has an event in the ledger; it is read from where it is written down anyway, each after a cursor of its own. The audit log
numbers its entries without gaps and in the order of their commits, the list of invalid addresses (`ledger.invalid`) gives places the
same way, so nothing is missed or read twice. What is news is kept in `webhook_news`, once for all endpoints and as long as deliveries.

A news' id is made of its moment and of where it was read, so that it is the same whenever it is read; what is about one address or
one trouble is told in order, as the events of one message are.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from posthouse.accounts import audit
from posthouse.accounts.audit import Entry
from posthouse.ledger import feed, invalid
from posthouse.ledger.feed import Happened
from posthouse.ledger.invalid import Invalid
from posthouse.model import limits
from posthouse.runtime.ids import uuid7_at
from posthouse.runtime.postgres import Connection
from posthouse.webhooks.sql import SQL

INVALID, CLEARED = "address.invalid", "address.cleared"
RAISED, ENDED = "alert.raised", "alert.ended"
KINDS: Final = (INVALID, CLEARED, RAISED, ENDED)
_LIST, _LOG = "webhooks invalid", "webhooks audit"  # readers, by what they read
_FROM_LIST, _FROM_LOG = 0, 1  # where it was read, as part of an id
_NUMBERS: Final = 1 << 32
_CLEARING: Final = frozenset({"address.revalidate", "address.replace", "suppression.remove"})


@dataclass(frozen=True, slots=True)
class News:
    """One of them; `happened.message_id` stands for the address or trouble it is about."""

    happened: Happened
    data: dict[str, Any]


def of_invalid(workspace_id: UUID, found: Invalid) -> News:
    """An address became invalid. Pure."""
    data = {
        "address": found.address,
        "reason": found.reason,
        "since": found.since.isoformat(),
        "message_id": str(found.message_id) if found.message_id else None,
        "external_id": found.external_id,
        "said_by": found.said_by,
        "note": found.note,
    }
    return _news(workspace_id, INVALID, found.since, (_FROM_LIST, found.place), found.address, data)


def of_entry(entry: Entry) -> News | None:
    """What an entry of the audit log is the news of; most are of none. Pure."""
    detail, at = entry.detail, (_FROM_LOG, entry.sequence)
    place = entry.workspace_id, entry.occurred_at, at
    if entry.action in _CLEARING and (entry.action != "suppression.remove" or detail.get("was_invalid")):
        data = {
            "address": entry.subject,
            "new_address": detail.get("new_address", ""),
            "reason": detail.get("reason", ""),
            "by": entry.actor,
        }
        return _news(place[0], CLEARED, place[1], at, entry.subject, data)
    if entry.action not in ("alert.raise", "alert.end"):
        return None
    data = {"alert_id": detail.get("alert"), "kind": detail.get("kind", ""), "subject": entry.subject}
    about = f"{data['kind']} {entry.subject}"
    if entry.action == "alert.end":
        return _news(place[0], ENDED, place[1], at, about, data | {"by": entry.actor})
    data |= {name: detail.get(name, "") for name in ("level", "sentence", "path")}
    return _news(place[0], RAISED, place[1], at, about, data)


def _news(workspace_id: UUID, kind: str, at: datetime, read: tuple[int, int], about: str, data: dict[str, Any]) -> News:
    source, number = read
    event_id = uuid7_at(at, source, workspace_id.int % (1 << 30) * _NUMBERS + number % _NUMBERS)
    about_id = uuid5(workspace_id, about)
    return News(Happened(event_id, at, about_id, about_id, kind), data)


async def gather(connection: Connection, workspace_id: UUID, since: UUID) -> tuple[list[Happened], bool]:
    """Reads on, in the caller's transaction: what is new from `since` on, and whether there is no more for the moment."""
    listed, all_listed = await _of_list(connection, workspace_id)
    logged, all_logged = await _of_log(connection, workspace_id)
    fresh = [each for each in (*listed, *logged) if each.happened.event_id.int >= since.int]
    await _keep(connection, workspace_id, fresh)
    return [each.happened for each in fresh], all_listed and all_logged


async def _of_list(connection: Connection, workspace_id: UUID) -> tuple[list[News], bool]:
    at = await feed.number(connection, workspace_id, _LIST)
    if at is None:  # another process is at it
        return [], True
    found = await invalid.after(connection, workspace_id, at, limits.WEBHOOK_READ)
    if found:
        await feed.number_passed(connection, workspace_id, _LIST, found[-1].place)
    return [of_invalid(workspace_id, each) for each in found], len(found) < limits.WEBHOOK_READ


async def _of_log(connection: Connection, workspace_id: UUID) -> tuple[list[News], bool]:
    at = await feed.number(connection, workspace_id, _LOG)
    if at is None:
        return [], True
    found = await audit.after(connection, workspace_id, at, limits.AUDIT_PAGE)
    if found:
        await feed.number_passed(connection, workspace_id, _LOG, found[-1].sequence)
    return [each for each in map(of_entry, found) if each is not None], len(found) < limits.AUDIT_PAGE


async def _keep(connection: Connection, workspace_id: UUID, fresh: Sequence[News]) -> None:
    if not fresh:
        return
    await connection.execute(
        SQL.keep_news,
        workspace_id,
        [each.happened.event_id for each in fresh],
        [each.happened.message_id for each in fresh],
        [each.happened.kind for each in fresh],
        [each.happened.occurred_at for each in fresh],
        [each.data for each in fresh],
    )


async def between(connection: Connection, workspace_id: UUID, since: UUID, until: UUID) -> list[Happened]:
    """What is kept from `since` up to, not including, `until`, in order."""
    rows = await connection.fetch(SQL.news_between, workspace_id, since, until, limits.WEBHOOK_REPLAYED)
    return [Happened(r["event_id"], r["occurred_at"], r["about_id"], r["about_id"], r["kind"]) for r in rows]


async def several(connection: Connection, workspace_id: UUID, event_ids: Collection[UUID]) -> list[News]:
    """These, as far as they are kept."""
    if not event_ids:
        return []
    rows = await connection.fetch(SQL.news_by_id, workspace_id, list(event_ids))
    return [
        News(Happened(r["event_id"], r["occurred_at"], r["about_id"], r["about_id"], r["kind"]), r["data"])
        for r in rows
    ]


async def drop(connection: Connection, workspace_id: UUID, before: UUID) -> None:
    """Deletes what is older, and all where nobody is told of anything any more."""
    await connection.execute(SQL.drop_news, workspace_id, before)
