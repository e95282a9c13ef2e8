"""How a workspace's mail fares, and what is done when too much of it bounces or is complained about.

`read` lays the counts of a day beside the marks; `judge` acts on it: it tells administrators at the first mark, and at the second pauses
the mail with a suspension that only a person ends. Figures from before that are not held against it again. The worker role calls it; one
process at a time judges a workspace, under the lock of the counts' cursor.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from posthouse.accounts import alerts
from posthouse.accounts.alerts import Alert, Level, Trouble
from posthouse.intake import operate
from posthouse.ledger import breakers, counting, feed, reputation
from posthouse.ledger.breakers import WINDOW_H, Marks, Measure, Rate, Scope, Standing, Subject, Tally
from posthouse.ledger.providers import NAMES, Provider
from posthouse.ledger.reputation import Counted
from posthouse.model.sentences import Sentence, Value, english
from posthouse.model.words import Pool
from posthouse.outbox import suspensions
from posthouse.outbox.suspensions import BREAKER, Suspension
from posthouse.runtime.postgres import Connection, transaction
from posthouse.runtime.process import Process
from posthouse.runtime.settings import Breakers, Settings

KIND: Final = "breaker."  # of alerts; the measure follows
PATH: Final = "/reputation"
_BAD: Final = (Standing.WARNING, Standing.TOO_HIGH)
_BULK: Final = (Pool.NOTIFICATION, Pool.MARKETING)
_Target = tuple[Pool | None, str | None, str | None]
"""What a pause of a subject stops: a pool, the bulk mail of a From domain, or a mailing."""


@dataclass(frozen=True, slots=True)
class Reputation:
    """One subject as it stands. `paused` is what stops it; `since`: when that, or the first open alert of it, began.

    `counted_from` is later than a day ago when somebody resumed it since.
    """

    subject: Subject
    tally: Tally
    rates: tuple[Rate, ...]
    counted_from: datetime
    pauses: bool
    paused: Suspension | None = None
    since: datetime | None = None

    @property
    def standing(self) -> Standing:
        """That of the worst rate."""
        return breakers.worst(self.rates)

    def told(self, rate: Rate) -> tuple[Sentence, ...]:
        """What a rate means and what to do, for people."""
        assert rate.marks is not None
        too_high = rate.standing is Standing.TOO_HIGH
        limit: dict[str, Value] = {"limit": rate.marks.pause}
        if self.pauses and too_high:
            follows = Sentence("The limit is {limit} %, so it is paused.", limit)
        elif self.pauses:
            follows = Sentence("At {limit} % it is paused.", limit)
        else:
            follows = Sentence("The limit is {limit} %.", limit)
        found = Sentence("{what}: {figures}", {"what": what(self.subject), "figures": figures(rate)})
        goes_on = (Sentence("It goes on all the same.", {}),) if too_high and not self.pauses else ()
        resume = (Sentence("Then resume it.", {}),) if too_high and self.pauses else ()
        return (found, follows, *goes_on, _CAUSES[rate.measure], *resume)


_CAUSES: Final = {
    Measure.BOUNCES: Sentence("Find out where addresses that do not exist come from.", {}),
    Measure.COMPLAINTS: Sentence("Find out whom this mail reaches that did not ask for it.", {}),
}


def what(subject: Subject) -> Sentence:
    """A subject at the beginning of a sentence."""
    match subject.scope:
        case Scope.POOL:
            return Sentence("Mail of the pool {pool}", {"pool": subject.name})
        case Scope.DOMAIN:
            return Sentence("Bulk mail from {domain}", {"domain": subject.name})
        case Scope.PROVIDER:
            name = NAMES.get(Provider(subject.name))
            return Sentence("Marketing to {provider}", {"provider": name or Sentence("other providers", {})})
        case Scope.MAILING:
            return Sentence("The mailing {name}", {"name": subject.name})


def alerted(subject: Subject) -> str:
    """What alerts call a subject: a mailing may have the name of a pool or of a domain. Pure."""
    return f"mailing {subject.name}" if subject.scope is Scope.MAILING else subject.name


def figures(rate: Rate) -> Sentence:
    """What was counted, as a sentence."""
    share = float(f"{rate.percent:.3g}")
    values: dict[str, Value] = {"n": rate.times, "of": rate.of, "hours": WINDOW_H, "percent": share}
    if rate.measure is Measure.BOUNCES:
        return Sentence("{n} of {of} mails bounced hard within {hours} hours ({percent} %).", values)
    return Sentence("{n} complaints about {of} delivered mails within {hours} hours ({percent} %).", values)


def subjects(counted: Iterable[Counted]) -> dict[Subject, Tally]:
    """What there is to judge. Pure."""
    parts: list[tuple[Subject, Tally]] = []
    for each in counted:
        parts.append((Subject(Scope.POOL, each.pool), each.tally))
        if each.pool in _BULK:
            parts.append((Subject(Scope.DOMAIN, each.sender_domain), each.tally))
        if each.pool is Pool.MARKETING:
            parts.append((Subject(Scope.PROVIDER, each.provider), each.tally))
    return breakers.gathered(parts)


def marks(subject: Subject, settings: Settings) -> tuple[Breakers, Marks | None, Marks | None]:
    """What holds for a subject, and its marks for bounces and complaints. Pure."""
    own = settings.breakers
    match subject:
        case Subject(Scope.POOL):
            own = settings.breakers_of(Pool(subject.name))
        case Subject(Scope.PROVIDER, Provider.GMAIL):
            return own, None, Marks(own.gmail_warn_percent, own.gmail_pause_percent)
        case Subject(Scope.PROVIDER, Provider.YAHOO):
            return own, None, Marks(own.yahoo_warn_percent, own.yahoo_pause_percent)
        case Subject(Scope.PROVIDER):
            return own, None, None
        case Subject(Scope.MAILING):
            own = settings.breakers_of(Pool.MARKETING)
    return (
        own,
        Marks(own.bounce_warn_percent, own.bounce_pause_percent),
        Marks(own.complaint_warn_percent, own.complaint_pause_percent),
    )


def target(subject: Subject) -> _Target:
    """What a pause of it stops. Pure."""
    match subject.scope:
        case Scope.POOL:
            return Pool(subject.name), None, None
        case Scope.DOMAIN:
            return None, subject.name, None
        case Scope.PROVIDER:
            return Pool.MARKETING, None, None
        case Scope.MAILING:
            return None, None, subject.name


async def read(connection: Connection, settings: Settings, workspace_id: UUID, now: datetime) -> list[Reputation]:
    """Everything of which mail went out within a day, or that is paused: pools, then From domains, providers and mailings."""
    day = reputation.quarter_of(now - timedelta(hours=WINDOW_H))
    resumed = await suspensions.resumed_breakers(connection, workspace_id, day)
    begun = {stopped: reputation.quarter_after(at) for stopped, at in resumed.items()}
    windows = {day, *(since for (_, _, mailing), since in begun.items() if mailing is None)}
    found = {since: subjects(await reputation.tallies(connection, workspace_id, since)) for since in windows}
    later = {mailing: since for (_, _, mailing), since in begun.items() if mailing is not None}
    mailings = {
        Subject(Scope.MAILING, name): tally
        for name, tally in (await reputation.mailings(connection, workspace_id, day, later)).items()
    }
    paused = {
        (each.pool, each.sender_domain, each.mailing): each
        for each in await suspensions.in_force(connection, workspace_id, now)
        if each.created_by == BREAKER
    }
    opened = _opened(await alerts.in_force(connection, workspace_id))
    known = set(found[day]) | set(mailings) | {_subject(each) for each in paused.values()}
    return [
        _reputation(
            subject,
            settings,
            mailings if subject.scope is Scope.MAILING else found[begun.get(target(subject), day)],
            begun.get(target(subject), day),
            paused.get(target(subject)),
            opened.get(alerted(subject)),
        )
        for subject in sorted(known, key=lambda each: (tuple(Scope).index(each.scope), each.name))
    ]


def _reputation(
    subject: Subject,
    settings: Settings,
    found: dict[Subject, Tally],
    since: datetime,
    paused: Suspension | None,
    opened: datetime | None,
) -> Reputation:
    own, bounces, complaints = marks(subject, settings)
    tally = found.get(subject, Tally())
    rates = (
        breakers.rate(Measure.BOUNCES, tally, bounces, own.min_sends),
        breakers.rate(Measure.COMPLAINTS, tally, complaints, own.min_sends),
    )
    pauses = own.pause_transactional or target(subject)[0] is not Pool.TRANSACTIONAL
    return Reputation(subject, tally, rates, since, pauses, paused, paused.created_at if paused else opened)


def _subject(suspension: Suspension) -> Subject:
    if suspension.sender_domain is not None:
        return Subject(Scope.DOMAIN, suspension.sender_domain)
    if suspension.mailing is not None:
        return Subject(Scope.MAILING, suspension.mailing)
    assert suspension.pool is not None
    return Subject(Scope.POOL, suspension.pool)


def _opened(open_alerts: Sequence[Alert]) -> dict[str, datetime]:
    """When the first open alert of each subject was raised."""
    return {
        each.trouble.subject: each.raised_at
        for each in sorted(open_alerts, key=lambda each: each.raised_at, reverse=True)
        if each.trouble.kind.startswith(KIND)
    }


async def judge(process: Process, workspace_id: UUID) -> None:
    """Tells of rates that are too high, pauses what has to be, and takes back what is over."""
    async with transaction(process.pool) as connection:
        if await feed.taken(connection, workspace_id, counting.READER) is None:
            return  # nothing is counted yet, or another process is at it
        now = process.clock.now()
        found = await read(connection, process.settings, workspace_id, now)
        stopped = {target(each.subject) for each in found if each.paused}
        for each in found:
            if target(each.subject) not in stopped and await _act(process, connection, workspace_id, each, now):
                stopped.add(target(each.subject))
        for alert in await alerts.in_force(connection, workspace_id):
            if alert.trouble.kind.startswith(KIND) and not _lasts(alert.trouble, found, stopped):
                await alerts.end(connection, workspace_id, alert.trouble.kind, alert.trouble.subject, BREAKER, now)


async def _act(process: Process, connection: Connection, workspace_id: UUID, found: Reputation, now: datetime) -> bool:
    """Tells of each rate that is at a mark; True when the mail is paused for it."""
    bad = [rate for rate in found.rates if rate.standing in _BAD]
    for rate in bad:
        level = Level.CRITICAL if rate.standing is Standing.TOO_HIGH else Level.WARNING
        trouble = Trouble.of(f"{KIND}{rate.measure}", alerted(found.subject), level, found.told(rate), PATH)
        await alerts.report(connection, workspace_id, trouble, process.ids, BREAKER, now)
    too_high = [rate for rate in bad if rate.standing is Standing.TOO_HIGH]
    if not (too_high and found.pauses):
        return False
    await _pause(process, connection, workspace_id, found, too_high, now)
    return True


async def _pause(
    process: Process,
    connection: Connection,
    workspace_id: UUID,
    found: Reputation,
    too_high: Sequence[Rate],
    now: datetime,
) -> None:
    pool, sender_domain, mailing = target(found.subject)
    reason = " ".join(_because(found.subject, rate) for rate in too_high)
    suspension = Suspension(
        workspace_id, process.ids.new(), pool, None, drain=False, reason=reason, created_by=BREAKER, created_at=now,
        until=None, sender_domain=sender_domain, mailing=mailing,
    )  # fmt: skip
    await operate.begin(connection, suspension)
    process.log.warning("breaker.paused", workspace_id=str(workspace_id), what=alerted(found.subject), reason=reason)


def _because(subject: Subject, rate: Rate) -> str:
    assert rate.marks is not None
    where = f"At {NAMES[Provider(subject.name)]}, " if subject.scope is Scope.PROVIDER else ""
    return f"{where}{english(figures(rate))} The limit is {rate.marks.pause:g} %."


def _lasts(trouble: Trouble, found: Sequence[Reputation], stopped: set[_Target]) -> bool:
    """Whether what an alert tells of is still so: the rate is at a mark, or its mail is paused."""
    measure = trouble.kind.removeprefix(KIND)
    for each in found:
        if alerted(each.subject) == trouble.subject:
            if target(each.subject) in stopped:
                return True
            if any(rate.measure == measure and rate.standing in _BAD for rate in each.rates):
                return True
    return False
