"""Keeps the list of bounced addresses: reads what ended badly after a cursor of its own, and says of each what it means (pure).

A mail that was given up because its time was over counts as its last refusal would have, but never against the address for good; one that
nobody has tried to deliver, or that a person ended, is no bounce.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.ledger import bounced, classify
from posthouse.ledger.bounce_rules import BounceClass
from posthouse.ledger.bounced import Bounced, BounceType, Ended
from posthouse.ledger.suppression import folded
from posthouse.model import limits
from posthouse.model.words import EventKind
from posthouse.outbox import settled
from posthouse.outbox.settled import GivenUp
from posthouse.runtime.postgres import transaction
from posthouse.runtime.process import Process

_EXPIRED: Final = "expired"


async def advance(process: Process, workspace_id: UUID) -> None:
    """Notes everything that has bounced since the last time, a stretch at a time, each in one transaction with the cursor."""
    last = False
    while not last and not process.stopping.is_set():
        last = await _stretch(process, workspace_id, process.clock.now())


async def _stretch(process: Process, workspace_id: UUID, now: datetime) -> bool:
    async with transaction(process.pool) as connection:
        stretch = await bounced.stretch(connection, workspace_id, now)
        if stretch is None:
            return True
        mails = await settled.given_up(connection, workspace_id, [each.recipient_id for each in stretch.ended])
        bounces = (bounce(each, mails) for each in stretch.ended)
        await bounced.note(connection, workspace_id, [each for each in bounces if each is not None])
        await bounced.passed(connection, workspace_id, stretch)
    return stretch.last


def bounce(ended: Ended, mails: Mapping[UUID, GivenUp]) -> Bounced | None:
    """What the end of a mail says of its address; None when it is no bounce."""
    mail = mails.get(ended.recipient_id)
    if mail is None:
        return None
    if ended.kind is EventKind.EXPIRED:
        return _expired(ended, mail) if mail.attempts else None
    try:
        bounce_type = bounced.type_of(BounceClass(str(ended.data.get("class"))))
    except ValueError:
        return None  # by hand
    data = ended.data
    reply = " ".join(str(data[name]) for name in ("code", "enhanced", "text") if data.get(name))
    code, enhanced = data.get("code"), str(data.get("enhanced") or data.get("status") or "")
    said, reason = reply or str(data.get("reason", "")), str(data.get("class_reason", ""))
    return _row(ended, mail, bounce_type, reason, code if isinstance(code, int) and code else None, enhanced, said)


def _expired(ended: Ended, mail: GivenUp) -> Bounced:
    verdict = classify.of_words([mail.reason], str(mail.code or ""), mail.enhanced, ())
    blocked = verdict.bounce_class is BounceClass.BLOCKED
    reason = verdict.reason if mail.code else _EXPIRED
    bounce_type = BounceType.BLOCKED if blocked else BounceType.SOFT
    return _row(ended, mail, bounce_type, reason, mail.code, mail.enhanced, mail.reason)


def _row(
    ended: Ended, mail: GivenUp, bounce_type: BounceType, reason: str, code: int | None, enhanced: str, said: str
) -> Bounced:
    return Bounced(
        address=folded(mail.address),
        type=bounce_type,
        first_at=ended.occurred_at,
        last_at=ended.occurred_at,
        bounces=1,
        reason=reason,
        code=code,
        enhanced=enhanced,
        said=" ".join(said.split())[: limits.BOUNCED_SAID_CHARS],
        message_id=ended.message_id,
    )
