"""What people do to the suppression list and to the list of invalid addresses, each change with its entry in the audit log.

`read` is pure and says what is wrong with an entry somebody asks for. A batch of additions is one transaction with one audit entry; of
removals each address has its own, for after it the log alone knows what stood there.
"""

import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from posthouse.accounts import changes
from posthouse.intake import suppression_csv
from posthouse.intake.request_fields import instant
from posthouse.intake.request_problems import Problems
from posthouse.ledger import invalid, suppression
from posthouse.ledger.suppression import (
    AT_FAULT,
    EVERYTHING,
    MARKETING,
    REASONS,
    SOFT_BOUNCES,
    Entry,
    New,
    Place,
    Suppressed,
    Wanted,
)
from posthouse.model import limits
from posthouse.model.errors import FieldProblem
from posthouse.runtime.process import Process
from posthouse.wire.addresses import AddressProblem, parse_address

OWN_WISH: Final = "They opted out by themselves. Only they can take that back, by the link in a mail they have got."
# what these stop is marketing, unless more is said
_LESS: Final = frozenset({"complaint", "unsubscribe", SOFT_BOUNCES})


@dataclass(frozen=True, slots=True)
class Asked:
    """An entry as somebody writes it; empty fields have not been said."""

    address: str
    scope: str = ""
    reason: str = ""
    note: str = ""
    expires_at: str = ""


def read(asked: Asked, now: datetime, at: str, problems: Problems) -> New | None:
    """The entry, or None with its problems below the pointer `at`. Pure."""
    found = parse_address(asked.address)
    if isinstance(found, AddressProblem):
        problems.add(f"{at}/address", found.code, found.detail)
    reason = asked.reason or "manual"
    scope = asked.scope or (MARKETING if reason in _LESS else EVERYTHING)
    if reason not in REASONS:
        problems.add(f"{at}/reason", "unknown_value", f"This must be one of {', '.join(REASONS)}.")
    if not suppression.is_scope(scope):
        detail = "This must be everything, marketing, channel:email, or mailing_type: and the name of one."
        problems.add(f"{at}/scope", "unknown_value", detail)
    elif reason in AT_FAULT and scope != EVERYTHING:
        problems.add(
            f"{at}/scope", "contradiction", "Nobody can read mail at an invalid address: this stops everything."
        )
    if len(asked.note) > limits.SUPPRESSION_NOTE_CHARS or not asked.note.isprintable():
        detail = f"This must be one line of at most {limits.SUPPRESSION_NOTE_CHARS} characters."
        problems.add(f"{at}/note", "wrong_length", detail)
    expires_at = instant(asked.expires_at, f"{at}/expires_at", problems) if asked.expires_at else None
    if expires_at is not None and expires_at <= now:
        problems.add(f"{at}/expires_at", "out_of_range", "This time is over.")
    if problems or isinstance(found, AddressProblem):
        return None
    return New(found.address, Entry(scope, reason, expires_at), None, asked.note)


async def add(process: Process, workspace_id: UUID, actor: str, new: Sequence[New]) -> int:
    """Suppresses these; how many were not, or not for so long."""
    if not new:
        return 0
    async with changes.making(process, workspace_id, actor) as change:
        added = await suppression.add_many(change.connection, workspace_id, new, actor, change.now)
        kinds = Counter(f"{each.entry.scope}: {each.entry.reason}" for each in new)
        subject = suppression.folded(new[0].address) if len(new) == 1 else f"{len(new)} addresses"
        detail = {"kinds": dict(sorted(kinds.items())), "new": added}
        await change.record("suppression.add", subject, **(detail | ({"note": new[0].note} if len(new) == 1 else {})))
    return added


async def remove(
    process: Process, workspace_id: UUID, actor: str, addresses: Sequence[str], scope: str | None, why: str
) -> list[Suppressed]:
    """Lifts what stands against these addresses, or one scope of it; what that was. What their readers asked for stays (AID-35)."""
    removed: list[Suppressed] = []
    async with changes.making(process, workspace_id, actor) as change:
        for address in sorted(set(map(canonical, addresses))):
            found = await suppression.remove(change.connection, workspace_id, address, scope)
            if found:
                was = [f"{each.entry.scope}: {each.entry.reason}, since {each.created_at:%Y-%m-%d}" for each in found]
                invalid_no_more = {"was_invalid": True} if any(each.entry.reason in AT_FAULT for each in found) else {}
                await change.record("suppression.remove", address, reason=why, was=was, **invalid_no_more)
            removed += found
    return removed


async def only_readers_can(process: Process, workspace_id: UUID, addresses: Sequence[str], scope: str | None) -> bool:
    """Whether there is something of this kind that `remove` leaves alone: an opt-out its reader made by himself."""
    async with process.pool.acquire() as connection:
        return await suppression.has_own_wish(connection, workspace_id, list(map(canonical, addresses)), scope)


async def clear(
    process: Process, workspace_id: UUID, actor: str, address: str, new_address: str, why: str
) -> bool | tuple[FieldProblem, ...]:
    """Takes an address from the list of invalid ones: it was found to exist, or (`new_address`) its owner has another.

    False when it is not on the list.
    """
    address = canonical(address)
    async with changes.making(process, workspace_id, actor) as change:
        if not new_address:
            cleared = await invalid.revalidated(change.connection, workspace_id, address)
            action = "address.revalidate"
        else:
            other = parse_address(new_address)
            if isinstance(other, AddressProblem):
                return (other.at("/new_address"),)
            entries = await suppression.entries_of(change.connection, workspace_id, [other.address])
            standing = [each for found in entries.values() for each in found if suppression.lasts(each, change.now)]
            if canonical(other.address) == address or any(each.reason in AT_FAULT for each in standing):
                return (FieldProblem("/new_address", "invalid_address", "This address is invalid, too."),)
            cleared = await invalid.replaced(change.connection, workspace_id, address, other.address)
            action = "address.replace"
        if cleared:
            was = [f"{each.reason}, since {each.since:%Y-%m-%d}" for each in cleared]
            await change.record(action, address, reason=why, new_address=new_address, was=was)
    return bool(cleared)


@dataclass(slots=True)
class Imported:
    """What came of an import: `problems` names the first of `refused` lines."""

    lines: int = 0
    added: int = 0
    refused: int = 0
    problems: list[suppression_csv.Bad] = dataclasses.field(default_factory=list)


async def import_csv(
    process: Process, workspace_id: UUID, actor: str, chunks: AsyncIterator[bytes], default: Asked
) -> Imported:
    """Reads a CSV as it arrives and commits what is good of it in batches; what `default` says holds for empty cells.

    An import that breaks off leaves whole batches behind, and repeating it adds the rest. Raises suppression_csv.HeaderError.
    """
    reader, done = suppression_csv.Reader(), Imported()
    batch: list[New] = []
    async for chunk in chunks:
        for line in reader.feed(chunk):
            _take(process, line, default, batch, done)
            if len(batch) >= limits.CSV_BATCH:
                done.added += await add(process, workspace_id, actor, batch)
                batch.clear()
    for line in reader.end():
        _take(process, line, default, batch, done)
    done.added += await add(process, workspace_id, actor, batch)
    return done


def _take(
    process: Process, line: suppression_csv.Line | suppression_csv.Bad, default: Asked, batch: list[New], done: Imported
) -> None:
    """Puts what a line asks for into the batch, or notes what is wrong with it."""
    done.lines += 1
    if isinstance(line, suppression_csv.Line):
        said = {name: value for name, value in line.cells.items() if value}
        if said.get("reason") in AT_FAULT and "scope" not in said:
            said["scope"] = ""  # an address nobody reads stops everything, whatever the rest of the file is meant to
        problems = Problems()
        new = read(dataclasses.replace(default, **said), process.clock.now(), "", problems)
        if new is not None:
            batch.append(new)
            return
        line = suppression_csv.Bad(line.number, " ".join(each.detail for each in problems.found()))
    done.refused += 1
    if len(done.problems) < limits.CSV_PROBLEMS:
        done.problems.append(line)


async def export_csv(process: Process, workspace_id: UUID, wanted: Wanted) -> AsyncIterator[bytes]:
    """The list as CSV, piece by piece; nothing is held open between them, so a slow reader holds nothing up."""
    yield suppression_csv.write([suppression_csv.COLUMNS])
    after: Place | None = None
    while True:
        async with process.pool.acquire() as connection:
            rows = await suppression.listing(connection, workspace_id, wanted, after, limits.CSV_BATCH)
        if rows:
            yield suppression_csv.write(map(_cells, rows))
        if len(rows) < limits.CSV_BATCH:
            return
        after = place_of(rows[-1])


def place_of(row: Suppressed) -> Place:
    """Where a page ends that ends with this row."""
    return Place(row.address, row.entry.scope, row.entry.reason)


def canonical(address: str) -> str:
    """The address as the list has it; what is no address comes back as it is, and is not on the list."""
    found = parse_address(address)
    return suppression.folded(address if isinstance(found, AddressProblem) else found.address)


def _cells(row: Suppressed) -> list[str]:
    expires_at = row.entry.expires_at
    return [
        row.address,
        row.entry.scope,
        row.entry.reason,
        row.note,
        suppression_csv.time(expires_at) if expires_at else "",
        row.added_by,
        suppression_csv.time(row.created_at),
        str(row.message_id or ""),
    ]
