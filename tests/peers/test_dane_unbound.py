"""DANE through a real validating resolver: what Unbound vouches for is demanded, what it calls bogus is never downgraded."""

import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.certificates import Identity, issued
from tests.lab_servers import Sink, sink
from tests.peers.validating_resolver import Zone, validating_resolver

from posthouse.delivery.connection import SmtpConnection
from posthouse.delivery.courier import ConnectFailure, NoRoute, SitePolicy, Timeouts
from posthouse.delivery.courier_mx import MxCourier
from posthouse.model.dns import DnsStatus
from posthouse.runtime.dns import Resolver
from posthouse.wire.tlsrpt import PolicyType, ResultType

QUICK = SitePolicy(timeouts=Timeouts(connect_s=1, banner_s=1, command_s=1, quit_s=0.2))
OFFER = b"250-sink.test\r\n250 STARTTLS\r\n"
LEAF = issued("mx.signed.test")


class Tally:
    """What was counted."""

    def __init__(self) -> None:
        self.sessions: Counter[tuple[str, str]] = Counter()
        self.secure: Counter[bool] = Counter()

    def routed(self, *, secure: bool) -> None:
        self.secure[secure] += 1

    def ended(self, domain: str, policy: PolicyType, mx: str, result: ResultType) -> None:
        self.sessions[policy.value, result.value] += 1


@dataclass
class World:
    """A receiver, a resolver that validates, and a courier that asks it."""

    receiver: Sink
    resolver: Resolver
    courier: MxCourier
    tally: Tally

    async def opened(self, domain: str) -> SmtpConnection | ConnectFailure | NoRoute:
        plan = await self.courier.route(domain)
        return plan if isinstance(plan, NoRoute) else await self.courier.connect(plan, QUICK)

    def records(self, host: str) -> str:
        return f"_{self.receiver.port}._tcp.{host}"


@asynccontextmanager
async def world(folder: Path, published: Identity) -> AsyncIterator[World]:
    async with sink({"EHLO": OFFER}, context=LEAF.context(folder)) as receiver:
        zones = _zones(receiver.port, f"TLSA 3 1 1 {hashlib.sha256(published.spki).hexdigest()}")
        async with validating_resolver(folder, zones) as address:
            resolver, tally = Resolver([address]), Tally()
            courier = MxCourier(
                helo_name="out.here.test", resolver=resolver, allow_private=True, port=receiver.port,
                rng=random.Random(1), tally=tally,
            )  # fmt: skip
            yield World(receiver, resolver, courier, tally)


def _zones(port: int, tlsa: str) -> list[Zone]:
    """signed.test publishes all there is, unsigned.test the same without signatures, bogus.test with one that is broken."""

    def lines(name: str) -> list[str]:
        return [
            "@ 300 IN MX 10 mx", "mx 300 IN A 127.0.0.1", f"_{port}._tcp.mx 300 IN {tlsa}",
            "nodata 300 IN MX 10 mx2", "mx2 300 IN A 127.0.0.1", f'_{port}._tcp.mx2 300 IN TXT "no TLSA here"',
            "nxdomain 300 IN MX 10 mx3", "mx3 300 IN A 127.0.0.1",
            "foreign 300 IN MX 10 mx.unsigned.test.",
        ]  # fmt: skip

    broken = [(f"_{port}._tcp.mx.bogus.test.", "TLSA")]
    return [
        Zone("signed.test", lines("signed.test")),
        Zone("unsigned.test", lines("unsigned.test"), signed=False),
        Zone("bogus.test", lines("bogus.test"), broken=broken),
        Zone("forged.test", lines("forged.test"), broken=[("forged.test.", "MX")]),
    ]


async def test_the_certificate_a_signed_zone_publishes_proves_the_receiver(tmp_path: Path) -> None:
    async with world(tmp_path, LEAF) as here:
        connection = await here.opened("signed.test")
        assert isinstance(connection, SmtpConnection), connection
        assert connection.verified
        assert connection.tls.endswith("verified by DANE")
        await connection.close()
        assert here.tally.sessions == {("tlsa", "success"): 1}
        assert here.tally.secure == {True: 1}


async def test_tlsa_mismatch_in_a_signed_zone_is_a_delay(tmp_path: Path) -> None:
    async with world(tmp_path, issued("mx.signed.test")) as here:
        failure = await here.opened("signed.test")
        assert isinstance(failure, ConnectFailure), failure
        assert failure.reply.enhanced == "4.7.5"
        assert not any(command.startswith("MAIL") for command in here.receiver.commands)


async def test_tlsa_servfail_nxdomain_and_nodata_are_told_apart(tmp_path: Path) -> None:
    async with world(tmp_path, LEAF) as here:
        port = here.receiver.port
        assert (await here.resolver.tlsa("mx.bogus.test", port)).status is DnsStatus.SERVFAIL
        assert (await here.resolver.tlsa("mx3.signed.test", port)).status is DnsStatus.NXDOMAIN
        assert (await here.resolver.tlsa("mx2.signed.test", port)).status is DnsStatus.NODATA
        bogus = await here.opened("bogus.test")
        assert isinstance(bogus, NoRoute), bogus
        assert (bogus.reply.enhanced, here.tally.sessions) == ("4.7.5", {("tlsa", "dnssec-invalid"): 1})
        for domain in ("nodata.signed.test", "nxdomain.signed.test"):
            connection = await here.opened(domain)
            assert isinstance(connection, SmtpConnection), connection
            assert connection.tls
            assert not connection.verified
            await connection.close()


async def test_a_forged_exchange_is_a_delay_and_not_a_destination(tmp_path: Path) -> None:
    async with world(tmp_path, LEAF) as here:
        forged = await here.opened("forged.test")
        assert isinstance(forged, NoRoute), forged
        assert forged.reply.enhanced == "4.4.3"


@pytest.mark.parametrize("domain", ["unsigned.test", "foreign.signed.test"])
async def test_what_nobody_signed_demands_nothing(tmp_path: Path, domain: str) -> None:
    async with world(tmp_path, issued("somebody else")) as here:
        connection = await here.opened(domain)
        assert isinstance(connection, SmtpConnection), connection
        assert connection.tls
        assert not connection.verified
        await connection.close()
        assert here.tally.secure == {False: 1}
