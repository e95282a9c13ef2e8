"""Who looks for mail that was announced: the process that sends to its domain, and those who do not know yet which one that is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from random import Random
from typing import cast

import pytest
from tests.conftest import ManualClock
from tests.corridor import MakeProcess

from posthouse.delivery.courier import Courier, Plan, Target
from posthouse.delivery.dispatch import Dispatcher
from posthouse.delivery.lease import Lease
from posthouse.delivery.prepare import Preparer
from posthouse.delivery.shaping_file import ShapingFile
from posthouse.model.words import Pool
from posthouse.outbox import announcements, claims

DOMAINS = [f"receiver{number}.test" for number in range(30)]
MARKETING = {Pool.MARKETING}


class Straight:
    """Every domain is its own server."""

    async def route(self, domain: str) -> Plan:
        return Plan(domain, (Target(domain, "192.0.2.1", 25),))


@pytest.fixture
async def dispatchers(make_process: MakeProcess, clock: ManualClock) -> AsyncIterator[list[Dispatcher]]:
    """Two of the marketing pool that know of each other."""
    async with contextlib.AsyncExitStack() as stack:
        made = []
        for _ in range(2):
            process = make_process("marketing")
            process.clock = clock
            lease = await stack.enter_async_context(Lease(process, Pool.MARKETING))
            rules = ShapingFile(process.settings, process.log)
            courier, nobody = cast("Courier", Straight()), cast("Preparer", None)
            made.append(Dispatcher(process, Pool.MARKETING, courier, nobody, lease, rules, Random(1)))
        async with process.pool.acquire() as connection:
            for each in made:
                each.owned.peers = await claims.live_workers(connection, Pool.MARKETING, clock.now())
        yield made


async def _knows(dispatcher: Dispatcher, domains: list[str] = DOMAINS) -> None:
    """As after looking at mail for all of these."""
    asked = [domain for domain in domains if dispatcher._destinations.way(domain) is None]
    async with asyncio.timeout(30):
        while any(dispatcher._destinations.way(domain) is None for domain in asked):
            dispatcher._wake.clear()
            await dispatcher._wake.wait()


def _looks(dispatcher: Dispatcher, said: str) -> bool:
    dispatcher._wake.clear()
    dispatcher.hear(announcements.read(said))
    return dispatcher._wake.is_set()


async def test_of_those_who_know_the_way_only_the_one_that_sends_there_looks(dispatchers: list[Dispatcher]) -> None:
    for each in dispatchers:
        await _knows(each)
    looking = [[_looks(each, announcements.text(MARKETING, {domain})) for each in dispatchers] for domain in DOMAINS]
    assert all(sum(both) == 1 for both in looking)
    assert 5 < sum(first for first, _ in looking) < 25
    assert all(_looks(each, announcements.text(MARKETING, set(DOMAINS))) for each in dispatchers)


async def test_who_does_not_know_the_way_looks(dispatchers: list[Dispatcher]) -> None:
    assert all(_looks(each, announcements.text(MARKETING, {"new.test"})) for each in dispatchers)


async def test_when_anything_may_be_meant_everybody_looks(dispatchers: list[Dispatcher]) -> None:
    for each in dispatchers:
        await _knows(each)
        assert _looks(each, announcements.text(MARKETING))
        assert _looks(each, ""), "what was said while the connection was gone is not known"


async def test_mail_of_other_pools_is_no_reason_to_look(dispatchers: list[Dispatcher]) -> None:
    assert not any(_looks(each, announcements.text({Pool.TRANSACTIONAL})) for each in dispatchers)


async def test_what_a_process_sent_to_is_anothers_once_that_one_is_known(dispatchers: list[Dispatcher]) -> None:
    first = dispatchers[0]
    both = first.owned.peers
    first.owned.peers = ()
    await _knows(first)
    assert all(_looks(first, announcements.text(MARKETING, {domain})) for domain in DOMAINS)
    first.owned.peers = both
    assert not all(_looks(first, announcements.text(MARKETING, {domain})) for domain in DOMAINS)
