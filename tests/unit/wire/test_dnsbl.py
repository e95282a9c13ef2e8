"""What block lists are asked, and what their answers mean."""

import pytest

from posthouse.model.dns import Answer, DnsStatus
from posthouse.wire import dnsbl
from posthouse.wire.dnsbl import Meaning, Said

ZONE = "bl.example"


def test_an_address_is_asked_about_from_its_end() -> None:
    assert dnsbl.question("192.0.2.99", ZONE) == "99.2.0.192.bl.example"
    nibbles = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4"
    assert dnsbl.question("4321:0:1:2:3:4:567:89ab", ZONE) == f"{nibbles}.bl.example"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(DnsStatus.NXDOMAIN), Said.CLEAN),
        (Answer(DnsStatus.NODATA), Said.CLEAN),
        (Answer(DnsStatus.NOERROR, ("127.0.0.2",)), Said.LISTED),
        (Answer(DnsStatus.NOERROR, ("127.0.0.4", "127.0.0.10")), Said.LISTED),
        (Answer(DnsStatus.NOERROR, ("127.0.0.2",), name="2.0.0.127.shard.bl.example"), Said.LISTED),
        (Answer(DnsStatus.NOERROR, ("127.0.0.2",), name="parked.example"), Said.UNKNOWN),
        (Answer(DnsStatus.NXDOMAIN, name="parked.example"), Said.UNKNOWN),
        (Answer(DnsStatus.NOERROR, ("127.255.255.254",)), Said.UNKNOWN),  # asked through a public resolver
        (Answer(DnsStatus.NOERROR, ("127.255.255.255", "127.0.0.2")), Said.UNKNOWN),
        (Answer(DnsStatus.NOERROR, ("127.0.0.1",)), Said.UNKNOWN),
        (Answer(DnsStatus.NOERROR, ("198.51.100.7",)), Said.UNKNOWN),  # whoever bought the domain
        (Answer(DnsStatus.SERVFAIL), Said.UNKNOWN),
        (Answer(DnsStatus.TIMEOUT), Said.UNKNOWN),
    ],
)
def test_only_an_answer_of_the_list_itself_is_a_listing(answer: Answer[str], said: Said) -> None:
    assert dnsbl.meaning(answer, ZONE).said is said


@pytest.mark.parametrize(
    ("listed", "unlisted", "works"),
    [
        (Said.LISTED, Said.CLEAN, True),
        (Said.LISTED, Said.UNKNOWN, True),
        (Said.LISTED, Said.LISTED, False),  # it lists everybody
        (Said.CLEAN, Said.CLEAN, False),  # it is empty
        (Said.UNKNOWN, Said.CLEAN, False),
    ],
)
def test_a_list_that_works_lists_its_test_address_and_not_everybody(listed: Said, unlisted: Said, works: bool) -> None:
    assert dnsbl.works(Meaning(listed), Meaning(unlisted)) is works


def test_where_to_ask_for_removal_is_what_the_list_says_or_known_of_its_operator() -> None:
    told = dnsbl.reason(("Blocked, see  https://bl.example/q?ip=1.2.3.4.", "\x1b[1mnow"))
    assert told == "Blocked, see https://bl.example/q?ip=1.2.3.4. [1mnow"
    assert dnsbl.removal(ZONE, told) == "https://bl.example/q?ip=1.2.3.4"
    assert dnsbl.removal("zen.spamhaus.org", "spam") == "https://check.spamhaus.org/"
    assert dnsbl.removal("notspamhaus.org", "spam") == ""
    assert len(dnsbl.reason(("x" * 5_000,))) == 300
