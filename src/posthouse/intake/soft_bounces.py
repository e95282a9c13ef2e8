"""Counts marketing that was given up at an address, in the transaction in which that became true.

A delivery of whatever mail begins the count anew. It is looked up when the next message fails, not noted when one arrives: nearly every
mail arrives, and none of them shall cost more for the few addresses that have a count.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from posthouse.ledger import bounce_policy, soft, suppression
from posthouse.ledger.soft import Soft
from posthouse.ledger.suppression import MARKETING, SOFT_BOUNCES, Entry, New
from posthouse.outbox import settled
from posthouse.runtime.postgres import Connection


async def count(
    connection: Connection, workspace_id: UUID, given_up: Sequence[Soft], said_by: str, now: datetime
) -> None:
    """One more message for each address; marketing stops where it was too many for too long."""
    if not given_up:
        return
    counters = await soft.counters_of(connection, workspace_id, [each.address for each in given_up])
    since = [(each.address, counters[key].last_at) for each in given_up if (key := _key(each)) in counters]
    arrived = {
        suppression.folded(address) for address in await settled.delivered_since(connection, workspace_id, since)
    }
    last: dict[str, Soft] = {}
    for each in given_up:
        key = _key(each)
        counters[key] = soft.counted(counters.get(key), delivered=key in arrived, now=now)
        arrived.discard(key)
        last[key] = each
    await soft.note(connection, workspace_id, [(each, counters[key]) for key, each in last.items()])
    policy = await bounce_policy.of(connection, workspace_id)
    entry = Entry(MARKETING, SOFT_BOUNCES)
    new = [
        New(each.address, entry, each.message_id)
        for key, each in last.items()
        if soft.exhausted(counters[key], policy.soft_messages, policy.soft_span)
    ]
    if new:
        await suppression.add_many(connection, workspace_id, new, said_by, now)


def _key(each: Soft) -> str:
    return suppression.folded(each.address)
