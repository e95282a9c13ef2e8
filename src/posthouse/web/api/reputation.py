"""How mail fared within a day by pool, From domain, provider and mailing, against the rates at which it is paused."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from posthouse.intake import reputation
from posthouse.intake.reputation import Reputation
from posthouse.ledger import reputation as counts
from posthouse.ledger.breakers import Rate, Scope, Standing
from posthouse.ledger.providers import Provider
from posthouse.model.limits import REPUTATION_ROWS
from posthouse.web.api.exchange import Answer, Exchange, answer


class RateView(msgspec.Struct, frozen=True):
    """One rate against its marks."""

    percent: float
    times: Annotated[int, Meta(description="hard bounces, or complaints")]
    of: Annotated[int, Meta(description="mails sent for bounces, mails delivered for complaints")]
    warn_percent: Annotated[float | None, Meta(description="from here on administrators are told; null: not judged")]
    pause_percent: Annotated[float | None, Meta(description="from here on the mail is paused; null: not judged")]
    state: Annotated[Standing, Meta(description="few: too little was sent to say anything")]


class ReputationView(msgspec.Struct, frozen=True):
    """One pool, one domain of From (bulk mail: every pool but the transactional one), marketing to one provider, or one mailing."""

    scope: Scope
    name: Annotated[
        str,
        Meta(
            description="of the pool, the domain, the provider or the mailing: the first tag of marketing, or else its mailing type"
        ),
    ]
    state: Annotated[
        Literal["few", "good", "warning", "too_high", "paused"], Meta(description="the worse of its rates")
    ]
    sent: Annotated[int, Meta(description="delivered or bounced")]
    delivered: int
    bounces: RateView
    complaints: RateView
    counted_from: Annotated[datetime, Meta(description="a day ago, or when what a breaker had paused was resumed")]
    since: Annotated[datetime | None, Meta(description="when it was paused, or first warned of; null: neither")]
    suspension: Annotated[UUID | None, Meta(description="what pauses it; deleting this suspension resumes the mail")]


class BulkSenderView(msgspec.Struct, frozen=True):
    """An organization that a provider's rules for bulk senders hold for, from then on."""

    domain: Annotated[str, Meta(description="the organizational domain of From")]
    provider: Provider
    mails: Annotated[int, Meta(description="within the 24 hours in which it became one")]
    since: datetime


class ReputationList(msgspec.Struct, frozen=True):
    """What mail went out of within a day, and what is paused."""

    reputation: Annotated[
        tuple[ReputationView, ...],
        Meta(description=f"pools, then domains, then providers, then mailings; the first {REPUTATION_ROWS}"),
    ]
    bulk_senders: tuple[BulkSenderView, ...]


async def show(exchange: Exchange) -> Answer:
    """All of it."""
    process, workspace_id = exchange.rooms.process, exchange.submitter.workspace_id
    async with process.pool.acquire() as connection:
        found = await reputation.read(connection, process.settings, workspace_id, process.clock.now())
        bulk = await counts.bulk_senders(connection, workspace_id)
    return answer(listing(found, bulk))


def listing(found: list[Reputation], bulk: list[counts.BulkSender]) -> ReputationList:
    """As the API and the command show it."""
    return ReputationList(
        tuple(_view(each) for each in found[:REPUTATION_ROWS]),
        tuple(BulkSenderView(each.domain, each.provider, each.mails, each.since) for each in bulk[:REPUTATION_ROWS]),
    )


def _view(found: Reputation) -> ReputationView:
    bounces, complaints = found.rates
    return ReputationView(
        scope=found.subject.scope,
        name=found.subject.name,
        state="paused" if found.paused else found.standing.value,
        sent=found.tally.sent,
        delivered=found.tally.delivered,
        bounces=_rate(bounces),
        complaints=_rate(complaints),
        counted_from=found.counted_from,
        since=found.since,
        suspension=found.paused.suspension_id if found.paused else None,
    )


def _rate(rate: Rate) -> RateView:
    marks = rate.marks
    return RateView(
        percent=round(rate.percent, 4),
        times=rate.times,
        of=rate.of,
        warn_percent=marks.warn if marks else None,
        pause_percent=marks.pause if marks else None,
        state=rate.standing,
    )
