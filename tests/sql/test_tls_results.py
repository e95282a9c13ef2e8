"""The counters of TLS reporting: added up by day, whatever the database does meanwhile."""

import asyncio
import contextlib

import pytest
import structlog

from posthouse.delivery import tls_results
from posthouse.delivery.tls_results import TlsCount, TlsResults
from posthouse.runtime.metrics import Metrics
from posthouse.wire.tlsrpt import PolicyType, ResultType

HERE = ("there.test", PolicyType.STS, "mx.there.test")


@pytest.fixture
def metrics():
    return Metrics("test")


@pytest.fixture
def results(database, clock, metrics):
    return TlsResults(database, clock, metrics, structlog.get_logger())


async def of_day(database, day, domain=""):
    async with database.acquire() as connection:
        return await tls_results.of_day(connection, day, domain, 100)


async def test_sessions_are_added_up_by_day_domain_policy_host_and_result(results, database, clock):
    today = clock.now().date()
    for _ in range(3):
        results.ended(*HERE, ResultType.SUCCESS)
    results.ended(*HERE, ResultType.CERTIFICATE_EXPIRED)
    results.ended("other.test", PolicyType.NONE, "mx.other.test", ResultType.SUCCESS)
    await results.flush()
    results.ended(*HERE, ResultType.SUCCESS)
    await results.flush()
    await results.flush()
    assert await of_day(database, today, "there.test") == [
        TlsCount(*HERE, ResultType.CERTIFICATE_EXPIRED, 1),
        TlsCount(*HERE, ResultType.SUCCESS, 4),
    ]
    assert len(await of_day(database, today)) == 3
    clock.advance(86_400)
    results.ended(*HERE, ResultType.SUCCESS)
    await results.flush()
    assert await of_day(database, clock.now().date()) == [TlsCount(*HERE, ResultType.SUCCESS, 1)]


async def test_processes_add_to_the_same_counters_at_the_same_time(database, clock):
    several = [TlsResults(database, clock, Metrics("test"), structlog.get_logger()) for _ in range(8)]
    for number, each in enumerate(several):
        for host in sorted(range(50), reverse=bool(number % 2)):
            each.ended("there.test", PolicyType.NONE, f"mx{host}.there.test", ResultType.SUCCESS)
    await asyncio.gather(*(each.flush() for each in several))
    counted = await of_day(database, clock.now().date())
    assert {each.sessions for each in counted} == {8}
    assert len(counted) == 50


async def test_old_days_go(results, database, clock):
    first = clock.now().date()
    results.ended(*HERE, ResultType.SUCCESS)
    await results.flush()
    clock.advance(61 * 86_400)
    await results.flush()
    assert await of_day(database, first) == []


async def test_while_the_database_is_away_the_counters_wait(results, database, clock, monkeypatch):
    class Gone:
        def acquire(self):
            raise ConnectionResetError("the server is away")

    results.ended(*HERE, ResultType.SUCCESS)
    with monkeypatch.context() as away:
        away.setattr(results, "_pool", Gone())
        await results.flush()
        results.ended(*HERE, ResultType.SUCCESS)
    await results.flush()
    assert await of_day(database, clock.now().date()) == [TlsCount(*HERE, ResultType.SUCCESS, 2)]


async def test_what_was_counted_last_is_written_when_the_process_ends(results, database, clock):
    running = asyncio.create_task(results.run())
    await asyncio.sleep(0)
    results.ended(*HERE, ResultType.SUCCESS)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert len(await of_day(database, clock.now().date())) == 1


async def test_the_metrics_tell_whether_dnssec_is_ever_seen(results, metrics):
    results.routed(secure=False)
    results.routed(secure=True)
    results.routed(secure=False)
    results.ended(*HERE, ResultType.SUCCESS)
    text = metrics.render().decode()
    assert 'posthouse_routes_total{dnssec="no"} 2.0' in text
    assert 'posthouse_routes_total{dnssec="yes"} 1.0' in text
    assert 'posthouse_tls_sessions_total{policy="sts",result="success"} 1.0' in text
