"""What block lists of domains are asked about a link, and what their answers mean."""

import pytest

from posthouse.model.dns import Answer, DnsStatus
from posthouse.wire import uribl
from posthouse.wire.dnsbl import Said

DBL, SURBL, URIBL = "dbl.spamhaus.org", "multi.surbl.org", "multi.uribl.com"


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("bad.example", ("bad.example",)),
        ("www.bad.example", ("bad.example", "www.bad.example")),
        ("a.shop.co.uk", ("co.uk", "shop.co.uk", "a.shop.co.uk")),
        ("a.b.c.d.e.bad.example", ("bad.example", "e.bad.example", "d.e.bad.example", "a.b.c.d.e.bad.example")),
    ],
)
def test_a_host_is_asked_about_with_the_domains_above_it(host: str, names: tuple[str, ...]) -> None:
    assert uribl.names(host) == names


def test_each_list_has_the_test_point_its_operator_says() -> None:
    points = {zone: uribl.always_listed(zone) for zone in (DBL, SURBL, URIBL, "bl.example")}
    assert points == {
        DBL: "dbltest.com",
        SURBL: "surbl-org-permanent-test-point.com",
        URIBL: "test.uribl.com",
        "bl.example": "test",
    }
    assert uribl.always_listed("0123456789abcdef01234567.dbl.dq.spamhaus.net") == "dbltest.com"
    assert uribl.always_listed("notspamhaus.org") == "test"


@pytest.mark.parametrize(
    ("zone", "codes", "said"),
    [
        (DBL, "127.0.1.2", Said.LISTED),
        (DBL, "127.0.1.104", Said.LISTED),  # a good domain abused for phishing
        (DBL, "127.0.1.255", Said.UNKNOWN),  # asked about an address
        (DBL, "127.255.255.252", Said.UNKNOWN),  # no such zone
        (DBL, "127.255.255.254", Said.UNKNOWN),  # asked through a public resolver
        (DBL, "127.255.255.255", Said.UNKNOWN),  # asked too often
        (SURBL, "127.0.0.80", Said.LISTED),
        (SURBL, "127.0.0.1", Said.UNKNOWN),  # not served
        (URIBL, "127.0.0.2", Said.LISTED),
        (URIBL, "127.0.0.14", Said.LISTED),  # its test point: on all of them
        (URIBL, "127.0.0.4", Said.CLEAN),  # grey
        (URIBL, "127.0.0.8", Said.CLEAN),  # red
        (URIBL, "127.0.0.1", Said.UNKNOWN),  # refused
        ("bl.example", "127.0.0.4", Said.LISTED),
        ("bl.example", "192.0.2.1", Said.UNKNOWN),
    ],
)
def test_only_what_means_spam_is_a_listing(zone: str, codes: str, said: Said) -> None:
    assert uribl.meaning(Answer(DnsStatus.NOERROR, tuple(codes.split())), zone).said is said


def test_a_name_that_is_not_there_is_clean_and_silence_is_nothing() -> None:
    assert uribl.meaning(Answer(DnsStatus.NXDOMAIN), URIBL).said is Said.CLEAN
    assert uribl.meaning(Answer(DnsStatus.TIMEOUT), URIBL).said is Said.UNKNOWN


def test_the_key_of_a_customer_is_never_shown() -> None:
    assert uribl.shown("0123456789abcdef01234567ab.dbl.dq.spamhaus.net") == "dbl.dq.spamhaus.net"
    assert uribl.shown(DBL) == DBL
