"""Tests that open sockets run on uvloop, as the product does, and must leave neither socket nor task behind."""

import asyncio
import contextlib
import time
from pathlib import Path

import pytest


@pytest.fixture
def anyio_backend():
    return ("asyncio", {"use_uvloop": True})


@pytest.fixture
def open_sockets():
    return _sockets


def _sockets():
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(descriptor.readlink()))
    return [link for link in links if link.startswith("socket:")]


def _tasks():
    return [task for task in asyncio.all_tasks() if "TestRunner" not in task.get_coro().__qualname__]


@pytest.fixture
async def nothing_left_behind():
    sockets = len(_sockets())
    yield
    deadline = time.monotonic() + 2
    while len(_sockets()) > sockets or _tasks():
        assert time.monotonic() < deadline, (_sockets(), _tasks())
        await asyncio.sleep(0.01)
