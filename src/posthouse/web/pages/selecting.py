"""Which mail is meant: the conditions of a form or an address, understood or refused. Pure.

An action goes by them, so what cannot be read is never passed over: that would do it to more mail than was meant.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from posthouse.model.limits import ATTEMPTS_SOUGHT, PRIORITY_HIGHEST, PRIORITY_LOWEST
from posthouse.model.words import Pool, State
from posthouse.outbox.operator import Selection
from posthouse.web.pages.query import text
from posthouse.web.pages.words import N_
from posthouse.wire.addresses import to_a_label

STATES: Final = (State.WAITING, State.READY, State.HELD)
HOURS: Final = (1, 6, 24, 72)
LABELS: Final = {
    "domain": N_("Destination"),
    "message": N_("Message id"),
    "pool": N_("Pool"),
    "state": N_("State"),
    "sender": N_("From"),
    "tag": N_("Tag"),
    "reply": N_("Words of the last reply"),
    "attempts": N_("Attempts at least"),
    "priority_from": N_("Priority at least"),
    "priority_to": N_("Priority at most"),
    "older_than": N_("Accepted at least so many hours ago"),
}
Errors = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was understood: `kept` are the conditions as they were written, for links and forms; `selection` None with errors."""

    kept: dict[str, str]
    selection: Selection | None
    errors: Errors


def read(params: Mapping[str, str], now: datetime) -> Asked:
    """The conditions of a request. Without any, or with one that cannot be read, there is no selection but sentences why."""
    kept = {name: value for name in LABELS if (value := text(params, name))}
    errors: Errors = {}
    domain = _domain(kept.get("domain", ""), errors)
    message = _uuid(kept.get("message", ""), errors)
    pool = _one_of("pool", kept.get("pool", ""), tuple(Pool), errors)
    state = _one_of("state", kept.get("state", ""), STATES, errors)
    numbers = {
        name: _number(name, kept.get(name, ""), least, most, errors)
        for name, least, most in (
            ("attempts", 1, ATTEMPTS_SOUGHT),
            ("priority_from", PRIORITY_LOWEST, PRIORITY_HIGHEST),
            ("priority_to", PRIORITY_LOWEST, PRIORITY_HIGHEST),
            ("older_than", 1, 24 * 366),
        )
    }
    if not kept:
        errors["domain"] = [N_("Give at least one condition.")]
    if errors:
        return Asked(kept, None, errors)
    hours = numbers["older_than"]
    selection = Selection(
        message_id=message,
        domain=domain,
        pool=Pool(pool) if pool else None,
        state=State(state) if state else None,
        sender=kept.get("sender"),
        tag=kept.get("tag"),
        priority_least=numbers["priority_from"],
        priority_most=numbers["priority_to"],
        accepted_before=now - timedelta(hours=hours) if hours else None,
        attempts_least=numbers["attempts"],
        reply=kept.get("reply"),
    )
    return Asked(kept, selection, errors)


def _domain(written: str, errors: Errors) -> str | None:
    label = to_a_label(written) if written else None
    if written and label is None:
        errors["domain"] = [N_("This is not a domain name such as example.com.")]
    return label


def _uuid(written: str, errors: Errors) -> UUID | None:
    try:
        return UUID(written) if written else None
    except ValueError:
        errors["message"] = [N_("This is not an id.")]
        return None


def _one_of(name: str, written: str, words: Collection[str], errors: Errors) -> str | None:
    if written and written not in words:
        errors[name] = [N_("Choose one of the list.")]
    return written or None


def _number(name: str, written: str, least: int, most: int, errors: Errors) -> int | None:
    if not written:
        return None
    number = int(written) if written.isascii() and written.isdigit() and len(written) < 6 else -1
    if not least <= number <= most:
        errors[name] = [N_("This is not a number that can be meant here.")]
    return number
