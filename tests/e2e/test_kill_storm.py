"""kill -9 at random moments under load: nothing acknowledged is lost, and what arrives twice is shown as unknown."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from tests.e2e.product import Product, running
from tests.e2e.recorder import ID_FIELD, Recorder, recording

CONNECTIONS = 8
DESTINATIONS = 10  # so that every delivery process has some
EVERYTHING = "everything"
VICTIMS = (
    *(EVERYTHING, "transactional", "postgres", "submission", "supervisor", "worker"),
    *(EVERYTHING, "transactional.2", "web", "marketing"),
)
RECOVERY_S = 60.0
DRAIN_S = 90.0
_BODY = (b"x" * 76 + b"\r\n") * 25


@dataclass
class Load:
    """Several clients that submit one mail after the other for as long as the block runs, each id once and never again."""

    product: Product
    acknowledged: set[str] = field(default_factory=set)
    begun: int = 0

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        clients = [asyncio.create_task(self._client()) for _ in range(CONNECTIONS)]
        try:
            yield
        finally:
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)

    async def _client(self) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, _RefusedError):
                await self._session()
            await asyncio.sleep(0.05)

    async def _session(self) -> None:
        reader, writer = await asyncio.open_connection(*self.product.submission)
        try:
            await _reply(reader)
            await _ask(reader, writer, b"EHLO storm.test\r\n")
            while True:
                await self._submit(reader, writer)
                await asyncio.sleep(0.01)
        finally:
            writer.transport.abort()

    async def _submit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.begun += 1
        identity = f"storm-{self.begun}"
        address = f"{identity}@there{self.begun % DESTINATIONS}.test".encode()
        await _ask(reader, writer, b"MAIL FROM:<ann@example.test>\r\n")
        await _ask(reader, writer, b"RCPT TO:<" + address + b">\r\n")
        await _ask(reader, writer, b"DATA\r\n")
        head = b"From: ann@example.test\r\nTo: " + address + b"\r\n" + ID_FIELD + b" " + identity.encode() + b"\r\n\r\n"
        await _ask(reader, writer, head + _BODY + b".\r\n")
        self.acknowledged.add(identity)


class _RefusedError(Exception):
    pass


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await _reply(reader)


async def _reply(reader: asyncio.StreamReader) -> None:
    line = b"-" * 4
    while line[3:4] == b"-":
        line = await reader.readuntil(b"\r\n")
    if line[:1] not in b"23":
        raise _RefusedError(line)


async def _strike(product: Product, victim: str) -> None:
    """One kill; without the supervisor or everything else, the way back is a new start."""
    if victim == EVERYTHING:
        await asyncio.to_thread(product.kill_everything)
    else:
        await asyncio.to_thread(product.kill, victim)
    if victim in {EVERYTHING, "supervisor"}:
        await asyncio.to_thread(product.start)


async def _recovers(load: Load) -> float:
    """Seconds until mail is taken again after a kill."""
    began, before = time.monotonic(), len(load.acknowledged)
    while len(load.acknowledged) <= before + CONNECTIONS:
        assert time.monotonic() - began < RECOVERY_S, "nothing is taken any more"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


def _await_empty(product: Product) -> None:
    """Until nothing is left in the queue."""
    began = time.monotonic()
    with product.api() as api:
        while states := _unsettled(api):
            assert time.monotonic() - began < DRAIN_S, f"still in the queue: {states}"
            time.sleep(0.5)


def _unsettled(api: httpx.Client) -> dict[str, int]:
    try:
        answer = api.get("/v1/queue/shape")
        answer.raise_for_status()
    except httpx.HTTPError as error:
        return {str(error): 1}
    states: dict[str, int] = answer.json()["states"]
    return {state: mails for state, mails in states.items() if mails}


def _unexplained(product: Product, recorder: Recorder) -> list[str]:
    """Mails that arrived more than once although the product never said that this may happen."""
    twice = [identity for identity, count in recorder.arrived.items() if count > 1]
    with product.api() as api:
        return [identity for identity in twice if "unknown" not in _event_kinds(api, recorder.message_ids[identity])]


def _event_kinds(api: httpx.Client, message_id: str) -> set[str]:
    answer = api.get(f"/v1/messages/{message_id}/events")
    answer.raise_for_status()
    return {event["kind"] for event in answer.json()["events"]}


async def storm(rounds: int, seed: int) -> None:
    """Kills, recoveries, and the count afterwards."""
    chance = random.Random(seed)
    victims = [VICTIMS[number % len(VICTIMS)] for number in range(rounds)]
    chance.shuffle(victims)
    async with recording() as recorder:
        with running(DELIVERY_ROUTES=f'{{"*": "127.0.0.1:{recorder.port}"}}', DELIVERY_RETRY_FIRST_S="1") as product:
            load = Load(product)
            async with load.flowing():
                for number, victim in enumerate(victims, 1):
                    await asyncio.sleep(chance.uniform(0.2, 2.0))
                    await _strike(product, victim)
                    back_s = await _recovers(load)
                    print(f"round {number}: {victim}, back after {back_s:.2f} s, {len(load.acknowledged)} acknowledged")
            await asyncio.to_thread(_await_empty, product)
            _judge(load, recorder, await asyncio.to_thread(_unexplained, product, recorder))
            assert await asyncio.to_thread(product.stop) == 0


def _judge(load: Load, recorder: Recorder, unexplained: list[str]) -> None:
    lost = load.acknowledged - recorder.arrived.keys()
    twice = sum(count > 1 for count in recorder.arrived.values())
    print(
        f"{load.begun} begun, {len(load.acknowledged)} acknowledged, {len(lost)} lost, {twice} arrived more than once"
    )
    assert not lost
    assert not unexplained


async def test_no_acknowledged_mail_is_lost_when_processes_are_killed() -> None:
    await storm(rounds=4, seed=random.randrange(2**32))


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_no_acknowledged_mail_is_lost_in_a_long_storm() -> None:
    await storm(rounds=20, seed=random.randrange(2**32))
