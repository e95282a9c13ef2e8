import random

import pytest

from posthouse.model.dns import Answer, DnsStatus, MxRecord, TlsaRecord
from posthouse.model.outcome import Outcome, Reply
from posthouse.wire import mx
from posthouse.wire.dane import Tlsa
from posthouse.wire.mta_sts import Mode, StsPolicy
from posthouse.wire.mx import NoRoute, Plan, Rules, Target

TEST_NET = "198.41.0."  # public addresses; nothing is dialled here


def answer(*records, status=DnsStatus.NOERROR, ad=False):
    return Answer(status, records, 300, ad)


def plan(exchanges, addresses, rules=Rules(), seed=0):  # noqa: B008 - frozen
    records = [MxRecord(preference, host) for preference, host in exchanges]
    table = {host: a if isinstance(a, Answer) else answer(*a) for host, a in addresses.items()}
    return mx.plan("example.test", records, table, rules, random.Random(seed))


@pytest.mark.parametrize(
    ("status", "records", "expected"),
    [
        (DnsStatus.NODATA, (), (MxRecord(0, "example.test"),)),
        (DnsStatus.NOERROR, (MxRecord(20, "b"), MxRecord(10, "c")), (MxRecord(10, "c"), MxRecord(20, "b"))),
        (DnsStatus.NOERROR, (MxRecord(0, ""), MxRecord(10, "c")), (MxRecord(10, "c"),)),
    ],
)
def test_the_exchanges_come_by_preference_or_are_the_domain_itself(status, records, expected):
    assert mx.hosts("example.test", Answer(status, records)) == expected


@pytest.mark.parametrize(
    ("status", "records", "outcome", "code", "enhanced"),
    [
        (DnsStatus.NOERROR, (MxRecord(0, ""),), Outcome.PERMANENT, 556, "5.1.10"),
        (DnsStatus.NXDOMAIN, (), Outcome.PERMANENT, 550, "5.1.2"),
        (DnsStatus.SERVFAIL, (), Outcome.TRANSIENT, 451, "4.4.3"),
        (DnsStatus.TIMEOUT, (), Outcome.TRANSIENT, 451, "4.4.3"),
    ],
)
def test_an_answer_that_gives_no_exchange_settles_or_delays(status, records, outcome, code, enhanced):
    no_route = mx.hosts("example.test", Answer(status, records))
    assert (no_route.outcome, no_route.reply.code, no_route.reply.enhanced) == (outcome, code, enhanced)


def test_targets_go_by_preference_then_in_the_order_of_the_resolver():
    found = plan([(5, "a"), (10, "b")], {"b": ["198.41.0.3"], "a": ["198.41.0.1", "2001:503:ba3e::2:30"]})
    expected = (Target("a", "198.41.0.1", 25), Target("a", "2001:503:ba3e::2:30", 25), Target("b", "198.41.0.3", 25))
    assert found == Plan("(a|b)", expected)


def test_equal_preferences_are_shuffled_and_unequal_ones_never():
    hosts = {name: [f"{TEST_NET}{n}"] for n, name in enumerate("abcd", 1)}
    exchanges = [(10, "a"), (10, "b"), (10, "c"), (20, "d")]
    orders = {tuple(t.host for t in plan(exchanges, hosts, seed=seed).targets) for seed in range(50)}
    assert len(orders) == 6
    assert {order[3] for order in orders} == {"d"}


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "0.0.0.0",
        "::",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.1.1",
        "100.64.0.1",
        "255.255.255.255",
        "fe80::1",
        "fd00::1",
        "224.0.0.1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
    ],
)
def test_an_exchange_that_points_inward_is_refused(address):
    no_route = plan([(10, "a")], {"a": [address]})
    assert (no_route.outcome, no_route.reply.code, no_route.reply.enhanced) == (Outcome.PERMANENT, 550, "5.4.4")


@pytest.mark.parametrize(
    ("address", "allowed"), [("127.0.0.1", True), ("10.0.0.1", True), ("0.0.0.0", False), ("::", False)]
)
def test_inward_addresses_can_be_allowed_but_never_the_one_that_means_any(address, allowed):
    assert isinstance(plan([(10, "a")], {"a": [address]}, Rules(allow_private=True)), Plan) is allowed


def test_only_the_inward_addresses_of_an_exchange_are_left_out():
    found = plan([(10, "a")], {"a": ["127.0.0.1", "198.41.0.1"]})
    assert [t.address for t in found.targets] == ["198.41.0.1"]


def test_exchanges_behind_ourselves_are_left_out():
    rules = Rules(own=frozenset({mx.ip_address("198.41.0.2")}))
    hosts = {"a": ["198.41.0.1"], "b": ["198.41.0.2"], "c": ["198.41.0.3"], "d": ["198.41.0.4"]}
    found = plan([(10, "a"), (20, "b"), (20, "c"), (30, "d")], hosts, rules)
    assert [t.host for t in found.targets] == ["a"]
    loop = plan([(10, "b"), (20, "a")], hosts, rules)
    assert (loop.outcome, loop.reply.enhanced) == (Outcome.PERMANENT, "5.4.6")


@pytest.mark.parametrize(
    ("statuses", "outcome", "enhanced"),
    [
        ((DnsStatus.NXDOMAIN, DnsStatus.NODATA), Outcome.PERMANENT, "5.4.4"),
        ((DnsStatus.NXDOMAIN, DnsStatus.SERVFAIL), Outcome.TRANSIENT, "4.4.3"),
        ((DnsStatus.TIMEOUT, DnsStatus.NODATA), Outcome.TRANSIENT, "4.4.3"),
    ],
)
def test_exchanges_without_addresses_settle_only_if_that_is_certain(statuses, outcome, enhanced):
    no_route = plan([(10, "a"), (20, "b")], {h: answer(status=s) for h, s in zip("ab", statuses, strict=True)})
    assert (no_route.outcome, no_route.reply.enhanced) == (outcome, enhanced)


def test_one_exchange_that_cannot_be_looked_up_does_not_hold_up_the_other():
    assert isinstance(plan([(10, "a"), (20, "b")], {"a": answer(status=DnsStatus.TIMEOUT), "b": ["198.41.0.1"]}), Plan)


def test_inward_addresses_beside_a_failed_lookup_are_not_the_last_word():
    found = plan([(10, "a"), (20, "b")], {"a": answer(status=DnsStatus.TIMEOUT), "b": ["10.0.0.1"]})
    assert isinstance(found, NoRoute)
    assert found.outcome is Outcome.TRANSIENT


def test_a_domain_without_mx_and_address_is_a_bad_destination():
    found = plan([(0, "example.test")], {"example.test": answer(status=DnsStatus.NODATA)})
    assert found.reply.enhanced == "5.1.2"


def test_the_plan_is_authenticated_only_if_every_address_is():
    safe, unsafe = answer("198.41.0.1", ad=True), answer("198.41.0.2")
    assert plan([(10, "a")], {"a": safe}).authenticated
    assert not plan([(10, "a"), (20, "b")], {"a": safe, "b": unsafe}).authenticated


GOOGLE = [f"{prefix}gmail-smtp-in.l.google.com" for prefix in ("alt1.", "alt2.", "alt3.", "alt4.", "")]


@pytest.mark.parametrize(
    ("names", "site"),
    [
        (["mx.a.test"], "mx.a.test"),
        (["mx1.a.test", "mx2.a.test"], "(mx1|mx2).a.test"),
        (GOOGLE, "(alt1|alt2|alt3|alt4)?.gmail-smtp-in.l.google.com"),
        (["a.b.test", "c.test"], "(a)?.(b|c).test"),
        (["mx.a.test", "mx.b.example"], "mx.(a|b).(example|test)"),
        (["mx.a.test", "mx.a.test"], "mx.a.test"),
    ],
)
def test_the_site_is_the_exchanges_factored(names, site):
    assert mx.site_name(names) == site
    assert mx.site_name(names[::-1]) == site


def test_a_site_name_has_a_limit_and_stays_distinct():
    long = [f"{'x' * 60}{n}.a.test" for n in range(20)]
    assert len(mx.site_name(long)) == 255
    assert mx.site_name(long) != mx.site_name([*long, "y.a.test"])
    assert mx.site_name(long).endswith(").a.test")


SAFER = Tlsa("a", (TlsaRecord(3, 1, 1, bytes(32)),))
UNKNOWN = NoRoute(Outcome.TRANSIENT, Reply(451, "4.7.5", "could not find out"))


def secured(tlsa, sts=None):
    records = (MxRecord(10, "a"), MxRecord(20, "b"))
    addresses = {"a": answer("198.41.0.1"), "b": answer("198.41.0.2")}
    return mx.plan("example.test", records, addresses, Rules(), random.Random(0), sts=sts, tlsa=tlsa)


def sts(mode, *patterns):
    return StsPolicy(mode, patterns, 1)


def test_what_a_host_publishes_goes_with_its_targets():
    found = secured({"a": SAFER})
    assert [target.tlsa for target in found.targets] == [SAFER, None]


def test_a_host_whose_records_could_not_be_looked_up_is_as_good_as_unreachable():
    assert [target.host for target in secured({"a": UNKNOWN}).targets] == ["b"]
    assert secured({"a": UNKNOWN, "b": UNKNOWN}) == UNKNOWN


@pytest.mark.parametrize(
    ("tlsa", "policy", "site"),
    [
        ({}, None, "(a|b)"),
        ({"a": SAFER}, None, "(a|b)+dane"),
        ({"a": UNKNOWN}, None, "(a|b)+dane"),
        ({}, sts(Mode.ENFORCE, "a", "b"), "(a|b)+mta-sts"),
        ({"a": SAFER}, sts(Mode.ENFORCE, "a", "b"), "(a|b)+dane+mta-sts"),
        ({}, sts(Mode.TESTING, "a", "b"), "(a|b)"),
    ],
)
def test_only_domains_with_the_same_demands_share_a_site(tlsa, policy, site):
    found = secured(tlsa, policy)
    assert (found.site, found.servers) == (site, "(a|b)")


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        (None, ["a.test", "b.test", "c.example"]),
        (sts(Mode.TESTING, "a.test"), ["a.test", "b.test", "c.example"]),
        (sts(Mode.NONE), ["a.test", "b.test", "c.example"]),
        (sts(Mode.ENFORCE, "a.test"), ["a.test"]),
        (sts(Mode.ENFORCE, "*.test"), ["a.test", "b.test"]),
    ],
)
def test_an_enforced_policy_leaves_the_exchanges_it_names(policy, left):
    records = [MxRecord(number, name) for number, name in enumerate(["a.test", "b.test", "c.example"])]
    assert [record.exchange for record in mx.covered("example.test", records, policy)] == left


def test_a_policy_that_leaves_nobody_is_a_delay():
    found = mx.covered("example.test", [MxRecord(0, "a.test")], sts(Mode.ENFORCE, "b.test"))
    assert (found.outcome, found.reply.enhanced) == (Outcome.TRANSIENT, "4.7.5")
