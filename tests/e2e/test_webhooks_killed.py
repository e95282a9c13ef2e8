"""The role of the webhooks as a process of its own: killed with everything in its hands, nothing goes untold."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.hook_consumer import Hook, consuming
from tests.hook_world import LOOPBACK, open_hooks

from posthouse.model import limits
from posthouse.model.words import EventKind
from posthouse.runtime.process import Process
from posthouse.runtime.settings import Settings
from posthouse.runtime.settings_source import to_environ

pytestmark = pytest.mark.anyio
MESSAGES = 60
SOURCES = Path(__file__).parents[2] / "src"
LEASE_S = 5.0
# The role as the supervisor starts it, but nobody has time to wait for the real lease.
ROLE = f"from posthouse.model import limits; limits.WEBHOOK_LEASE_S = {LEASE_S}; from posthouse.cli import role; role.main()"


async def started(settings: Settings, dsn: str) -> asyncio.subprocess.Process:
    environ = to_environ(settings.with_("webhooks", **LOOPBACK).with_("postgres", dsn=dsn))
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ROLE, "webhooks", "1", "0"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), **environ},
        stderr=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )


async def test_no_event_is_lost_and_none_out_of_order_when_the_process_is_killed(
    make_process: Callable[..., Process], settings: Settings, owner_dsn: str
) -> None:
    async with consuming() as consumer, open_hooks(make_process) as hooks:

        async def act(_: Hook) -> int:
            await asyncio.sleep(0.1)
            return 200

        consumer.act = act
        made = await hooks.add(consumer.url())
        accepted = await hooks.send(MESSAGES)
        expected = {event for each in accepted for event in await hooks.happened(each, EventKind.DELIVERED)}
        for killed_at in (10, 40):
            role = await started(settings, owner_dsn)
            await consumer.until(killed_at, 30)
            role.send_signal(signal.SIGKILL)
            await role.wait()
        role = await started(settings, owner_dsn)
        try:
            await hooks.until(made, ["delivered"] * 2 * MESSAGES, LEASE_S + 30)
        finally:
            role.terminate()
            await role.wait()
        told = [hook.id for hook in consumer.hooks]
        assert expected <= {each.event_id for each in await hooks.deliveries(made)}
        assert len(set(told)) == 2 * MESSAGES
        assert len(told) <= 2 * MESSAGES + 2 * limits.WEBHOOK_HELD
        for each in accepted:
            types = [hook.type for hook in consumer.hooks if hook.message_id == str(each.message_id)]
            assert list(dict.fromkeys(types)) == ["message.accepted", "message.delivered"]
