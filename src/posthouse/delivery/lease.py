"""A worker's right to hold claims: taken at start, renewed in time, and known to be gone before anybody else acts on it."""

import asyncio
import contextlib
import os
import socket
from datetime import timedelta
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from posthouse.outbox import claims, workers
from posthouse.runtime.postgres import DATABASE_GONE
from posthouse.runtime.process import Process

LEASE_S: Final = 10.0
_RENEW_S: Final = 2.5
_MARGIN_S: Final = 1.0  # we stop this much before others start


class Lease:
    """Use as `async with`. `worker_id` changes when a lease was lost and a new one taken.

    `role` is the pool that is served, or another role that lets it be known that somebody plays it. `draining`: an operator wants
    this process to take no more mail and to hand over what it owns.
    """

    def __init__(self, process: Process, role: str) -> None:
        self.draining = False
        self._process = process
        self._role = role
        self.worker_id: UUID = process.ids.new()
        self._until = 0.0  # monotonic
        self._task: asyncio.Task[None] | None = None

    def valid(self) -> bool:
        """Whether claims made under `worker_id` are surely still ours."""
        return self._process.clock.monotonic() < self._until

    async def __aenter__(self) -> Self:
        await self._register()
        self._task = asyncio.create_task(self._keep(), name="lease")
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._until = 0.0
        with contextlib.suppress(*DATABASE_GONE):
            async with self._process.pool.acquire() as connection:
                await claims.end_lease(connection, self.worker_id, self._process.clock.now())

    async def watch(self) -> None:
        """Never returns; raises what broke the keeping of the lease, which is our bug: the process must end, and start anew."""
        assert self._task is not None
        await asyncio.shield(self._task)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            try:
                await self._renew()
            except DATABASE_GONE as error:
                self._process.log.warning("lease.not_renewed", error=str(error))

    async def _renew(self) -> None:
        begun, now = self._process.clock.monotonic(), self._process.clock.now()
        async with self._process.pool.acquire() as connection:
            kept = await claims.renew(connection, self.worker_id, now, now + timedelta(seconds=LEASE_S))
            draining = await workers.is_draining(connection, self.worker_id)
        if kept:
            self._until = begun + LEASE_S - _MARGIN_S
            self.draining = draining
            return
        # Others may have taken what we held. A new id keeps the two lives apart; mail still in hand settles under the old one.
        self._process.log.warning("lease.lost", worker_id=str(self.worker_id))
        self.worker_id = self._process.ids.new()
        await self._register()

    async def _register(self) -> None:
        begun, now = self._process.clock.monotonic(), self._process.clock.now()
        async with self._process.pool.acquire() as connection:
            await claims.register(
                connection,
                self.worker_id,
                self._role,
                socket.gethostname(),
                os.getpid(),
                now,
                now + timedelta(seconds=LEASE_S),
            )
        self._until = begun + LEASE_S - _MARGIN_S
