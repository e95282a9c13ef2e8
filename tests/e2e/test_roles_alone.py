"""Roles that run alone, several times over, against one external PostgreSQL: as on several hosts behind one database."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tests.corridor import MakeProcess

from free_ports import free_port
from lab_servers import Sink, sink
from posthouse.accounts import bootstrap
from posthouse.runtime.settings import Settings

PATIENCE_S = 60.0
DOMAINS = 30
HERE = (
    *("127.0.0.1", "127.0.1", "127.1", "localhost", "0x7f.1", "0x7f.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433"),
    *("0177.1", "0177.0.1", "0177.0.0.1", "127.0x1", "127.0.0x1", "127.0.0.0x1"),
)  # many names of this machine, so that there are many sites to be shared out
_DELIVERED = re.compile(r'^posthouse_attempts_total\{.*outcome="delivered".*\} ([0-9.]+)', re.MULTILINE)
_SUBJECT = re.compile(rb"^Subject: ([^\r\n]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Alone:
    """One `posthouse run ROLE`, with its health port and the port of its pages."""

    process: Process
    metrics_port: int
    port: int

    async def ready(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return (await self.get("/readyz")).status_code == 200
        return False

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            return await client.get(f"http://127.0.0.1:{self.metrics_port}{path}")

    async def delivered(self) -> int:
        """By this process alone."""
        found = _DELIVERED.search((await self.get("/metrics")).text)
        return int(float(found[1])) if found else 0

    async def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


@dataclass(slots=True)
class Hosts:
    """Everything several hosts share: the database, the key-encryption key, and a key of the API."""

    environ: dict[str, str]
    key: str
    started: list[Alone]

    async def run(self, role: str, index: int) -> Alone:
        metrics_port, port = free_port(), free_port()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "posthouse.cli.main", "run", role, "--index", str(index), "--metrics-port", str(metrics_port),
            env={**self.environ, "POSTHOUSE_WEB_PORT": str(port)}, stdin=DEVNULL, stdout=DEVNULL,
        )  # fmt: skip
        alone = Alone(process, metrics_port, port)
        self.started.append(alone)
        return alone

    async def send(self, web: Alone, subject: str) -> None:
        """A mail to each of DOMAINS domains."""
        headers = {"authorization": f"Bearer {self.key}"}
        mails = [
            {
                "from": "shop@example.com",
                "to": [f"anna@d{number}.test"],
                "subject": f"{subject} {number}",
                "text": "Hello",
            }
            for number in range(DOMAINS)
        ]
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            answer = await client.post(f"http://127.0.0.1:{web.port}/v1/messages", json=mails, headers=headers)
        assert (answer.status_code, answer.json()["accepted"]) == (202, DOMAINS)


def _routes(port: int) -> dict[str, str]:
    return {f"d{number}.test": f"{HERE[number % len(HERE)]}:{port}" for number in range(DOMAINS)}


@pytest.fixture
async def receiver() -> AsyncIterator[Sink]:
    async with sink() as running:
        yield running


@pytest.fixture
async def hosts(
    make_process: MakeProcess, settings: Settings, owner_dsn: str, receiver: Sink, tmp_path: Path
) -> AsyncIterator[Hosts]:
    known = await bootstrap.ensure(make_process("supervisor", lab={"enabled": True}))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POSTHOUSE_")}
    rules = tmp_path / "shaping.toml"
    rules.write_text('[default]\nidle = "1h"\n')  # longer than any test: nobody is to wait until it is over
    given = {
        "POSTHOUSE_DATA": str(settings.data),
        "POSTHOUSE_DELIVERY_SHAPING_FILE": str(rules),
        "POSTHOUSE_POSTGRES_DSN": owner_dsn,
        "POSTHOUSE_DELIVERY_ROUTES": json.dumps(_routes(receiver.port)),
    }
    running = Hosts(inherited | given, known.api_key, [])
    yield running
    for alone in running.started:
        if alone.process.returncode is None:
            alone.process.kill()
            await alone.process.wait()


async def test_two_of_each_share_the_work_and_one_takes_over_when_the_other_leaves(
    hosts: Hosts, receiver: Sink
) -> None:
    webs = [await hosts.run("web", index) for index in (1, 2)]
    deliveries = [await hosts.run("transactional", index) for index in (1, 2)]
    await _all_ready([*webs, *deliveries])
    sent = 0
    async with asyncio.timeout(PATIENCE_S):
        # The first that is up takes what there is until it has heard of the other.
        while not (sent >= len(webs) and all([await delivery.delivered() for delivery in deliveries])):
            await hosts.send(webs[sent % len(webs)], f"wave {sent}")
            sent += 1
            await _received(receiver, sent * DOMAINS)
    assert await deliveries[0].end() == 0
    assert await webs[0].end() == 0
    await hosts.send(webs[1], "after one left")
    await _received(receiver, (sent + 1) * DOMAINS)
    assert [await alone.end() for alone in (webs[1], deliveries[1])] == [0, 0]
    assert set(_times(receiver).values()) == {1}
    assert len(_times(receiver)) == (sent + 1) * DOMAINS


async def test_one_that_joins_sends_where_the_connections_of_the_other_are_idle(hosts: Hosts, receiver: Sink) -> None:
    web, first = await hosts.run("web", 1), await hosts.run("transactional", 1)
    await _all_ready([web, first])
    await hosts.send(web, "to the first")
    await _received(receiver, DOMAINS)
    second = await hosts.run("transactional", 2)
    await _all_ready([second])
    await hosts.send(web, "to both")
    await _received(receiver, 2 * DOMAINS)
    assert DOMAINS < await first.delivered() < 2 * DOMAINS
    assert set(_times(receiver).values()) == {1}


def _times(receiver: Sink) -> Counter[bytes]:
    """How many times each mail came, by its subject."""
    return Counter(found[1] for mail in receiver.mails if (found := _SUBJECT.search(mail.data)))


async def _all_ready(roles: Sequence[Alone]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not all([await role.ready() for role in roles]):
            assert all(role.process.returncode is None for role in roles)
            await asyncio.sleep(0.1)


async def _received(receiver: Sink, mails: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(receiver.mails) < mails:  # noqa: ASYNC110 - the sink is not ours to signal with
            await asyncio.sleep(0.05)
