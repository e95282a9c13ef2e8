import asyncio

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from lab_servers import name_server, until
from posthouse.model.dns import DnsStatus, MxRecord, TlsaRecord
from posthouse.model.limits import DNS_NEGATIVE_TTL_S
from posthouse.runtime import dns as resolving
from posthouse.runtime.dns import Resolver

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return ("asyncio", {"use_uvloop": True})


class HandClock:
    def __init__(self):
        self.seconds = 0.0

    def now(self):
        raise AssertionError("a resolver measures, it does not record")

    def monotonic(self):
        return self.seconds


ZONE = {
    ("example.test.", "MX"): ["10 MX1.Example.test.", "20 mx2.example.test."],
    ("null.test.", "MX"): ["0 ."],
    ("nomx.test.", "A"): ["192.0.2.7"],
    ("dual.test.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("dual.test.", "AAAA"): ["2001:db8::1"],
    ("broken.test.", "MX"): dns.rcode.SERVFAIL,
    ("refused.test.", "MX"): dns.rcode.REFUSED,
    ("silent.test.", "MX"): lambda query: None,
    ("alias.test.", "CNAME"): ["example.test."],
    ("loop.test.", "CNAME"): ["pool.test."],
    ("pool.test.", "CNAME"): ["loop.test."],
    ("dkim.test.", "TXT"): ['"v=DKIM1; " "p=abc"'],
    ("one.test.", "PTR"): ["host.test."],
}


async def test_mx_records_come_in_lower_case_without_the_final_dot():
    async with name_server(ZONE) as server:
        answer = await Resolver([server.address]).mx("Example.test")
        assert answer.status is DnsStatus.NOERROR
        assert set(answer.records) == {MxRecord(10, "mx1.example.test"), MxRecord(20, "mx2.example.test")}
        assert 0 < answer.ttl_s <= 300


@pytest.mark.parametrize(
    ("domain", "status"),
    [
        ("nomx.test", DnsStatus.NODATA),
        ("nowhere.test", DnsStatus.NXDOMAIN),
        ("broken.test", DnsStatus.SERVFAIL),
        ("refused.test", DnsStatus.SERVFAIL),
        ("silent.test", DnsStatus.TIMEOUT),
        ("loop.test", DnsStatus.SERVFAIL),
        ("a..b.test", DnsStatus.NXDOMAIN),
        ("x" * 64 + ".test", DnsStatus.NXDOMAIN),
    ],
)
async def test_none_and_could_not_find_out_are_told_apart(domain, status):
    async with name_server(ZONE) as server:
        answer = await Resolver([server.address], timeout_s=0.1).mx(domain)
        assert answer.status is status
        assert answer.records == ()


async def test_a_null_mx_has_an_empty_exchange():
    async with name_server(ZONE) as server:
        assert (await Resolver([server.address]).mx("null.test")).records == (MxRecord(0, ""),)


async def test_addresses_of_both_families_come_in_the_order_asked_for():
    async with name_server(ZONE) as server:
        resolver = Resolver([server.address])
        first = await resolver.addresses("dual.test")
        assert set(first.records[:2]) == {"192.0.2.1", "192.0.2.2"}
        assert first.records[2] == "2001:db8::1"
        assert (await resolver.addresses("dual.test", (6, 4))).records[0] == "2001:db8::1"
        assert (await resolver.addresses("nomx.test", (6,))).status is DnsStatus.NODATA


async def test_one_family_is_enough_when_the_other_cannot_be_looked_up():
    zone = {("half.test.", "A"): ["192.0.2.1"], ("half.test.", "AAAA"): dns.rcode.SERVFAIL}
    async with name_server(zone) as server:
        assert (await Resolver([server.address]).addresses("half.test")).records == ("192.0.2.1",)
    async with name_server({**zone, ("half.test.", "A"): lambda query: None}) as server:
        assert not (await Resolver([server.address], timeout_s=0.1).addresses("half.test")).is_final


async def test_an_alias_is_followed_within_one_answer_and_across_answers():
    def only_the_alias(query):
        response = dns.message.make_response(query)
        response.answer.append(dns.rrset.from_text("short.test.", 60, "IN", "CNAME", "example.test."))
        return response

    async with name_server({**ZONE, ("short.test.", "MX"): only_the_alias}) as server:
        resolver = Resolver([server.address])
        assert len((await resolver.mx("alias.test")).records) == 2
        assert len((await resolver.mx("short.test")).records) == 2


async def test_an_endless_chain_of_aliases_across_answers_ends():
    def onward(query):
        name = query.question[0].name.to_text()
        response = dns.message.make_response(query)
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", "on." + name))
        return response

    names = ["on." * depth + "far.test." for depth in range(40)]
    async with name_server({(name, "MX"): onward for name in names}) as server:
        answer = await Resolver([server.address]).mx("far.test")
        assert answer.status is DnsStatus.SERVFAIL
        assert len(server.queries) == 16


async def test_a_cut_off_answer_is_asked_again_over_tcp():
    async with name_server(ZONE) as server:
        server.truncate = True
        assert len((await Resolver([server.address]).mx("example.test")).records) == 2
        assert server.tcp_queries == 1


async def test_text_strings_are_joined_and_other_types_kept_in_presentation_format():
    async with name_server(ZONE) as server:
        resolver = Resolver([server.address])
        assert (await resolver.txt("dkim.test")).records == ("v=DKIM1; p=abc",)
        assert (await resolver.lookup("one.test", "PTR")).records == ("host.test.",)


async def test_an_answer_is_kept_until_its_ttl_ends():
    clock = HandClock()
    async with name_server(ZONE) as server:
        resolver = Resolver([server.address], clock=clock)
        await resolver.mx("example.test")
        clock.seconds = 299
        assert (await resolver.mx("EXAMPLE.test.")).ttl_s == 1
        assert len(server.queries) == 1
        clock.seconds = 301
        await resolver.mx("example.test")
        assert len(server.queries) == 2


async def test_a_negative_answer_is_kept_five_minutes_at_most_and_a_failure_seconds():
    async with name_server(ZONE) as server:
        server.ttl = 80_000
        resolver = Resolver([server.address], timeout_s=0.1)
        assert 0 < (await resolver.mx("nowhere.test")).ttl_s <= DNS_NEGATIVE_TTL_S
        assert (await resolver.mx("broken.test")).ttl_s <= 10


async def test_equal_questions_at_the_same_time_are_sent_once():
    async with name_server(ZONE) as server:
        resolver = Resolver([server.address])
        answers = await asyncio.gather(*(resolver.mx("example.test") for _ in range(20)))
        assert len(server.queries) == 1
        assert len(set(answers)) == 1


async def test_one_who_gives_up_does_not_take_the_answer_from_the_others():
    async with name_server(ZONE) as server:
        resolver = Resolver([server.address])
        first = asyncio.ensure_future(resolver.mx("example.test"))
        second = asyncio.ensure_future(resolver.mx("example.test"))
        await asyncio.sleep(0)
        first.cancel()
        assert len((await second).records) == 2
        assert first.cancelled()


async def test_nothing_is_left_running_when_everyone_gave_up():
    async with name_server(ZONE) as server:
        resolver = Resolver([server.address])
        before = asyncio.all_tasks()
        waiting = asyncio.ensure_future(resolver.mx("silent.test"))
        await until(lambda: server.queries)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == before
        assert (await resolver.mx("example.test")).records


async def test_the_second_server_answers_when_the_first_does_not():
    async with name_server(ZONE) as deaf, name_server(ZONE) as server:
        deaf.zone = {("example.test.", "MX"): lambda query: None}
        answer = await Resolver([deaf.address, server.address], timeout_s=0.1).mx("example.test")
        assert len(answer.records) == 2


async def test_a_server_that_is_not_there_is_a_failure_not_an_exception():
    assert not (await Resolver(["127.0.0.1:1"], timeout_s=0.2).mx("example.test")).is_final


async def test_an_answer_to_another_question_is_ignored():
    def forged(query):
        other = dns.message.make_query("example.test", "MX")
        response = dns.message.make_response(other)
        response.answer.append(dns.rrset.from_text("example.test.", 60, "IN", "MX", "0 evil.test."))
        return response

    async with name_server({("example.test.", "MX"): forged}) as server:
        assert (await Resolver([server.address], timeout_s=0.1).mx("example.test")).status is DnsStatus.TIMEOUT


async def test_the_validated_flag_is_asked_for_and_kept():
    seen = []

    def validated(query):
        seen.append(bool(query.flags & dns.flags.AD))
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AD
        response.answer.append(dns.rrset.from_text("safe.test.", 60, "IN", "MX", "0 mx.test."))
        return response

    async with name_server({**ZONE, ("safe.test.", "MX"): validated}) as server:
        resolver = Resolver([server.address])
        assert (await resolver.mx("safe.test")).authenticated
        assert not (await resolver.mx("example.test")).authenticated
        assert seen == [True]


async def test_a_server_address_that_cannot_be_read_is_refused_at_once():
    with pytest.raises(ValueError):
        Resolver(["resolver.example"])


async def test_tlsa_records_come_as_values_and_aliases_leave_their_name():
    zone = {
        ("_25._tcp.mx.test.", "TLSA"): ["3 1 1 " + "ab" * 32],
        ("alias.test.", "CNAME"): ["mx.test."],
        ("mx.test.", "A"): ["192.0.2.1"],
    }
    async with name_server(zone) as server:
        resolver = Resolver([server.address])
        assert (await resolver.tlsa("mx.test", 25)).records == (TlsaRecord(3, 1, 1, b"\xab" * 32),)
        assert (await resolver.tlsa("alias.test", 25)).status is DnsStatus.NXDOMAIN
        assert (await resolver.addresses("alias.test")).name == "mx.test"
        assert (await resolver.addresses("mx.test")).name == ""


@pytest.mark.parametrize(("configured", "believed"), [(["127.0.0.1"], True), (["127.0.0.1", "192.0.2.53"], False)])
async def test_dnssec_is_believed_of_resolvers_here_and_of_those_the_settings_name(monkeypatch, configured, believed):
    async with name_server(ZONE) as server:
        server.secure = True
        assert (await Resolver([server.address]).mx("example.test")).authenticated
        monkeypatch.setattr(resolving, "_configured_servers", lambda: configured)
        resolver = Resolver()
        monkeypatch.setattr(resolver, "_servers", [("127.0.0.1", server.port)])
        assert (await resolver.mx("example.test")).authenticated is believed
