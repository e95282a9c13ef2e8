"""A consumer of webhooks on loopback that answers as it is told, and verifies signatures by itself from the specification."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Hook:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> Any:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return str(self.told["type"])

    @property
    def message_id(self) -> str:
        return str(self.told["data"].get("message_id", ""))

    def is_signed_with(self, secret: str) -> bool:
        """Standard Webhooks: HMAC-SHA256 of id.timestamp.body under what follows whsec_ in base64, among space-separated v1 ones."""
        assert secret.startswith("whsec_")
        key = base64.b64decode(secret[len("whsec_") :])
        signed = b".".join((self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body))
        wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return any(each == f"v1,{wanted}" for each in self.headers["webhook-signature"].split(" "))


Act = Callable[[Hook], Awaitable[bytes | int]]


async def _well(_: Hook) -> int:
    return 204


@dataclass(slots=True)
class Consumer:
    """`act` says with which status, or octets, a request is answered; b"" hangs up."""

    port: int = 0
    act: Act = _well
    hooks: list[Hook] = field(default_factory=list)
    connections: int = 0
    at_once: int = 0
    most_at_once: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def until(self, count: int, patience_s: float = 30) -> list[Hook]:
        """The requests, once there are so many."""
        async with asyncio.timeout(patience_s):
            while len(self.hooks) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.hooks

    def says(self, *statuses: int) -> None:
        """Answers with these in turn, and with the last from then on."""
        left = list(statuses)

        async def act(_: Hook) -> int:
            return left.pop(0) if len(left) > 1 else left[0]

        self.act = act


@contextlib.asynccontextmanager
async def consuming(context: ssl.SSLContext | None = None) -> AsyncIterator[Consumer]:
    """The consumer for the time of the block."""
    consumer = Consumer()
    visits: set[asyncio.Task[None]] = set()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        visits.add(task)
        consumer.connections += 1
        try:
            while await _exchange(consumer, reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            visits.discard(task)
            writer.close()

    server = await asyncio.start_server(visit, "127.0.0.1", 0, ssl=context)
    consumer.port = server.sockets[0].getsockname()[1]
    try:
        yield consumer
    finally:
        server.close()
        for task in list(visits):
            task.cancel()
        await asyncio.gather(*visits, return_exceptions=True)


async def _exchange(consumer: Consumer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    hook = Hook(first.split(" ")[1], headers, body, time.time())
    consumer.hooks.append(hook)
    consumer.arrived.set()
    consumer.at_once += 1
    consumer.most_at_once = max(consumer.most_at_once, consumer.at_once)
    try:
        said = await consumer.act(hook)
    finally:
        consumer.at_once -= 1
    if said == b"":
        return False
    answer = said if isinstance(said, bytes) else f"HTTP/1.1 {said} Said\r\nContent-Length: 2\r\n\r\nok".encode()
    if said == 204:
        answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    writer.write(answer)
    await writer.drain()
    return True
