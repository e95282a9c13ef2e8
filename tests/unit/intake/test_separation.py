"""Which pools a class may take and which domains it should come from, as tables of cases."""

from dataclasses import replace

import pytest
from tests.unit.intake.test_mass import SUBMISSION, SUBMITTER

from posthouse.intake.classify import classify
from posthouse.intake.separation import domain_judgement, pool_refusal
from posthouse.intake.submission import refused
from posthouse.model.mail import Note, Refused
from posthouse.model.words import ClassPolicy, EventKind, MailClass, Pool, Source

B, T, M = MailClass.BUSINESS, MailClass.TRANSACTIONAL, MailClass.MARKETING


@pytest.mark.parametrize(
    ("mail_class", "pool", "taken"),
    [
        (T, None, True),
        (T, Pool.TRANSACTIONAL, True),
        (T, Pool.NOTIFICATION, True),
        (T, Pool.MARKETING, False),
        (B, None, True),
        (B, Pool.NOTIFICATION, False),
        (M, None, True),
        (M, Pool.MARKETING, True),
        (M, Pool.TRANSACTIONAL, False),
        (M, Pool.NOTIFICATION, False),
    ],
)
def test_each_class_has_its_pools(mail_class: MailClass, pool: Pool | None, taken: bool) -> None:
    found = pool_refusal(mail_class, pool)
    assert (found is None) is taken
    if found:
        assert found.problems[0].pointer == "/pool"
        assert mail_class in found.problems[0].detail
        assert str(pool) in found.problems[0].detail


@pytest.mark.parametrize(
    ("mail_class", "classes", "policy", "outcome"),
    [
        (M, set(), ClassPolicy.REFUSE, None),
        (M, {M}, ClassPolicy.REFUSE, None),
        (T, {B, T}, ClassPolicy.REFUSE, None),
        (M, {B, T}, ClassPolicy.WARN, Note),
        (M, {B, T}, ClassPolicy.REFUSE, Refused),
        (T, {M}, ClassPolicy.WARN, Note),
        (T, {M}, ClassPolicy.REFUSE, Refused),
    ],
)
def test_mail_from_a_domain_for_other_mail_is_warned_of_or_refused(
    mail_class: MailClass, classes: set[MailClass], policy: ClassPolicy, outcome: type | None
) -> None:
    found = domain_judgement(mail_class, "acme.test", classes, policy)
    assert type(found) is (outcome or type(None))
    if isinstance(found, Note):
        assert found.kind is EventKind.CLASS_CROSSED
        assert "acme.test" in found.text


def test_over_smtp_the_refusal_is_permanent_and_a_matter_of_policy() -> None:
    found = domain_judgement(M, "acme.test", {T}, ClassPolicy.REFUSE)
    assert isinstance(found, Refused)
    reply = refused(found)
    assert (reply.code, reply.enhanced) == (550, "5.7.1")


@pytest.mark.parametrize(
    ("changed", "mail_class"),
    [
        ({"source": Source.MANUAL}, B),
        ({"source": Source.MANUAL, "mail_class": T}, T),
        ({"source": Source.API}, T),
        ({"source": Source.SMTP}, T),
        ({"source": Source.NOTICE}, T),
    ],
)
def test_mail_by_hand_is_business_mail(changed: dict[str, object], mail_class: MailClass) -> None:
    assert classify(replace(SUBMISSION, **changed), SUBMITTER)[0] is mail_class
