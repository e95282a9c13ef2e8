"""What can be exported: how many rows there are, and the next of them after a place, read through the rooms that own them.

A place is text that only its own kind understands, "" for the beginning. Messages, bounces, complaints and unsubscribes are those of a period
that is over, so that what is counted is what comes; suppressions and invalid addresses are the list as it is while it is read. Login failures
are counted by the quarter of an hour and belong to the period in which theirs begins.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from posthouse.accounts import login_failures
from posthouse.exports.writing import Row
from posthouse.ledger import feed, invalid, suppression
from posthouse.ledger.suppression import Place, Wanted
from posthouse.model.words import EventKind
from posthouse.outbox import messages
from posthouse.runtime.ids import uuid7_floor
from posthouse.runtime.postgres import Connection


class What(StrEnum):
    """The kinds of export."""

    MESSAGES = "messages"
    BOUNCES = "bounces"
    COMPLAINTS = "complaints"
    UNSUBSCRIBES = "unsubscribes"
    SUPPRESSIONS = "suppressions"
    INVALID = "invalid_addresses"
    LOGIN_FAILURES = "login_failures"

    @property
    def is_for_managers(self) -> bool:
        """Whether only those get it who look after the workspace: who signs in from where is not for every reader."""
        return self is What.LOGIN_FAILURES


@dataclass(frozen=True, slots=True)
class Period:
    """Of one workspace: from `since` up to, not including, `until`."""

    workspace_id: UUID
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Source:
    """`rows` gives at most so many after a place, each with where it stands."""

    columns: tuple[str, ...]
    count: Callable[[Connection, Period], Awaitable[int]]
    rows: Callable[[Connection, Period, str, int], Awaitable[Sequence[tuple[str, Row]]]]


_MESSAGE: Final = (
    *(
        "message_id",
        "recipient_id",
        "accepted_at",
        "class",
        "mailing_type",
        "pool",
        "source",
        "sender",
        "subject",
        "to",
        "kind",
        "state",
    ),
    *("settled_at", "attempts", "code", "enhanced", "remote", "reason", "tags", "metadata"),
)
_EVENT: Final = ("event_id", "occurred_at", "type", "address", "message_id", "recipient_id")
_BOUNCE: Final = (*_EVENT, "class", "class_reason", "code", "enhanced", "said", "remote")
_SUPPRESSION: Final = ("address", "scope", "reason", "note", "added_by", "created_at", "expires_at", "message_id")
_LOGIN_FAILURE: Final = ("failure_id", "door", "account", "source", "reason", "attempts", "first_at", "last_at")
_INVALID: Final = ("address", "reason", "date", "message_id", "external_id", "said_by", "note")


def _bounds(period: Period, place: str = "") -> tuple[UUID, UUID]:
    """Ids after the first and before the second are those of the period after the place."""
    start = UUID(place) if place else UUID(int=max(uuid7_floor(period.since).int - 1, 0))
    return start, uuid7_floor(period.until)


async def _count_messages(connection: Connection, period: Period) -> int:
    return await messages.count_between(connection, period.workspace_id, *_bounds(period))


async def _messages(connection: Connection, period: Period, place: str, most: int) -> Sequence[tuple[str, Row]]:
    found = await messages.recipients_between(connection, period.workspace_id, *_bounds(period, place), most)
    return [(str(row["recipient_id"]), row | {"class": row["mail_class"], "to": row["address"]}) for row in found]


def _events(columns: tuple[str, ...], *kinds: EventKind) -> Source:
    async def count(connection: Connection, period: Period) -> int:
        return await feed.count_of_kinds(connection, period.workspace_id, *_bounds(period), kinds)

    async def rows(connection: Connection, period: Period, place: str, most: int) -> Sequence[tuple[str, Row]]:
        found = await feed.of_kinds(connection, period.workspace_id, *_bounds(period, place), kinds, most)
        ids = [fact.happened.recipient_id for fact in found]
        addresses = await messages.addresses(connection, period.workspace_id, ids) if ids else {}
        return [
            (str(fact.happened.event_id), _event(fact, addresses.get(fact.happened.recipient_id, ""))) for fact in found
        ]

    return Source(columns, count, rows)


def _event(fact: feed.Fact, address: str) -> dict[str, Any]:
    what, data = fact.happened, fact.data
    return {
        "event_id": what.event_id,
        "occurred_at": what.occurred_at,
        "type": what.kind,
        "address": address,
        "message_id": what.message_id,
        "recipient_id": what.recipient_id,
        "class": data.get("class", ""),
        "class_reason": data.get("class_reason", ""),
        "code": data.get("code") or None,
        "enhanced": data.get("enhanced") or data.get("status") or "",
        "said": data.get("text") or data.get("reason") or "",
        "remote": data.get("remote", ""),
    }


async def _count_suppressions(connection: Connection, period: Period) -> int:
    return await suppression.count_since(connection, period.workspace_id, period.since)


async def _suppressions(connection: Connection, period: Period, place: str, most: int) -> Sequence[tuple[str, Row]]:
    after = Place(*msgspec.json.decode(place, type=tuple[str, str, str])) if place else None
    found = await suppression.listing(connection, period.workspace_id, Wanted(since=period.since), after, most)
    return [
        (
            msgspec.json.encode([each.address, each.entry.scope, each.entry.reason]).decode(),
            {
                "address": each.address,
                "scope": each.entry.scope,
                "reason": each.entry.reason,
                "note": each.note,
                "added_by": each.added_by,
                "created_at": each.created_at,
                "expires_at": each.entry.expires_at,
                "message_id": each.message_id,
            },
        )
        for each in found
    ]


async def _count_invalid(connection: Connection, period: Period) -> int:
    return await invalid.count_since(connection, period.workspace_id, period.since)


async def _invalid(connection: Connection, period: Period, place: str, most: int) -> Sequence[tuple[str, Row]]:
    found = await invalid.after(connection, period.workspace_id, int(place or 0), most, period.since)
    return [
        (
            str(each.place),
            {
                "address": each.address,
                "reason": each.reason,
                "date": each.since,
                "message_id": each.message_id,
                "external_id": each.external_id,
                "said_by": each.said_by,
                "note": each.note,
            },
        )
        for each in found
    ]


async def _count_login_failures(connection: Connection, period: Period) -> int:
    return await login_failures.count_after(connection, period.workspace_id, *_bounds(period))


async def _login_failures(connection: Connection, period: Period, place: str, most: int) -> Sequence[tuple[str, Row]]:
    found = await login_failures.after(connection, period.workspace_id, *_bounds(period, place), most)
    return [(str(each.failure_id), {name: getattr(each, name) for name in _LOGIN_FAILURE}) for each in found]


SOURCES: Final = {
    What.MESSAGES: Source(_MESSAGE, _count_messages, _messages),
    What.BOUNCES: _events(_BOUNCE, EventKind.BOUNCED, EventKind.LATE_BOUNCE, EventKind.EXPIRED),
    What.COMPLAINTS: _events(_EVENT, EventKind.COMPLAINED),
    What.UNSUBSCRIBES: _events(_EVENT, EventKind.UNSUBSCRIBED),
    What.SUPPRESSIONS: Source(_SUPPRESSION, _count_suppressions, _suppressions),
    What.INVALID: Source(_INVALID, _count_invalid, _invalid),
    What.LOGIN_FAILURES: Source(_LOGIN_FAILURE, _count_login_failures, _login_failures),
}
