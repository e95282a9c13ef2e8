"""Sending once more, and sending a test: asked for by people, done by the lanes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from posthouse.accounts.changes import Change
from posthouse.ledger import feed
from posthouse.ledger.feed import Happened
from posthouse.model import limits
from posthouse.runtime.ids import time_of, uuid7_floor
from posthouse.webhooks import deliveries, fanout, news
from posthouse.webhooks.endpoints import Endpoint
from posthouse.webhooks.payload import TEST_KIND

_MILLISECOND: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many events will be sent once more; `next_since` is where another replay begins when there were too many for one."""

    events: int
    next_since: datetime | None = None


async def one(change: Change, endpoint: Endpoint, event_id: UUID) -> Replayed | None:
    """One event, whatever the endpoint usually hears. None when it is not kept; no event when it is on its way already."""
    found = await _happened(change, endpoint, event_id)
    if found is None:
        return None
    place = change.connection, change.workspace_id
    told = await deliveries.enqueue(*place, [(endpoint.endpoint_id, found)], change.now, again=True)
    await change.record("webhook.replay", endpoint.url, id=str(endpoint.endpoint_id), event=str(event_id))
    return Replayed(len(told))


async def all_since(change: Change, endpoint: Endpoint, since: datetime) -> Replayed:
    """Everything the endpoint wants that has happened from then on, told or not."""
    count, reached = await fanout.replay(
        change.connection, change.workspace_id, endpoint.endpoint_id, frozenset(endpoint.kinds), since, change.now
    )
    detail = {"id": str(endpoint.endpoint_id), "since": since.isoformat(), "events": count}
    await change.record("webhook.replay", endpoint.url, **detail)
    return Replayed(count, time_of(reached) if reached else None)


async def all_failed(change: Change, endpoint: Endpoint, since: datetime | None = None) -> Replayed:
    """Everything that was given up, of what happened from `since` on."""
    earliest = uuid7_floor(since) if since else UUID(int=0)
    place = change.connection, change.workspace_id, endpoint.endpoint_id
    again = await deliveries.failed_again(*place, change.now, earliest, limits.WEBHOOK_REPLAYED)
    detail = {"id": str(endpoint.endpoint_id), "failed": True, "events": len(again)}
    await change.record("webhook.replay", endpoint.url, **detail)
    full = len(again) == limits.WEBHOOK_REPLAYED
    return Replayed(len(again), time_of(max(again, key=lambda each: each.int)) + _MILLISECOND if full else None)


async def test(change: Change, endpoint: Endpoint) -> UUID:
    """An event that tells of nothing; its id."""
    event_id = change.ids.new()
    happened = Happened(event_id, change.now, event_id, event_id, TEST_KIND)
    await deliveries.enqueue(change.connection, change.workspace_id, [(endpoint.endpoint_id, happened)], change.now)
    await change.record("webhook.test", endpoint.url, id=str(endpoint.endpoint_id), event=str(event_id))
    return event_id


async def _happened(change: Change, endpoint: Endpoint, event_id: UUID) -> Happened | None:
    """From the ledger or the news, else from what this endpoint was sent: a test is in neither."""
    facts = await feed.several(change.connection, change.workspace_id, [event_id])
    if facts:
        return facts[0].happened
    told = await news.several(change.connection, change.workspace_id, [event_id])
    if told:
        return told[0].happened
    known = await deliveries.find(change.connection, change.workspace_id, endpoint.endpoint_id, event_id)
    if known is None or known.kind != TEST_KIND:
        return None
    return Happened(event_id, known.occurred_at, event_id, event_id, TEST_KIND)
