"""The worker role: keeps the queue's clockwork going. Any number may run; each statement locks what it changes and skips the rest.

Every round: what is due becomes ready, what is late expires, what dead workers held is given back and shown as unknown, events are
counted, bounced addresses listed, rates of bounces and complaints are judged, what was set aside goes when it may, senders are told
of mail that was not delivered, and administrators of alerts. Now and then: the DNS of domains and what block lists say of our
addresses is looked at again, accounts are found whose logins fail very often, old idempotency keys and forgotten workers go, and the
partitions of the coming months are made.
Exports (`exports.running`) are a task of their own beside the rounds.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Final
from uuid import UUID

from posthouse.accounts import guessing, login_failures, rechecking
from posthouse.accounts.directory import Directory
from posthouse.accounts.dns_lookups import ResolverLookups
from posthouse.delivery import block_lists
from posthouse.delivery.lease import Lease
from posthouse.delivery.retry import RetrySchedule, delay_s
from posthouse.exports import running
from posthouse.intake import alert_mail, bounced, bulk_senders, notices, reputation, soft_bounces
from posthouse.intake.accept import Door
from posthouse.ledger import attempts, classify, counting, events, mass, receiver_reports
from posthouse.ledger import reputation as counts
from posthouse.ledger.attempts import Attempt
from posthouse.ledger.events import Event
from posthouse.ledger.soft import Soft, is_soft
from posthouse.model import limits
from posthouse.model.outcome import Outcome, Stage
from posthouse.model.words import EventKind, MailClass, Pool
from posthouse.outbox import claims, enqueue, keys, partitions, sites, situations, suspensions
from posthouse.outbox.claims import Late, Lost
from posthouse.runtime.dns import Resolver
from posthouse.runtime.postgres import DATABASE_GONE, transaction
from posthouse.runtime.process import Process

PROMOTE_S: Final = 0.2
EXPIRE_S: Final = 1.0
RECOVER_S: Final = 1.0
COUNT_S: Final = 5.0
JUDGE_S: Final = 15.0
BULK_S: Final = 60.0
RELEASE_S: Final = 1.0
BOUNCES_S: Final = 5.0
NOTIFY_S: Final = 5.0
GATHER_S: Final = 5.0
TIDY_S: Final = 600.0
RECHECK_S: Final = 900.0
BLOCK_LISTS_S: Final = 60.0
LOGINS_S: Final = 60.0
BATCH: Final = 1_000
MONTHS_AHEAD: Final = 3


async def main(process: Process) -> None:
    """Runs the rounds until the process stops. Its lease covers nothing: it tells those who ask that somebody is at it."""
    async with Directory.open(process) as directory, Lease(process, situations.HOUSEKEEPER):
        door = Door.open(process, directory)
        rounds = (
            (PROMOTE_S, promote),
            (EXPIRE_S, expire),
            (RECOVER_S, recover),
            (COUNT_S, count),
            (JUDGE_S, judge),
            (BULK_S, watch_bulk_senders),
            (RELEASE_S, release),
            (BOUNCES_S, note_bounces),
            (GATHER_S, gather),
            (NOTIFY_S, Notifying(directory, door)),
            (TIDY_S, tidy),
            (RECHECK_S, recheck),
            (LOGINS_S, watch_logins),
            (BLOCK_LISTS_S, block_lists.Watch(process.settings)),
        )
        process.ready()
        await asyncio.gather(*(_every(process, period_s, do) for period_s, do in rounds), running.main(process))
        await door.close()


class Notifying:
    """The round that tells senders of mail that was not delivered, and administrators of alerts."""

    __name__ = "notify"

    def __init__(self, directory: Directory, door: Door) -> None:
        self._directory = directory
        self._door = door

    async def __call__(self, process: Process) -> None:
        """Tells those of every workspace."""
        for workspace_id in await _workspaces(process):
            await notices.advance(process, self._directory, self._door, workspace_id)
            await alert_mail.advance(process, self._directory, self._door, workspace_id)


async def _every(process: Process, period_s: float, do: Callable[[Process], Awaitable[None]]) -> None:
    while not process.stopping.is_set():
        try:
            await do(process)
        except DATABASE_GONE as error:
            process.log.warning("worker.waits", round=do.__name__, error=str(error))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(period_s):
                await process.stopping.wait()


async def _workspaces(process: Process) -> list[UUID]:
    async with process.pool.acquire() as connection:
        return await claims.workspaces(connection)


async def promote(process: Process) -> None:
    """waiting -> ready for everything that is due."""
    for workspace_id in await _workspaces(process):
        moved = BATCH
        while moved == BATCH:
            async with transaction(process.pool) as connection:
                pools = await claims.promote(connection, workspace_id, process.clock.now(), BATCH)
                if pools:
                    await enqueue.announce(connection, set(pools))
            moved = len(pools)


async def expire(process: Process) -> None:
    """Ends what nobody wants any more, with its event in the same commit."""
    for workspace_id in await _workspaces(process):
        ended = BATCH
        while ended == BATCH:
            now = process.clock.now()
            async with transaction(process.pool) as connection:
                late = await claims.expire(connection, workspace_id, now, BATCH)
                await events.append(
                    connection,
                    [
                        Event(
                            workspace_id, process.ids.new(), now, each.message_id, each.recipient_id, EventKind.EXPIRED
                        )
                        for each in late
                    ],
                )
                await soft_bounces.count(connection, workspace_id, _given_up(late), "delivery", now)
            ended = len(late)


def _given_up(late: Sequence[Late]) -> list[Soft]:
    """Marketing that a receiver would not take for its whole life. What was never tried is no fault of the address."""
    return [
        Soft(each.address, each.message_id)
        for each in late
        if each.mail_class is MailClass.MARKETING
        and each.attempts > 0
        and is_soft(classify.of_words((), "", each.enhanced or "", ()).bounce_class)
    ]


async def recover(process: Process) -> None:
    """Gives back what workers without a living lease held; each such attempt is recorded as unknown."""
    async with process.pool.acquire() as connection:
        orphans = await claims.orphans(connection, process.clock.now())
    for workspace_id, worker_id in orphans:
        await _recover_worker(process, workspace_id, worker_id)


async def _recover_worker(process: Process, workspace_id: UUID, worker_id: UUID) -> None:
    own = process.settings.pool(Pool.TRANSACTIONAL)
    schedule = RetrySchedule(own.retry_first_s, own.retry_factor, own.retry_cap_s)
    now = process.clock.now()
    later = now + timedelta(seconds=delay_s(1, schedule, SystemRandom().random()))
    async with transaction(process.pool) as connection:
        lost = await claims.recover(connection, workspace_id, worker_id, now, later, BATCH)
        await attempts.append(connection, [_attempt(process, workspace_id, worker_id, one, now) for one in lost])
        await events.append(connection, [_event(process, workspace_id, one, now) for one in lost])
        await enqueue.announce(connection, set(Pool))
    process.log.warning("worker.recovered", mails=len(lost), worker_id=str(worker_id))


def _attempt(process: Process, workspace_id: UUID, worker_id: UUID, lost: Lost, now: datetime) -> Attempt:
    return Attempt(
        workspace_id=workspace_id,
        attempt_id=process.ids.new(),
        recipient_id=lost.recipient_id,
        message_id=lost.message_id,
        number=lost.attempt,
        worker_id=worker_id,
        started_at=lost.started_at,
        ended_at=now,
        outcome=Outcome.UNKNOWN,
        stage=Stage.LOCAL,
        code=None,
        enhanced=None,
        text="The process sending this mail was stopped; whether the receiver has it is unknown.",
        remote="",
        tls="",
        signature=b"",
        transcript="",
    )


def _event(process: Process, workspace_id: UUID, lost: Lost, now: datetime) -> Event:
    said: dict[str, object] = {
        "attempt": lost.attempt,
        "reason": "The process sending it was stopped; it may arrive twice.",
    }
    return Event(workspace_id, process.ids.new(), now, lost.message_id, lost.recipient_id, EventKind.UNKNOWN, said)


async def count(process: Process) -> None:
    """Adds what has happened to the counts by quarter of an hour that summaries read."""
    for workspace_id in await _workspaces(process):
        async with transaction(process.pool) as connection:
            await counting.advance(connection, workspace_id, process.clock.now())


async def judge(process: Process) -> None:
    """Pauses mail of which too much bounces or is complained about, and tells administrators."""
    for workspace_id in await _workspaces(process):
        await reputation.judge(process, workspace_id)


async def watch_bulk_senders(process: Process) -> None:
    """Finds out who has become a bulk sender."""
    lookups = ResolverLookups(Resolver(process.settings.delivery.resolvers))
    for workspace_id in await _workspaces(process):
        await bulk_senders.watch(process, workspace_id, lookups)


async def watch_logins(process: Process) -> None:
    """Tells administrators whose logins fail alarmingly often."""
    for workspace_id in await _workspaces(process):
        await guessing.watch(process, workspace_id)


async def release(process: Process) -> None:
    """Lets mail go that was set aside for a From domain, once its suspension is over."""
    async with process.pool.acquire() as connection:
        over = await suspensions.to_release(connection, process.clock.now())
    for workspace_id, suspension_id, reason in over:
        looked_at = BATCH
        while looked_at == BATCH:
            now = process.clock.now()
            async with transaction(process.pool) as connection:
                looked_at, freed = await suspensions.release(connection, workspace_id, suspension_id, reason, BATCH)
                said: dict[str, object] = {"by": suspensions.BREAKER}
                await events.append(
                    connection,
                    [
                        Event(workspace_id, process.ids.new(), now, message_id, recipient_id, EventKind.RELEASED, said)
                        for recipient_id, message_id in freed
                    ],
                )


async def note_bounces(process: Process) -> None:
    """Brings the lists of bounced addresses up to date."""
    for workspace_id in await _workspaces(process):
        await bounced.advance(process, workspace_id)


async def gather(process: Process) -> None:
    """With a shared pool, mail still queued for the others moves there, for nobody serves them any more."""
    if not process.settings.delivery.shared_pool:
        return
    others = [pool for pool in Pool if pool is not Pool.TRANSACTIONAL]
    for workspace_id in await _workspaces(process):
        moved = BATCH
        while moved == BATCH:
            async with transaction(process.pool) as connection:
                moved = await claims.gather_pools(connection, workspace_id, others, Pool.TRANSACTIONAL, BATCH)
                if moved:
                    await enqueue.announce(connection, {Pool.TRANSACTIONAL})


async def recheck(process: Process) -> None:
    """Asks the DNS about domains whose daily turn has come."""
    for workspace_id in await _workspaces(process):
        await rechecking.advance(process, workspace_id)


async def tidy(process: Process) -> None:
    """Frees old idempotency keys, forgets workers long gone and what is kept no longer, and makes the partitions of the coming months."""
    now = process.clock.now()
    async with process.pool.acquire() as connection:
        await partitions.ensure(connection, now, MONTHS_AHEAD)
        await claims.forget_workers(connection, now - timedelta(hours=1))
        await sites.forget(connection, now - timedelta(days=2))
        for workspace_id in await claims.workspaces(connection):
            await keys.drop_old(connection, workspace_id, now - timedelta(seconds=limits.IDEMPOTENCY_WINDOW_S))
            await mass.drop_old(connection, workspace_id, now)
            await counts.drop_old(connection, workspace_id, now)
            await receiver_reports.drop_old(connection, workspace_id, now)
            await login_failures.drop_old(connection, workspace_id, now)
