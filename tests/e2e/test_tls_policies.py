"""What receivers publish about encryption, from the DNS and a policy file to the attempt in the ledger and the day's counters."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import Any

from tests.certificates import Identity, issued, pem
from tests.corridor import Corridor, open_corridor
from tests.lab_servers import Sink, name_server, sink, until
from tests.web_files import serving

from posthouse.delivery import host, internet, tls_results
from posthouse.delivery.internet import World
from posthouse.ledger import timeline
from posthouse.model.mail import Accepted
from posthouse.model.words import State

OFFER = b"250-sink.test\r\n250 STARTTLS\r\n"
ROOT = issued(ca=True)
POLICY = b"version: STSv1\nmode: enforce\nmx: mx.sts.test\nmax_age: 86400\n"
KEY = issued("mx.dane.test")


@dataclass
class House:
    """A corridor that delivers through the DNS to one receiver, whatever the domain."""

    corridor: Corridor
    receiver: Sink

    async def attempt(self, accepted: Accepted) -> Any:
        """The only attempt of its only mail, once it has been made."""
        workspace_id = self.corridor.submitter.workspace_id
        ids = [row.recipient_id for row in await self.corridor.recipients(accepted.message_id)]
        async with asyncio.timeout(30):
            while True:
                async with self.corridor.process.pool.acquire() as connection:
                    found = await timeline.attempts(connection, workspace_id, accepted.message_id, ids)
                if found:
                    return found[0]
                await asyncio.sleep(0.02)

    async def counted(self) -> dict[tuple[str, str, str], int]:
        async with self.corridor.process.pool.acquire() as connection:
            rows = await tls_results.of_day(connection, datetime.now(UTC).date(), "", 100)
        return {(row.domain, row.policy.value, row.result.value): row.sessions for row in rows}


@asynccontextmanager
async def house(make_process: Any, folder: Path, shown: Identity) -> AsyncIterator[House]:
    policy_host = issued("mta-sts.sts.test", by=ROOT)
    async with (
        sink({"EHLO": OFFER}, context=shown.context(folder)) as receiver,
        serving(policy_host.context(folder)) as files,
    ):
        files.say(POLICY)
        async with name_server(_zone(receiver.port)) as names, open_corridor(make_process) as corridor:
            names.secure, names.insecure = True, {"sts.test.", "plain.test."}
            settings = {"resolvers": (names.address,), "allow_private_mx": True}
            process = make_process("delivery", delivery=settings, inbound={"port": 0})  # loopback is no MX of ours
            world = World(receiver.port, files.port, pem(folder, ROOT))
            async with internet.opened(process, world) as road:
                serving_role = asyncio.create_task(host.serve(process, road.courier, SystemRandom()))
                try:
                    yield House(corridor, receiver)
                finally:
                    process.stopping.set()
                    await serving_role


def _zone(port: int) -> dict[tuple[str, str], Any]:
    zone: dict[tuple[str, str], Any] = {("mta-sts.sts.test.", "A"): ["127.0.0.1"]}
    for domain in ("dane.test.", "sts.test.", "plain.test."):
        zone[domain, "MX"] = [f"10 mx.{domain}"]
        zone[f"mx.{domain}", "A"] = ["127.0.0.1"]
    zone[f"_{port}._tcp.mx.dane.test.", "TLSA"] = [f"3 1 1 {hashlib.sha256(KEY.spki).hexdigest()}"]
    zone["_mta-sts.sts.test.", "TXT"] = ['"v=STSv1; id=1;"']
    return zone


async def test_an_attempt_tells_how_the_receiver_was_verified(make_process: Any, tmp_path: Path) -> None:
    async with house(make_process, tmp_path, KEY) as here:
        dane = await here.corridor.send("ann@dane.test")
        assert (await here.attempt(dane)).tls.endswith(", verified by DANE")
        plain = await here.corridor.send("ann@plain.test")
        assert "verified" not in (await here.attempt(plain)).tls
    assert await here.counted() == {
        ("dane.test", "tlsa", "success"): 1,
        ("plain.test", "no-policy-found", "success"): 1,
    }


async def test_mail_under_an_enforced_policy_waits_for_a_valid_certificate(make_process: Any, tmp_path: Path) -> None:
    async with house(make_process, tmp_path, issued("mx.sts.test", by=ROOT)) as here:
        sent = await here.corridor.send("ann@sts.test")
        assert (await here.attempt(sent)).tls.endswith(", verified by MTA-STS")
        await until(lambda: len(here.receiver.mails) == 1)
        here.receiver.context = KEY.context(tmp_path)
        for writer in list(here.receiver.writers):
            writer.transport.abort()
        await until(lambda: not here.receiver.open)
        late = await here.corridor.send("ann@sts.test")
        attempt = await here.attempt(late)
        assert "the domain's MTA-STS policy demands a valid one" in attempt.text
        (row,) = await here.corridor.recipients(late.message_id)
        assert row.state is State.WAITING
    assert len(here.receiver.mails) == 1
    assert await here.counted() == {
        ("sts.test", "sts", "success"): 1,
        ("sts.test", "sts", "certificate-not-trusted"): 1,
    }
