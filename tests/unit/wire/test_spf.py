"""SPF as RFC 7208 tells it, with most of its own examples (sections 4, 5, 7 and appendix A)."""

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.wire.lookups import Answer, Found
from posthouse.wire.spf import SpfResult, SpfStatus, check_host
from posthouse.wire.spf_record import MacroValues, SpfSyntaxError, expand


class Zone:
    """Records by (type, name). "fail" answers like a broken server; a name without the type answers NO_DATA."""

    def __init__(self, records: Mapping[tuple[str, str], Sequence[str]]) -> None:
        self.records = records
        self.asked = 0

    def find(self, kind: str, name: str) -> Answer:
        self.asked += 1
        values = self.records.get((kind, name.lower()))
        if values == "fail":
            return Answer(Found.FAILED)
        if values:
            return Answer(Found.YES, tuple(values))
        return Answer(Found.NO_DATA if any(name == known for _, known in self.records) else Found.NO_NAME)

    async def txt(self, name: str) -> Answer:
        return self.find("txt", name)

    async def a(self, name: str) -> Answer:
        return self.find("a", name)

    async def aaaa(self, name: str) -> Answer:
        return self.find("aaaa", name)

    async def mx(self, name: str) -> Answer:
        return self.find("mx", name)

    async def ptr(self, ip: str) -> Answer:
        return self.find("ptr", ip)


ZONE: dict[tuple[str, str], Sequence[str]] = {
    ("a", "example.com"): ["192.0.2.10", "192.0.2.11"],
    ("aaaa", "example.com"): ["2001:db8::10"],
    ("mx", "example.com"): ["mail-a.example.com", "mail-b.example.com"],
    ("a", "mail-a.example.com"): ["192.0.2.129"],
    ("a", "mail-b.example.com"): ["192.0.2.130"],
    ("mx", "example.org"): ["mail-c.example.org"],
    ("a", "mail-c.example.org"): ["192.0.2.140"],
    ("ptr", "192.0.2.10"): ["example.com"],
    ("ptr", "192.0.2.65"): ["amy.example.com"],
    ("a", "amy.example.com"): ["192.0.2.65"],
    ("ptr", "10.0.0.4"): ["bob.example.com"],
    ("txt", "passing.test"): ["v=spf1 +all"],
    ("txt", "failing.test"): ["v=spf1 -all"],
    ("txt", "broken.test"): ["v=spf1 nonsense"],
    ("txt", "loop.test"): ["v=spf1 include:loop.test -all"],
    ("txt", "down.test"): "fail",
    ("txt", "empty.test"): ["unrelated"],
    ("a", "joel.remote._spf.example.com"): ["127.0.0.2"],
    ("a", "down-a.test"): "fail",
    ("mx", "many.test"): [f"m{index}.many.test" for index in range(11)],
}


def check(record: str | Sequence[str], ip: str = "192.0.2.129", sender: str = "joel@example.com") -> SpfResult:
    records = (record,) if isinstance(record, str) else tuple(record)
    return asyncio.run(check_host(ip, sender, "mail.example.com", Zone({**ZONE, ("txt", "example.com"): records})))


@pytest.mark.parametrize(
    ("record", "ip", "status"),
    [
        ("v=spf1 +all", "203.0.113.1", SpfStatus.PASS),
        ("v=spf1", "203.0.113.1", SpfStatus.NEUTRAL),
        ("V=SPF1 -ALL", "203.0.113.1", SpfStatus.FAIL),
        ("v=spf1 ~all", "203.0.113.1", SpfStatus.SOFTFAIL),
        ("v=spf1 ?all", "203.0.113.1", SpfStatus.NEUTRAL),
        ("v=spf1 a -all", "192.0.2.10", SpfStatus.PASS),
        ("v=spf1 a -all", "192.0.2.12", SpfStatus.FAIL),
        ("v=spf1 a -all", "2001:db8::10", SpfStatus.PASS),
        ("v=spf1 a/24 -all", "192.0.2.200", SpfStatus.PASS),
        ("v=spf1 a//64 -all", "2001:db8::99", SpfStatus.PASS),
        ("v=spf1 a/24//64 -all", "2001:db8:1::99", SpfStatus.FAIL),
        ("v=spf1 a:example.org -all", "192.0.2.10", SpfStatus.FAIL),
        ("v=spf1 mx -all", "192.0.2.129", SpfStatus.PASS),
        ("v=spf1 mx:example.org -all", "192.0.2.140", SpfStatus.PASS),
        ("v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.131", SpfStatus.PASS),
        ("v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.132", SpfStatus.FAIL),
        ("v=spf1 mx:many.test -all", "192.0.2.1", SpfStatus.PERMERROR),
        ("v=spf1 ptr -all", "192.0.2.10", SpfStatus.PASS),
        ("v=spf1 ptr -all", "192.0.2.65", SpfStatus.PASS),
        ("v=spf1 ptr -all", "10.0.0.4", SpfStatus.FAIL),
        ("v=spf1 ip4:192.0.2.128/28 -all", "192.0.2.129", SpfStatus.PASS),
        ("v=spf1 ip4:192.0.2.128/28 -all", "192.0.2.65", SpfStatus.FAIL),
        ("v=spf1 ip4:192.0.2.1 -all", "::ffff:192.0.2.1", SpfStatus.PASS),
        ("v=spf1 ip6:2001:db8::/32 -all", "2001:db8:9::1", SpfStatus.PASS),
        ("v=spf1 ip6:2001:db8::/32 -all", "192.0.2.1", SpfStatus.FAIL),
        ("v=spf1 include:passing.test -all", "203.0.113.1", SpfStatus.PASS),
        ("v=spf1 include:failing.test ~all", "203.0.113.1", SpfStatus.SOFTFAIL),
        ("v=spf1 include:empty.test -all", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 include:broken.test -all", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 include:down.test -all", "203.0.113.1", SpfStatus.TEMPERROR),
        ("v=spf1 include:loop.test -all", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 redirect=failing.test", "203.0.113.1", SpfStatus.FAIL),
        ("v=spf1 redirect=empty.test", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 ?all redirect=failing.test", "203.0.113.1", SpfStatus.NEUTRAL),
        ("v=spf1 exists:%{l}.remote._spf.%{d} -all", "203.0.113.1", SpfStatus.PASS),
        ("v=spf1 exists:nobody.%{d} -all", "203.0.113.1", SpfStatus.FAIL),
        ("v=spf1 a:down-a.test -all", "203.0.113.1", SpfStatus.TEMPERROR),
        ("v=spf1 a:n1.test a:n2.test -all", "203.0.113.1", SpfStatus.FAIL),
        ("v=spf1 a:n1.test a:n2.test a:n3.test -all", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 " + "a " * 11 + "-all", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 " + "a " * 10 + "-all", "203.0.113.1", SpfStatus.FAIL),
        ("v=spf1 ip4:300.1.1.1 -all", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 ip4 -all", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 a/33 -all", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 all:x", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 include -all", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 a: -all", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 -all redirect=a.test redirect=b.test", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 unknown=thing -all", "203.0.113.1", SpfStatus.FAIL),
        ("v=spf1 a:%{z}.test -all", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf1 a:\u200b.test -all", "203.0.113.1", SpfStatus.PERMERROR),
        ("v=spf10 -all", "203.0.113.1", SpfStatus.NONE),
        ("", "203.0.113.1", SpfStatus.NONE),
    ],
)
def test_the_record_decides(record: str, ip: str, status: SpfStatus) -> None:
    assert check(record, ip).status is status


def test_two_records_are_one_too_many() -> None:
    assert check(["v=spf1 +all", "v=spf1 -all"]).status is SpfStatus.PERMERROR


def test_an_empty_return_path_is_judged_by_the_helo_name() -> None:
    zone = Zone(
        {("txt", "mail.example.com"): ["v=spf1 exists:%{l}.%{o}"], ("a", "postmaster.mail.example.com"): ["127.0.0.2"]}
    )
    result = asyncio.run(check_host("192.0.2.1", "", "mail.example.com", zone))
    assert (result.status, result.domain) == (SpfStatus.PASS, "mail.example.com")


@pytest.mark.parametrize(
    ("ip", "sender"), [("192.0.2.1", "a@localhost"), ("no ip", "a@example.com"), ("192.0.2.1", "a@..")]
)
def test_nothing_can_be_said_about_no_domain_or_no_address(ip: str, sender: str) -> None:
    assert check("v=spf1 +all", ip, sender).status is SpfStatus.NONE


# RFC 7208 7.4
@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("%{s}", "strong-bad@email.example.com"), ("%{o}", "email.example.com"), ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"), ("%{d3}", "email.example.com"), ("%{d2}", "example.com"), ("%{d1}", "com"),
        ("%{dr}", "com.example.email"), ("%{d2r}", "example.email"), ("%{l}", "strong-bad"), ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"), ("%{lr-}", "bad.strong"), ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"), ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"), ("a%%b%_c%-d", "a%b c%20d"),
        ("%{S}", "strong-bad%40email.example.com"),
    ],
)  # fmt: skip
def test_macros_expand_as_the_standard_shows(spec: str, expected: str) -> None:
    values = MacroValues(
        ipaddress.ip_address("192.0.2.3"), "strong-bad", "email.example.com", "email.example.com", "helo.x"
    )
    assert expand(spec, values) == expected


@pytest.mark.parametrize("spec", ["%", "%x", "%{d", "%{d0}", "%{q}", "%{c}", "%{}"])
def test_a_broken_macro_is_a_syntax_error(spec: str) -> None:
    with pytest.raises(SpfSyntaxError):
        expand(spec, MacroValues(ipaddress.ip_address("192.0.2.3"), "a", "b.c", "b.c", "h"))


terms = st.lists(
    st.sampled_from(
        [
            "a",
            "mx",
            "ptr",
            "all",
            "include:",
            "exists:",
            "redirect=",
            "ip4:",
            "ip6:",
            "%{",
            "}",
            "/",
            "1",
            "x.test",
            ":",
            " ",
            "\u200b",
        ]
    ),
    max_size=25,
).map("".join)


@given(terms | st.text(max_size=100), st.sampled_from(["192.0.2.1", "2001:db8::1"]))
@settings(max_examples=300)
def test_no_record_makes_the_check_raise_or_ask_for_ever(record: str, ip: str) -> None:
    zone = Zone({**ZONE, ("txt", "example.com"): [f"v=spf1 {record}"], ("txt", "x.test"): [f"v=spf1 {record}"]})
    asyncio.run(check_host(ip, "a@example.com", "helo", zone))
    assert zone.asked < 150
