"""From a domain to a connection: fixed routes, MX plans, failover and source addresses."""

import asyncio
import random

import dns.rcode
import pytest

from lab_servers import CLOSE, SILENCE, name_server, sink, until
from posthouse.delivery.courier import ConnectFailure, Envelope, NoRoute, Plan, SitePolicy, Target, Timeouts
from posthouse.delivery.courier_mx import MxCourier
from posthouse.model.outcome import Outcome, Stage
from posthouse.runtime.dns import Resolver

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left_behind")]
QUICK = SitePolicy(timeouts=Timeouts(connect_s=0.3, banner_s=0.2, command_s=0.2, quit_s=0.1))
MAIL = Envelope("from@here.test", ("to@there.test",), [b"Subject: x\r\n\r\nx\r\n"])
ZONE = {
    ("there.test.", "MX"): ["10 mx1.there.test.", "20 mx2.there.test."],
    ("mx1.there.test.", "A"): ["127.0.0.2"],
    ("mx2.there.test.", "A"): ["127.0.0.1"],
    ("plain.test.", "A"): ["127.0.0.1"],
    ("null.test.", "MX"): ["0 ."],
    ("broken.test.", "MX"): dns.rcode.SERVFAIL,
    ("silent.test.", "MX"): lambda query: None,
    ("local.test.", "MX"): ["10 mx2.there.test."],
}


def courier(names, **options):
    options.setdefault("allow_private", True)
    return MxCourier(
        helo_name="out.here.test", resolver=Resolver([names.address], timeout_s=0.1), rng=random.Random(1), **options
    )


async def test_a_domains_own_route_wins_over_the_one_for_all_and_that_over_dns():
    async with name_server(ZONE) as names:
        routes = courier(names, routes={"there.test": "a.test:1", "*": "b.test:2"})
        assert (await routes.route("there.test")).site == "a.test:1"
        assert (await routes.route("other.test")).site == "b.test:2"
        assert not names.queries


async def test_a_domain_is_routed_by_its_mx():
    async with name_server(ZONE) as names:
        plan = await courier(names, port=2525).route("there.test")
        targets = (Target("mx1.there.test", "127.0.0.2", 2525), Target("mx2.there.test", "127.0.0.1", 2525))
        assert plan == Plan("(mx1|mx2).there.test", targets)
        assert (await courier(names).route("plain.test")).site == "plain.test"


@pytest.mark.parametrize(
    ("domain", "outcome", "enhanced"),
    [
        ("null.test", Outcome.PERMANENT, "5.1.10"),
        ("nowhere.test", Outcome.PERMANENT, "5.1.2"),
        ("broken.test", Outcome.TRANSIENT, "4.4.3"),
        ("silent.test", Outcome.TRANSIENT, "4.4.3"),
        ("local.test", Outcome.PERMANENT, "5.4.4"),
    ],
)
async def test_a_domain_without_a_way_to_it_says_why(domain, outcome, enhanced):
    async with name_server(ZONE) as names:
        answer = await courier(names, allow_private=False).route(domain)
        assert isinstance(answer, NoRoute)
        assert (answer.outcome, answer.reply.enhanced) == (outcome, enhanced)


async def test_mail_for_ourselves_is_a_loop():
    async with name_server(ZONE) as names:
        answer = await courier(names, own_addresses=["127.0.0.2"]).route("there.test")
        assert answer.reply.enhanced == "5.4.6"


@pytest.mark.parametrize(
    "banner", [b"421 4.3.2 busy\r\n", b"554 5.7.1 no\r\n", b"521 no\r\n", CLOSE, SILENCE, b"junk\r\n"]
)
async def test_the_second_exchange_takes_what_the_first_refuses(banner):
    async with name_server(ZONE) as names, sink() as second, sink({"BANNER": banner}, host="127.0.0.2") as first:
        plan = await courier(names).route("there.test")
        ports = dict(zip(("mx1.there.test", "mx2.there.test"), (first.port, second.port), strict=True))
        targets = tuple(Target(t.host, t.address, ports[t.host]) for t in plan.targets)
        connection = await courier(names).connect(Plan(plan.site, targets), QUICK)
        assert connection.target.host == "mx2.there.test"
        assert (await connection.send(MAIL)).outcomes[0].outcome is Outcome.DELIVERED
        await connection.close()
        assert "mx1.there.test" in connection.opening[0][1]
        assert any("mx2.there.test" in text for _, text in connection.opening)


def targets(*ports):
    return Plan("site", tuple(Target(f"mx{n}.test", "127.0.0.1", port) for n, port in enumerate(ports)))


async def test_when_nobody_answers_the_one_who_spoke_is_quoted():
    async with name_server(ZONE) as names, sink({"BANNER": b"554 5.7.1 go away\r\n"}) as rude:
        failure = await courier(names).connect(targets(1, rude.port, 1), QUICK)
        assert (failure.reply.text, failure.stage, failure.outcome) == ("go away", Stage.BANNER, Outcome.TRANSIENT)
        assert sum(text.startswith("connecting to") for _, text in failure.transcript) == 3


async def test_a_refused_connection_is_a_delay_with_the_reason():
    async with name_server(ZONE) as names:
        failure = await courier(names).connect(targets(1), QUICK)
        assert isinstance(failure, ConnectFailure)
        assert (failure.outcome, failure.stage, failure.reply.enhanced) == (Outcome.TRANSIENT, Stage.CONNECT, "4.4.1")
        assert "refused" in failure.reply.text


async def test_hosts_that_never_take_mail_settle_it_unless_one_only_failed():
    async with name_server(ZONE) as names, sink({"BANNER": b"521 no mail\r\n"}) as never:
        assert (await courier(names).connect(targets(never.port, never.port), QUICK)).outcome is Outcome.PERMANENT
        assert (await courier(names).connect(targets(never.port, 1), QUICK)).outcome is Outcome.TRANSIENT


async def test_mail_leaves_from_the_address_asked_for():
    async with name_server(ZONE) as names, sink() as server:
        policy = SitePolicy(local_addr="127.0.0.9", timeouts=QUICK.timeouts)
        connection = await courier(names).connect(targets(server.port), policy)
        (writer,) = server.writers
        assert writer.get_extra_info("peername")[0] == "127.0.0.9"
        await connection.close()


async def test_a_source_address_missing_from_the_host_is_named_and_not_blamed_on_the_receiver():
    async with name_server(ZONE) as names, sink() as server:
        policy = SitePolicy(local_addr="192.0.2.77", timeouts=QUICK.timeouts)
        failure = await courier(names).connect(targets(server.port), policy)
        assert (failure.stage, failure.outcome) == (Stage.LOCAL, Outcome.TRANSIENT)
        assert "192.0.2.77" in failure.reply.text


async def test_families_that_may_not_be_used_are_left_out():
    async with name_server(ZONE) as names:
        plan = Plan("site", (Target("mx.test", "::1", 1),))
        for policy in (SitePolicy(ipv4_only=True), SitePolicy(local_addr="127.0.0.1")):
            failure = await courier(names).connect(plan, policy)
            assert "family" in failure.reply.text


async def test_cancelling_while_waiting_for_the_banner_closes_the_socket():
    async with name_server(ZONE) as names, sink({"BANNER": SILENCE}) as server:
        connecting = asyncio.ensure_future(courier(names).connect(targets(server.port), SitePolicy()))
        await until(lambda: server.open)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await until(lambda: not server.open)
