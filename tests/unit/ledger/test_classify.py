"""What replies and reports mean, and which rule says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.ledger.replies import REPLIES

from posthouse.ledger import bounce_rules, classify
from posthouse.ledger.bounce_rules import BounceClass
from posthouse.model.outcome import Stage


@pytest.mark.parametrize("case", REPLIES.strip().splitlines())
def test_a_reply_means_what_its_receiver_meant(case: str) -> None:
    wanted, line = case.split(" | ", 1)
    verdict = classify.of_line(line)
    assert f"{verdict.bounce_class} {verdict.reason}" == wanted, verdict.rule


def test_a_verdict_names_its_rule_and_both_codes() -> None:
    verdict = classify.of_line("550 5.1.1 <a@b.test>: Recipient address rejected: User unknown")
    assert (verdict.smtp_code, verdict.enhanced, verdict.rule) == (550, "5.1.1", "no_such_mailbox (user unknown)")


@pytest.mark.parametrize("line", ["450 4.1.1 User unknown in virtual alias table", "451 No such user, try later"])
def test_what_may_change_is_never_hard(line: str) -> None:
    assert classify.of_line(line).bounce_class is BounceClass.SOFT


@pytest.mark.parametrize("stage", [Stage.BANNER, Stage.EHLO, Stage.MAIL])
def test_nobody_is_blamed_before_he_is_named(stage: Stage) -> None:
    assert classify.of_reply(550, "5.1.2", "Host unknown", stage).bounce_class is BounceClass.BLOCKED
    assert classify.of_reply(550, "5.1.2", "Host unknown", Stage.RCPT).bounce_class is BounceClass.HARD


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize(
    ("code", "enhanced", "text", "reason"),
    [
        (553, "5.6.7", "the receiver does not take internationalised addresses (SMTPUTF8)", "not_understood"),
        (553, "5.6.7", "A non-ASCII address needs the SMTPUTF8 parameter", "not_understood"),
        (552, "5.3.4", "the message has 2000000 octets, the receiver takes 1000000", "message_too_large"),
    ],
)
def test_what_the_receiver_cannot_take_says_nothing_of_the_address(
    code: int, enhanced: str, text: str, reason: str, stage: Stage
) -> None:
    verdict = classify.of_reply(code, enhanced, text, stage, ("mx.example.org", "example.org"))
    assert (verdict.bounce_class, verdict.reason) == (BounceClass.SOFT, reason)


def test_one_receiver_may_mean_something_else() -> None:
    verdict = classify.of_reply(550, None, "Unknown user bob@docomo.ne.jp", Stage.DOT, ("mfsmax.docomo.ne.jp",))
    assert (verdict.bounce_class, verdict.reason) == (BounceClass.BLOCKED, "content")
    assert classify.of_reply(550, None, "Unknown user bob@docomo.ne.jp", Stage.DOT).bounce_class is BounceClass.HARD


def test_words_in_an_address_are_nobody_s_words() -> None:
    assert classify.of_line("550 5.1.1 <spam.blocked.quota@b.test> is unknown here").reason == "no_such_mailbox"


def test_a_diagnosis_is_believed_before_the_notice_around_it() -> None:
    verdict = classify.of_words(["552 5.2.2 Mailbox full", "The user unknown to us ..."], "", "5.0.0", ())
    assert (verdict.reason, verdict.enhanced) == ("mailbox_full", "5.2.2")


@pytest.mark.parametrize("case", REPLIES.strip().splitlines())
def test_the_index_finds_what_asking_every_rule_in_its_order_would(case: str) -> None:
    rules, line = bounce_rules.shipped(), case.split(" | ", 1)[1]
    for code in ("", "450", "550"):
        plain = bounce_rules.normal(line)
        asked = next((found for rule in rules.ordered if (found := rule.meaning(plain, code))), None)
        assert rules.of_text(line, code) == asked


def test_every_reason_is_explained_and_used() -> None:
    rules = bounce_rules.shipped()
    used = {rule.reason for rule in (*rules.ordered, *rules.by_host)}
    used |= {meaning.reason for meaning in (*rules.statuses.values(), *rules.codes.values())}
    assert used == set(rules.reasons)


def test_an_unknown_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="'luck' is no reason"):
        bounce_rules.read(
            'reasons = {}\nrule = [{name="x", class="soft", reason="luck", match=[]}]\nstatus = {}\ncode = {}'
        )


@given(st.text())
def test_nothing_said_by_a_stranger_stops_the_classifier(text: str) -> None:
    assert classify.of_line(text).reason in bounce_rules.shipped().reasons
