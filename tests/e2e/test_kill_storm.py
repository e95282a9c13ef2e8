"""kill -9 at random moments under load: nothing acknowledged is lost, and what arrives twice is shown as unknown."""

import asyncio
import os
import random

import pytest
from tests.e2e.load import Load, await_empty, into, judge, unexplained
from tests.e2e.product import Product, running
from tests.e2e.recorder import recording

EVERYTHING = "everything"
KILLS = int(os.environ.get("POSTHOUSE_KILLS", "20"))
VICTIMS = (
    *(EVERYTHING, "transactional", "postgres", "submission", "supervisor", "worker"),
    *(EVERYTHING, "transactional.2", "web", "marketing"),
)


async def _strike(product: Product, victim: str) -> None:
    """One kill; without the supervisor or everything else, the way back is a new start."""
    if victim == EVERYTHING:
        await asyncio.to_thread(product.kill_everything)
    else:
        await asyncio.to_thread(product.kill, victim)
    if victim in {EVERYTHING, "supervisor"}:
        await asyncio.to_thread(product.start)


async def storm(rounds: int, seed: int, apart_s: float = 2.0) -> None:
    """Kills, at most so far apart, recoveries, and the count afterwards."""
    chance = random.Random(seed)
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(rounds)]
    chance.shuffle(victims)
    async with recording() as recorder:
        with running(DELIVERY_ROUTES=f'{{"*": "127.0.0.1:{recorder.port}"}}', DELIVERY_RETRY_FIRST_S="1") as product:
            load = Load(into(product))
            async with load.flowing():
                for number, victim in enumerate(victims, 1):
                    await asyncio.sleep(chance.uniform(0.1, apart_s))
                    await _strike(product, victim)
                    back_s = await load.recovers()
                    print(f"round {number}: {victim}, back after {back_s:.2f} s, {len(load.acknowledged)} acknowledged")
            await asyncio.to_thread(await_empty, product)
            judge(load.acknowledged, recorder, await asyncio.to_thread(unexplained, product, recorder))
            assert await asyncio.to_thread(product.stop) == 0


async def test_no_acknowledged_mail_is_lost_when_processes_are_killed() -> None:
    await storm(rounds=4, seed=random.randrange(2**32))


@pytest.mark.slow
@pytest.mark.timeout(7200)
async def test_no_acknowledged_mail_is_lost_in_a_long_storm() -> None:
    await storm(rounds=KILLS, seed=random.randrange(2**32), apart_s=1.0)
