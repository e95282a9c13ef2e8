"""Turns decided submissions into the rows that promise them. Pure but for the ids handed in."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from posthouse.ledger.events import Event
from posthouse.model.mail import Accepted, AcceptedRecipient, Recipient, RouteChoice, Submission, Submitter
from posthouse.model.values import dataclass
from posthouse.model.words import EventKind, State
from posthouse.outbox.enqueue import NewMessage, NewRecipient, metadata_text, tag_text


@dataclass(frozen=True, slots=True)
class Decided:
    """A submission that will be accepted, with everything decided but suppression, which the commit looks up."""

    submitter: Submitter
    submission: Submission
    choice: RouteChoice
    message_id: UUID
    recipient_ids: tuple[UUID, ...]
    encoding: int
    stored: bytes
    held: str = ""  # why it is held from the beginning, until somebody releases it


@dataclass(frozen=True, slots=True)
class Rows:
    """What one accepted message writes, and what its submitter is told."""

    message: NewMessage
    recipients: tuple[NewRecipient, ...]
    events: tuple[Event, ...]
    receipt: Accepted


Suppressed = Callable[[str], str | None]


def build(
    decided: Decided, suppressed: Suppressed, new_id: Callable[[], UUID], now: datetime, lifetime_s: float
) -> Rows:
    """The rows of one message. `suppressed(address)` gives the reason an address is not written to, or None."""
    expires_at = decided.submission.expires_at or (decided.submission.send_at or now) + timedelta(seconds=lifetime_s)
    pairs = zip(decided.recipient_ids, decided.submission.recipients, strict=True)
    recipients = tuple(
        _recipient(decided, recipient_id, recipient, suppressed(recipient.address), expires_at, now)
        for recipient_id, recipient in pairs
    )
    return Rows(
        _message(decided, expires_at, now),
        recipients,
        tuple(_events(decided, recipients, new_id, now)),
        _receipt(decided, recipients),
    )


def _message(decided: Decided, expires_at: datetime, now: datetime) -> NewMessage:
    submission, choice = decided.submission, decided.choice
    return NewMessage(
        workspace_id=decided.submitter.workspace_id,
        message_id=decided.message_id,
        accepted_at=now,
        source=submission.source,
        mail_class=choice.mail_class,
        route=choice.route,
        route_reason=choice.reason,
        sender=submission.sender,
        subject=submission.subject,
        message_id_header=submission.message_id_header,
        priority=choice.priority,
        tags=tag_text(submission.tags),
        metadata=metadata_text(submission.metadata),
        send_at=submission.send_at,
        expires_at=expires_at,
        octets=len(submission.content),
        smtputf8=submission.smtputf8,
        credential_id=decided.submitter.credential_id,
        recipient_count=len(submission.recipients),
        tls="verified" if submission.verified_tls else "",
        mailing_type=submission.mailing_type,
        encoding=decided.encoding,
        stored=decided.stored,
    )


def _recipient(
    decided: Decided, recipient_id: UUID, recipient: Recipient, reason: str | None, expires_at: datetime, now: datetime
) -> NewRecipient:
    not_before = decided.submission.send_at or now
    state = State.HELD if decided.held else State.WAITING if not_before > now else State.READY
    return NewRecipient(
        workspace_id=decided.submitter.workspace_id,
        recipient_id=recipient_id,
        message_id=decided.message_id,
        address=recipient.address,
        domain=recipient.domain,
        kind=recipient.kind,
        pool=decided.choice.pool,
        state=State.SUPPRESSED if reason else state,
        priority=decided.choice.priority,
        not_before=not_before,
        expires_at=expires_at,
        settled_at=now if reason else None,
        reason=reason or decided.held,
    )


def _events(
    decided: Decided, recipients: tuple[NewRecipient, ...], new_id: Callable[[], UUID], now: datetime
) -> list[Event]:
    def event(recipient: NewRecipient, kind: EventKind, data: dict[str, object]) -> Event:
        return Event(recipient.workspace_id, new_id(), now, recipient.message_id, recipient.recipient_id, kind, data)

    accepted: dict[str, object] = {"route": decided.choice.route, "by": decided.submitter.name}
    if decided.submission.null_sender:
        accepted["return_path"] = "<>"
    events = [event(recipient, EventKind.ACCEPTED, accepted) for recipient in recipients]
    events += [
        event(recipient, EventKind.SUPPRESSED, {"reason": recipient.reason})
        for recipient in recipients
        if recipient.state is State.SUPPRESSED
    ]
    if decided.held:
        held: dict[str, object] = {"reason": decided.held}
        events += [event(recipient, EventKind.HELD, held) for recipient in recipients if recipient.state is State.HELD]
    # A note is about the whole message; it is told once, with its first recipient.
    events += [event(recipients[0], note.kind, {"note": note.text}) for note in decided.submission.notes]
    return events


def _receipt(decided: Decided, recipients: tuple[NewRecipient, ...]) -> Accepted:
    return Accepted(
        decided.message_id,
        decided.choice,
        tuple(AcceptedRecipient(r.recipient_id, r.address, r.kind, r.state, r.reason) for r in recipients),
    )
