"""Sessions with receivers that publish their certificates in the DNS (RFC 7672)."""

import hashlib
import random
from collections import Counter
from contextlib import asynccontextmanager

import dns.rcode
import pytest
from tests.certificates import issued

from lab_servers import CLOSE, name_server, sink
from posthouse.delivery.courier import ConnectFailure, Envelope, NoRoute, SitePolicy, Timeouts, TlsPolicy
from posthouse.delivery.courier_mx import MxCourier
from posthouse.model.outcome import Outcome, Stage
from posthouse.runtime.dns import Resolver

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left_behind")]
OFFER = b"250-sink.test\r\n250 STARTTLS\r\n"
QUICK = SitePolicy(timeouts=Timeouts(connect_s=1, banner_s=0.5, command_s=0.5, quit_s=0.2))
PLAIN = SitePolicy(tls=TlsPolicy.OFF, timeouts=QUICK.timeouts)
MAIL = Envelope("from@here.test", ("to@there.test",), [b"Subject: x\r\n\r\nsecret\r\n"])
LEAF = issued("mx.there.test")
STRANGER = issued("mx.there.test")


class Tally:
    """What was counted."""

    def __init__(self):
        self.sessions = Counter()
        self.secure = Counter()

    def routed(self, *, secure):
        self.secure[secure] += 1

    def ended(self, domain, policy, mx, result):
        assert domain == "there.test"
        self.sessions[str(policy), mx, str(result)] += 1


def tlsa(identity, usage=3):
    return f"{usage} 1 1 {hashlib.sha256(identity.spki).hexdigest()}"


@asynccontextmanager
async def there(tmp_path, *, published=None, leaf=LEAF, offer=OFFER, extra=(), **changes):
    """there.test with one exchange, what it publishes about it, and a courier that believes the DNS."""
    reactions = {"EHLO": offer, **changes}
    async with sink(reactions, context=leaf.context(tmp_path, *extra)) as server:
        zone = {("there.test.", "MX"): ["10 mx.there.test."], ("mx.there.test.", "A"): ["127.0.0.1"]}
        if published is not None:
            zone[f"_{server.port}._tcp.mx.there.test.", "TLSA"] = published
        async with name_server(zone) as names:
            names.secure = True
            tally = Tally()
            courier = MxCourier(
                helo_name="out.here.test", resolver=Resolver([names.address], timeout_s=0.1), allow_private=True,
                port=server.port, rng=random.Random(1), tally=tally,
            )  # fmt: skip
            yield server, names, courier, tally


async def opened(courier, policy=QUICK):
    plan = await courier.route("there.test")
    assert not isinstance(plan, NoRoute), plan
    return await courier.connect(plan, policy)


async def delivers(connection):
    assert not isinstance(connection, ConnectFailure), connection
    result = await connection.send(MAIL)
    await connection.close()
    return result.outcomes[0].outcome is Outcome.DELIVERED


@pytest.mark.parametrize("policy", [QUICK, PLAIN, SitePolicy(verified=True, timeouts=QUICK.timeouts)])
async def test_a_certificate_its_tlsa_record_means_proves_the_receiver_whatever_our_own_settings(tmp_path, policy):
    async with there(tmp_path, published=[tlsa(LEAF)]) as (server, _, courier, tally):
        connection = await opened(courier, policy)
        assert connection.verified
        assert connection.tls.startswith("TLSv1.3 ")
        assert connection.tls.endswith(", verified by DANE")
        assert ("*", connection.tls) in connection.opening
        assert connection.site == "mx.there.test+dane"
        assert await delivers(connection)
        assert server.mails[0].encrypted
        assert tally.sessions == {("tlsa", "mx.there.test", "success"): 1}
        assert tally.secure == {True: 1}


async def test_tlsa_mismatch_delays_the_mail_and_nothing_is_said_to_the_impostor(tmp_path):
    async with there(tmp_path, published=[tlsa(STRANGER)]) as (server, _, courier, tally):
        for _ in range(2):  # and a failure is not remembered as broken TLS
            failure = await opened(courier)
            assert (failure.stage, failure.outcome, failure.reply.enhanced) == (Stage.TLS, Outcome.TRANSIENT, "4.7.5")
            assert failure.reply.text == (
                "the certificate of mx.there.test is none of those its TLSA records mean; DANE demands the right one"
            )
        assert server.commands == ["EHLO out.here.test", "STARTTLS"] * 2
        assert tally.sessions == {("tlsa", "mx.there.test", "tlsa-invalid"): 2}


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        (dns.rcode.SERVFAIL, "deferred"),
        (dns.rcode.REFUSED, "deferred"),
        (lambda query: None, "deferred"),
        (dns.rcode.NXDOMAIN, "opportunistic"),
        (None, "opportunistic"),
    ],
    ids=["SERVFAIL", "REFUSED", "silence", "NXDOMAIN", "nothing"],
)
async def test_tlsa_that_cannot_be_looked_up_defers_and_tlsa_that_is_not_there_does_not(tmp_path, trouble, expected):
    async with there(tmp_path, published=trouble) as (_, _, courier, tally):
        route = await courier.route("there.test")
        if expected == "deferred":
            assert isinstance(route, NoRoute)
            assert (route.outcome, route.reply.enhanced, route.stage) == (Outcome.TRANSIENT, "4.7.5", Stage.DNS)
            assert "mx.there.test has TLSA records cannot be found out" in route.reply.text
            assert tally.sessions == {("tlsa", "mx.there.test", "dnssec-invalid"): 1}
        else:
            connection = await courier.connect(route, QUICK)
            assert connection.tls
            assert not connection.verified
            assert await delivers(connection)
            assert tally.sessions == {("no-policy-found", "mx.there.test", "success"): 1}


async def test_tlsa_nodata_is_opportunistic(tmp_path):
    async with there(tmp_path) as (server, names, courier, _):
        names.zone[f"_{server.port}._tcp.mx.there.test.", "TXT"] = ["x"]
        assert not (await opened(courier)).verified
        assert (f"_{server.port}._tcp.mx.there.test.", "TLSA") in names.queries


@pytest.mark.parametrize("unsigned", ["there.test.", "mx.there.test."])
async def test_without_dnssec_on_the_way_to_a_host_its_records_are_not_asked_for(tmp_path, unsigned):
    async with there(tmp_path, published=[tlsa(STRANGER)]) as (_, names, courier, tally):
        names.insecure = {unsigned}
        connection = await opened(courier)
        assert connection.site == "mx.there.test"
        assert not connection.verified
        assert await delivers(connection)
        assert not any(rdtype == "TLSA" for _, rdtype in names.queries)
        assert tally.secure == {False: 1}


async def test_tlsa_records_nobody_signed_mean_nothing(tmp_path):
    async with there(tmp_path, published=[tlsa(STRANGER)]) as (server, names, courier, _):
        names.insecure = {f"_{server.port}._tcp.mx.there.test."}
        assert await delivers(await opened(courier))


@pytest.mark.parametrize("useless", [f"0 0 1 {'00' * 32}", f"1 1 1 {'00' * 32}", "3 1 9 00"])
async def test_unusable_tlsa_demands_encryption_and_proves_nothing(tmp_path, useless):
    async with there(tmp_path, published=[useless]) as (server, _, courier, tally):
        connection = await opened(courier)
        assert connection.tls
        assert not connection.verified
        assert await delivers(connection)
        server.reactions["EHLO"] = b"250 sink.test\r\n"
        failure = await opened(courier)
        assert (failure.stage, failure.reply.enhanced) == (Stage.TLS, "4.7.10")
        assert len(server.mails) == 1
        assert tally.sessions == {("tlsa", "mx.there.test", "tlsa-invalid"): 2}


async def test_starttls_taken_away_under_dane_is_a_delay_and_no_plaintext(tmp_path):
    async with there(tmp_path, published=[tlsa(LEAF)], offer=b"250 sink.test\r\n") as (server, _, courier, tally):
        failure = await opened(courier)
        assert (failure.stage, failure.reply.enhanced) == (Stage.TLS, "4.7.10")
        assert not any(command.startswith("MAIL") for command in server.commands)
        assert tally.sessions == {("tlsa", "mx.there.test", "starttls-not-supported"): 1}


@pytest.mark.parametrize(
    "broken",
    [[b"220 go ahead\r\nnot TLS at all\r\n"], [b"220 go ahead\r\n250 injected\r\n"], CLOSE],
    ids=["junk", "injected", "closed"],
)
async def test_starttls_offered_then_broken_under_dane_is_a_delay_and_no_plaintext(tmp_path, broken):
    async with there(tmp_path, published=[tlsa(LEAF)], STARTTLS=broken) as (server, _, courier, tally):
        for _ in range(2):
            assert (await opened(courier)).stage is Stage.TLS
        assert server.connections == 2
        assert not server.mails
        assert tally.sessions == {("tlsa", "mx.there.test", "validation-failure"): 2}


async def test_an_issuer_in_the_dns_vouches_for_the_chain_a_receiver_shows(tmp_path):
    root = issued(ca=True)
    middle = issued("middle authority", by=root, ca=True)
    leaf = issued("mx.there.test", by=middle)
    extra = (root.certificate,)
    async with there(tmp_path, published=[tlsa(root, usage=2)], leaf=leaf, extra=extra) as (_, _, courier, _):
        connection = await opened(courier)
        assert connection.verified
        assert await delivers(connection)
    async with there(tmp_path, published=[tlsa(root, usage=2)], leaf=leaf) as (_, _, courier, tally):
        assert isinstance(await opened(courier), ConnectFailure)  # the root is not among what is shown
        assert tally.sessions == {("tlsa", "mx.there.test", "tlsa-invalid"): 1}


async def test_an_issuer_in_the_dns_does_not_vouch_for_another_name(tmp_path):
    root = issued(ca=True)
    leaf, extra = issued("mx.elsewhere.test", by=root), (root.certificate,)
    async with there(tmp_path, published=[tlsa(root, usage=2)], leaf=leaf, extra=extra) as (_, _, courier, tally):
        failure = await opened(courier)
        assert "is for other names" in failure.reply.text
        assert tally.sessions == {("tlsa", "mx.there.test", "certificate-host-mismatch"): 1}


async def test_the_records_of_an_aliased_host_stand_where_the_alias_leads(tmp_path):
    async with there(tmp_path) as (server, names, courier, _):
        del names.zone["mx.there.test.", "A"]
        names.zone["mx.there.test.", "CNAME"] = ["real.there.test."]
        names.zone["real.there.test.", "A"] = ["127.0.0.1"]
        names.zone[f"_{server.port}._tcp.real.there.test.", "TLSA"] = [tlsa(LEAF)]
        names.zone[f"_{server.port}._tcp.mx.there.test.", "TLSA"] = [tlsa(STRANGER)]
        plan = await courier.route("there.test")
        assert plan.targets[0].tlsa.base == "real.there.test"
        connection = await courier.connect(plan, QUICK)
        assert connection.verified
        await connection.close()


async def test_the_records_of_the_alias_itself_count_where_there_are_no_others(tmp_path):
    async with there(tmp_path, published=[tlsa(LEAF)]) as (_, names, courier, _):
        del names.zone["mx.there.test.", "A"]
        names.zone["mx.there.test.", "CNAME"] = ["real.there.test."]
        names.zone["real.there.test.", "A"] = ["127.0.0.1"]
        connection = await opened(courier)
        assert connection.verified
        await connection.close()


async def test_an_exchange_whose_records_cannot_be_looked_up_leaves_the_mail_to_the_next(tmp_path):
    async with there(tmp_path, published=dns.rcode.SERVFAIL) as (server, names, courier, _):
        names.zone["there.test.", "MX"] = ["10 mx.there.test.", "20 mx2.there.test."]
        names.zone["mx2.there.test.", "A"] = ["127.0.0.1"]
        names.zone[f"_{server.port}._tcp.mx2.there.test.", "TLSA"] = [tlsa(LEAF)]
        plan = await courier.route("there.test")
        assert [target.host for target in plan.targets] == ["mx2.there.test"]
        assert (plan.site, plan.servers) == ("(mx|mx2).there.test+dane", "(mx|mx2).there.test")
        assert await delivers(await courier.connect(plan, QUICK))
