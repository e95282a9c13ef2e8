"""What the address of the message list says: filters in, links out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, date, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from posthouse.model.words import MailClass, Source, State
from posthouse.outbox.messages import Filters

UNSETTLED: Final = "unsettled"
UNSETTLED_STATES: Final = (State.WAITING, State.READY, State.CLAIMED, State.HELD)
# ids sort by time since then; a year between it and any moment asked for leaves room for every zone
_FIRST_YEAR: Final = 1970
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the reader wants to see. `kept` is what the address said and was understood, for links and forms."""

    filters: Filters
    unsettled: bool
    after: UUID | None
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def narrowed(self) -> bool:
        """Whether more than search and state is set."""
        return bool(self.kept.keys() - {"q", "state"})

    def link(self, **changes: str) -> str:
        """The same list with something changed; an empty value takes a filter away."""
        return link(**(self.kept | changes))


def link(**values: str) -> str:
    """The address of a list."""
    said = encoded(values)
    return "/messages" + (f"?{said}" if said else "")


def encoded(values: Mapping[str, str]) -> str:
    """The part of an address after the question mark; empty values are left out."""
    return urlencode({name: value for name, value in values.items() if value})


def read(params: Mapping[str, str], zone: ZoneInfo) -> Asked:
    """Understands what it can; a filter it cannot read is as if it were not there."""
    said = {name: text(params, name) for name in ("q", "domain", "tag")}
    kept = {name: value for name, value in said.items() if value}
    state, source = word(State, params.get("state", "")), word(Source, params.get("source", ""))
    unsettled = params.get("state") == UNSETTLED
    if state or unsettled:
        kept["state"] = state or UNSETTLED
    if source:
        kept["source"] = source
    if mail_class := word(MailClass, params.get("class", "")):
        kept["class"] = mail_class
    since, until = moment_of(params.get("since", ""), zone, 0), moment_of(params.get("until", ""), zone, 1)
    kept |= {name: params[name] for name, moment in (("since", since), ("until", until)) if moment}
    filters = Filters(
        query=kept.get("q", ""),
        state=state,
        domain=kept.get("domain", "").lower(),
        tag=kept.get("tag", ""),
        source=source,
        mail_class=mail_class,
        since=since,
        until=until,
    )
    return Asked(filters, unsettled, identifier(params.get("after", "")), kept)


def text(params: Mapping[str, str], name: str) -> str:
    """One parameter, stripped; empty when it is missing. Without NUL, which PostgreSQL cannot hold."""
    return params.get(name, "").replace("\0", "").strip()


def word(words: type[_Word], text: str) -> _Word | None:
    """The word that a parameter is, None when it is none of these."""
    return words(text) if text in set(words) else None


def identifier(text: str) -> UUID | None:
    """The id that is written there; None for anything else."""
    try:
        return UUID(text)
    except ValueError:
        return None


def moment_of(text: str, zone: ZoneInfo, days: int) -> datetime | None:
    """A day of the reader's zone (the last one is included, so `days` is added), or an exact moment with its offset."""
    try:
        if len(text) == len("2026-01-31"):
            day = date.fromisoformat(text) + timedelta(days=days)
            moment = datetime(day.year, day.month, day.day, tzinfo=zone)
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo and _FIRST_YEAR < moment.year < MAXYEAR else None
