"""Who may send marketing."""

from datetime import UTC, datetime

import pytest

from posthouse.intake.checks import refusal
from posthouse.intake.submission import refused
from posthouse.model.mail import Refused, Submission, Submitter
from posthouse.model.words import MailClass, Scope, Source
from posthouse.runtime.ids import uuid7_floor

NOW = datetime(2026, 11, 23, tzinfo=UTC)
POST = "Shop, 1 High Street"


@pytest.mark.parametrize(
    ("mail_class", "lab", "postal_address", "code"),
    [
        (MailClass.MARKETING, False, POST, "class_not_available"),
        (MailClass.MARKETING, False, "", "class_not_available"),
        (MailClass.MARKETING, True, "", "postal_address_missing"),
        (MailClass.MARKETING, True, POST, None),
        (MailClass.TRANSACTIONAL, False, "", None),
    ],
)
def test_marketing_needs_consent_and_a_postal_address(
    mail_class: MailClass, postal_address: str, code: str | None, *, lab: bool
) -> None:
    somebody = uuid7_floor(NOW)
    submitter = Submitter(
        somebody, 1, somebody, "api_key", "shop", frozenset({Scope.SEND}), any_domain=lab, postal_address=postal_address
    )
    submission = Submission(Source.API, "a@a.test", (), "x", "<1@a.test>", b"From: a@a.test\r\n\r\nx\r\n")
    found = refusal(submission, submitter, mail_class, may_use_domain=True)
    assert (found.problems[0].code if found else None) == code


def test_smtp_says_550_without_a_postal_address() -> None:
    somebody = uuid7_floor(NOW)
    submitter = Submitter(somebody, 1, somebody, "api_key", "shop", frozenset({Scope.SEND}), any_domain=True)
    submission = Submission(Source.SMTP, "a@a.test", (), "x", "<1@a.test>", b"")
    found = refusal(submission, submitter, MailClass.MARKETING, may_use_domain=True)
    assert isinstance(found, Refused)
    answer = refused(found)
    assert (answer.code, answer.enhanced) == (550, "5.7.1")
