"""What administrators are written about alerts, who gets it and which domain it comes from."""

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from posthouse.accounts.alerts import Alert, Level, Trouble
from posthouse.accounts.domains import SendingDomain
from posthouse.accounts.users import Member, User
from posthouse.accounts.workspaces import Workspace
from posthouse.intake import alert_mail
from posthouse.intake.alert_mail import News
from posthouse.intake.notices import Writer
from posthouse.model import limits
from posthouse.model.words import MailClass, Role

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ID = UUID("01a2043a-aee3-736f-b195-66f51085d51e")
WORKSPACE = Workspace(ID, 7, "Acme", 5, True, False, "", NOW, any_domain=False)
WRITER = Writer("mail.acme.example", "https://mail.acme.example")
SPF = Trouble(
    "domain.incomplete", "acme.example", Level.WARNING, "The SPF record of acme.example is gone.", "/domains/1"
)
STOP = Trouble(
    "breaker.bounces", "acme.example", Level.CRITICAL, "5.2 % of 400 mails bounced: sending stopped.", "/queue"
)


def news(*troubles: Trouble) -> News:
    alerts = tuple(Alert(ID, each, NOW, None, None, None) for each in troubles)
    return News(WORKSPACE, alerts, ("ann@acme.example", "bo@acme.example"), "acme.example")


def test_one_alert_is_told_with_its_page() -> None:
    assert alert_mail.subject(news(SPF)) == "Warning: The SPF record of acme.example is gone."
    text = alert_mail.letter(news(SPF), WRITER)
    assert "raised an alert in the workspace Acme:" in text
    assert "Warning, since 2026-11-22 12:00 UTC\n  The SPF record of acme.example is gone.\n" in text
    assert "  https://mail.acme.example/domains/1\n" in text
    assert "All alerts: https://mail.acme.example/alerts\n" in text


def test_several_are_one_mail_that_begins_with_the_worst() -> None:
    told = news(STOP, SPF)
    assert alert_mail.subject(told) == "Critical: 5.2 % of 400 mails bounced: sending stopped. (and 1 more)"
    assert "raised 2 alerts" in alert_mail.letter(told, WRITER)


def test_a_mail_names_so_many_and_counts_the_rest() -> None:
    text = alert_mail.letter(news(*[SPF] * (limits.ALERT_LINES + 3)), WRITER)
    assert text.count("Warning, since") == limits.ALERT_LINES
    assert "And 3 more.\n" in text


def test_a_long_sentence_is_cut_in_the_subject_and_no_line_break_gets_into_the_header() -> None:
    long = replace(SPF, sentence="Odd\r\nBcc: eve@evil.example " + "x" * 300)
    subject = alert_mail.subject(news(long, SPF))
    assert len(subject) <= 120
    assert subject.endswith("… (and 1 more)")
    submission = alert_mail.mail(news(long), WRITER, ID, NOW)
    assert email.message_from_bytes(submission.content)["bcc"] is None


def test_without_pages_it_names_the_command() -> None:
    text = alert_mail.letter(news(SPF), Writer("mail.acme.example", ""))
    assert "http" not in text
    assert "posthouse alert list" in text


def test_the_mail_is_ours_to_each_administrator_and_answers_nobody() -> None:
    submission = alert_mail.mail(news(STOP), WRITER, ID, NOW)
    message = email.message_from_bytes(submission.content, policy=email.policy.default)
    assert message["to"] == "ann@acme.example, bo@acme.example"
    assert message["from"] == "Posthouse <posthouse@acme.example>"
    assert message["auto-submitted"] == "auto-generated"
    assert [each.address for each in submission.recipients] == ["ann@acme.example", "bo@acme.example"]
    assert (submission.mail_class, submission.pool) == ("transactional", "notification")


def test_only_administrators_who_may_sign_in_are_written_to() -> None:
    def member(name: str, role: Role, disabled: datetime | None = None) -> Member:
        return Member(User(ID, f"{name}@acme.example", name, "en", NOW, disabled, has_password=True), role)

    people = [member("ann", Role.ADMIN), member("bo", Role.SENDER), member("cy", Role.ADMIN, NOW)]
    assert alert_mail.administrators(people) == ("ann@acme.example",)


def test_it_comes_from_a_verified_domain_and_rather_from_one_for_such_mail() -> None:
    def domain(name: str, verified: datetime | None, *classes: MailClass) -> SendingDomain:
        return SendingDomain(ID, ID, name, "t", verified, None, (), NOW, mail_classes=frozenset(classes))

    news_only = domain("news.example", NOW, MailClass.MARKETING)
    known = [domain("a.example", None), news_only, domain("b.example", NOW)]
    assert alert_mail.author_domain(known) == "b.example"
    assert alert_mail.author_domain(known[:2]) == "news.example"
    assert alert_mail.author_domain(known[:1]) == ""
