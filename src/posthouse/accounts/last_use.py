"""When a credential was last used: noted away from the mail it was used for, at most once a minute each."""

import asyncio
from collections import OrderedDict
from datetime import datetime
from uuid import UUID

from posthouse.model import limits
from posthouse.runtime import queries
from posthouse.runtime.clock import Clock
from posthouse.runtime.postgres import DATABASE_GONE, Executor

SQL = queries.load(__package__)


class LastUse:
    """Collects uses and writes what has come together in one statement. A note that gets lost costs nothing."""

    def __init__(self, pool: Executor, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._noted: OrderedDict[UUID, float] = OrderedDict()
        self._pending: dict[tuple[UUID, UUID], datetime] = {}
        self._writing: asyncio.Task[None] | None = None

    def note(self, workspace_id: UUID, credential_id: UUID) -> None:
        """It is being used now."""
        now = self._clock.monotonic()
        noted = self._noted.get(credential_id)
        if noted is not None and now < noted + limits.CREDENTIAL_USE_S:
            return
        self._noted[credential_id] = now
        self._noted.move_to_end(credential_id)
        if len(self._noted) > limits.DIRECTORY_ENTRIES:
            self._noted.popitem(last=False)
        self._pending[workspace_id, credential_id] = self._clock.now()
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="note the use of credentials")

    async def close(self) -> None:
        """Wait until everything noted is written, or cannot be."""
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        while self._pending:
            uses, self._pending = self._pending, {}
            columns = [key[0] for key in uses], [key[1] for key in uses], list(uses.values())
            try:
                await self._pool.execute(SQL.note_use, *columns)
            except DATABASE_GONE:
                return
