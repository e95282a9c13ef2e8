"""Sessions under an MTA-STS policy, and with mail that demands verified TLS (RFC 8461)."""

import random
import ssl
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from tests.certificates import DAY, issued, now, pem

from lab_servers import CLOSE, name_server, sink
from posthouse.delivery.courier import ConnectFailure, Envelope, NoRoute, SitePolicy, Timeouts, TlsPolicy
from posthouse.delivery.courier_mx import MxCourier, fixed_route
from posthouse.model.outcome import Outcome, Stage
from posthouse.runtime.dns import Resolver
from posthouse.wire.mta_sts import Mode, StsPolicy

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left_behind")]
OFFER = b"250-sink.test\r\n250 STARTTLS\r\n"
NO_OFFER = b"250 sink.test\r\n"
QUICK = SitePolicy(timeouts=Timeouts(connect_s=1, banner_s=0.5, command_s=0.5, quit_s=0.2))
OFF = SitePolicy(tls=TlsPolicy.OFF, timeouts=QUICK.timeouts)
VERIFIED = SitePolicy(verified=True, timeouts=QUICK.timeouts)
MAIL = Envelope("from@here.test", ("to@there.test",), [b"Subject: x\r\n\r\nsecret\r\n"])
ROOT = issued(ca=True)
GOOD = issued("mx.there.test", by=ROOT)
BAD = {
    "certificate-not-trusted": issued("mx.there.test"),
    "certificate-host-mismatch": issued("mx.elsewhere.test", by=ROOT),
    "certificate-expired": issued("mx.there.test", by=ROOT, since=now() - 3 * DAY, until=now() - DAY),
}


class Tally:
    """What was counted."""

    def __init__(self):
        self.sessions = Counter()

    def routed(self, *, secure):
        assert not secure

    def ended(self, domain, policy, mx, result):
        assert domain == "there.test"
        self.sessions[str(policy), mx, str(result)] += 1


class Policies:
    """What somebody found out."""

    def __init__(self, policy):
        self.policy = policy

    async def find(self, domain):
        assert domain == "there.test"
        return self.policy


def policy(mode, *patterns):
    return StsPolicy(mode, patterns or ("*.there.test",), 86_400)


@asynccontextmanager
async def there(tmp_path, sts=None, *, leaf=GOOD, offer=OFFER, exchanges=("mx.there.test",), **changes):
    """there.test with its exchanges, all of them one sink, and a courier that trusts ROOT."""
    async with sink({"EHLO": offer, **changes}, context=leaf and leaf.context(tmp_path)) as server:
        zone = {("there.test.", "MX"): [f"{n} {name}." for n, name in enumerate(exchanges)]}
        zone |= {(f"{name}.", "A"): ["127.0.0.1"] for name in exchanges}
        async with name_server(zone) as names:
            tally = Tally()
            courier = MxCourier(
                helo_name="out.here.test", resolver=Resolver([names.address], timeout_s=0.1), allow_private=True,
                port=server.port, rng=random.Random(1), tally=tally, policies=Policies(sts), ca_file=pem(tmp_path, ROOT),
            )  # fmt: skip
            yield server, courier, tally


async def opened(courier, policy=QUICK):
    plan = await courier.route("there.test")
    assert not isinstance(plan, NoRoute), plan
    return await courier.connect(plan, policy)


async def delivers(connection):
    assert not isinstance(connection, ConnectFailure), connection
    result = await connection.send(MAIL)
    await connection.close()
    return result.outcomes[0].outcome is Outcome.DELIVERED


@pytest.mark.parametrize("ours", [QUICK, OFF, VERIFIED])
async def test_an_enforced_policy_asks_for_a_valid_certificate_whatever_our_own_settings(tmp_path, ours):
    async with there(tmp_path, policy(Mode.ENFORCE)) as (server, courier, tally):
        connection = await opened(courier, ours)
        assert connection.verified
        assert connection.tls.endswith(", verified by MTA-STS")
        assert connection.site == "mx.there.test+mta-sts"
        assert await delivers(connection)
        assert server.mails[0].encrypted
        assert tally.sessions == {("sts", "mx.there.test", "success"): 1}


@pytest.mark.parametrize("flaw", BAD)
async def test_mta_sts_enforce_mismatch_delays_the_mail_and_says_why(tmp_path, flaw):
    async with there(tmp_path, policy(Mode.ENFORCE), leaf=BAD[flaw]) as (server, courier, tally):
        failure = await opened(courier)
        assert (failure.stage, failure.outcome, failure.reply.enhanced) == (Stage.TLS, Outcome.TRANSIENT, "4.7.5")
        assert "the domain's MTA-STS policy demands a valid one" in failure.reply.text
        assert server.connections == 1
        assert not any(command.startswith("MAIL") for command in server.commands)
        assert tally.sessions == {("sts", "mx.there.test", flaw): 1}


async def test_an_enforced_policy_never_lets_mail_go_in_the_clear(tmp_path):
    async with there(tmp_path, policy(Mode.ENFORCE), offer=NO_OFFER) as (_, courier, tally):
        assert (await opened(courier)).reply.enhanced == "4.7.10"
        assert tally.sessions == {("sts", "mx.there.test", "starttls-not-supported"): 1}
    async with there(tmp_path, policy(Mode.ENFORCE), STARTTLS=CLOSE) as (server, courier, tally):
        assert (await opened(courier)).stage is Stage.TLS
        assert server.connections == 1
        assert tally.sessions == {("sts", "mx.there.test", "validation-failure"): 1}


async def test_exchanges_an_enforced_policy_does_not_name_are_left_out_before_the_site_is(tmp_path):
    exchanges = ("rogue.other.test", "mx.there.test")
    async with there(tmp_path, policy(Mode.ENFORCE), exchanges=exchanges) as (_, courier, _):
        plan = await courier.route("there.test")
        assert [target.host for target in plan.targets] == ["mx.there.test"]
        assert (plan.site, plan.servers) == ("mx.there.test+mta-sts", "mx.there.test")
    async with there(tmp_path, policy(Mode.TESTING), exchanges=exchanges) as (_, courier, _):
        assert len((await courier.route("there.test")).targets) == 2


async def test_a_policy_that_names_no_exchange_delays_the_mail(tmp_path):
    async with there(tmp_path, policy(Mode.ENFORCE, "mx.elsewhere.test")) as (_, courier, _):
        no_route = await courier.route("there.test")
        assert (no_route.outcome, no_route.reply.enhanced) == (Outcome.TRANSIENT, "4.7.5")
        assert no_route.reply.text == "the MTA-STS policy of there.test allows none of its exchanges (mx.there.test)"


@pytest.mark.parametrize("flaw", BAD)
async def test_a_policy_in_testing_only_counts(tmp_path, flaw):
    async with there(tmp_path, policy(Mode.TESTING), leaf=BAD[flaw]) as (server, courier, tally):
        connection = await opened(courier)
        assert connection.tls
        assert not connection.verified
        assert connection.site == "mx.there.test"
        assert await delivers(connection)
        assert server.connections == 2
        assert server.mails[0].encrypted
        assert tally.sessions == {("sts", "mx.there.test", flaw): 1}


async def test_a_policy_in_testing_counts_what_works_too(tmp_path):
    async with there(tmp_path, policy(Mode.TESTING)) as (server, courier, tally):
        assert await delivers(await opened(courier))
        assert server.connections == 1
        assert tally.sessions == {("sts", "mx.there.test", "success"): 1}
    async with there(tmp_path, policy(Mode.TESTING, "mx.elsewhere.test")) as (_, courier, tally):
        assert await delivers(await opened(courier))
        assert tally.sessions == {("sts", "mx.there.test", "validation-failure"): 1}
    async with there(tmp_path, policy(Mode.TESTING), offer=NO_OFFER) as (_, courier, tally):
        assert await delivers(await opened(courier))
        assert tally.sessions == {("sts", "mx.there.test", "starttls-not-supported"): 1}


async def test_a_policy_taken_back_is_none(tmp_path):
    async with there(tmp_path, policy(Mode.NONE), leaf=BAD["certificate-not-trusted"]) as (_, courier, tally):
        assert await delivers(await opened(courier))
        assert tally.sessions == {("no-policy-found", "mx.there.test", "success"): 1}


async def test_self_signed_is_good_enough_where_nothing_is_demanded(tmp_path):
    async with there(tmp_path, leaf=BAD["certificate-not-trusted"]) as (server, courier, tally):
        connection = await opened(courier)
        assert not connection.verified
        assert await delivers(connection)
        assert server.mails[0].encrypted
        assert tally.sessions == {("no-policy-found", "mx.there.test", "success"): 1}


async def test_broken_tls_counts_for_every_session_it_costs(tmp_path):
    async with there(tmp_path) as (server, courier, tally):
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without a certificate no handshake succeeds
        for _ in range(2):
            assert await delivers(await opened(courier))
        assert server.connections == 3
        assert tally.sessions == {("no-policy-found", "mx.there.test", "validation-failure"): 2}


async def test_encryption_switched_off_is_no_failure_of_the_receiver(tmp_path):
    async with there(tmp_path) as (_, courier, tally):
        assert await delivers(await opened(courier, OFF))
        assert not tally.sessions


async def test_mail_that_demands_verified_tls_gets_it_or_stays(tmp_path):
    async with there(tmp_path) as (_, courier, _):
        connection = await opened(courier, VERIFIED)
        assert connection.verified
        assert connection.tls.endswith(", verified by certificate")
        assert await delivers(connection)


@pytest.mark.parametrize("sts", [None, policy(Mode.TESTING)])
@pytest.mark.parametrize("flaw", BAD)
async def test_mail_that_demands_verified_tls_is_not_sent_to_a_host_that_proves_nothing(tmp_path, flaw, sts):
    async with there(tmp_path, sts, leaf=BAD[flaw]) as (server, courier, _):
        for _ in range(2):
            failure = await opened(courier, VERIFIED)
            assert (failure.stage, failure.outcome, failure.reply.enhanced) == (Stage.TLS, Outcome.TRANSIENT, "4.7.5")
            assert "a valid one is demanded" in failure.reply.text
        assert server.connections == 2
        assert not any(command.startswith("MAIL") for command in server.commands)


async def test_mail_that_demands_verified_tls_ignores_that_tls_was_broken_and_never_goes_in_the_clear(tmp_path):
    async with there(tmp_path, offer=OFFER) as (server, courier, _):
        good, server.context = server.context, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert await delivers(await opened(courier))  # in the clear: TLS is broken, and that is remembered now
        assert (await opened(courier, VERIFIED)).stage is Stage.TLS
        server.context = good
        proven = await opened(courier, VERIFIED)
        assert proven.verified
        await proven.close()
        server.reactions["EHLO"] = NO_OFFER
        assert (await opened(courier, VERIFIED)).reply.enhanced == "4.7.10"
        assert [mail.encrypted for mail in server.mails] == [False]


async def test_a_fixed_route_proves_its_name_to_mail_that_demands_it(tmp_path):
    async with there(tmp_path, leaf=issued("localhost", by=ROOT)) as (server, courier, tally):
        route = fixed_route(f"localhost:{server.port}")
        assert await delivers(await courier.connect(route, VERIFIED))
        assert not tally.sessions
    async with there(tmp_path, leaf=BAD["certificate-not-trusted"]) as (server, courier, _):
        assert isinstance(await courier.connect(fixed_route(f"localhost:{server.port}"), VERIFIED), ConnectFailure)


async def test_a_site_may_have_its_own_name_for_us(tmp_path):
    async with there(tmp_path) as (server, courier, _):
        ours = SitePolicy(helo="second.here.test", timeouts=QUICK.timeouts)
        assert await delivers(await opened(courier, ours))
        assert server.commands[0] == "EHLO second.here.test"


async def test_how_long_broken_tls_is_remembered_is_the_sites_own_affair(tmp_path):
    async with there(tmp_path) as (server, courier, _):
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        forgetful = SitePolicy(remember_broken_tls_s=0, timeouts=QUICK.timeouts)
        for _ in range(2):
            assert await delivers(await opened(courier, forgetful))
        assert server.counts["STARTTLS"] == 2
