"""Whole mails that came back: what they are and whom they are about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.ledger.bounce_rules import BounceClass
from posthouse.ledger.explain import explain
from posthouse.ledger.kind import Kind


def mail(subject: str, text: str, sender: str = "MAILER-DAEMON@mx.there.test", more: str = "") -> bytes:
    return f"From: {sender}\nTo: news@here.test\nSubject: {subject}\n{more}\n{text}".encode()


RETURNED = "\n--- Below this line is a copy of the message.\n\nReturn-Path: <news@here.test>\nTo: carl@there.test\nSubject: Hi\n\nHi\n"
EXIM = """This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  bob@there.test
    host mx.there.test [192.0.2.1]: 550 5.1.1 User unknown
  eve@there.test
    mailbox is full: retry timeout exceeded
"""
GERMAN = """Ihre Nachricht konnte den folgenden Empfängern nicht zugestellt werden:

bob@there.test
Das Postfach ist voll.
"""
REPORT = """This is a report.
--x
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.test

Final-Recipient: rfc822; bob@there.test
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 No such user

Final-Recipient: rfc822; eve@there.test
Action: {action}
Status: 4.4.1
--x
Content-Type: text/rfc822-headers

Message-ID: <1@here.test>
--x--
"""
AS_REPORT = 'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\n'


def told(content: bytes) -> list[tuple[str, str, str]]:
    return [(each.address, str(each.verdict.bounce_class), each.verdict.reason) for each in explain(content).recipients]


def test_a_notice_in_plain_words_names_each_recipient_with_its_own_reason() -> None:
    content = mail("Mail delivery failed: returning message to sender", EXIM)
    assert explain(content).kind is Kind.BOUNCE
    assert told(content) == [("bob@there.test", "hard", "no_such_mailbox"), ("eve@there.test", "soft", "mailbox_full")]


def test_a_notice_in_another_language_is_read_too() -> None:
    content = mail("Unzustellbar: Hallo", GERMAN, "postmaster@there.test", "Content-Type: text/plain; charset=utf-8\n")
    assert told(content) == [("bob@there.test", "soft", "mailbox_full")]


def test_a_notice_that_names_nobody_is_about_whom_the_message_was_for() -> None:
    content = mail("failure notice", "Your message could not be delivered: user unknown.\n" + RETURNED)
    assert told(content) == [("carl@there.test", "hard", "no_such_mailbox")]


def test_a_report_with_different_outcomes_keeps_them_apart() -> None:
    content = mail("Undelivered", "--x\n\n" + REPORT.format(action="failed"), more=AS_REPORT)
    found = explain(content)
    assert (found.kind, found.message_id, found.reporter) == (Kind.BOUNCE, "<1@here.test>", "relay.test")
    assert [each.verdict.bounce_class for each in found.recipients] == [BounceClass.HARD, BounceClass.SOFT]


@pytest.mark.parametrize(
    ("words", "diagnosis", "verdict"),
    [
        ("    Unrouteable address\n", "Unrouteable address", ("hard", "no_such_mailbox")),
        ("    mailbox is full:\n    retry timeout exceeded\n", "mailbox is full: retry timeout exceeded", ("soft", "mailbox_full")),
        ("    local delivery failed\n", "local delivery failed", ("unknown", "unexplained")),
        ("", "", ("unknown", "unexplained")),
    ],
)  # fmt: skip
def test_what_exim_says_of_its_own_failures_is_told_though_no_field_has_it(
    words: str, diagnosis: str, verdict: tuple[str, str]
) -> None:
    fields = (
        "Reporting-MTA: dns; mx.there.test\n\nAction: failed\nFinal-Recipient: rfc822;bob@there.test\nStatus: 5.0.0\n"
    )
    status = f"--x\nContent-type: message/delivery-status\n\n{fields}"
    start = "The following address(es) failed:\n\n  bob@there.test\n"
    text = f"--x\nContent-type: text/plain\n\n{start}{words}\n{status}\n--x--\n"
    content = mail(
        "Mail delivery failed: returning message to sender",
        text,
        more=AS_REPORT + "X-Failed-Recipients: bob@there.test\n",
    )
    (about,) = explain(content).recipients
    assert " ".join(about.diagnosis.split()) == diagnosis
    assert (str(about.verdict.bounce_class), about.verdict.reason) == verdict


def test_those_a_report_says_are_delivered_are_not_counted_as_failed() -> None:
    content = mail("Undelivered", "--x\n\n" + REPORT.format(action="delivered"), more=AS_REPORT)
    assert [address for address, _, _ in told(content)] == ["bob@there.test"]


@pytest.mark.parametrize(
    ("subject", "text", "more", "kind"),
    [
        ("Automatic reply: Hi", "Bob no longer works here; mail to him is undeliverable.", "Auto-Submitted: auto-replied\n", Kind.AUTO_REPLY),
        ("Re: Undeliverable: Hi", "Can you help?\n> 550 5.1.1 User unknown\n> could not be delivered", "In-Reply-To: <1@here.test>\n", Kind.OTHER),
        ("Re: Hi (verification required)", "Click the link below to verify that you are a person.", "Auto-Submitted: auto-replied\n", Kind.CHALLENGE),
        ("Hi", "My mailbox was full, sorry. Now it works.", "In-Reply-To: <1@here.test>\n", Kind.OTHER),
    ],
)  # fmt: skip
def test_answers_are_no_bounces(subject: str, text: str, more: str, kind: Kind) -> None:
    found = explain(mail(subject, text, "Bob <bob@there.test>", more))
    assert (found.kind, found.recipients) == (kind, ())


def test_a_warning_is_a_delay() -> None:
    text = "Your message to the following recipient has been delayed:\n\n<bob@there.test>\n\nWe will continue to try.\n"
    assert explain(mail("Warning: message delayed 4 hours", text + RETURNED)).kind is Kind.DELAY


def test_a_report_inside_another_message_is_found() -> None:
    inner = mail("Undelivered", "--x\n\n" + REPORT.format(action="failed"), more=AS_REPORT).decode()
    outer = f"--y\n\nThere was a delivery error.\n--y\nContent-Type: message/rfc822\n\n{inner}\n--y--\n"
    content = mail("Returned mail", outer, more='Content-Type: multipart/mixed; boundary="y"\n')
    assert [address for address, _, _ in told(content)] == ["bob@there.test", "eve@there.test"]


@given(st.binary(max_size=4_000))
def test_no_octets_stop_the_reader(content: bytes) -> None:
    explain(content)
    explain(b"From: mailer-daemon@x\nSubject: failure notice\n\n" + content)


@pytest.mark.parametrize(
    "piece", ["@", "=", "\n", "a@b.test ", "> ", "550 ", "the original message ", '"', "<a@b.test>: ", "--x\n"]
)
def test_no_repetition_takes_long(piece: str) -> None:
    explain(mail("failure notice", piece * (200_000 // len(piece))))


LETTERS = (
    ("Zpráva nebyla doručena", "Zpráva pro bob@there.test nebyla doručena, protože schránka je plná.", "soft mailbox_full"),
    ("Wiadomość odrzucona", "Wiadomość do bob@there.test została odrzucona przez filtr antyspamowy.", "blocked content"),
    ("Nie można dostarczyć", "Wiadomość nie została dostarczona.\n\n<bob@there.test>:\nKonto o podanej nazwie nie istnieje", "hard no_such_mailbox"),
    ("Недоставленное сообщение", "Ваше письмо не доставлено.\n\n<bob@there.test>: учётная запись заблокирована", "soft mailbox_disabled"),
    ("Лист не доставлено", "Ваш лист не може бути доставлений: bob@there.test\nкористувача не існує", "hard no_such_mailbox"),
    ("Message rejeté", "Votre message à bob@there.test a été rejeté par notre filtre anti-spam.", "blocked content"),
    ("Onbestelbaar", "bob@there.test\nHet e-mailadres kan niet worden gevonden.", "hard no_such_mailbox"),
    ("Teslim edilemedi", "bob@there.test adresine ileti teslim edilemedi. Posta kutusu dolu.", "soft mailbox_full"),
    ("系统退信", "您的邮件被退回\n原邮件信息：\n收件人： bob@there.test\n退信原因： 邮件地址不存在", "hard no_such_mailbox"),
    ("Undeliverable", "bob@there.test, ERROR CODE :541 - 5.4.1 Mail rejected by destination domain", "blocked reputation"),
    ("Unzustellbar", "Ihre Nachricht an bob@there.test wurde nicht zugestellt.\n\n554 Ask your postmaster to contact tosa@help.test", "unknown unexplained"),
    ("DELIVERY FAILURE", "was not delivered to:\n\n bob@there.test\n\nbecause:\n\n No route found to domain BRANCH", "soft not_reachable"),
)  # fmt: skip


@pytest.mark.parametrize(("subject", "text", "wanted"), LETTERS)
def test_letters_of_many_systems_name_their_recipient_and_reason(subject: str, text: str, wanted: str) -> None:
    content = mail(subject, text, more="Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n")
    (found,) = told(content)
    assert (found[0], f"{found[1]} {found[2]}") == ("bob@there.test", wanted)


def test_a_warning_that_begins_like_a_returned_message_is_read_to_its_end() -> None:
    warning = "THIS IS A WARNING MESSAGE ONLY\n\nThe original message was received today\n\n<bob@there.test>... Deferred: Connection timed out\n"
    found = explain(mail("Warning: could not send message for past 4 hours", warning))
    assert (found.kind, found.recipients[0].address) == (Kind.DELAY, "bob@there.test")


BARE = """--x

A message could not be delivered to:

bob@there.test: {said}

--x
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.test

Final-Recipient: rfc822; bob@there.test
Action: {action}
Status: {status}
--x--
"""


def test_what_a_report_says_to_people_alone_is_its_diagnosis() -> None:
    said = "554 5.7.1 Service unavailable; blocked using zen.spamhaus.org"
    content = mail("failed", BARE.format(said=said, action="failed", status="5.0.0"), more=AS_REPORT)
    assert told(content) == [("bob@there.test", "blocked", "reputation")]


def test_a_delay_that_is_over_is_a_bounce() -> None:
    content = mail("delayed", BARE.format(said="Envelope expired", action="delayed", status="4.4.7"), more=AS_REPORT)
    assert (explain(content).kind, told(content)) == (Kind.BOUNCE, [("bob@there.test", "soft", "expired")])
    content = mail("delayed", BARE.format(said="No answer", action="delayed", status="4.4.7"), more=AS_REPORT)
    assert explain(content).kind is Kind.DELAY
