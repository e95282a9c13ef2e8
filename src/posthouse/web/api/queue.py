"""The queue's health: destination by age, as Postfix's qshape shows it."""

from typing import Annotated

import msgspec
from msgspec import Meta

from posthouse.model.words import State
from posthouse.outbox.shape import AGES_MINUTES, counts, shape
from posthouse.web.api.exchange import Answer, Exchange, answer


class Destination(msgspec.Struct, frozen=True):
    """Unsettled mail for one domain."""

    domain: str
    total: int
    buckets: Annotated[
        tuple[int, ...], Meta(description="mails by age: one more than there are ages, the last is older than all")
    ]


class QueueShape(msgspec.Struct, frozen=True):
    """Unsettled mail by destination and age."""

    ages_minutes: Annotated[tuple[int, ...], Meta(description="upper ends of the buckets")]
    states: Annotated[dict[State, int], Meta(description="mails by state")]
    destinations: Annotated[tuple[Destination, ...], Meta(description="the fullest first")]


async def queue_shape(exchange: Exchange) -> Answer:
    """What waits where, and for how long."""
    process, workspace_id = exchange.rooms.process, exchange.submitter.workspace_id
    async with process.pool.acquire() as connection:
        rows = await shape(connection, workspace_id, process.clock.now())
        states = await counts(connection, workspace_id)
    destinations = tuple(Destination(row.domain, row.total, row.buckets) for row in rows)
    return answer(QueueShape(AGES_MINUTES, states, destinations))
