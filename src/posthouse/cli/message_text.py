"""One message as `posthouse message` prints it: for a person, and as JSON in the words of the API. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from rich.table import Table
from rich.text import Text

from posthouse.cli import console
from posthouse.ledger.timeline import AttemptRow, EventRow
from posthouse.model.mail import Accepted, Submission
from posthouse.model.words import State
from posthouse.outbox.messages import Listed, MessageRow, RecipientRow
from posthouse.outbox.situations import Situations
from posthouse.outbox.waiting import explain
from posthouse.web.api import views

_STYLES: Final = {
    State.DELIVERED: "green",
    State.BOUNCED: "red",
    State.EXPIRED: "red",
    State.SUPPRESSED: "yellow",
    State.CANCELLED: "yellow",
    State.HELD: "yellow",
}


@dataclass(frozen=True, slots=True)
class Story:
    """Everything known about one message at `now`."""

    message: MessageRow
    recipients: list[RecipientRow]
    events: list[EventRow]
    attempts: list[AttemptRow]
    situations: Situations
    now: datetime


def receipt(submission: Submission, accepted: Accepted, dry_run: bool) -> dict[str, Any]:
    """What became of a message just sent, as JSON."""
    return {
        "id": None if dry_run else accepted.message_id,
        "message_id": None if dry_run else submission.message_id_header,
        "route": accepted.choice.route,
        "reason": accepted.choice.reason,
        "class": accepted.choice.mail_class,
        "priority": accepted.choice.priority,
        "recipients": [
            {"address": each.address, "kind": each.kind, "status": each.state, "reason": each.reason}
            for each in accepted.recipients
        ],
        "warnings": [{"code": each.code, "detail": each.detail} for each in accepted.warnings],
    }


def receipt_text(accepted: Accepted, dry_run: bool) -> Text:
    """The same for a person."""
    told = Text("Nothing was sent. It would be accepted.\n" if dry_run else f"Accepted: {accepted.message_id}\n")
    told.append(f"{accepted.choice.reason}\n")
    for each in accepted.recipients:
        told.append(f"  {each.address}  ").append_text(state(each.state)).append(f"  {each.reason}\n")
    for warned in accepted.warnings:
        told.append(f"Warning: {warned.detail}\n", style="yellow")
    if not dry_run:
        told.append(f"Follow it: posthouse message show {accepted.message_id}")
    return told


def listing(found: Sequence[Listed], empty: str) -> Table | Text:
    """One line a message."""
    rows = [
        (
            each.message.message_id,
            each.message.accepted_at,
            state(views.status_of(each.states)),
            _addresses(each),
            each.message.subject,
        )
        for each in found
    ]
    return console.table(("ID", "ACCEPTED", "STATE", "TO", "SUBJECT"), rows, empty)


def view(story: Story, *, transcript: bool) -> dict[str, Any]:
    """As the API shows it, and every attempt."""
    shown: dict[str, Any] = msgspec.to_builtins(
        views.detail(story.message, story.recipients, story.events, story.situations, story.now), enc_hook=str
    )
    return {**shown, "attempts": [_attempt_view(each, transcript) for each in story.attempts]}


def text(story: Story, *, transcript: bool) -> Text:
    """A page: the message, then each recipient with its sentence and its attempts."""
    message = story.message
    told = Text(f"{message.subject or '(no subject)'}\n", style="bold")
    for name, value in (
        ("id", str(message.message_id)),
        ("Message-ID", message.message_id_header),
        ("from", message.sender),
        ("accepted", f"{_time(message.accepted_at)} by {message.source}"),
        ("priority", f"{message.priority}, {message.octets:,} octets"),
        ("road", message.route_reason),
        ("type", message.mailing_type),
        ("tags", ", ".join(message.tags)),
    ):
        if value:
            told.append(f"  {name:<12}", style="dim").append(f"{value}\n", style="not bold")
    for recipient in story.recipients:
        told.append("\n").append_text(_recipient(recipient, story, transcript))
    return told


def event_table(story: Story) -> Table | Text:
    """What happened, a line each."""
    addresses = {recipient.recipient_id: recipient.address for recipient in story.recipients}
    rows = [
        (_time(each.occurred_at), each.kind, addresses.get(each.recipient_id, ""), _said(each.data))
        for each in story.events
    ]
    return console.table(("AT", "WHAT", "RECIPIENT", "DETAIL"), rows, "Nothing has happened yet.")


def state(word: str) -> Text:
    """A state in its colour; the word alone says it too."""
    return Text(word, style=_STYLES.get(State(word), "") if word in set(State) else "")


def _recipient(recipient: RecipientRow, story: Story, transcript: bool) -> Text:
    told = Text(f"{recipient.address}  ", style="not bold").append_text(state(recipient.state))
    told.append(f"\n  {explain(recipient, story.now, story.situations[recipient.recipient_id])}\n")
    for each in story.attempts:
        if each.recipient_id == recipient.recipient_id:
            told.append(f"  attempt {each.number}  {_attempt_line(each)}\n")
            if transcript and each.transcript:
                told.append("".join(f"      {line}\n" for line in each.transcript.splitlines()), style="dim")
    return told


def _attempt_line(each: AttemptRow) -> str:
    took = (each.ended_at - each.started_at).total_seconds()
    reply = " ".join(str(part) for part in (each.code, each.enhanced, each.text) if part)
    where = f"  {each.remote}" if each.remote else ""
    return (
        f"{_time(each.started_at)}  {took:.2f} s  {each.outcome} at {each.stage}: {reply}{where}  {each.tls}".rstrip()
    )


def _attempt_view(each: AttemptRow, transcript: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": each.attempt_id,
        "recipient_id": each.recipient_id,
        "number": each.number,
        "started_at": each.started_at,
        "ended_at": each.ended_at,
        "outcome": each.outcome,
        "stage": each.stage,
        "code": each.code,
        "enhanced": each.enhanced,
        "text": each.text,
        "remote": each.remote,
        "tls": each.tls,
    }
    return {**shown, "transcript": each.transcript.splitlines()} if transcript else shown


def _addresses(listed: Listed) -> str:
    more = listed.message.recipient_count - len(listed.recipients)
    shown = ", ".join(each.address for each in listed.recipients)
    return f"{shown} and {more} more" if more > 0 else shown


def _said(data: dict[str, object]) -> str:
    if reason := data.get("reason"):
        return str(reason)
    return ", ".join(f"{name} {value}" for name, value in data.items() if value not in (None, ""))


def _time(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
