"""The one transaction in which mail is promised.

For a group of calls it looks up suppressions, takes idempotency keys, and writes messages, bodies, recipients and their first
events. Everything in it is durable together or not at all.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from posthouse.intake.announcing import Announcer
from posthouse.intake.rows import Decided, Rows, build
from posthouse.ledger import events, suppression
from posthouse.model.mail import Receipt, Refused
from posthouse.model.values import dataclass
from posthouse.model.words import Pool
from posthouse.outbox import announcements, enqueue, keys
from posthouse.outbox.lots import Lots
from posthouse.runtime import queries
from posthouse.runtime.postgres import Connection, transaction
from posthouse.runtime.process import Process

SQL = queries.load(__package__)


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The caller's key, the SHA-256 of its request, and how the receipts are answered: (status, body)."""

    key: str
    fingerprint: bytes
    respond: Callable[[Sequence[Receipt]], tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Replay:
    """The answer that was given to the same request before."""

    status: int
    response: bytes


@dataclass(frozen=True, slots=True)
class KeyConflict:
    """The key was used for another request."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One request: what was decided about each of its submissions, in order, and its key."""

    workspace_id: UUID
    decided: tuple[Decided | Refused, ...]
    idempotency: Idempotency | None


@dataclass(frozen=True, slots=True)
class _Planned:
    """A call with the rows it would write and the receipts it would get."""

    call: Call
    rows: tuple[Rows, ...]
    receipts: list[Receipt]


Answer = list[Receipt] | Replay | KeyConflict
_Suppressions = dict[tuple[UUID, str], list[suppression.Entry]]


class Commit:
    """Commits groups of calls; `Group` gives it one group at a time."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._announcer = Announcer(process)
        self._lots = Lots()
        self._lifetimes_s = {pool: process.settings.pool(pool).lifetime_s for pool in Pool}
        self._accepted = process.metrics.counter("accepted_total", "Messages accepted, by source", ("source",))

    async def run(self, calls: Sequence[Call]) -> Sequence[Answer]:
        """The answers of a group, after COMMIT."""
        # Nearly always one statement writes everything, and is its own transaction; keys have to be taken in the same.
        keyed = any(call.idempotency is not None for call in calls)
        told = self._announcer.is_quiet()
        async with transaction(self._process.pool) if keyed else self._process.pool.acquire() as connection:
            planned, fresh, rows = await self._promise(connection, calls, self._process.clock.now(), told=told)
        if not told:
            self._announcer.owe(*_places(rows))
        return [plan.receipts if plan.call in fresh else await self._repeat(plan.call) for plan in planned]

    async def _promise(
        self, connection: Connection, calls: Sequence[Call], now: datetime, *, told: bool
    ) -> tuple[list[_Planned], set[Call], list[Rows]]:
        found = await _suppressions(connection, calls)
        planned = [self._plan(call, found, now) for call in calls]
        fresh = await self._take_keys(connection, planned, now)
        rows = [row for plan in planned if plan.call in fresh for row in plan.rows]
        await self._write(connection, rows, announcements.text(*_places(rows)) if told else "", now)
        return planned, fresh, rows

    async def rehearse(self, call: Call) -> list[Receipt]:
        """The receipts a call would get; nothing is written."""
        async with self._process.pool.acquire() as connection:
            found = await _suppressions(connection, [call])
        return self._plan(call, found, self._process.clock.now()).receipts

    def _plan(self, call: Call, found: _Suppressions, now: datetime) -> _Planned:
        rows: list[Rows] = []
        receipts: list[Receipt] = []
        for decided in call.decided:
            if isinstance(decided, Refused):
                receipts.append(decided)
                continue
            row = build(
                decided,
                _lookup(found, decided, now),
                self._process.ids.new,
                now,
                self._lifetimes_s[decided.choice.pool],
            )
            rows.append(row)
            receipts.append(row.receipt)
        return _Planned(call, tuple(rows), receipts)

    async def _take_keys(self, connection: Connection, planned: Sequence[_Planned], now: datetime) -> set[Call]:
        """The calls that may be written: those without a key, and the first to bring a key that was free."""
        wanted: dict[tuple[UUID, str], tuple[Call, keys.Key]] = {}
        fresh = {plan.call for plan in planned if plan.call.idempotency is None}
        for plan in planned:
            asked = plan.call.idempotency
            if asked is not None and (plan.call.workspace_id, asked.key) not in wanted:
                status, response = asked.respond(plan.receipts)
                key = keys.Key(plan.call.workspace_id, asked.key, asked.fingerprint, status, response)
                wanted[key.workspace_id, key.key] = plan.call, key
        if wanted:
            taken = await keys.take(connection, [key for _, key in wanted.values()], now)
            fresh |= {wanted[name][0] for name in taken}
        return fresh

    async def close(self) -> None:
        """Returns when everybody has been told of what was committed."""
        await self._announcer.close()

    async def _write(self, connection: Connection, rows: Sequence[Rows], announcement: str, now: datetime) -> None:
        if not rows:
            return
        recipients = [recipient for row in rows for recipient in row.recipients]
        await connection.execute(
            SQL.promise,
            announcement,
            *enqueue.columns([row.message for row in rows]),
            *enqueue.columns(recipients),
            *events.columns([event for row in rows for event in row.events]),
            self._lots.take(len(recipients), now),
        )
        for source, times in Counter(row.message.source for row in rows).items():
            self._accepted.labels(source).inc(times)

    async def _repeat(self, call: Call) -> Answer:
        """The answer for a call whose key was taken: by the same request, or by another."""
        assert call.idempotency is not None
        async with self._process.pool.acquire() as connection:
            earlier = await keys.find(connection, call.workspace_id, call.idempotency.key)
        if earlier is None or earlier.fingerprint != call.idempotency.fingerprint:
            return KeyConflict()
        return Replay(earlier.status, earlier.response)


def _places(rows: Iterable[Rows]) -> tuple[set[Pool], set[str]]:
    """The pools and domains there is new mail for."""
    recipients = [recipient for row in rows for recipient in row.recipients]
    return {each.pool for each in recipients}, {each.domain for each in recipients}


async def _suppressions(connection: Connection, calls: Iterable[Call]) -> _Suppressions:
    """Entries by workspace and folded address, for every address in the group that has any."""
    wanted: dict[UUID, set[str]] = {}
    for call in calls:
        addresses = wanted.setdefault(call.workspace_id, set())
        addresses.update(r.address for d in call.decided if isinstance(d, Decided) for r in d.submission.recipients)
    found: _Suppressions = {}
    for workspace_id, addresses in wanted.items():
        for address, entries in (await suppression.entries_of(connection, workspace_id, addresses)).items():
            found[workspace_id, address] = entries
    return found


def _lookup(found: _Suppressions, decided: Decided, now: datetime) -> Callable[[str], str | None]:
    workspace_id, mail_class = decided.submitter.workspace_id, decided.choice.mail_class
    mailing_type = decided.submission.mailing_type

    def suppressed(address: str) -> str | None:
        entries = found.get((workspace_id, suppression.folded(address)))
        return suppression.blocking(entries, mail_class, now, mailing_type) if entries else None

    return suppressed
