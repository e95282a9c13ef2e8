"""Why a mail has not left yet, in one sentence, with the rule named and the time it ends. Pure."""

from datetime import datetime

from posthouse.model.words import State
from posthouse.outbox.messages import RecipientRow


def explain(recipient: RecipientRow, now: datetime) -> str:
    """One sentence for one recipient, true at `now`; times in it are UTC, ISO 8601 to the second."""
    match recipient.state:
        case State.WAITING if recipient.attempts == 0:
            return f"Scheduled: it is sent at {_time(recipient.not_before)}."
        case State.WAITING:
            return f"Waiting after attempt {recipient.attempts}: {_last_word(recipient)} Next try {_time(recipient.not_before)}."
        case State.READY:
            return f"Queued: next in line for {recipient.domain} at priority {recipient.priority}."
        case State.CLAIMED:
            return f"Being sent to {recipient.domain} since {_time(recipient.claimed_at or now)} (attempt {recipient.attempts})."
        case State.HELD:
            return f"Held: {recipient.reason or 'an operator stopped it.'} It waits until released or until {_time(recipient.expires_at)}."
        case State.DELIVERED:
            return f"Delivered: {recipient.remote or recipient.domain} accepted it with {_reply(recipient)}."
        case State.BOUNCED | State.EXPIRED | State.CANCELLED | State.SUPPRESSED:
            return recipient.reason or f"{recipient.state.capitalize()}."


def _last_word(recipient: RecipientRow) -> str:
    return recipient.reason or f"{recipient.domain} said {_reply(recipient)}."


def _reply(recipient: RecipientRow) -> str:
    parts = [str(recipient.code or ""), recipient.enhanced or ""]
    return " ".join(part for part in parts if part) or "no reply"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
