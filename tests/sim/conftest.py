"""Where simulations of a module are played."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sim.player import Player
from tests.sim.world import Stage


@pytest.fixture(scope="module")
def stage(postgres_server: Any) -> Iterator[Stage]:
    """In this process, where the product can be tampered with."""
    name = asyncio.run(postgres_server.clone())
    with contextlib.closing(Stage(postgres_server.app_dsn(name), postgres_server.owner_dsn(name))) as opened:
        yield opened
    postgres_server.drop(name)


@pytest.fixture(scope="module")
def player(postgres_server: Any) -> Iterator[Player]:
    """In a process of its own, in which a history is the same every time."""
    name = asyncio.run(postgres_server.clone())
    with Player(postgres_server.app_dsn(name), postgres_server.owner_dsn(name)) as started:
        yield started
    postgres_server.drop(name)
