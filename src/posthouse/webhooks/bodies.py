"""The bodies of what is to be sent: read from ledger and outbox when it is sent, so that no second copy of anybody's data is kept."""

from collections.abc import Sequence
from uuid import UUID

from posthouse.ledger import feed
from posthouse.outbox import messages
from posthouse.runtime.postgres import Connection
from posthouse.webhooks import news, payload
from posthouse.webhooks.deliveries import Claimed
from posthouse.webhooks.payload import TEST_KIND, Context


async def of(connection: Connection, workspace_id: UUID, claimed: Sequence[Claimed]) -> dict[UUID, bytes]:
    """The body of each of these events; none for one that is no longer kept."""
    others = {each.event_id: payload.test_body(each.event_id, each.occurred_at) for each in claimed if _is_test(each)}
    about_others = [each.event_id for each in claimed if each.kind in news.KINDS]
    told = await news.several(connection, workspace_id, about_others)
    others |= {each.happened.event_id: payload.news_body(each) for each in told}
    real = [each for each in claimed if payload.is_of_mail(each.kind)]
    if not real:
        return others
    facts = await feed.several(connection, workspace_id, [each.event_id for each in real])
    about = await messages.several(connection, workspace_id, list({each.message_id for each in real}))
    to = await messages.addresses(connection, workspace_id, list({each.recipient_id for each in real}))
    by_id = {message.message_id: message for message in about}
    return others | {
        fact.happened.event_id: payload.body(
            fact, Context(by_id[fact.happened.message_id], to.get(fact.happened.recipient_id, ""))
        )
        for fact in facts
        if fact.happened.message_id in by_id
    }


def _is_test(claimed: Claimed) -> bool:
    return claimed.kind == TEST_KIND
