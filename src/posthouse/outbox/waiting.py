"""Why a mail is where it is, in one sentence, with the rule named and the time it ends. Pure.

`why` says it in clauses that a page can translate; `explain` says the same in English, for the API and commands.
"""

from datetime import datetime, timedelta
from typing import Final

from posthouse.model.sentences import Clause, Sentence, english
from posthouse.model.values import dataclass
from posthouse.model.words import State
from posthouse.outbox.messages import RecipientRow
from posthouse.outbox.sites import SiteNote, Standing
from posthouse.outbox.suspensions import BREAKER, Suspension


@dataclass(frozen=True, slots=True)
class Situation:
    """What holds a recipient's mail up besides itself.

    `before` mails of its workspace are ready for the same destination and go first, at least so many if there are `more`.
    """

    suspension: Suspension | None = None
    served: bool = True  # a process of its pool takes mail
    promoted: bool = True  # a process of the role worker puts in line what is due
    resolved: bool = True  # it is known where mail for its domain goes
    site: SiteNote | None = None  # what the site's owner has said lately
    before: int = 0
    more: bool = False


FREE: Final = Situation()
_ENDED: Final = {
    State.BOUNCED: Sentence("The receiving server refused it for good.", {}),
    State.EXPIRED: Sentence("It could not be delivered within its lifetime.", {}),
    State.CANCELLED: Sentence("Stopped by hand before it was sent.", {}),
    State.SUPPRESSED: Sentence("The address is not written to.", {}),
}


def explain(recipient: RecipientRow, now: datetime, situation: Situation) -> str:
    """`why` in English."""
    return " ".join(map(english, why(recipient, now, situation)))


def why(recipient: RecipientRow, now: datetime, situation: Situation) -> tuple[Clause, ...]:
    """What there is to say of one recipient's mail, true at `now`."""
    match recipient.state:
        case State.WAITING:
            return _waiting(recipient, now, situation)
        case State.READY:
            return _ready(recipient, situation)
        case State.CLAIMED:
            return _claimed(recipient, now, situation.site)
        case State.HELD:
            return _held(recipient, situation.suspension)
        case State.DELIVERED:
            values = {"server": recipient.remote or recipient.domain, "reply": _reply(recipient)}
            return (Sentence("Delivered: {server} accepted it with {reply}.", values),)
        case ended:
            return (recipient.reason or _ENDED[ended],)


def _waiting(recipient: RecipientRow, now: datetime, situation: Situation) -> tuple[Clause, ...]:
    due, stopped = recipient.not_before, situation.suspension
    if stopped is not None and stopped.holds(max(now, due)):
        return (_stopped(stopped), Sentence("By itself it would be tried at {time}.", {"time": due}))
    if due <= now:
        return (_due(due, situation),)
    if recipient.attempts == 0:
        return (Sentence("Scheduled: it leaves at {time}.", {"time": due}),)
    said = recipient.reason or Sentence(
        "{domain} answered {reply}.", {"domain": recipient.domain, "reply": _reply(recipient)}
    )
    values = {"n": recipient.attempts, "said": said, "time": due}
    return (Sentence("Waiting after attempt {n}: {said} Next try {time}.", values),)


def _due(due: datetime, situation: Situation) -> Clause:
    if situation.promoted:
        return Sentence("Due since {time}: it is being put in line.", {"time": due})
    return Sentence(
        "Due since {time}, but no process of the role worker is running to put it in line:"
        " `posthouse run worker` starts one.",
        {"time": due},
    )


def _ready(recipient: RecipientRow, situation: Situation) -> tuple[Clause, ...]:
    if situation.suspension is not None:
        return (_stopped(situation.suspension),)
    if not situation.served:
        return (_unserved(recipient),)
    if not situation.resolved:
        looking = Sentence(
            "In line for {domain}, whose mail servers are being looked up.", {"domain": recipient.domain}
        )
        return (looking, *_before(situation))
    return (*(_slowed(situation.site) or _in_line(recipient, situation)), *_before(situation))


def _unserved(recipient: RecipientRow) -> Sentence:
    return Sentence(
        "Ready, but no process of the pool {pool} is running to send it: `posthouse run {pool}` starts one.",
        {"pool": recipient.pool},
    )


def _in_line(recipient: RecipientRow, situation: Situation) -> tuple[Clause, ...]:
    values: dict[str, str | int] = {"domain": recipient.domain, "priority": recipient.priority}
    if situation.before:
        return (Sentence("In line for {domain} at priority {priority}.", values),)
    return (Sentence("Next in line for {domain} at priority {priority}.", values),)


def _slowed(site: SiteNote | None) -> tuple[Clause, ...]:
    """What the owner of the site says it is held up by; nothing while mail flows."""
    if site is None or site.standing is Standing.FLOWING:
        return ()
    clauses: list[Clause] = [_at_work(site) if site.standing is Standing.BUSY else site.sentence]
    if site.rule and site.rule not in site.sentence:
        clauses.append(Sentence("The rule is {rule}.", {"rule": site.rule}))
    if site.until is not None:
        clauses.append(Sentence("That ends at {time}.", {"time": site.until}))
    return tuple(clauses)


def _at_work(site: SiteNote) -> Clause:
    values: dict[str, int | str] = {"n": site.connections, "site": site.site}
    return Sentence("All {n} connections that may be open to {site} are at work.", values)


def _before(situation: Situation) -> tuple[Clause, ...]:
    """How much goes first, and what that takes at the least: other workspaces may have mail there too."""
    if not situation.before:
        return ()
    count: int | Sentence = situation.before
    if situation.more:
        count = Sentence("more than {n}", {"n": situation.before})
    rate = situation.site.mails_per_s if situation.site else 0.0
    if rate <= 0.0:
        return (Sentence("Mails of this workspace before it: {n}.", {"n": count}),)
    lasts = timedelta(seconds=max(1, round(situation.before / rate)))
    values: dict[str, int | Sentence | timedelta] = {"n": count, "duration": lasts}
    return (Sentence("Mails of this workspace before it: {n}, at the present pace at least {duration}.", values),)


def _claimed(recipient: RecipientRow, now: datetime, site: SiteNote | None) -> tuple[Clause, ...]:
    values: dict[str, str | int | datetime] = {
        "domain": recipient.domain,
        "time": recipient.claimed_at or now,
        "n": recipient.attempts,
    }
    if site is not None and site.standing in (Standing.LIMITED, Standing.SUSPENDED):
        # Taken mail waits in memory for its turn: it is not on the wire while the site is held up.
        return (Sentence("Taken at {time} for attempt {n} at {domain}.", values), *_slowed(site))
    return (Sentence("Being sent to {domain} since {time}, attempt {n}.", values),)


def _held(recipient: RecipientRow, stopped: Suspension | None) -> tuple[Clause, ...]:
    if stopped is not None and stopped.reason == recipient.reason:  # set aside for it
        return (_stopped(stopped), Sentence("It waits at most until {time}.", {"time": recipient.expires_at}))
    reason = recipient.reason or Sentence("somebody stopped it.", {})
    values = {"reason": reason, "time": recipient.expires_at}
    return (Sentence("Held: {reason} It waits until it is released, at most until {time}.", values),)


def _stopped(suspension: Suspension) -> Sentence:
    if suspension.created_by == BREAKER:
        return Sentence(
            "{what} is suspended by its circuit breaker until somebody resumes it: {reason}",
            {"what": scope(suspension), "reason": suspension.reason},
        )
    values: dict[str, str | datetime | Sentence] = {
        "what": scope(suspension),
        "who": suspension.created_by.removeprefix("user:"),
        "reason": suspension.reason,
    }
    if suspension.until is not None:
        values["time"] = suspension.until
        if suspension.drain:
            return Sentence("{what} is being drained by {who} until {time}: {reason}", values)
        return Sentence("{what} is suspended by {who} until {time}: {reason}", values)
    if suspension.drain:
        return Sentence("{what} is being drained by {who} until somebody resumes it: {reason}", values)
    return Sentence("{what} is suspended by {who} until somebody resumes it: {reason}", values)


def scope(suspension: Suspension) -> Sentence:
    """What a suspension stops."""
    if suspension.sender_domain is not None:
        return Sentence("Bulk mail from {domain}", {"domain": suspension.sender_domain})
    if suspension.mailing is not None:
        return Sentence("The mailing {name}", {"name": suspension.mailing})
    match suspension.pool, suspension.domain:
        case None, None:
            return Sentence("All mail of this workspace", {})
        case None, str(domain):
            return Sentence("Mail for {domain}", {"domain": domain})
        case pool, None:
            return Sentence("Mail of the pool {pool}", {"pool": str(pool)})
        case pool, domain:
            return Sentence("Mail of the pool {pool} for {domain}", {"pool": str(pool), "domain": str(domain)})


def _reply(recipient: RecipientRow) -> str:
    parts = [str(recipient.code or ""), recipient.enhanced or ""]
    return " ".join(part for part in parts if part) or "–"
