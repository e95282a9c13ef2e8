"""What is wrong with records as people publish them."""

from collections.abc import Callable, Sequence

import pytest

from posthouse.accounts import record_lint
from posthouse.accounts.record_lint import SENTENCES, Fault, Remark
from posthouse.wire.dmarc import Policy

Table = list[tuple[tuple[str, ...], Fault | None]]
OURS = "rua=mailto:r@bounces.host.test"


def faults(lint: Callable[[str, Sequence[str]], Remark | None], expected: str, table: Table) -> Table:
    """The table as the lint would fill it in."""
    remarks = [(found, lint(expected, found)) for found, _ in table]
    return [(found, remark.fault if remark else None) for found, remark in remarks]


def test_an_ownership_token_may_stand_among_other_texts() -> None:
    table: Table = [
        (("token=1",), None),
        (("google-site=x", ' "token=1" '), None),
        (("token=2",), Fault.DIFFERENT),
        ((), Fault.MISSING),
    ]
    assert faults(record_lint.text, "token=1", table) == table


def test_a_key_is_compared_by_what_verifiers_read() -> None:
    table: Table = [
        (("v=DKIM1;p=A B;",), None),
        (("k=rsa; t=s; p=AB",), None),
        (("v=DKIM1; k=ed25519; p=AB",), Fault.DIFFERENT),
        (("v=DKIM1; k=rsa; p=",), Fault.KEY_REVOKED),
        (("v=DKIM1; p=AB", "v=DKIM1; p=CD"), Fault.SEVERAL),
    ]
    assert faults(record_lint.key, "v=DKIM1; k=rsa; p=AB", table) == table


def test_an_spf_record_is_read_as_receivers_do() -> None:
    many = "v=spf1 " + " ".join(f"include:{n}.test" for n in range(10)) + " a:m.test -all"
    table: Table = [
        (("v=spf1 a:m.test -all",), None),
        (("site=x", "v=spf1 include:x.test A:m.test ~all"), None),
        (("v=spf1 -all",), Fault.SPF_WITHOUT_US),
        (("v=spf1 a:m.test foo:bar -all",), Fault.SPF_UNREADABLE),
        (("v=spf1 a:m.test ip4:300.1.1.1 -all",), Fault.SPF_UNREADABLE),
        (("v=spf1 a:m.test -all", "v=spf1 -all"), Fault.SEVERAL),
        ((many,), Fault.SPF_TOO_MANY_LOOKUPS),
        (("v=spf1 a:m.test +all",), Fault.SPF_ALLOWS_ALL),
        (("hello",), Fault.MISSING),
    ]
    assert faults(record_lint.spf, "v=spf1 a:m.test -all", table) == table


def test_a_dmarc_record_is_any_one_readable_policy() -> None:
    table: Table = [
        ((f"v=DMARC1; p=reject; {OURS}",), None),
        ((f"v=DMARC1; p=none; rua=mailto:a@b.test,{OURS[4:]}!10m",), None),
        (("v=DMARC1; p=none",), Fault.DMARC_REPORTS_ELSEWHERE),
        (("v=DMARC1; p=none; rua=mailto:a@b.test",), Fault.DMARC_REPORTS_ELSEWHERE),
        (("v=DMARC1",), Fault.DMARC_UNREADABLE),
        (("v=DMARC1; p=nothing",), Fault.DMARC_UNREADABLE),
        (("v=DMARC1 p=none",), Fault.DMARC_UNREADABLE),
        (("v=DMARC1; p=none; p=reject",), Fault.DMARC_UNREADABLE),
        (("v=DMARC1; p=none", "v=DMARC1; p=reject"), Fault.SEVERAL),
    ]
    assert faults(record_lint.dmarc, f"v=DMARC1; p=none; {OURS}", table) == table


def test_advice_does_not_fail_a_record() -> None:
    remark = record_lint.dmarc(f"v=DMARC1; p=none; {OURS}", ["v=DMARC1; p=none"])
    assert remark == Remark(Fault.DMARC_REPORTS_ELSEWHERE, {"value": "r@bounces.host.test"}, passes=True)
    assert remark.sentence("x").endswith("Add rua=mailto:r@bounces.host.test to the record.")


def test_an_mta_sts_record_has_an_id() -> None:
    table: Table = [
        (("v=STSv1; id=20261122T1;",), None),
        (("v=STSv1;",), Fault.STS_UNREADABLE),
        (("v=STSv1; id=2026-11-22",), Fault.STS_UNREADABLE),
        (("v=STSv1; id=1", "v=STSv1; id=2"), Fault.SEVERAL),
        ((), Fault.MISSING),
    ]
    assert faults(record_lint.sts, "v=STSv1; id=1", table) == table


def test_tls_reports_go_to_an_address() -> None:
    table: Table = [
        ((f"v=TLSRPTv1; {OURS}",), None),
        (("v=TLSRPTv1; rua=https://reports.test/tls",), Fault.TLS_REPORTS_ELSEWHERE),
        (("v=TLSRPTv1; rua=reports@test",), Fault.TLS_UNREADABLE),
        (("v=TLSRPTv1",), Fault.TLS_UNREADABLE),
        ((), Fault.MISSING),
    ]
    assert faults(record_lint.tls_reports, f"v=TLSRPTv1; {OURS}", table) == table


def test_a_logo_is_an_svg_by_https() -> None:
    table: Table = [
        (("v=BIMI1; l=https://shop.test/logo.svg; a=https://shop.test/vmc.pem",), None),
        (("v=BIMI1; l=;",), None),
        (("v=BIMI1; l=http://shop.test/logo.svg",), Fault.LOGO_ADDRESS),
        (("v=BIMI1; l=https://shop.test/logo.png",), Fault.LOGO_ADDRESS),
        (("v=BIMI1; l=https://[::1/logo.svg",), Fault.LOGO_ADDRESS),
        (("v=BIMI1",), Fault.LOGO_UNREADABLE),
        (("v=BIMI1; l=https://a.test/a.svg", "v=BIMI1; l=https://b.test/b.svg"), Fault.SEVERAL),
    ]
    assert faults(record_lint.logo, "v=BIMI1; l=https://shop.test/logo.svg", table) == table


@pytest.mark.parametrize(
    ("policy", "subdomains", "named"),
    [
        (Policy.REJECT, Policy.QUARANTINE, None),
        (Policy.NONE, Policy.NONE, "none"),
        (Policy.REJECT, Policy.NONE, "none"),
        (None, None, "none"),
    ],
)
def test_a_logo_needs_a_policy_that_is_enforced(
    policy: Policy | None, subdomains: Policy | None, named: str | None
) -> None:
    remark = record_lint.logo_policy(policy, subdomains)
    assert (remark.values["value"] if remark else None) == named


def test_every_fault_has_a_sentence_that_can_be_filled_in() -> None:
    assert set(SENTENCES) == set(Fault)
    for fault in Fault:
        assert Remark(fault, {"value": "1"}).sentence("x.test").endswith((".", ":"))
