"""Keeps every process of the product running.

    Supervisor.run     one Keeper per seat; when asked to stop: SIGTERM to all, DRAIN_S of patience, then SIGKILL
    Keeper.keep        start the process, wait for its "ready", wait for its end, wait the back-off, again

Each child holds one end of a socket pair, its lifeline: it writes "ready" to it, and reads its end of file when this process is
gone, however that happened. Settings travel as environment, so a child reads no file and cannot disagree with its supervisor.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

from posthouse.model import limits
from posthouse.runtime.child import Child
from posthouse.runtime.log import Logger
from posthouse.runtime.process import LIFELINE, READY_LINE
from posthouse.runtime.seats import Seat, seats
from posthouse.runtime.settings import Settings
from posthouse.runtime.settings_source import PREFIX, to_environ

_KILL_GRACE_S: Final = 2.0  # a role ends itself at DRAIN_S; only one that hangs needs more


class RoleError(Exception):
    """A role ended again and again without ever having been ready; its own log says why."""


def pause_before_restart(failures: int, ran_s: float) -> float:
    """Seconds to wait before a process is started again after its `failures`-th end in a row."""
    if ran_s >= limits.RESTART_FORGIVEN_S:
        return 0.0
    return float(min(limits.RESTART_CAP_S, limits.RESTART_FIRST_S * 2 ** (failures - 1)))


class Keeper:
    """Keeps one seat taken."""

    def __init__(self, seat: Seat, environ: Mapping[str, str], log: Logger) -> None:
        self.seat = seat
        self.ready = asyncio.Event()
        self._environ = environ
        self._log = log.bind(process=seat.name)
        self._child: Child | None = None
        self._stopping = asyncio.Event()
        self._failures = 0

    @property
    def pid(self) -> int:
        """The process id; 0 while there is none."""
        return self._child.pid if self._child and not self._child.ended else 0

    async def keep(self) -> None:
        """Until `stop`. Raises RoleError when it never becomes ready."""
        while not self._stopping.is_set():
            began = time.monotonic()
            status = await self._live()
            if self._stopping.is_set():
                return
            ran_s = time.monotonic() - began
            self._failures = 1 if ran_s >= limits.RESTART_FORGIVEN_S else self._failures + 1
            pause_s = pause_before_restart(self._failures, ran_s)
            self._log.error("process.died", status=status, ran_s=round(ran_s, 1), restart_in_s=pause_s)
            if not self.ready.is_set() and self._failures >= limits.FAILURES_BEFORE_READY:
                raise RoleError(f"{self.seat.name} ended {self._failures} times before it was ready")
            await asyncio.sleep(pause_s)

    async def stop(self, number: signal.Signals, patience_s: float) -> bool:
        """Send a signal and wait for the end; whether it came. Afterwards the process is not started again."""
        self._stopping.set()
        if self._child is None:
            return True
        self._child.send(number)
        return await self._child.ends_within(patience_s)

    async def _live(self) -> int:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            child = self._child = Child.start(
                _command(self.seat),
                environ={**self._environ, LIFELINE: str(theirs.fileno())},
                pass_fds=(theirs.fileno(),),
            )
            theirs.close()
            self._log.debug("process.started", process_pid=child.pid)
            hearing = asyncio.create_task(self._hear(ours))
            try:
                return await child.wait()
            finally:
                hearing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await hearing

    async def _hear(self, lifeline: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):
            if await asyncio.get_running_loop().sock_recv(lifeline, len(READY_LINE)) == READY_LINE:
                self.ready.set()


def _command(seat: Seat) -> list[str]:
    return [sys.executable, "-m", "posthouse.cli.role", seat.role, str(seat.index), str(seat.metrics_port)]


class Supervisor:
    """All seats of this machine. `settings.postgres.dsn` names the database, the embedded one included."""

    def __init__(self, settings: Settings, log: Logger) -> None:
        foreign = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        foreign.pop("NOTIFY_SOCKET", None)  # systemd hears from us, not from each role
        environ = {**foreign, **to_environ(settings)}
        self._log = log
        self._keepers = [Keeper(seat, environ, log) for seat in seats(settings)]

    def pids(self) -> dict[str, int]:
        """The process id of every seat that is taken."""
        return {keeper.seat.name: keeper.pid for keeper in self._keepers if keeper.pid}

    async def all_ready(self) -> None:
        """Wait until every seat was ready once."""
        await asyncio.gather(*(keeper.ready.wait() for keeper in self._keepers))

    async def run(self, stopping: asyncio.Event, hurry: asyncio.Event) -> None:
        """Keep every seat taken until `stopping`, then drain; `hurry` ends the draining. Raises RoleError."""
        keeping = [asyncio.create_task(keeper.keep()) for keeper in self._keepers]
        asked = asyncio.create_task(stopping.wait())
        try:
            done, _ = await asyncio.wait({asked, *keeping}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {asked}:
                task.result()
        finally:
            asked.cancel()
            await self._drain(hurry)
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)

    async def _drain(self, hurry: asyncio.Event) -> None:
        self._log.info("supervisor.draining", limit_s=limits.DRAIN_S)
        hurried = asyncio.create_task(hurry.wait())
        draining = asyncio.create_task(self._stop(signal.SIGTERM, limits.DRAIN_S + _KILL_GRACE_S))
        await asyncio.wait({hurried, draining}, return_when=asyncio.FIRST_COMPLETED)
        for task in (hurried, draining):
            task.cancel()
        await self._stop(signal.SIGKILL, _KILL_GRACE_S)

    async def _stop(self, number: signal.Signals, patience_s: float) -> Sequence[bool]:
        return await asyncio.gather(*(keeper.stop(number, patience_s) for keeper in self._keepers))
