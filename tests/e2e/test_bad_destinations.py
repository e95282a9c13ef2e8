"""Domains whose DNS leads astray, exchanges that refuse, and encryption that does not work, through the whole corridor."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import dns.rcode
from tests.e2e.receiving import Delivery, House
from tests.lab_servers import CLOSE, Sink, Zone, self_signed, sink

from posthouse.model.outcome import Outcome, Stage
from posthouse.model.words import State

OFFER = b"250-sink.test\r\n250-PIPELINING\r\n250 STARTTLS\r\n"


@contextlib.asynccontextmanager
async def refusing(port: int, banner: bytes) -> AsyncIterator[list[float]]:
    """An exchange at 127.0.0.2 that says this and hangs up; when it was asked."""
    asked: list[float] = []

    async def visit(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(asyncio.get_running_loop().time())
        writer.write(banner)
        writer.close()

    async with await asyncio.start_server(visit, "127.0.0.2", port):
        yield asked


@contextlib.asynccontextmanager
async def reached_by_dns(house: House, zone: Zone, *, private: bool = True, **options: Any) -> AsyncIterator[Sink]:
    """A receiver at 127.0.0.3, and mail that goes where the zone says."""
    async with sink(host="127.0.0.3", **options) as receiver:
        settings = {"allow_private_mx": private}
        async with house.running(Delivery(zone=zone, smtp_port=receiver.port, settings=settings)):
            yield receiver


def exchanges(domain: str, *addresses: str) -> Zone:
    """The zone of a domain whose exchanges have these addresses, by preference."""
    zone: Zone = {(f"{domain}.", "MX"): [f"{n} mx{n}.{domain}." for n in range(1, len(addresses) + 1)]}
    return zone | {(f"mx{n}.{domain}.", "A"): [address] for n, address in enumerate(addresses, 1)}


async def test_the_second_exchange_takes_what_the_first_refuses(house: House) -> None:
    zone = exchanges("two.test", "127.0.0.2", "127.0.0.3")
    async with reached_by_dns(house, zone) as receiver, refusing(receiver.port, b"554 5.7.1 not here\r\n") as asked:
        accepted = await house.corridor.send("bob@two.test")
        row = await house.row(accepted)
    assert (row.state, row.attempts) == (State.DELIVERED, 1)
    assert row.remote == "mx2.two.test [127.0.0.3]"
    assert len(asked) == 1
    (attempt,) = await house.tried(accepted, 1)
    assert "554 5.7.1 not here" in attempt.transcript


async def test_a_lone_null_mx_is_final_and_nobody_is_dialled(house: House) -> None:
    async with reached_by_dns(house, {("null.test.", "MX"): ["0 ."], ("null.test.", "A"): ["127.0.0.3"]}) as receiver:
        row = await house.row(await house.corridor.send("bob@null.test"))
    assert (row.state, row.code, row.enhanced) == (State.BOUNCED, 556, "5.1.10")
    assert receiver.connections == 0


async def test_an_exchange_at_127_0_0_1_is_refused_and_never_dialled(house: House) -> None:
    zone = exchanges("loop.test", "127.0.0.3") | exchanges("home.test", "127.0.0.1")
    async with reached_by_dns(house, zone, private=False) as receiver:
        rows = [await house.row(await house.corridor.send(f"bob@{name}.test")) for name in ("loop", "home")]
    assert [(row.state, row.enhanced) for row in rows] == [(State.BOUNCED, "5.4.4")] * 2
    assert receiver.connections == 0


async def test_servfail_waits_nxdomain_is_final_and_nodata_means_the_domain_itself(house: House) -> None:
    zone: Zone = {("broken.test.", "MX"): dns.rcode.SERVFAIL, ("bare.test.", "A"): ["127.0.0.3"]}
    async with reached_by_dns(house, zone) as receiver:
        broken = await house.corridor.send("bob@broken.test")
        gone = await house.row(await house.corridor.send("bob@gone.test"))
        bare = await house.row(await house.corridor.send("bob@bare.test"))
        waiting = await house.row(broken, lambda row: row.attempts > 0)
        (attempt, *_) = await house.tried(broken, 1)
    assert (attempt.outcome, attempt.stage, attempt.enhanced) == (Outcome.TRANSIENT, Stage.DNS, "4.4.3")
    assert waiting.state in {State.WAITING, State.READY, State.CLAIMED}
    assert (gone.state, gone.enhanced) == (State.BOUNCED, "5.1.2")
    assert (bare.state, len(receiver.mails)) == (State.DELIVERED, 1)


async def test_starttls_offered_then_broken_means_the_clear_on_a_new_connection(house: House) -> None:
    zone = exchanges("broken-tls.test", "127.0.0.3")
    reactions: dict[str, Any] = {"EHLO": OFFER, "STARTTLS": [b"220 go ahead\r\n", CLOSE]}
    async with reached_by_dns(house, zone, reactions=reactions, context=_no_tls()) as receiver:
        accepted = await house.corridor.send("bob@broken-tls.test")
        row = await house.row(accepted)
        again = await house.row(await house.corridor.send("carl@broken-tls.test"))
    assert (row.state, row.attempts, again.state) == (State.DELIVERED, 1, State.DELIVERED)
    assert [mail.encrypted for mail in receiver.mails] == [False, False]
    assert receiver.commands.count("STARTTLS") == 1, "it is remembered"
    assert (await house.tried(accepted, 1))[0].tls == ""


def _no_tls() -> Any:
    """A context that can greet nobody: it has no certificate."""
    import ssl

    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)


async def test_a_self_signed_certificate_encrypts_and_proves_nothing(house: House, tmp_path: Path) -> None:
    context, _ = self_signed(tmp_path)
    zone = exchanges("self-signed.test", "127.0.0.3")
    async with reached_by_dns(house, zone, reactions={"EHLO": OFFER}, context=context) as receiver:
        accepted = await house.corridor.send("bob@self-signed.test")
        row = await house.row(accepted)
        picky = await house.corridor.send("carl@self-signed.test", verified_tls=True)
        (attempt, *_) = await house.tried(picky, 1)
    assert row.state is State.DELIVERED
    assert [mail.encrypted for mail in receiver.mails] == [True]
    (first,) = await house.tried(accepted, 1)
    assert first.tls.startswith("TLSv1.3")
    assert "verified" not in first.tls
    assert (attempt.outcome, attempt.stage) == (Outcome.TRANSIENT, Stage.TLS)
