"""What a domain publishes and how it is judged."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from posthouse.accounts.dns_records import (
    Check,
    DnsRecord,
    Installation,
    Need,
    PublishedKey,
    Purpose,
    SendingDomain,
    is_proven,
    judge,
    records_for,
    remembered,
    seen_selectors,
)
from posthouse.accounts.record_lint import Fault
from posthouse.model.dns import Answer, DnsStatus

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
HERE = Installation("mail.host.test", "bounces.host.test", "returnto.host.test", "r@bounces.host.test")
KEY = "v=DKIM1; k=rsa; p=" + "A" * 392
DOMAIN = SendingDomain(
    UUID(int=1), UUID(int=2), "example.com", "posthouse-domain-verification=abc", None, None, (), NOW,
    (PublishedKey("ph1-rsa", "rsa-sha256", KEY), PublishedKey("ph1-ed", "ed25519-sha256", "v=DKIM1; k=ed25519; p=QQ==")),
)  # fmt: skip


def record(purpose: Purpose, value: str) -> DnsRecord:
    return DnsRecord(purpose, "x.example.com", "TXT", value, "", Need.REQUIRED)


def found(*texts: str) -> Answer[str]:
    return Answer(DnsStatus.NOERROR, texts)


def outcome(purpose: Purpose, *, passed: bool, answered: bool = True, name: str = "x") -> Check:
    return Check(purpose, name, "TXT", "", (), passed, answered, "")


def test_the_records_of_a_domain_come_in_the_order_of_doing() -> None:
    records = records_for(DOMAIN, HERE)
    assert [(each.purpose.value, each.name, each.value) for each in records] == [
        ("ownership", "_posthouse.example.com", "posthouse-domain-verification=abc"),
        ("dkim", "ph1-rsa._domainkey.example.com", KEY),
        ("dkim", "ph1-ed._domainkey.example.com", "v=DKIM1; k=ed25519; p=QQ=="),
        ("spf", "bounces.host.test", "v=spf1 a:mail.host.test -all"),
        ("return_path", "bounces.example.com", "returnto.host.test"),
        ("dmarc", "_dmarc.example.com", "v=DMARC1; p=none; rua=mailto:r@bounces.host.test"),
        ("report_permission", "example.com._report._dmarc.bounces.host.test", "v=DMARC1;"),
        ("tls_reports", "_smtp._tls.example.com", "v=TLSRPTv1; rua=mailto:r@bounces.host.test"),
        ("mta_sts", "_mta-sts.example.com", "v=STSv1; id=1"),
        ("bimi", "default._bimi.example.com", "v=BIMI1; l=https://example.com/logo.svg"),
    ]
    assert [each.need.value for each in records] == ["required"] * 3 + ["recommended"] * 3 + ["optional"] * 4
    assert all(each.why.endswith(".") for each in records)


def test_the_alias_of_a_link_host_is_listed_where_it_can_lead_somewhere() -> None:
    here = replace(HERE, link_target="mail.host.test")
    (suggested,) = [each for each in records_for(DOMAIN, here) if each.purpose is Purpose.LINKS]
    assert (suggested.zone_line, suggested.need) == (
        "links.example.com. 3600 IN CNAME mail.host.test.",
        Need.OPTIONAL,
    )
    (chosen,) = [
        each for each in records_for(replace(DOMAIN, link_host="go.example.com"), here) if each.purpose is Purpose.LINKS
    ]
    assert chosen.name == "go.example.com"
    itself = replace(HERE, link_target="links.example.com")
    assert Purpose.LINKS not in {each.purpose for each in records_for(DOMAIN, itself)}


def test_a_zone_file_line_cuts_a_long_value_into_strings() -> None:
    line = record(Purpose.DKIM, KEY).zone_line
    assert line.startswith('x.example.com. 3600 IN TXT "v=DKIM1; ')
    pieces = line.split('"')[1::2]
    assert "".join(pieces) == KEY
    assert all(len(piece) <= 255 for piece in pieces)


@pytest.mark.parametrize(
    ("purpose", "wanted", "answer", "passed"),
    [
        (Purpose.OWNERSHIP, "token=1", found("other", "token=1"), True),
        (Purpose.OWNERSHIP, "token=1", found(" token=1 "), True),
        (Purpose.OWNERSHIP, "token=1", found("token=2"), False),
        (Purpose.OWNERSHIP, "token=1", Answer(DnsStatus.NXDOMAIN), False),
        (Purpose.DKIM, "v=DKIM1; k=rsa; p=AB", found("v=DKIM1;p=A B;"), True),
        (Purpose.DKIM, "v=DKIM1; k=rsa; p=AB", found("k=rsa; t=s; p=AB"), True),
        (Purpose.DKIM, "v=DKIM1; k=rsa; p=AB", found("v=DKIM1; k=ed25519; p=AB"), False),
        (Purpose.DKIM, "v=DKIM1; k=rsa; p=AB", found("v=DKIM1; k=rsa; p="), False),
        (Purpose.DKIM, "v=DKIM1; k=rsa; p=AB", found("v=DKIM1; p=AB", "v=DKIM1; p=CD"), False),
        (Purpose.SPF, "v=spf1 a:m.test -all", found("hello", "v=spf1 include:x.test a:m.test ~all"), True),
        (Purpose.SPF, "v=spf1 a:m.test -all", found("v=spf1 -all"), False),
        (Purpose.SPF, "v=spf1 a:m.test -all", found("v=spf1 a:m.test -all", "v=spf1 -all"), False),
        (Purpose.DMARC, "v=DMARC1; p=none", found("v=DMARC1; p=reject; rua=mailto:a@b.test"), True),
        (Purpose.DMARC, "v=DMARC1; p=none", found("v=DMARC1;p=none", "v=DMARC1;p=reject"), False),
        (Purpose.DMARC, "v=DMARC1; p=none", found("v=DMARC1"), False),
        (Purpose.DMARC, "v=DMARC1; p=none", found("V=DMARC1; p=none"), False),
    ],
)
def test_a_record_is_judged_by_what_receivers_would_make_of_it(
    purpose: Purpose, wanted: str, answer: Answer[str], passed: bool
) -> None:
    check = judge(record(purpose, wanted), answer)
    assert check.passed is passed
    assert check.answered
    assert check.detail.endswith(".")


@pytest.mark.parametrize("status", [DnsStatus.SERVFAIL, DnsStatus.TIMEOUT])
def test_a_silent_dns_is_no_answer(status: DnsStatus) -> None:
    check = judge(record(Purpose.OWNERSHIP, "x"), Answer(status, detail="no server answered"))
    assert not check.passed
    assert not check.answered
    assert "no server answered" in check.detail


OLD_KEY = outcome(Purpose.DKIM, passed=True, name="old")
OWN, NOT_OWN = outcome(Purpose.OWNERSHIP, passed=True), outcome(Purpose.OWNERSHIP, passed=False)
KEY_1, NOT_KEY = outcome(Purpose.DKIM, passed=True), outcome(Purpose.DKIM, passed=False)


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ((OWN, KEY_1, NOT_KEY), True),
        ((OWN, NOT_KEY, NOT_KEY), False),
        ((NOT_OWN, KEY_1, KEY_1), False),
        ((OWN, OLD_KEY), False),
        ((), False),
    ],
)
def test_ownership_and_one_key_that_is_not_retired_prove_a_domain(checks: tuple[Check, ...], expected: bool) -> None:
    keys = (PublishedKey("x", "rsa-sha256", ""), PublishedKey("old", "rsa-sha256", "", retired_at=BEFORE))
    assert is_proven(checks, keys) is expected


@pytest.mark.parametrize(
    ("check", "before", "expected"),
    [
        (outcome(Purpose.DKIM, passed=False, answered=False), outcome(Purpose.DKIM, passed=True), True),
        (outcome(Purpose.DKIM, passed=False, answered=False), outcome(Purpose.DKIM, passed=False), False),
        (outcome(Purpose.DKIM, passed=False, answered=False), outcome(Purpose.DKIM, passed=True, name="y"), False),
        (outcome(Purpose.DKIM, passed=False), outcome(Purpose.DKIM, passed=True), False),
        (outcome(Purpose.DKIM, passed=True), outcome(Purpose.DKIM, passed=False), True),
    ],
)
def test_what_a_silent_dns_does_not_say_counts_as_it_did(check: Check, before: Check, expected: bool) -> None:
    (kept,) = remembered((check,), (before,))
    assert kept.passed is expected


def test_a_record_that_was_there_is_lost_until_it_is_back() -> None:
    missing = judge(record(Purpose.DMARC, "v=DMARC1; p=none"), Answer(DnsStatus.NXDOMAIN))
    there = judge(record(Purpose.DMARC, "v=DMARC1; p=none"), found("v=DMARC1; p=none"))
    silent = judge(record(Purpose.DMARC, "v=DMARC1; p=none"), Answer(DnsStatus.TIMEOUT))
    assert not remembered((missing,), (missing,))[0].lost
    (lost,) = remembered((missing,), (there,))
    assert (lost.lost, lost.fault) == (True, Fault.LOST)
    (still,) = remembered((silent,), (lost,))
    assert (still.lost, still.passed) == (True, False)
    assert remembered((missing,), (still,))[0].lost
    assert not remembered((there,), (still,))[0].lost


def test_only_keys_that_were_seen_are_signed_with() -> None:
    checks = [
        outcome(Purpose.DKIM, passed=True, name="a._domainkey.example.com"),
        outcome(Purpose.DKIM, passed=False, name="b._domainkey.example.com"),
        outcome(Purpose.SPF, passed=True, name="c._domainkey.example.com"),
    ]
    assert seen_selectors(checks) == {"a"}
