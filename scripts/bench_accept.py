#!/usr/bin/env python3
"""How long `POST /v1/messages` takes at a given rate: an open-loop load of an installation, with the standard library alone.

    posthouse up --lab --json > up.json &
    scripts/bench_accept.py --url http://127.0.0.1:8600 --key ph_1_... --rate 500 --seconds 20

Requests leave when they are due, whether or not earlier ones have been answered, and a latency counts from the moment a request was
due: a server that stalls cannot slow its own measurement down. Connections are kept alive; another is opened when all are waiting.
Prints one line of JSON: asked and answered rate, statuses, the latency's quantiles in milliseconds, connections opened, and `behind_ms`,
how late this program itself sent a request at worst (if that is not small, the numbers say more about it than about the server).
Exit status 1 if any request got another answer than 202.
"""

import argparse
import asyncio
import gc
import json
import sys
import time
from collections import Counter
from urllib.parse import urlsplit


class Connection(asyncio.Protocol):
    """One kept-alive connection; `ask` gives the status of one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < _content_length(head):
            return
        self._buffer = b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(int(head.split(b" ", 2)[1]))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server closed the connection"))

    async def ask(self, request: bytes) -> int:
        """Send it and wait for the whole answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """The end."""
        if self._transport is not None:
            self._transport.close()


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


class Load:
    """The requests of one run and what became of them."""

    def __init__(self, url: str, key: str, size: int) -> None:
        place = urlsplit(url)
        self._host, self._port = place.hostname or "127.0.0.1", place.port or 80
        self._key, self._text = key, ("x" * 76 + "\n") * (size // 77)
        self._idle: list[Connection] = []
        self.opened = 0
        self.statuses: Counter[str] = Counter()
        self.latencies_s: list[float] = []
        self.behind_s = 0.0

    async def run(self, rate: float, seconds: float) -> None:
        """Every request at its time, then wait for the last answers."""
        began = time.perf_counter() + 0.1
        pending = []
        for number in range(round(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(due - time.perf_counter())
            self.behind_s = max(self.behind_s, time.perf_counter() - due)
            pending.append(asyncio.create_task(self._one(number, due)))
        await asyncio.gather(*pending)

    def close(self) -> None:
        """Close every connection."""
        for connection in self._idle:
            connection.close()

    async def _one(self, number: int, due: float) -> None:
        try:
            connection = self._idle.pop() if self._idle else await self._open()
            status = str(await connection.ask(self._request(number)))
            self._idle.append(connection)
        except OSError as error:
            status = type(error).__name__
        self.statuses[status] += 1
        self.latencies_s.append(time.perf_counter() - due)

    async def _open(self) -> Connection:
        self.opened += 1
        _, connection = await asyncio.get_running_loop().create_connection(Connection, self._host, self._port)
        return connection

    def _request(self, number: int) -> bytes:
        message = {
            "from": "bench@example.com",
            "to": f"r{number}@sink.test",
            "subject": f"Message {number}",
            "text": self._text,
        }
        body = json.dumps(message).encode()
        head = (
            f"POST /v1/messages HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


def report(load: Load, rate: float, took_s: float) -> dict[str, object]:
    """What is printed."""
    ordered = sorted(load.latencies_s)

    def quantile_ms(share: float) -> float:
        return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)

    return {
        "asked_per_s": rate,
        "answered_per_s": round(len(ordered) / took_s, 1),
        "statuses": dict(load.statuses),
        **{
            f"p{name}_ms": quantile_ms(share)
            for name, share in (("50", 0.5), ("90", 0.9), ("99", 0.99), ("99.9", 0.999))
        },
        "max_ms": quantile_ms(1.0),
        "connections": load.opened,
        "behind_ms": round(1000 * load.behind_s, 2),
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8600", help="where the web role answers")
    parser.add_argument("--key", required=True, help="an API key that may send")
    parser.add_argument("--rate", type=float, default=500, help="requests a second")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--warm-up", type=float, default=2, help="seconds at the same rate that are not measured")
    parser.add_argument("--size", type=int, default=5000, help="octets of the text")
    return parser.parse_args()


async def main() -> int:
    """Warm up, measure, print."""
    given = arguments()
    warm_up, load = Load(given.url, given.key, given.size), Load(given.url, given.key, given.size)
    await warm_up.run(given.rate, given.warm_up)
    gc.disable()
    began = time.perf_counter()
    await load.run(given.rate, given.seconds)
    took_s = time.perf_counter() - began
    for each in (warm_up, load):
        each.close()
    print(json.dumps(report(load, given.rate, took_s)))
    return 0 if set(load.statuses) == {"202"} else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
