"""Clients that submit without pause, and the count afterwards: what was acknowledged, what arrived, what came twice and was not said."""

import asyncio
import base64
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx
from tests.e2e.product import Product
from tests.e2e.recorder import ID_FIELD, Recorder

RECOVERY_S = 60.0
DRAIN_S = 90.0
BODY = (b"x" * 76 + b"\r\n") * 25

Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[], Awaitable[Wire]]


class RefusedError(Exception):
    """A reply that is neither 2xx nor 3xx."""


@dataclass
class Load:
    """Clients that submit one mail after the other for as long as the block runs, each id once and never again."""

    dial: Dial
    clients: int = 8
    destinations: int = 10
    login: tuple[str, str] | None = None
    name: str = "storm"
    acknowledged: set[str] = field(default_factory=set)
    refusals: Counter[int] = field(default_factory=Counter)
    begun: int = 0

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Until the block ends."""
        clients = [asyncio.create_task(self._client()) for _ in range(self.clients)]
        try:
            yield
        finally:
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)

    async def recovers(self) -> float:
        """Seconds until mail is taken again."""
        began, before = time.monotonic(), len(self.acknowledged)
        while len(self.acknowledged) <= before + self.clients:
            assert time.monotonic() - began < RECOVERY_S, "nothing is taken any more"
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    async def _client(self) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, RefusedError):
                await self._session()
            await asyncio.sleep(0.05)

    async def _session(self) -> None:
        reader, writer = await self.dial()
        try:
            await self._reply(reader)
            await self._ask(reader, writer, b"EHLO storm.test\r\n")
            if self.login is not None:
                words = base64.b64encode("\0{}\0{}".format(*self.login).encode())
                await self._ask(reader, writer, b"AUTH PLAIN " + words + b"\r\n")
            while True:
                await self._submit(reader, writer)
                await asyncio.sleep(0.01)
        finally:
            writer.transport.abort()

    async def _submit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.begun += 1
        identity = f"{self.name}-{self.begun}"
        address = f"{identity}@there{self.begun % self.destinations}.test".encode()
        await self._ask(reader, writer, b"MAIL FROM:<ann@example.test>\r\n")
        await self._ask(reader, writer, b"RCPT TO:<" + address + b">\r\n")
        await self._ask(reader, writer, b"DATA\r\n")
        head = b"From: ann@example.test\r\nTo: " + address + b"\r\n" + ID_FIELD + b" " + identity.encode() + b"\r\n\r\n"
        await self._ask(reader, writer, head + BODY + b".\r\n")
        self.acknowledged.add(identity)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await self._reply(reader)

    async def _reply(self, reader: asyncio.StreamReader) -> None:
        line = b"-" * 4
        while line[3:4] == b"-":
            line = await reader.readuntil(b"\r\n")
        if line[:1] not in b"23":
            self.refusals[int(line[:3])] += 1
            raise RefusedError(line)


def into(product: Product) -> Dial:
    """The submission port of a product, wherever its next start puts it."""
    return lambda: asyncio.open_connection(*product.submission)


def await_empty(product: Product) -> None:
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


def unexplained(product: Product, recorder: Recorder) -> list[str]:
    """Mails that arrived more than once although the product never said that this may happen."""
    twice = [identity for identity, count in recorder.arrived.items() if count > 1]
    with product.api() as api:
        return [identity for identity in twice if "unknown" not in _event_kinds(api, recorder.message_ids[identity])]


def _event_kinds(api: httpx.Client, message_id: str) -> set[str]:
    answer = api.get(f"/v1/messages/{message_id}/events")
    answer.raise_for_status()
    return {event["kind"] for event in answer.json()["events"]}


def judge(acknowledged: set[str], recorder: Recorder, not_said: Sequence[str]) -> None:
    """Nothing is lost, and what came twice was said to come twice."""
    lost = acknowledged - recorder.arrived.keys()
    twice = sum(count > 1 for count in recorder.arrived.values())
    print(
        f"{len(acknowledged)} acknowledged, {len(lost)} lost, {twice} arrived more than once, {len(not_said)} of them not said"
    )
    assert not lost
    assert not not_said
