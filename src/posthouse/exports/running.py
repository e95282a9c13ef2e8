"""The task of the worker role: writes exports part by part, each for some parts in turn, and starts what schedules want.

A part is read and packed first, with nothing held open; then it, the place after it and the counts are one commit under the claim. Packing
happens on a thread, so that the worker's other rounds do not wait for it.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from posthouse.exports import jobs, schedules, writing
from posthouse.exports.sources import SOURCES, Period, Source, What
from posthouse.exports.sql import SQL
from posthouse.exports.writing import Format
from posthouse.ledger.counting import SETTLED_S
from posthouse.model import limits
from posthouse.outbox import claims
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.runtime.process import Process

LOOK_S: Final = 1.0
_TIDY_S: Final = 300.0
_CANDIDATES: Final = 10
_PAUSE_S: Final = 0.02  # between parts: what else this process does goes first


@dataclass(frozen=True, slots=True)
class Claimed:
    """An export that is ours until the lease ends."""

    workspace_id: UUID
    export_id: UUID
    claim: UUID
    source: Source
    form: Format
    period: Period
    counted: bool
    parts: int
    octets: int
    position: str
    tries: int


async def main(process: Process) -> None:
    """Until the process stops."""
    tidy_at = 0.0
    while not process.stopping.is_set():
        did = False
        try:
            await schedules.start_due(process)
            did = await turn(process)
            if process.clock.monotonic() >= tidy_at:
                tidy_at = process.clock.monotonic() + _TIDY_S
                await tidy(process)
        except DATABASE_GONE as error:
            process.log.warning("exports.wait", error=str(error))
        except Exception:
            # A mistake of ours about one export stops no other: its lease ends, and after some tries it is given up.
            process.log.exception("exports.failed")
        if not did:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await process.stopping.wait()


async def turn(process: Process) -> bool:
    """Some parts of the export that waits longest; whether there was one."""
    claimed = await _claim(process)
    if claimed is None:
        return False
    if claimed.tries > limits.EXPORT_TRIES:
        await _fail(process, claimed, "It broke off again and again; the log of the worker says why.")
    elif claimed.counted or await _count(process, claimed):
        await _write(process, claimed)
    return True


async def tidy(process: Process) -> None:
    """Takes what has been kept long enough."""
    async with process.pool.acquire() as connection:
        for workspace_id in await claims.workspaces(connection):
            await jobs.drop_old(connection, workspace_id, process.clock.now())


async def _claim(process: Process) -> Claimed | None:
    now = process.clock.now()
    over = now - timedelta(seconds=SETTLED_S)  # nothing can be committed late into a period that ended before
    for found in await process.pool.fetch(SQL.exports_to_do, now, over, _CANDIDATES):
        place, claim = (found["workspace_id"], found["export_id"]), process.ids.new()
        row = await process.pool.fetchrow(SQL.claim_export, *place, claim, now, _lease(now))
        if row is not None:
            return Claimed(
                *place,
                claim,
                SOURCES[What(row["what"])],
                Format(row["format"]),
                Period(found["workspace_id"], row["since"], row["until"]),
                row["expected"] is not None,
                row["parts"],
                row["octets"],
                row["position"],
                row["tries"],
            )
    return None


async def _count(process: Process, claimed: Claimed) -> bool:
    async with process.pool.acquire() as connection:
        expected = await claimed.source.count(connection, claimed.period)
        lease = _lease(process.clock.now())
        return await connection.fetchval(SQL.note_expected, *_place(claimed), expected, lease) is not None


async def _write(process: Process, claimed: Claimed) -> None:
    position, parts, octets = claimed.position, claimed.parts, claimed.octets
    for _ in range(limits.EXPORT_PARTS_PER_TURN):
        if process.stopping.is_set():
            break
        async with process.pool.acquire() as connection:
            rows = await claimed.source.rows(connection, claimed.period, position, limits.EXPORT_PART_ROWS)
        if rows or not parts:  # an export without rows has a part all the same: its columns
            content = await asyncio.to_thread(
                writing.part, claimed.source.columns, [row for _, row in rows], claimed.form, first=not parts
            )
            octets += len(content)
            if octets > limits.EXPORT_OCTETS:
                size = f"{limits.EXPORT_OCTETS // 1_073_741_824} GiB"
                await _fail(process, claimed, f"It is larger than {size}. Ask for a shorter period.")
                return
            position = rows[-1][0] if rows else position
            written = (parts, len(rows), content, position, _lease(process.clock.now()))
            if await process.pool.fetchval(SQL.add_part, *_place(claimed), *written) is None:
                return  # deleted, or another's since our lease ended
            parts += 1
        if len(rows) < limits.EXPORT_PART_ROWS:
            await process.pool.fetchval(SQL.finish_export, *_place(claimed), process.clock.now())
            return
        await asyncio.sleep(_PAUSE_S)
    await process.pool.execute(SQL.give_up_turn, *_place(claimed), process.clock.now())


async def _fail(process: Process, claimed: Claimed, problem: str) -> None:
    process.log.warning("export.failed", export=str(claimed.export_id), problem=problem)
    await process.pool.execute(SQL.fail_export, *_place(claimed), problem)


def _place(claimed: Claimed) -> tuple[UUID, UUID, UUID]:
    return claimed.workspace_id, claimed.export_id, claimed.claim


def _lease(now: datetime) -> datetime:
    return now + timedelta(seconds=limits.EXPORT_LEASE_S)
