"""Who is not written to, as tables."""

from datetime import UTC, datetime, timedelta

import pytest

from posthouse.ledger.suppression import (
    CHANNEL_EMAIL,
    EVERYTHING,
    MARKETING,
    REASONS,
    SOFT_BOUNCES,
    Entry,
    Why,
    blocking,
    is_scope,
    why,
)
from posthouse.model.words import MailClass

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NEWS = "mailing_type:News"
T, M, B = MailClass.TRANSACTIONAL, MailClass.MARKETING, MailClass.BUSINESS


@pytest.mark.parametrize(
    ("scope", "reason", "blocked", "passes"),
    [
        (EVERYTHING, "hard_bounce", [T, M, B], []),
        (EVERYTHING, "invalid", [T, M, B], []),
        (EVERYTHING, "manual", [T, M, B], []),
        (CHANNEL_EMAIL, "unsubscribe", [T, M, B], []),
        (MARKETING, "complaint", [M], [T, B]),
        (MARKETING, "unsubscribe", [M], [T, B]),
        (MARKETING, "soft_bounces", [M], [T, B]),
        (NEWS, "unsubscribe", [], [T, M, B]),
    ],
)
def test_each_scope_stops_its_own(scope: str, reason: str, blocked: list[MailClass], passes: list[MailClass]) -> None:
    entries = [Entry(scope, reason)]
    assert all(blocking(entries, each, NOW) for each in blocked)
    assert not any(blocking(entries, each, NOW) for each in passes)


@pytest.mark.parametrize(
    ("mail_class", "mailing_type", "stopped"),
    [
        (M, "News", True),
        (M, "Events", False),
        (M, "", False),
        (T, "News", False),
        (M, "News 2", False),
        (M, "NEWS", True),
    ],
)
def test_a_mailing_type_is_stopped_alone(mail_class: MailClass, mailing_type: str, stopped: bool) -> None:
    assert bool(blocking([Entry(NEWS, "unsubscribe")], mail_class, NOW, mailing_type)) is stopped


def test_the_reason_names_the_mailing_type() -> None:
    said = blocking([Entry(NEWS, "unsubscribe")], M, NOW, "News")
    assert said == "Suppressed: opted_out (the recipient unsubscribed; mailing type “News”)."


def test_marketing_includes_every_mailing_type() -> None:
    assert blocking([Entry(MARKETING, "unsubscribe")], M, NOW, "News")


def test_an_entry_blocks_until_the_moment_it_expires() -> None:
    entries = [Entry(EVERYTHING, "manual", NOW)]
    assert blocking(entries, T, NOW - timedelta(microseconds=1))
    assert blocking(entries, T, NOW) is None
    assert blocking([*entries, Entry(MARKETING, "complaint")], M, NOW) == blocking(
        [Entry(MARKETING, "complaint")], M, NOW
    )


@pytest.mark.parametrize("scope", [MARKETING, NEWS])
@pytest.mark.parametrize("reason", [reason for reason in REASONS if reason not in ("hard_bounce", "invalid")])
def test_a_strict_workspace_takes_any_opt_out_for_one_from_all_mail(scope: str, reason: str) -> None:
    entries = [Entry(scope, reason, strict=True)]
    stopped = bool(blocking(entries, T, NOW))
    assert stopped is (reason != SOFT_BOUNCES), "that mail bounced is no wish of anybody"


@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        (["unsubscribe"], "opted_out"),
        (["complaint"], "do_not_email"),
        (["hard_bounce"], "invalid_address"),
        (["invalid"], "invalid_address"),
        (["unsubscribe", "hard_bounce", "complaint"], "invalid_address"),
        (["soft_bounces", "unsubscribe"], "opted_out"),
    ],
)
def test_the_log_says_which_kind_it_was(reasons: list[str], code: str) -> None:
    said = blocking([Entry(EVERYTHING, reason) for reason in reasons], M, NOW)
    assert said is not None
    assert said.startswith(f"Suppressed: {code} (")


@pytest.mark.parametrize("reason", REASONS)
def test_what_was_said_of_a_mail_can_be_read_again(reason: str) -> None:
    for mailing_type in ("", "News (weekly); “best”"):
        scope = f"mailing_type:{mailing_type}" if mailing_type else MARKETING
        assert why(blocking([Entry(scope, reason)], M, NOW, mailing_type) or "") == Why(reason, mailing_type)
    assert why("Suppressed: by somebody else (who knows).") is None
    assert why("") is None


@pytest.mark.parametrize(
    ("scope", "good"),
    [
        ("everything", True),
        ("marketing", True),
        ("channel:email", True),
        ("mailing_type:Nyhedsbrev æøå", True),
        ("mailing_type:" + "x" * 100, True),
        ("mailing_type:" + "x" * 101, False),
        ("mailing_type:", False),
        ("mailing_type: News", False),
        ("mailing_type:a\nb", False),
        ("channel:sms", False),
        ("all", False),
        ("", False),
    ],
)
def test_scopes_are_these(scope: str, good: bool) -> None:
    assert is_scope(scope) is good
