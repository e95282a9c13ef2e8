"""The day's share of an address that is being warmed up: durable, exact, and nothing to transactional mail."""

import asyncio
from datetime import UTC, date, datetime

import pytest
from tests.conftest import ManualClock
from tests.corridor import MakeProcess
from tests.scripted_desk import mails

from posthouse.delivery.rules import Rulebook
from posthouse.delivery.warming import NO_LIMIT, Warming
from posthouse.delivery.warmup import OTHERS, Plan, Warmups
from posthouse.delivery.warmup import Warming as Entry
from posthouse.model.words import Pool

SOURCE = "192.0.2.7"
PLANS = {"default": {OTHERS: Plan("default", (50, 100, 200)), "outlook": Plan("default", (7, 100, 200))}}
BOOK = Rulebook((), Warmups(PLANS, {SOURCE: Entry(SOURCE, date(2026, 11, 21), "default")}))


@pytest.fixture
def warming(make_process: MakeProcess, clock: ManualClock):
    """`warming()`: that of one more process."""

    def make(pool: Pool = Pool.MARKETING) -> Warming:
        process = make_process("marketing")
        process.clock = clock
        return Warming(process, pool, lambda: BOOK, lambda: None)

    return make


async def spent(warming: Warming, provider: str = "google", most: int = 1_000) -> int:
    """How many mails it lets through, at most `most`, one claim after another."""
    total = 0
    async with asyncio.timeout(30):
        while total < most and warming.exhausted([SOURCE], provider, 0.0) is None:
            if left := min(3, warming.left(SOURCE, provider), most - total):
                warming.take(SOURCE, provider, mails(left))
                total += left
            await asyncio.sleep(0)
    return total


async def test_on_day_one_no_more_goes_than_the_plan_says(warming) -> None:
    one = warming()
    assert await spent(one) == 50
    assert one.left(SOURCE, "google") == 0


async def test_a_crash_may_waste_some_of_the_day_and_never_adds_to_it(warming) -> None:
    before = await spent(warming(), most=17)
    after = await spent(warming())
    assert before == 17
    assert 50 - 20 <= before + after <= 50


async def test_two_processes_share_the_day(warming) -> None:
    assert sum(await asyncio.gather(*(spent(warming()) for _ in range(2)))) == 50


async def test_providers_are_counted_each_for_itself_by_their_own_plans(warming) -> None:
    one = warming()
    assert [await spent(one, provider) for provider in ("google", "outlook", OTHERS)] == [50, 7, 50]


async def test_a_new_day_has_its_own_number(warming, clock: ManualClock) -> None:
    one = warming()
    await spent(one)
    clock.advance(86_400)
    assert one.left(SOURCE, "google") == 0  # asked for and not yet granted
    assert await spent(one) == 100
    clock.advance(2 * 86_400)
    assert one.left(SOURCE, "google") == NO_LIMIT


async def test_mail_over_the_number_waits_for_midnight_and_is_told_so(warming, clock: ManualClock) -> None:
    one = warming()
    await spent(one)
    wait = one.exhausted([SOURCE], "google", clock.monotonic())
    assert wait is not None
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    assert wait.until - clock.monotonic() == (midnight - clock.now()).total_seconds()
    assert wait.sentence == f"Warm-up: today {SOURCE} may send 50 to google, and they are sent."


async def test_an_address_that_is_warm_takes_what_the_other_may_not(warming, clock: ManualClock) -> None:
    one = warming()
    await spent(one)
    assert one.left("192.0.2.8", "google") == NO_LIMIT
    assert one.exhausted([SOURCE, "192.0.2.8"], "google", clock.monotonic()) is None


async def test_transactional_mail_is_never_held_back(warming) -> None:
    one = warming(Pool.TRANSACTIONAL)
    for _ in range(100):
        assert one.left(SOURCE, "google") == NO_LIMIT
        one.take(SOURCE, "google", mails(100))
