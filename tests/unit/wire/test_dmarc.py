"""DMARC by RFC 9989: tree walk, alignment, and what the domain asks for."""

import asyncio
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.dkim_verify import DkimResult, DkimStatus
from posthouse.wire.dmarc import DmarcStatus, DmarcVerdict, Policy, alignments, evaluate, names_to_ask, parse_record
from posthouse.wire.lookups import Answer, Found
from posthouse.wire.spf import SpfResult, SpfStatus


class Zone:
    """DMARC records by the domain they stand at, and the names that exist."""

    def __init__(self, records: Mapping[str, str | None], existing: frozenset[str] = frozenset()) -> None:
        self.records = records
        self.existing = existing
        self.asked: list[str] = []

    async def txt(self, name: str) -> Answer:
        self.asked.append(name)
        domain = name.removeprefix("_dmarc.")
        if domain not in self.records:
            return Answer(Found.NO_NAME)
        text = self.records[domain]
        return Answer(Found.FAILED) if text is None else Answer(Found.YES, tuple(text.split("|")))

    async def a(self, name: str) -> Answer:
        return Answer(Found.NO_DATA if name in self.existing else Found.NO_NAME)

    aaaa = mx = ptr = a


def judge(
    author: str,
    records: Mapping[str, str | None],
    spf: str = "",
    dkim: str = "",
    existing: frozenset[str] = frozenset(),
) -> DmarcVerdict:
    spf_result = SpfResult(SpfStatus.PASS, spf) if spf else None
    dkim_results = [DkimResult(DkimStatus.PASS, domain=dkim)] if dkim else []
    return asyncio.run(evaluate(author, spf_result, dkim_results, Zone(records, existing)))


REJECT = {"example.com": "v=DMARC1; p=reject"}


@pytest.mark.parametrize(
    ("author", "records", "spf", "dkim", "status"),
    [
        ("example.com", REJECT, "", "example.com", DmarcStatus.PASS),
        ("example.com", REJECT, "", "mail.example.com", DmarcStatus.PASS),
        ("mail.example.com", REJECT, "", "example.com", DmarcStatus.PASS),
        ("mail.example.com", REJECT, "", "other.example.com", DmarcStatus.PASS),
        ("example.com", REJECT, "bounce.example.com", "", DmarcStatus.PASS),
        ("example.com", REJECT, "", "example.net", DmarcStatus.FAIL),
        ("example.com", REJECT, "", "badexample.com", DmarcStatus.FAIL),
        ("example.com", REJECT, "", "com", DmarcStatus.FAIL),
        ("example.com", REJECT, "", "", DmarcStatus.FAIL),
        ("example.com", {"example.com": "v=DMARC1; p=reject; adkim=s"}, "", "mail.example.com", DmarcStatus.FAIL),
        ("example.com", {"example.com": "v=DMARC1; p=reject; aspf=s"}, "mail.example.com", "", DmarcStatus.FAIL),
        ("example.com", {"example.com": "v=DMARC1; p=reject; adkim=s"}, "", "example.com", DmarcStatus.PASS),
        ("example.com", {}, "", "example.com", DmarcStatus.NONE),
        ("example.com", {"example.com": "v=spf1"}, "", "", DmarcStatus.NONE),
        ("example.com", {"example.com": "v=DMARC1; p=none|v=DMARC1; p=reject"}, "", "", DmarcStatus.NONE),
        ("example.com", {"example.com": None}, "", "", DmarcStatus.TEMPERROR),
        # Customers of one public suffix are strangers to each other.
        ("a.host.test", {"host.test": "v=DMARC1; p=reject; psd=y"}, "", "b.host.test", DmarcStatus.FAIL),
        ("x.a.host.test", {"host.test": "v=DMARC1; p=reject; psd=y"}, "", "y.a.host.test", DmarcStatus.PASS),
        # A department that calls itself an organization is one.
        (
            "a.dep.example.com",
            {**REJECT, "dep.example.com": "v=DMARC1; p=none; psd=n"},
            "",
            "example.com",
            DmarcStatus.FAIL,
        ),
        (
            "a.dep.example.com",
            {**REJECT, "dep.example.com": "v=DMARC1; p=none; psd=n"},
            "",
            "dep.example.com",
            DmarcStatus.PASS,
        ),
        ("a.dep.example.com", {**REJECT, "dep.example.com": "v=DMARC1; p=none"}, "", "example.com", DmarcStatus.PASS),
    ],
)
def test_alignment_decides(
    author: str, records: Mapping[str, str | None], spf: str, dkim: str, status: DmarcStatus
) -> None:
    verdict = judge(author, records, spf, dkim)
    assert verdict.status is status
    if status is DmarcStatus.PASS:
        assert verdict.disposition is Policy.NONE
        assert (verdict.spf_aligned, verdict.dkim_aligned) == (bool(spf), bool(dkim))


FULL = {"example.com": "v=DMARC1; p=reject; sp=quarantine; np=none"}


@pytest.mark.parametrize(
    ("author", "records", "policy", "disposition"),
    [
        ("example.com", FULL, Policy.REJECT, Policy.REJECT),
        ("there.example.com", FULL, Policy.QUARANTINE, Policy.QUARANTINE),
        ("nowhere.example.com", FULL, Policy.NONE, Policy.NONE),
        ("there.example.com", REJECT, Policy.REJECT, Policy.REJECT),
        ("example.com", {"example.com": "v=DMARC1; p=reject; t=y"}, Policy.REJECT, Policy.QUARANTINE),
        ("example.com", {"example.com": "v=DMARC1; p=quarantine; t=y"}, Policy.QUARANTINE, Policy.NONE),
        ("example.com", {"example.com": "v=DMARC1; rua=mailto:x@y.z"}, Policy.NONE, Policy.NONE),
        ("example.com", {"example.com": "v=DMARC1; p=typo"}, Policy.NONE, Policy.NONE),
        ("shop.bank", {"bank": "v=DMARC1; p=none; sp=reject; psd=y"}, Policy.REJECT, Policy.REJECT),
    ],
)
def test_what_the_domain_asks_for(
    author: str, records: Mapping[str, str | None], policy: Policy, disposition: Policy
) -> None:
    verdict = judge(author, records, existing=frozenset({"there.example.com", "shop.bank"}))
    assert (verdict.status, verdict.policy, verdict.disposition) == (DmarcStatus.FAIL, policy, disposition)


@pytest.mark.parametrize(
    ("author", "records", "domain", "aligned"),
    [
        ("mail.example.com", REJECT, "mail.example.com", True),
        ("mail.example.com", REJECT, "example.com", True),
        ("mail.example.com", {"example.com": "v=DMARC1; p=reject; adkim=s; aspf=s"}, "other.example.com", True),
        ("mail.example.com", {}, "example.com", False),
        ("mail.example.com", REJECT, "example.net", False),
        ("a.host.test", {"host.test": "v=DMARC1; p=reject; psd=y"}, "b.host.test", False),
        ("a.host.test", {"host.test": "v=DMARC1; p=reject; psd=y"}, "host.test", False),
        ("mail.example.com", {"example.com": None}, "mail.example.com", True),
        ("mail.example.com", {"example.com": None}, "example.com", None),
        ("mail.example.com", {**REJECT, "other.example.com": None}, "other.example.com", None),
    ],
)
def test_relaxed_alignment_needs_one_organization(
    author: str, records: Mapping[str, str | None], domain: str, aligned: bool | None
) -> None:
    assert asyncio.run(alignments(author, [domain], Zone(records)))[domain] is aligned


def test_the_author_itself_is_aligned_without_a_question() -> None:
    zone = Zone(REJECT)
    assert asyncio.run(alignments("example.com", ["example.com"] * 2, zone)) == {"example.com": True}
    assert zone.asked == []


def test_a_long_name_is_asked_about_eight_times_at_most() -> None:
    assert names_to_ask("a.b.c.d.e.f.g.h.i.j.mail.example.com") == [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com", "h.i.j.mail.example.com", "i.j.mail.example.com", "j.mail.example.com",
        "mail.example.com", "example.com", "com",
    ]  # fmt: skip
    assert names_to_ask("mail.example.com") == ["mail.example.com", "example.com", "com"]
    assert len(names_to_ask(".".join("x" * 120))) == 8


@given(st.text(max_size=100) | st.text(alphabet="v=DMARC1; psntr", max_size=60).map(lambda rest: "v=DMARC1;" + rest))
def test_no_record_makes_parsing_raise(text: str) -> None:
    parse_record(text)
