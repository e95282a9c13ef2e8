"""Counts how sessions with receivers fared, by day and policy (RFC 8460), and writes the counters down every few seconds.

A session counts once, as its first try fared: mail that went in the clear after TLS broke is a failure for the domain that owns the
host. A policy that could not be had, or TLSA records that could not be looked up, count whenever that happens.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from posthouse.delivery.sql import SQL
from posthouse.model.limits import TLS_RESULTS, TLS_RESULTS_KEPT_DAYS
from posthouse.model.values import dataclass
from posthouse.runtime.clock import Clock
from posthouse.runtime.log import Logger
from posthouse.runtime.metrics import Metrics
from posthouse.runtime.postgres import DATABASE_GONE, Connection, Pool
from posthouse.wire.tlsrpt import PolicyType, ResultType

_FLUSH_S: Final = 5.0
_Key = tuple[date, str, str, str, str]  # day, domain, policy, mx, result


@dataclass(frozen=True, slots=True)
class TlsCount:
    """One counter of a day."""

    domain: str
    policy: PolicyType
    mx: str
    result: ResultType
    sessions: int


class TlsResults:
    """The counters of this process; a `courier_mx.Tally`."""

    def __init__(self, pool: Pool, clock: Clock, metrics: Metrics, log: Logger) -> None:
        self._pool = pool
        self._clock = clock
        self._log = log
        self._pending: Counter[_Key] = Counter()
        self._tidied: date | None = None
        self._sessions = metrics.counter(
            "tls_sessions_total", "Sessions with receivers by policy and result (RFC 8460).", ("policy", "result")
        )
        self._routes = metrics.counter(
            "routes_total", "Domains looked up; with dnssec=no alone DANE never applies.", ("dnssec",)
        )

    def routed(self, *, secure: bool) -> None:
        """A domain's exchanges and their addresses were looked up; `secure`: all of it under DNSSEC."""
        self._routes.labels("yes" if secure else "no").inc()

    def ended(self, domain: str, policy: PolicyType, mx: str, result: ResultType) -> None:
        """A session under this policy of a domain came to this."""
        self._sessions.labels(policy, result).inc()
        key = self._clock.now().date(), domain, policy.value, mx, result.value
        if key in self._pending or len(self._pending) < TLS_RESULTS:  # else the database is long away
            self._pending[key] += 1

    async def run(self) -> None:
        """Writes down what has come together, again and again; the last time when it is cancelled."""
        try:
            while True:
                await asyncio.sleep(_FLUSH_S)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Adds what has been counted to the table; while the database is away it waits here."""
        counted, self._pending = self._pending, Counter()
        try:
            async with self._pool.acquire() as connection:
                await _add(connection, counted)
                await self._tidy(connection)
        except DATABASE_GONE as error:
            self._log.warning("tls_results.wait", error=str(error))
            self._pending.update(counted)
        except asyncio.CancelledError:
            self._pending.update(counted)
            raise

    async def _tidy(self, connection: Connection) -> None:
        today = self._clock.now().date()
        if today != self._tidied:
            await connection.execute(SQL.forget_tls_results, today - timedelta(days=TLS_RESULTS_KEPT_DAYS))
            self._tidied = today


async def _add(connection: Connection, counted: Mapping[_Key, int]) -> None:
    if counted:
        columns = [list(column) for column in zip(*counted, strict=True)]
        await connection.execute(SQL.add_tls_results, *columns, list(counted.values()))


async def of_day(connection: Connection, day: date, domain: str, most: int) -> list[TlsCount]:
    """The counters of one day (UTC), of one domain or ("") of all, failures first."""
    rows = await connection.fetch(SQL.tls_results, day, domain, most)
    return [TlsCount(row[0], PolicyType(row[1]), row[2], ResultType(row[3]), row[4]) for row in rows]
