"""Whatever happens, every promise is kept: hundreds of simulated histories in `make test`, thousands in `make test-slow`.

A seed that fails is replayed by `python -m tests.sim SEED`.
"""

import asyncio
import os
from typing import Any

import pytest

from tests.sim.player import Player

ALWAYS = 200
MANY = int(os.environ.get("POSTHOUSE_SIM_SEEDS", "3000"))
BATCH = 50


@pytest.mark.parametrize("seed", range(1, ALWAYS + 1))
def test_every_promise_is_kept_whatever_happens(player: Player, seed: int) -> None:
    story = player.play(seed).story
    assert not story, story


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(ALWAYS + 1, ALWAYS + MANY + 1, BATCH))
def test_every_promise_is_kept_in_thousands_of_histories(player: Player, first: int) -> None:
    broken = [story for seed in range(first, first + BATCH) if (story := player.play(seed).story)]
    assert not broken, "\n\n".join(broken)


def test_a_seed_has_one_history_whatever_was_played_before(player: Player, postgres_server: Any) -> None:
    seeds = (18, 10, 11)
    before = [player.play(seed) for seed in seeds]
    assert [player.play(seed) for seed in reversed(seeds)] == before[::-1]
    name = asyncio.run(postgres_server.clone())
    with Player(postgres_server.app_dsn(name), postgres_server.owner_dsn(name)) as another:
        assert [another.play(seed) for seed in seeds] == before
    postgres_server.drop(name)
    assert len({played.digest for played in before}) == len(seeds)
    assert min(played.lines for played in before) > 100
