"""Whose demands on a session come first."""

import pytest

from posthouse.delivery import tls_policy
from posthouse.delivery.courier import Plan, SitePolicy, Target, TlsPolicy
from posthouse.delivery.tls_policy import Demand, Proof, Try
from posthouse.model.dns import TlsaRecord
from posthouse.wire.dane import Tlsa
from posthouse.wire.mta_sts import Mode, StsPolicy
from posthouse.wire.sasl import Credentials
from posthouse.wire.tlsrpt import PolicyType, ResultType

HOST = "mx.there.test"
USABLE = Tlsa(HOST, (TlsaRecord(3, 1, 1, bytes(32)),))
UNUSABLE = Tlsa(HOST, ())
ENFORCED = StsPolicy(Mode.ENFORCE, (HOST,), 1)
TESTED = StsPolicy(Mode.TESTING, (HOST,), 1)
TESTED_ELSEWHERE = StsPolicy(Mode.TESTING, ("mx.other.test",), 1)
TAKEN_BACK = StsPolicy(Mode.NONE, (), 1)

OPPORTUNISTIC = SitePolicy()
REQUIRED = SitePolicy(tls=TlsPolicy.REQUIRED)
OFF = SitePolicy(tls=TlsPolicy.OFF)
VERIFIED = SitePolicy(verified=True)

USUAL = (Try(TlsPolicy.OPPORTUNISTIC), Try(TlsPolicy.OFF))
TRIED_FIRST = Try(TlsPolicy.OPPORTUNISTIC, Proof.STS)
ENCRYPTED = (Try(TlsPolicy.REQUIRED),)
DANE = (Try(TlsPolicy.REQUIRED, Proof.DANE),)
STS = (Try(TlsPolicy.REQUIRED, Proof.STS),)
PKIX = (Try(TlsPolicy.REQUIRED, Proof.CERTIFICATE),)
BAD_TLSA = ResultType.TLSA_INVALID


def plan(tlsa=None, sts=None, credentials=None):
    return Plan("site", (Target(HOST, "192.0.2.1", 25, tlsa),), credentials, domain="there.test", sts=sts)


@pytest.mark.parametrize(
    ("tlsa", "sts", "ours", "expected"),
    [
        (None, None, OPPORTUNISTIC, Demand(PolicyType.NONE, USUAL)),
        (None, None, REQUIRED, Demand(PolicyType.NONE, ENCRYPTED)),
        (None, None, OFF, Demand(PolicyType.NONE, (Try(TlsPolicy.OFF),))),
        (None, None, VERIFIED, Demand(PolicyType.NONE, PKIX)),
        (None, None, SitePolicy(tls=TlsPolicy.OFF, verified=True), Demand(PolicyType.NONE, PKIX)),
        (USABLE, None, OPPORTUNISTIC, Demand(PolicyType.TLSA, DANE)),
        (USABLE, ENFORCED, OFF, Demand(PolicyType.TLSA, DANE)),
        (USABLE, TESTED, VERIFIED, Demand(PolicyType.TLSA, DANE)),
        (UNUSABLE, None, OPPORTUNISTIC, Demand(PolicyType.TLSA, ENCRYPTED, BAD_TLSA)),
        (UNUSABLE, None, OFF, Demand(PolicyType.TLSA, ENCRYPTED, BAD_TLSA)),
        (UNUSABLE, TESTED, OPPORTUNISTIC, Demand(PolicyType.TLSA, ENCRYPTED, BAD_TLSA)),
        (UNUSABLE, ENFORCED, OPPORTUNISTIC, Demand(PolicyType.STS, STS)),
        (UNUSABLE, None, VERIFIED, Demand(PolicyType.TLSA, PKIX, BAD_TLSA)),
        (None, ENFORCED, OPPORTUNISTIC, Demand(PolicyType.STS, STS)),
        (None, ENFORCED, OFF, Demand(PolicyType.STS, STS)),
        (None, ENFORCED, VERIFIED, Demand(PolicyType.STS, STS)),
        (None, TESTED, OPPORTUNISTIC, Demand(PolicyType.STS, (TRIED_FIRST, *USUAL))),
        (None, TESTED, REQUIRED, Demand(PolicyType.STS, (*STS, *ENCRYPTED))),
        (None, TESTED, OFF, Demand(PolicyType.NONE, (Try(TlsPolicy.OFF),))),
        (None, TESTED, VERIFIED, Demand(PolicyType.STS, PKIX)),
        (None, TESTED_ELSEWHERE, OPPORTUNISTIC, Demand(PolicyType.STS, USUAL, ResultType.VALIDATION_FAILURE)),
        (None, TAKEN_BACK, OPPORTUNISTIC, Demand(PolicyType.NONE, USUAL)),
    ],
)
def test_dane_comes_first_then_an_enforced_policy_then_the_mail_then_our_settings(tlsa, sts, ours, expected):
    chosen = plan(tlsa, sts)
    assert tls_policy.demand(chosen, chosen.targets[0], ours) == expected


@pytest.mark.parametrize("ours", [OPPORTUNISTIC, OFF, VERIFIED])
def test_a_password_asks_for_the_right_host(ours):
    chosen = plan(credentials=Credentials("me", "secret"))
    assert tls_policy.demand(chosen, chosen.targets[0], ours).tries == PKIX


@pytest.mark.parametrize("tlsa", [None, USABLE, UNUSABLE])
@pytest.mark.parametrize("sts", [None, ENFORCED, TESTED, TESTED_ELSEWHERE, TAKEN_BACK])
@pytest.mark.parametrize("tls", TlsPolicy)
def test_mail_that_demands_it_is_only_ever_sent_to_a_host_that_proved_its_name(tlsa, sts, tls):
    chosen = plan(tlsa, sts)
    for way in tls_policy.demand(chosen, chosen.targets[0], SitePolicy(tls=tls, verified=True)).tries:
        assert way.tls is TlsPolicy.REQUIRED
        assert way.proof is not Proof.NONE


@pytest.mark.parametrize(
    ("tlsa", "sts", "ours", "sentence"),
    [
        (None, None, OPPORTUNISTIC, "Encrypted where offered, without proof."),
        (None, None, REQUIRED, "Encrypted without proof, never in the clear."),
        (None, None, OFF, "In the clear."),
        (None, None, VERIFIED, "The certificate must be valid for mx.there.test."),
        (USABLE, ENFORCED, OFF, "The certificate must be the one its TLSA records mean (DANE)."),
        (UNUSABLE, None, OFF, "Encrypted without proof: none of its TLSA records can be used (RFC 7672 2.2)."),
        (
            None,
            ENFORCED,
            OFF,
            "The certificate must be valid for mx.there.test: the domain's MTA-STS policy is enforced.",
        ),
        (
            None,
            TESTED,
            OPPORTUNISTIC,
            "Encrypted where offered, without proof. The domain's MTA-STS policy would cover it, but is only in testing.",
        ),
        (
            None,
            TESTED_ELSEWHERE,
            REQUIRED,
            "Encrypted without proof, never in the clear. The domain's MTA-STS policy does not name it, but is only in testing.",
        ),
    ],
)
def test_the_rule_is_told_in_a_sentence(tlsa, sts, ours, sentence):
    chosen = plan(tlsa, sts)
    assert tls_policy.explained(chosen, chosen.targets[0], ours) == sentence
