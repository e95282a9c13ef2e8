"""Asks PostgreSQL which of its connections wait for a lock, from outside the simulation."""

import asyncio
import threading
from typing import Any

from posthouse.runtime import postgres

_BLOCKED = "SELECT pid FROM unnest($1::int[]) pid WHERE pg_blocking_pids(pid) && $2::int[]"


class LockWatch:
    """A connection on a thread of its own, so that the simulated world can stand still while it asks."""

    def __init__(self, dsn: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="locks", daemon=True)
        self._thread.start()
        self._connection: Any = self._call(postgres.connect(dsn, name="locks"))

    def blocked(self, pids: set[int], ours: set[int]) -> set[int]:
        """Of these server processes, those that wait for a lock one of `ours` holds."""
        return {row["pid"] for row in self._call(self._connection.fetch(_BLOCKED, list(pids), list(ours)))}

    def close(self) -> None:
        """Ends connection and thread."""
        self._call(self._connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)
