"""What the health port answers."""

import asyncio
from typing import Any

import pytest

from posthouse.runtime import network
from posthouse.runtime.health import Health, respond, serve
from posthouse.runtime.metrics import Metrics


class Answering:
    """Stands where the database is: it answers, or fails as a lost one does."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def fetchval(self, *_: object) -> Any:
        if self.error:
            raise self.error
        return 1


def health(role_state: str = "ready", error: Exception | None = None) -> Health:
    return Health(Answering(error), lambda: role_state)  # type: ignore[arg-type]


async def answer(path: str, of: Health, method: str = "GET") -> tuple[int, str]:
    response = await respond(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), of, Metrics("web"))
    head, _, body = response.decode().partition("\r\n\r\n")
    assert f"Content-Length: {len(body)}" in head
    return int(head.split()[1]), body


@pytest.mark.parametrize(
    ("path", "of", "status", "says"),
    [
        ("/healthz", health("starting"), 200, "alive"),
        ("/readyz", health(), 200, "ready"),
        ("/readyz?x=1", health(), 200, "ready"),
        ("/readyz", health("starting"), 503, "starting"),
        ("/readyz", health("stopping"), 503, "stopping"),
        (
            "/readyz",
            health(error=ConnectionRefusedError()),
            503,
            "the database does not answer: ConnectionRefusedError",
        ),
        ("/metrics", health(), 200, "posthouse_process_info"),
        ("/", health(), 404, "/metrics"),
    ],
)
async def test_each_path_says_what_it_should(path: str, of: Health, status: int, says: str) -> None:
    got, body = await answer(path, of)
    assert got == status
    assert says in body


async def test_only_get_is_understood() -> None:
    assert (await answer("/healthz", health(), "POST"))[0] == 405


async def test_it_is_served_on_a_port_and_a_client_that_says_nothing_harms_nobody() -> None:
    listener = network.bind("127.0.0.1", 0, "metrics.port")
    port = listener.getsockname()[1]
    server = await serve(listener, health(), Metrics("web"))
    async with server:
        _, silent = await asyncio.open_connection("127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /readyz HTTP/1.1\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\nready\n")
        for each in (silent, writer):
            each.close()
            await each.wait_closed()


def test_a_name_asked_for_twice_is_one_counter() -> None:
    metrics = Metrics("web")
    metrics.counter("accepted_total", "Accepted.", ("door",)).labels("api").inc()
    metrics.counter("accepted_total", "Accepted.", ("door",)).labels("api").inc()
    assert b'posthouse_accepted_total{door="api"} 2.0' in metrics.render()
