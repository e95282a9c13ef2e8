"""One message's life as a page tells it: events in order, each attempt with what was said on the wire. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from posthouse.ledger.timeline import AttemptRow, EventRow
from posthouse.model.outcome import Outcome
from posthouse.model.words import EventKind, State
from posthouse.outbox.messages import RecipientRow
from posthouse.outbox.operator import BOUNCE, CANCEL, HOLD, RELEASE, RETRY, Action
from posthouse.web.pages.words import BLAME, CAUSES, EVENTS, N_, reason, suppression_scope
from posthouse.web.text import Speech

_OF_ATTEMPTS: Final = {
    EventKind.DELIVERED: Outcome.DELIVERED,
    EventKind.DEFERRED: Outcome.TRANSIENT,
    EventKind.BOUNCED: Outcome.PERMANENT,
    EventKind.UNKNOWN: Outcome.UNKNOWN,
}
_SPEAKERS: Final = {">": ("c", "→"), "<": ("s", "←"), "*": ("n", "·")}  # as delivery.transcript writes them
_BUTTONS: Final = (
    (RETRY, N_("Retry now"), "", "retry"),
    (RELEASE, N_("Release"), "", "play"),
    (HOLD, N_("Hold"), "quiet", "pause"),
    (CANCEL, N_("Cancel"), "danger", "slash"),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the timeline, with the attempt it tells of."""

    id: str
    at: datetime
    title: str
    tone: str
    icon: str
    address: str
    detail: str
    verdict: str
    transcript: list[tuple[str, str, str]]
    remote: str
    tls: str
    lasted: str


@dataclass(frozen=True, slots=True)
class Button:
    """Something a person can do to this message now, and what it would touch."""

    name: str
    label: str
    look: str
    icon: str
    touches: str


def timeline(
    events: Iterable[EventRow], attempts: Iterable[AttemptRow], recipients: Sequence[RecipientRow], speech: Speech
) -> list[Moment]:
    """Newest last. An attempt belongs to the first event of its recipient and outcome that is not older than its end."""
    addresses = {recipient.recipient_id: recipient.address for recipient in recipients}
    left = list(attempts)
    moments: list[Moment] = []
    for event in _without_repeats(events):
        attempt = _attempt_of(event, left)
        if attempt:
            left.remove(attempt)
        several = len(recipients) > 1 and event.kind is not EventKind.ACCEPTED
        address = addresses.get(event.recipient_id, "") if several else ""
        moments.append(_moment(event, attempt, address, speech))
    return moments


def _without_repeats(events: Iterable[EventRow]) -> Iterable[EventRow]:
    """A message is accepted for all its recipients at once: one line tells it."""
    accepted = False
    for event in events:
        if event.kind is not EventKind.ACCEPTED or not accepted:
            yield event
        accepted = accepted or event.kind is EventKind.ACCEPTED


def _attempt_of(event: EventRow, attempts: Iterable[AttemptRow]) -> AttemptRow | None:
    wanted = _OF_ATTEMPTS.get(event.kind)
    for attempt in attempts:
        if attempt.recipient_id == event.recipient_id and attempt.outcome == wanted:
            return attempt
    return None


def _moment(event: EventRow, attempt: AttemptRow | None, address: str, speech: Speech) -> Moment:
    word = EVENTS[event.kind]
    return Moment(
        id=f"e{event.event_id}",
        at=event.occurred_at,
        title=speech.say(word.label),
        tone=word.tone,
        icon=word.icon,
        address=address,
        detail=_said(event, attempt, speech),
        verdict=_verdict(event, speech) or _stopped(event, speech),
        transcript=transcript(attempt.transcript) if attempt else [],
        remote=attempt.remote if attempt else "",
        tls=attempt.tls.partition(" ")[0] if attempt else "",  # the cipher is in the transcript
        lasted=speech.lasted(attempt.started_at, attempt.ended_at) if attempt else "",
    )


def _verdict(event: EventRow, speech: Speech) -> str:
    """What a bounce means for the address, and the rule that says so."""
    cause, blame = CAUSES.get(str(event.data.get("class_reason"))), BLAME.get(str(event.data.get("class")))
    if cause is None or blame is None:
        return ""
    return f"{speech.say(cause)} {speech.say(blame)}"


def _stopped(event: EventRow, speech: Speech) -> str:
    """What the recipient's word stops."""
    scope = event.data.get("scope")
    return speech.say("Stopped: {what}", what=suppression_scope(str(scope), speech)) if scope else ""


def _said(event: EventRow, attempt: AttemptRow | None, speech: Speech) -> str:
    if attempt:
        words = (str(attempt.code or ""), attempt.enhanced or "", attempt.text)
        return " ".join(word for word in words if word)
    values = [str(event.data[name]).removeprefix("user:") for name in ("reason", "note", "by") if event.data.get(name)]
    return " · ".join(reason(each, speech) for each in values)


def transcript(text: str) -> list[tuple[str, str, str]]:
    """Lines as (CSS class, arrow, words): what we said, what they said, what happened besides."""
    lines = []
    for line in text.splitlines():
        speaker, mark = _SPEAKERS.get(line[:1], ("n", ""))
        lines.append((speaker, mark, line[2:] if mark else line))
    return lines


def buttons(recipients: Iterable[RecipientRow], speech: Speech) -> list[Button]:
    """The actions that would change something, the most useful first."""
    states = [recipient.state for recipient in recipients]
    found = []
    for action, label, look, icon in _BUTTONS:
        touched = sum(state in action.applies_to for state in states)
        if touched:
            found.append(Button(action.name, label, look, icon, touches(action, touched, speech)))
    return found


def touches(action: Action, mails: int, speech: Speech) -> str:
    """What the action will do, and to how many."""
    one, many = _TOUCHES[action.name]
    return speech.count(one, many, mails)


_TOUCHES: Final = {
    RETRY.name: (N_("One waiting mail goes out now."), N_("{n} waiting mails go out now.")),
    RELEASE.name: (N_("One held mail goes back into the queue."), N_("{n} held mails go back into the queue.")),
    HOLD.name: (N_("One mail stops until you release it."), N_("{n} mails stop until you release them.")),
    CANCEL.name: (N_("One mail will never be sent."), N_("{n} mails will never be sent.")),
    BOUNCE.name: (
        N_("One mail ends as bounced, for the reason you give. Its address stays usable."),
        N_("{n} mails end as bounced, for the reason you give. Their addresses stay usable."),
    ),
    "move": (N_("One mail leaves by another pool."), N_("{n} mails leave by another pool.")),
}


def is_moving(recipients: Iterable[RecipientRow]) -> bool:
    """Whether something may change by itself within seconds."""
    return any(recipient.state in (State.READY, State.CLAIMED) for recipient in recipients)
