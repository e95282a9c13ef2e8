"""The verbs of `posthouse queue` that stop mail without touching it: suspend, resume, drain; and what is stopped, by whom."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from posthouse.accounts import workspaces
from posthouse.cli import console, world
from posthouse.cli.console import HERE, Installation, Json, Number, Refused, Room, Yes
from posthouse.cli.queue_actions import PoolName, domain_of, duration
from posthouse.cli.world import EXIT_SETTINGS, Where
from posthouse.intake import operate
from posthouse.intake.operate import Stop
from posthouse.model.sentences import english
from posthouse.model.words import Pool
from posthouse.outbox import suspensions, waiting, workers
from posthouse.outbox.suspensions import Suspension
from posthouse.outbox.workers import Worker

Everyone: TypeAlias = Annotated[bool, Parameter(negative="", help="In every workspace.")]
_NONE: Final = "Nothing is suspended."


@dataclass(frozen=True, slots=True)
class Scope:
    """The mail that is stopped: what is named, both when both are."""

    domain: Annotated[str, Parameter(help="Mail for this destination.", show_default=False)] = ""
    pool: Annotated[PoolName | None, Parameter(help="Mail that leaves by this pool.")] = None
    everything: Annotated[bool, Parameter(negative="", help="All mail of the workspace.")] = False
    mailing: Annotated[
        str, Parameter(help="Marketing with this first tag, or of this mailing type.", show_default=False)
    ] = ""


NOWHERE: Final = Scope()


@dataclass(frozen=True, slots=True)
class Time:
    """For how long; until resumed when nothing is said."""

    lasting: Annotated[str, Parameter(name="--for", help="So long: 90min, 2h, 3d.", show_default=False)] = ""
    until: Annotated[datetime | None, Parameter(help="Until this moment, UTC unless it says its zone.")] = None

    def end(self) -> datetime | None:
        """The moment it ends."""
        if self.lasting:
            return datetime.now(UTC) + duration(self.lasting)
        return self.until.replace(tzinfo=UTC) if self.until and self.until.tzinfo is None else self.until


ALWAYS: Final = Time()


def suspend(
    *,
    scope: Annotated[Scope, Parameter(name="*")] = NOWHERE,
    time: Annotated[Time, Parameter(name="*")] = ALWAYS,
    reason: Annotated[str, Parameter(help="Why: told to whoever asks why the mail waits.")] = "",
    everyone: Everyone = False,
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Stop mail for a destination, of a pool or of a mailing: what is queued and what is yet to come. What is on the wire ends.

    Exit status: 0 done, 1 refused or not confirmed, 2 wrong usage, 3 no database.

    For example:

        posthouse queue suspend --domain example.org --for 2h --reason "They are moving their servers."

        posthouse queue suspend --pool marketing --everyone --reason "Complaints are too many."

        posthouse queue suspend --mailing autumn-news --reason "The price in it is wrong."
    """
    stop = _stop(scope, time, reason, drain=False)
    _begin(stop, where, workspace, everyone=everyone, yes=yes, as_json=as_json)


def drain(
    *,
    scope: Annotated[Scope, Parameter(name="*")] = NOWHERE,
    time: Annotated[Time, Parameter(name="*")] = ALWAYS,
    worker: Annotated[UUID | None, Parameter(help="One delivery process, by its id in `queue workers`.")] = None,
    host: Annotated[str, Parameter(help="Every delivery process of this host.", show_default=False)] = "",
    everyone: Everyone = False,
    yes: Yes = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Take nothing more from the queue, and let what is taken end: for a destination or a pool, or in delivery processes.

    A process that drains leaves its sites to the others of its pool, and stays idle until it is started again.

    Exit status: 0 done, 1 refused or not confirmed, 2 wrong usage, 3 no database.

    For example:

        posthouse queue drain --pool marketing

        posthouse queue drain --host mail2
    """
    if not (worker or host):
        stop = _stop(scope, time, "", drain=True)
        _begin(stop, where, workspace, everyone=everyone, yes=yes, as_json=as_json)
        return
    if scope != NOWHERE or time != ALWAYS:
        console.leave(
            "A process hands over all its mail, for good: no destination, pool or time.", status=EXIT_SETTINGS
        )
    told = console.run(_drain(where, worker, host or None))
    console.show([_worker_view(each) for each in told], lambda: _workers_table(told), as_json=as_json)


def resume(
    *,
    scope: Annotated[Scope, Parameter(name="*")] = NOWHERE,
    suspension: Annotated[
        UUID | None, Parameter(name="--id", help="This one, by its id in `queue suspensions`.")
    ] = None,
    everyone: Everyone = False,
    as_json: Json = False,
    workspace: Number = None,
    where: Installation = HERE,
) -> None:
    """Let mail go again that was suspended or drained: named as it was when it was stopped, or by its id. It goes at its own times.

    Exit status: 0 done, 1 nothing like that is suspended, 2 wrong usage, 3 no database.

    For example:

        posthouse queue resume --domain example.org

        posthouse queue resume --pool marketing --everyone
    """
    if scope == NOWHERE and suspension is None:
        console.leave("Say what to resume: --domain, --pool, --mailing, --everything or --id.", status=EXIT_SETTINGS)
    ended = console.run(_resume(where, workspace, scope, suspension, everyone=everyone))
    console.show(
        [_view(each) for each in ended],
        lambda: "\n".join(f"Resumed: {_what(each)}." for each in ended),
        as_json=as_json,
    )


def show_suspensions(*, as_json: Json = False, workspace: Number = None, where: Installation = HERE) -> None:
    """List what is suspended or drained, by whom, why, and until when.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse queue suspensions

        posthouse queue suspensions --json
    """
    found = console.run(_suspensions(where, workspace))
    console.show([_view(each) for each in found], lambda: _table(found), as_json=as_json)


def show_workers(*, as_json: Json = False, where: Installation = HERE) -> None:
    """List the processes that may hold mail: role, host, since when, and whether they hand over.

    Exit status: 0 done, 2 wrong usage, 3 no database.

    For example:

        posthouse queue workers

        posthouse queue workers --json
    """
    found = console.run(_workers(where))
    console.show([_worker_view(each) for each in found], lambda: _workers_table(found), as_json=as_json)


VERBS: Final[dict[str, Callable[..., None]]] = {
    "suspend": suspend,
    "resume": resume,
    "drain": drain,
    "suspensions": show_suspensions,
    "workers": show_workers,
}


def _stop(scope: Scope, time: Time, reason: str, *, drain: bool) -> Stop:
    pool = Pool(scope.pool) if scope.pool else None
    return Stop(
        pool,
        scope.domain,
        everything=scope.everything,
        drain=drain,
        until=time.end(),
        reason=reason,
        mailing=scope.mailing,
    )


def _begin(stop: Stop, where: Where, number: int | None, *, everyone: bool, yes: bool, as_json: bool) -> None:
    if stop.everything or everyone:
        mail = "all mail" if stop.everything else "this mail"
        console.confirm(f"Stop {mail} {'of every workspace' if everyone else 'of the workspace'}?", yes=yes)
    made = console.run(_suspend(where, number, stop, everyone=everyone))
    word = "Draining" if stop.drain else "Suspended"
    console.show(
        [_view(each) for each in made],
        lambda: "\n".join(f"{word}: {_what(each)}, until {_end(each)}." for each in made),
        as_json=as_json,
    )


async def _suspend(where: Where, number: int | None, stop: Stop, *, everyone: bool) -> list[Suspension]:
    async with _rooms(where, number, everyone=everyone) as rooms:
        return [
            console.accepted(await operate.suspend(room.process, room.workspace.workspace_id, stop, console.actor()))
            for room in rooms
        ]


async def _resume(
    where: Where, number: int | None, scope: Scope, suspension_id: UUID | None, *, everyone: bool
) -> list[Suspension]:
    ended: list[Suspension] = []
    async with _rooms(where, number, everyone=everyone) as rooms:
        for room in rooms:
            ids = [each.suspension_id for each in await _in_force(room) if _is_meant(each, scope, suspension_id)]
            ended += await operate.resume(room.process, room.workspace.workspace_id, ids, console.actor())
    if not ended:
        raise Refused("Nothing like that is suspended; `posthouse queue suspensions` lists what is.")
    return ended


def _is_meant(suspension: Suspension, scope: Scope, suspension_id: UUID | None) -> bool:
    if suspension_id is not None:
        return suspension.suspension_id == suspension_id
    named = (suspension.pool, suspension.domain, suspension.sender_domain, suspension.mailing)
    return named == (scope.pool, domain_of(scope.domain), None, scope.mailing or None)


async def _drain(where: Where, worker_id: UUID | None, host: str | None) -> list[Worker]:
    async with _rooms(where, None, everyone=True) as rooms:
        ids = [room.workspace.workspace_id for room in rooms]
        told = await operate.drain(rooms[0].process, ids, worker_id, host, console.actor()) if rooms else []
    if not told:
        raise Refused(
            "No delivery process like that is there, or it hands over already; `posthouse queue workers` lists all."
        )
    return told


async def _suspensions(where: Where, number: int | None) -> list[Suspension]:
    async with console.opened(where, number) as room:
        return await _in_force(room)


async def _in_force(room: Room) -> list[Suspension]:
    async with room.process.pool.acquire() as connection:
        return await suspensions.in_force(connection, room.workspace.workspace_id, room.process.clock.now())


async def _workers(where: Where) -> list[Worker]:
    async with world.open_world(where.settings()) as process, process.pool.acquire() as connection:
        return await workers.listing(connection, process.clock.now())


@contextlib.asynccontextmanager
async def _rooms(where: Where, number: int | None, *, everyone: bool) -> AsyncIterator[list[Room]]:
    """The workspace that is meant, or every one."""
    if not everyone:
        async with console.opened(where, number) as room:
            yield [room]
        return
    async with world.open_world(where.settings()) as process:
        yield [Room(process, each) for each in await workspaces.listing(process.pool)]


def _what(suspension: Suspension) -> str:
    return english(waiting.scope(suspension))


def _end(suspension: Suspension) -> str:
    return english(suspension.until) if suspension.until else "resumed"


def _view(suspension: Suspension) -> dict[str, Any]:
    return {
        "id": suspension.suspension_id,
        "workspace": suspension.workspace_id,
        "domain": suspension.domain,
        "pool": suspension.pool,
        "sender_domain": suspension.sender_domain,
        "mailing": suspension.mailing,
        "drain": suspension.drain,
        "reason": suspension.reason,
        "created_by": suspension.created_by,
        "created_at": suspension.created_at,
        "until": suspension.until,
    }


def _table(found: Sequence[Suspension]) -> Table | Text:
    rows = [
        (each.suspension_id, _what(each), each.created_by, _end(each), each.reason, each.created_at) for each in found
    ]
    return console.table(("ID", "WHAT", "BY", "UNTIL", "WHY", "SINCE"), rows, _NONE)


def _worker_view(worker: Worker) -> dict[str, Any]:
    return {
        "id": worker.worker_id,
        "role": worker.role,
        "host": worker.host,
        "pid": worker.pid,
        "started_at": worker.started_at,
        "draining_at": worker.draining_at,
    }


def _workers_table(found: Sequence[Worker]) -> Table | Text:
    rows = [
        (each.worker_id, each.role, each.host, each.pid, each.started_at, "hands over" if each.draining_at else "works")
        for each in found
    ]
    return console.table(
        ("ID", "ROLE", "HOST", "PID", "SINCE", "STATE"), rows, "No process is there: `posthouse up` starts all."
    )
