"""Which TLSA records count, and which certificates they mean."""

import hashlib

import pytest
from tests.certificates import DAY, issued, now

from posthouse.model.dns import TlsaRecord
from posthouse.wire import dane
from posthouse.wire.tlsrpt import ResultType

HOST = "mx.there.test"
ROOT = issued(ca=True)
MIDDLE = issued("middle authority", by=ROOT, ca=True)
LEAF = issued(HOST, by=MIDDLE)
STRANGER = issued(HOST)
CHAIN = [LEAF.der, MIDDLE.der, ROOT.der]


def record(usage, whole, selector=0, matching=1):
    data = {0: whole, 1: hashlib.sha256(whole).digest(), 2: hashlib.sha512(whole).digest()}[matching]
    return TlsaRecord(usage, selector, matching, data)


def judged(records, chain=CHAIN, names=(HOST,), when=None):
    return dane.judged(records, chain, names, when or now())


@pytest.mark.parametrize("matching", [0, 1, 2])
@pytest.mark.parametrize(("selector", "part"), [(0, "der"), (1, "spki")])
@pytest.mark.parametrize(("usage", "identity"), [(3, LEAF), (2, MIDDLE), (2, ROOT)])
def test_a_record_means_a_certificate_or_a_key_whole_or_hashed(usage, identity, selector, part, matching):
    one = record(usage, getattr(identity, part), selector, matching)
    assert dane.usable([one]) == (one,)
    assert judged([one]) is ResultType.SUCCESS
    other = record(usage, getattr(STRANGER, part), selector, matching)
    assert judged([other]) is not ResultType.SUCCESS
    assert judged([other, one]) is ResultType.SUCCESS


def test_the_hosts_own_certificate_may_be_of_any_age_and_name():
    old = issued("elsewhere.test", since=now() - 3 * DAY, until=now() - DAY)
    assert judged([record(3, old.der)], [old.der]) is ResultType.SUCCESS


def test_an_issuer_must_have_issued_a_certificate_of_today_for_the_name():
    trust = [record(2, ROOT.der)]
    assert judged(trust, names=["mx.other.test"]) is ResultType.CERTIFICATE_HOST_MISMATCH
    assert judged(trust, names=["mx.other.test", HOST]) is ResultType.SUCCESS
    assert judged(trust, when=now() + 2 * DAY) is ResultType.CERTIFICATE_EXPIRED
    assert judged(trust, [STRANGER.der, ROOT.der]) is ResultType.CERTIFICATE_NOT_TRUSTED
    assert judged(trust, [LEAF.der, ROOT.der]) is ResultType.CERTIFICATE_NOT_TRUSTED  # the link between them is missing
    assert judged(trust, [LEAF.der, MIDDLE.der]) is ResultType.TLSA_INVALID  # not shown, as RFC 7672 3.1.2 demands


def test_an_issuer_whole_in_the_dns_need_not_be_shown():
    assert judged([record(2, ROOT.der, matching=0)], [LEAF.der, MIDDLE.der]) is ResultType.SUCCESS


def test_a_certificate_that_is_no_issuer_vouches_for_nobody():
    forged = issued(HOST, by=LEAF)
    assert judged([record(2, ROOT.der)], [forged.der, *CHAIN]) is ResultType.CERTIFICATE_NOT_TRUSTED
    assert judged([record(2, LEAF.der)], [forged.der, *CHAIN]) is ResultType.CERTIFICATE_NOT_TRUSTED


@pytest.mark.parametrize(
    ("domain", "result"),
    [("there.test", ResultType.SUCCESS), ("other.test", ResultType.CERTIFICATE_NOT_TRUSTED)],
)
def test_an_issuer_for_one_domain_vouches_for_no_other(domain, result):
    middle = issued("middle authority", by=ROOT, ca=True, only_for=domain)
    leaf = issued(HOST, by=middle)
    assert judged([record(2, ROOT.der)], [leaf.der, middle.der, ROOT.der]) is result


def test_a_wildcard_certificate_names_one_label():
    leaf = issued("*.there.test", by=ROOT)
    trust, chain = [record(2, ROOT.der)], [leaf.der, ROOT.der]
    assert judged(trust, chain) is ResultType.SUCCESS
    assert judged(trust, chain, ["a.b.there.test"]) is ResultType.CERTIFICATE_HOST_MISMATCH


@pytest.mark.parametrize(
    "useless",
    [
        record(0, ROOT.der),  # PKIX-TA and PKIX-EE: RFC 7672 3.1.3
        record(1, LEAF.der),
        record(4, LEAF.der),
        TlsaRecord(3, 2, 1, bytes(32)),
        TlsaRecord(3, 1, 3, bytes(32)),
        TlsaRecord(3, 1, 1, bytes(31)),
        TlsaRecord(3, 1, 2, bytes(32)),
    ],
)
def test_records_without_meaning_for_smtp_are_left_out(useless):
    assert dane.usable([useless]) == ()


def test_of_digests_only_the_strongest_counts():
    weak, strong, whole = record(3, LEAF.der, 0, 1), record(3, STRANGER.der, 0, 2), record(3, LEAF.der, 0, 0)
    other_part = record(3, LEAF.spki, 1, 1)
    assert dane.usable([weak, strong, whole, other_part]) == (strong, whole, other_part)


@pytest.mark.parametrize("chain", [[], [b""], [b"not a certificate"]])
def test_a_chain_nobody_can_read_proves_nothing(chain):
    assert judged([record(3, LEAF.der)], chain) is not ResultType.SUCCESS
