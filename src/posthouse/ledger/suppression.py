"""Addresses that are not to be written to: the rule (pure) and its rows.

Scopes, from the widest: `everything` blocks every road, `channel:email` is a person's word that she wants no mail of any kind,
`marketing` blocks marketing only (who complained or unsubscribed still gets the receipt for what she bought), and `mailing_type:NAME`
the marketing of one type. An entry that has expired blocks nothing.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.ledger.sql import SQL
from posthouse.model import limits
from posthouse.model.values import dataclass
from posthouse.model.words import MailClass
from posthouse.runtime.postgres import Connection, Record

EVERYTHING, MARKETING, CHANNEL_EMAIL = "everything", "marketing", "channel:email"
MAILING_TYPE: Final = "mailing_type:"
RECIPIENT: Final = "recipient"  # who added what its reader asked for
HARD_BOUNCE, INVALID, SOFT_BOUNCES, UNSUBSCRIBE = "hard_bounce", "invalid", "soft_bounces", "unsubscribe"
AT_FAULT: Final = frozenset({HARD_BOUNCE, INVALID})
"""Reasons that are the address's own fault: nobody can read mail there, so they never stop anything less than everything."""

# What the log of a mail says of it, and why in words; of several that block, the first of these is told.
_WORDS: Final = {
    HARD_BOUNCE: ("invalid_address", "the address does not exist: an earlier mail bounced for good"),
    INVALID: ("invalid_address", "the address was marked as invalid"),
    "complaint": ("do_not_email", "the recipient reported an earlier mail as spam"),
    UNSUBSCRIBE: ("opted_out", "the recipient unsubscribed"),
    "manual": ("manual", "the address was put on the suppression list by hand"),
    "imported": ("imported", "the address came with an imported suppression list"),
    SOFT_BOUNCES: ("soft_bounces", "mail after mail could not be delivered for weeks"),
}
REASONS: Final = tuple(_WORDS)
_RANK: Final = {reason: rank for rank, reason in enumerate(REASONS)}
_SENTENCE: Final = re.compile(r"Suppressed: (\w+) \(([^;)]+)(?:; mailing type “(.*)”)?\)\.")  # as `blocking` writes it
_LAST: Final = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Entry:
    """One suppression of one address. `strict`: its workspace takes any opt-out for one from all mail."""

    scope: str
    reason: str
    expires_at: datetime | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Why:
    """Why a mail was not sent: one of REASONS, and the mailing type the recipient has had enough of, "" for all."""

    reason: str
    mailing_type: str = ""


@dataclass(frozen=True, slots=True)
class New:
    """An entry to be written; `address` as its owner writes it."""

    address: str
    entry: Entry
    message_id: UUID | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """One row of the list. `message_id`: the message that was the cause."""

    address: str
    entry: Entry
    message_id: UUID | None
    added_by: str
    note: str
    created_at: datetime

    def lasts(self, now: datetime) -> bool:
        """Whether it still blocks anything."""
        return lasts(self.entry, now)

    @property
    def is_own_wish(self) -> bool:
        """Whether its reader opted out by himself, which nobody else takes back."""
        return self.entry.reason == UNSUBSCRIBE and self.added_by == RECIPIENT


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is narrowed by; empty does not count. `beginning` is that of the address."""

    beginning: str = ""
    scope: str | None = None
    reason: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A row by its key: where a page of the list ended."""

    address: str
    scope: str = ""
    reason: str = ""


def blocking(entries: Sequence[Entry], mail_class: MailClass, now: datetime, mailing_type: str = "") -> str | None:
    """Why mail of this class may not go to an address with these entries, in words; None when it may.

    Mail that is of no mailing type (`mailing_type` empty) is not blocked by who has had enough of one.
    """
    found = [entry for entry in entries if lasts(entry, now) and _covers(entry, mail_class, mailing_type)]
    if not found:
        return None
    told = min(found, key=lambda entry: _RANK[entry.reason])
    code, words = _WORDS[told.reason]
    of_type = f"; mailing type “{mailing_type}”" if told.scope.startswith(MAILING_TYPE) else ""
    return f"Suppressed: {code} ({words}{of_type})."


def why(sentence: str) -> Why | None:
    """What `blocking` meant by a sentence that was kept; None when it is not one of its own."""
    found = _SENTENCE.fullmatch(sentence)
    reason = next((reason for reason, told in _WORDS.items() if found and told == (found[1], found[2])), None)
    return Why(reason, found[3] or "") if found and reason else None


def lasts(entry: Entry, now: datetime) -> bool:
    """Whether it has not expired."""
    return entry.expires_at is None or entry.expires_at > now


def _covers(entry: Entry, mail_class: MailClass, mailing_type: str) -> bool:
    # Soft bounces are nobody's wish: what they stop is marketing, however strictly wishes are taken.
    if entry.scope in (EVERYTHING, CHANNEL_EMAIL) or (entry.strict and entry.reason != SOFT_BOUNCES):
        return True
    if mail_class is not MailClass.MARKETING:
        return False
    return entry.scope == MARKETING or (
        bool(mailing_type) and entry.scope.casefold() == of_type(mailing_type).casefold()
    )


def of_type(mailing_type: str) -> str:
    """The scope of what stops one mailing type; names that differ in upper and lower case are of one type."""
    return MAILING_TYPE + mailing_type


def is_scope(text: str) -> bool:
    """Whether an entry may have this scope."""
    if text in (EVERYTHING, MARKETING, CHANNEL_EMAIL):
        return True
    name = text.removeprefix(MAILING_TYPE)
    return name != text and name == name.strip() and 0 < len(name) <= limits.MAILING_TYPE_CHARS and name.isprintable()


def folded(address: str) -> str:
    """The form in which an address is compared: almost no receiver tells upper from lower case."""
    return address.casefold()


async def entries_of(connection: Connection, workspace_id: UUID, addresses: Collection[str]) -> dict[str, list[Entry]]:
    """Entries by folded address, for the addresses that have any."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for row in await connection.fetch(SQL.suppressions_of, workspace_id, [folded(a) for a in addresses]):
        found[row["address"]].append(Entry(row["scope"], row["reason"], row["expires_at"], row["strict"]))
    return found


async def add(
    connection: Connection,
    workspace_id: UUID,
    address: str,
    entry: Entry,
    message_id: UUID | None,
    added_by: str,
    now: datetime,
) -> None:
    """Suppresses an address; the same entry that is there already stays as it is, for it is the evidence."""
    await add_many(connection, workspace_id, [New(address, entry, message_id)], added_by, now)


async def add_many(
    connection: Connection, workspace_id: UUID, wanted: Iterable[New], added_by: str, now: datetime
) -> int:
    """How many are new, or last longer than the same entry did before; what lasts as long already stays as it is."""
    rows: dict[tuple[str, str, str], New] = {}
    for new in wanted:
        key = (folded(new.address), new.entry.scope, new.entry.reason)
        if key not in rows or _longer(new.entry, rows[key].entry):
            rows[key] = new
    ordered = sorted(rows)  # one lock order for all processes
    written = await connection.fetch(
        SQL.add_suppressions,
        workspace_id,
        *([key[column] for key in ordered] for column in range(3)),
        [rows[key].message_id for key in ordered],
        [rows[key].note for key in ordered],
        [rows[key].entry.expires_at for key in ordered],
        added_by,
        now,
    )
    return len(written)


def _longer(one: Entry, other: Entry) -> bool:
    if other.expires_at is None:
        return False
    return one.expires_at is None or one.expires_at > other.expires_at


async def listing(
    connection: Connection,
    workspace_id: UUID,
    wanted: Wanted,
    after: Place | None = None,
    most: int = limits.SUPPRESSIONS_LISTED,
) -> list[Suppressed]:
    """At most `most` rows after `after`, in order of address, scope and reason."""
    # One lower bound, so that the index is entered where the page begins: no key sorts before (address, "", "").
    first = folded(wanted.beginning)
    place = after if after is not None and after.address >= first else Place(first)
    async with connection.transaction():
        await connection.execute(SQL.plan_anew)
        rows = await connection.fetch(
            SQL.list_suppressions,
            *(workspace_id, first + _LAST, place.address, place.scope, place.reason),
            *(wanted.scope, wanted.reason, wanted.since, most),
        )
    return [_suppressed(row) for row in rows]


async def remove(
    connection: Connection, workspace_id: UUID, address: str, scope: str | None = None
) -> list[Suppressed]:
    """Writes to the address again, or lifts one scope of it; what stood against it, for the audit log of the caller.

    What its reader asked for stays.
    """
    rows = await connection.fetch(SQL.remove_suppressions, workspace_id, folded(address), scope)
    return [_suppressed(row) for row in rows]


async def has_own_wish(
    connection: Connection, workspace_id: UUID, addresses: Sequence[str], scope: str | None = None
) -> bool:
    """Whether the reader of any of these addresses, in their folded form, opted out by himself."""
    found: bool = await connection.fetchval(SQL.own_opt_outs, workspace_id, addresses, scope)
    return found


async def take_back(connection: Connection, workspace_id: UUID, address: str, scope: str) -> list[Suppressed]:
    """Lifts an opt-out for the reader himself."""
    rows = await connection.fetch(SQL.take_back_opt_out, workspace_id, folded(address), scope)
    return [_suppressed(row) for row in rows]


def _suppressed(row: Record) -> Suppressed:
    entry = Entry(row["scope"], row["reason"], row["expires_at"])
    return Suppressed(row["address"], entry, row["message_id"], row["added_by"], row["note"], row["created_at"])


async def count_since(connection: Connection, workspace_id: UUID, since: datetime) -> int:
    """How many entries were added since then."""
    found: int = await connection.fetchval(SQL.count_suppressions, workspace_id, since)
    return found
