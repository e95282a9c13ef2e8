"""Takes ready mail for a worker, settles it, and gives back what a dead worker held. One function per statement."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from posthouse.model.limits import HELD_BODY_OCTETS
from posthouse.model.values import dataclass
from posthouse.model.words import MailClass, Pool, Source, State
from posthouse.outbox import enqueue
from posthouse.outbox.sql import SQL
from posthouse.runtime.postgres import Connection


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent, shared by the recipients of one message."""

    message_id: UUID
    sender: str
    mail_class: MailClass
    smtputf8: bool
    verified_tls: bool  # rather not at all than to an unproven receiver
    encoding: int  # of `stored`, see bodies
    stored: bytes | None  # None: too large to hold while it waits its turn
    null_sender: bool = False  # a notice of ours: nobody is told when it fails (RFC 5321 4.5.5)
    mailing_type: str = ""
    mailing: str = ""  # of marketing: its first tag, or else its mailing type


@dataclass(frozen=True, slots=True)
class Claimed:
    """One recipient's mail in a worker's hands; `attempt` counts from 1."""

    workspace_id: UUID
    recipient_id: UUID
    address: str
    domain: str
    priority: int
    attempt: int
    expires_at: datetime
    source: str  # the address the last attempt came from, "" for none
    message: Message


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of one attempt as the outbox keeps it. `not_before` matters for `waiting` only."""

    recipient_id: UUID
    state: State
    not_before: datetime
    reason: str
    code: int | None
    enhanced: str | None
    remote: str
    settled_at: datetime | None
    attempt: int  # a settlement repeated after its answer was lost must not end the attempt after it
    source: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """One attempt whose worker died while it may have been on the wire."""

    recipient_id: UUID
    message_id: UUID
    attempt: int
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Late:
    """One recipient's mail that has expired in the queue; `enhanced` is the last word of the receiver, if there was one."""

    recipient_id: UUID
    message_id: UUID
    address: str
    attempts: int
    enhanced: str | None
    mail_class: MailClass


async def register(
    connection: Connection, worker_id: UUID, role: str, host: str, pid: int, now: datetime, lease_until: datetime
) -> None:
    """Makes a worker known, also to its peers; it may claim while its lease lives."""
    await connection.execute(SQL.register_worker, worker_id, role, host, pid, now, lease_until)
    await enqueue.tell_news(connection)


async def renew(connection: Connection, worker_id: UUID, now: datetime, lease_until: datetime) -> bool:
    """False when the lease had already run out: the worker has lost what it held and must register under a new id."""
    return await connection.fetchrow(SQL.renew_lease, worker_id, lease_until, now) is not None


async def end_lease(connection: Connection, worker_id: UUID, now: datetime) -> None:
    """Ends a lease early: on an orderly stop, or because the supervisor saw the process die."""
    await connection.execute(SQL.end_lease, worker_id, now)
    await enqueue.tell_news(connection)


async def live_workers(connection: Connection, role: str, now: datetime) -> set[UUID]:
    """The workers of a role that may claim."""
    return {row["worker_id"] for row in await connection.fetch(SQL.live_workers, role, now)}


async def workspaces_with_mail(connection: Connection, pool: Pool) -> list[UUID]:
    """The workspaces in which this pool has ready mail."""
    return [row["workspace_id"] for row in await connection.fetch(SQL.workspaces_with_mail, pool)]


async def ready_domains(
    connection: Connection, workspace_id: UUID, pool: Pool, after: str, most: int
) -> list[tuple[str, int]]:
    """(domain, its highest ready priority) for at most `most` destinations after `after` in order of their names."""
    rows = await connection.fetch(SQL.ready_domains, workspace_id, pool, after, most)
    return [(row["domain"], row["priority"]) for row in rows]


async def claim(
    connection: Connection,
    workspace_id: UUID,
    pool: Pool,
    domain: str,
    most: int,
    worker_id: UUID,
    now: datetime,
    *,
    again: bool = False,
) -> list[Claimed]:
    """Takes the first `most` mails for a destination, in sending order; `again`: of those that were tried before."""
    take = SQL.claim_again if again else SQL.claim
    rows = await connection.fetch(take, workspace_id, pool, domain, most, worker_id, now)
    if not rows:
        return []
    rows.sort(key=lambda row: (-row["priority"], row["recipient_id"]))
    messages = await _messages(connection, workspace_id, {row["message_id"] for row in rows})
    return [
        Claimed(
            workspace_id,
            row["recipient_id"],
            row["address"],
            row["domain"],
            row["priority"],
            row["attempts"],
            row["expires_at"],
            row["source"],
            messages[row["message_id"]],
        )
        for row in rows
    ]


async def _messages(connection: Connection, workspace_id: UUID, message_ids: set[UUID]) -> dict[UUID, Message]:
    rows = await connection.fetch(SQL.claimed_messages, workspace_id, list(message_ids), HELD_BODY_OCTETS)
    return {
        row["message_id"]: Message(
            row["message_id"],
            row["sender"],
            MailClass(row["mail_class"]),
            row["smtputf8"],
            row["tls"] == "verified",
            row["encoding"],
            row["content"],
            row["source"] == Source.NOTICE,
            row["mailing_type"],
            row["mailing"],
        )
        for row in rows
    }


async def in_name_of(connection: Connection, worker_id: UUID, before: datetime) -> list[tuple[UUID, UUID]]:
    """(workspace_id, recipient_id) of what this worker claimed before `before` and nobody settled."""
    rows = await connection.fetch(SQL.claimed_in_my_name, worker_id, before)
    return [(row["workspace_id"], row["recipient_id"]) for row in rows]


async def give_back(connection: Connection, workspace_id: UUID, recipient_ids: Sequence[UUID], worker_id: UUID) -> None:
    """Returns mail that never met the wire, as if it had not been claimed."""
    await connection.execute(SQL.give_back, workspace_id, recipient_ids, worker_id)


async def settle(
    connection: Connection, workspace_id: UUID, worker_id: UUID, settlements: Sequence[Settlement]
) -> set[UUID]:
    """Ends attempts. Returns the recipients whose row was still ours to settle."""
    rows = await connection.fetch(
        SQL.settle,
        workspace_id,
        worker_id,
        [s.recipient_id for s in settlements],
        [s.state for s in settlements],
        [s.not_before for s in settlements],
        [s.reason for s in settlements],
        [s.code for s in settlements],
        [s.enhanced for s in settlements],
        [s.remote for s in settlements],
        [s.settled_at for s in settlements],
        [s.source for s in settlements],
        [s.attempt for s in settlements],
    )
    return {row["recipient_id"] for row in rows}


async def shares(connection: Connection) -> dict[UUID, int]:
    """How much each workspace gets where several want the same; those not named have 1."""
    return {row["workspace_id"]: row["share"] for row in await connection.fetch(SQL.shares)}


async def gather_pools(connection: Connection, workspace_id: UUID, pools: Sequence[Pool], into: Pool, most: int) -> int:
    """Moves mail of these pools that is in nobody's hands into another; how many mails."""
    return len(await connection.fetch(SQL.gather_pools, workspace_id, list(pools), into, most))


async def workspaces(connection: Connection) -> list[UUID]:
    """Every workspace, for the rounds of the housekeeper."""
    return [row["workspace_id"] for row in await connection.fetch(SQL.workspaces)]


async def promote(connection: Connection, workspace_id: UUID, now: datetime, most: int) -> list[Pool]:
    """Makes waiting mail ready whose time has come; one pool per mail moved."""
    return [Pool(row["pool"]) for row in await connection.fetch(SQL.promote, workspace_id, now, most)]


async def expire(connection: Connection, workspace_id: UUID, now: datetime, most: int) -> list[Late]:
    """Ends mail nobody wants any more, for the ledger."""
    reason = "Expired before it could be delivered."
    rows = await connection.fetch(SQL.expire, workspace_id, now, most, reason)
    return [
        Late(
            row["recipient_id"],
            row["message_id"],
            row["address"],
            row["attempts"],
            row["enhanced"],
            MailClass(row["mail_class"]),
        )
        for row in rows
    ]


async def orphans(connection: Connection, now: datetime) -> list[tuple[UUID, UUID]]:
    """(workspace_id, worker_id) of claims whose worker has no living lease."""
    return [(row["workspace_id"], row["claimed_by"]) for row in await connection.fetch(SQL.orphans, now)]


async def recover(
    connection: Connection, workspace_id: UUID, worker_id: UUID, now: datetime, later: datetime, most: int
) -> list[Lost]:
    """Gives back what a dead worker held: first attempts at once, later ones at `later`."""
    rows = await connection.fetch(SQL.recover, workspace_id, worker_id, now, later, most)
    return [Lost(row["recipient_id"], row["message_id"], row["attempts"], row["claimed_at"]) for row in rows]


async def forget_workers(connection: Connection, before: datetime) -> None:
    """Removes workers whose lease ended before `before` and that hold nothing."""
    await connection.execute(SQL.forget_workers, before)
