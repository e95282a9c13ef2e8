"""What mail to a signed address means, as a table, and on real reports, complaints and automatic replies."""

from datetime import UTC, datetime

import pytest

from posthouse.intake.answers import No
from posthouse.intake.returned import (
    LOOP,
    ONLY_COMPLAINTS,
    ONLY_REPORTS,
    Complaint,
    Nothing,
    ReceiverReport,
    Unsubscribe,
    meaning,
)
from posthouse.ledger.bounce_rules import BounceClass
from posthouse.ledger.explain import Explained, explain
from posthouse.ledger.kind import Kind
from posthouse.wire import arf, dsn
from posthouse.wire.dsn import RecipientReport, Report
from posthouse.wire.verp import Purpose

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RECIPIENT = RecipientReport(
    "anna@example.org", "anna@example.org", "failed", "5.1.1", "550 no such user", "mx.example.org"
)
DSN = dsn.write(
    Report("mx.example.org", "", (RECIPIENT,), b"Subject: x\r\n"), "md@example.org", "b@c.test", NOW, bytes(16)
)


def feedback(feedback_type: str) -> bytes:
    complaint = arf.Complaint(feedback_type, "fbl/1", original_rcpt_to="anna@example.org")
    return arf.write(complaint, "fbl@example.org", "b@c.test", NOW, bytes(16))


ARF, AUTH_FAILURE = feedback("abuse"), feedback("auth-failure")
PLAIN = b"From: anna@example.org\r\nSubject: stop\r\n\r\nPlease stop.\r\n"
AWAY = b"From: anna@example.org\r\nSubject: Away\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n"
BROKEN = b'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\r\n\r\nnothing inside\r\n'
QMAIL = b"""From: MAILER-DAEMON@mx.example.org\r
Subject: failure notice\r
\r
Hi. This is the qmail-send program at mx.example.org.\r
I'm afraid I wasn't able to deliver your message to the following addresses.\r
\r
<anna@example.org>:\r
Sorry, no mailbox here by that name. (#5.1.1)\r
\r
--- Below this line is a copy of the message.\r
\r
Return-Path: <b@c.test>\r
"""
# As Outlook.com's junk mail reporting sends it: the mail in question attached, nothing for programs.
JMRP = b"""From: staff@hotmail.com\r
Subject: complaint about message from 192.0.2.1\r
Content-Type: multipart/mixed; boundary="x"\r
\r
--x\r
Content-Type: message/rfc822\r
\r
X-HmXmrOriginalRecipient: anna@hotmail.com\r
Subject: November offers\r
\r
Hello\r
--x--\r
"""
APPLE = b"From: anna@example.org\r\nX-Apple-Unsubscribe: true\r\nSubject: Unsubscribe\r\n\r\nApple Mail sent this.\r\n"
DAEMON = b"From: MAILER-DAEMON@mx.example.org\r\nSubject: %b\r\n%b\r\n%b\r\n"
UNNAMED = DAEMON % (b"Mail delivery failed", b"", b"Your message could not be delivered: the mailbox is full.")
UNNAMED_HARD = DAEMON % (b"Undeliverable mail", b"", b"It was not delivered. 550 5.1.1 No such user here")
UNNAMED_DOUBT = DAEMON % (b"Undeliverable mail", b"Auto-Submitted: auto-replied\r\n", b"Delivery failed. Sorry.")
UNNAMED_LATE = DAEMON % (b"Warning: message delayed", b"", b"Your message was not yet delivered; we are still trying.")
DAEMON_AWAY = DAEMON % (
    b"Out of office",
    b"Auto-Submitted: auto-replied\r\n",
    b"Mail could not be delivered while I am on vacation",
)
AWAY_FULL = b"""From: anna@example.org\r
Subject: Automatic reply: undeliverable?\r
Auto-Submitted: auto-replied\r
\r
I am out of the office and my mailbox is full, so mail may not be delivered. 550 mailbox full\r
"""
COMPLAINING = (
    b"From: anna@example.org\r\nSubject: undeliverable\r\n\r\nYour mail bounced, it could not be delivered!\r\n"
)
LOOPED = b"Received: by a; now\r\n" * 101 + PLAIN


@pytest.mark.parametrize(
    ("purpose", "mail_from", "content", "expected"),
    [
        (Purpose.BOUNCE, "", DSN, Explained),
        (Purpose.BOUNCE, "md@example.org", DSN, Explained),
        (Purpose.BOUNCE, "", QMAIL, Explained),
        (Purpose.BOUNCE, "", ARF, Complaint),
        (Purpose.BOUNCE, "", AUTH_FAILURE, Nothing.AUTH_FAILURE),
        (Purpose.COMPLAINT, "dmarc@example.org", AUTH_FAILURE, Nothing.AUTH_FAILURE),
        (Purpose.BOUNCE, "", feedback("fraud"), Complaint),
        (Purpose.BOUNCE, "", feedback("of-a-new-kind"), Complaint),
        (Purpose.COMPLAINT, "fbl@example.org", feedback("not-spam"), Nothing.NOT_SPAM),
        (Purpose.BOUNCE, "", feedback("not-spam"), Nothing.NOT_SPAM),
        (Purpose.COMPLAINT, "fbl@example.org", feedback("virus"), Nothing.VIRUS),
        (Purpose.COMPLAINT, "fbl@example.org", feedback("dmarc"), Nothing.AUTH_FAILURE),
        (Purpose.COMPLAINT, "fbl@example.org", feedback("opt-out"), Unsubscribe),
        (Purpose.BOUNCE, "", feedback("opt-out"), Unsubscribe),
        (Purpose.BOUNCE, "staff@hotmail.com", JMRP, Complaint),
        (Purpose.COMPLAINT, "staff@hotmail.com", JMRP, Complaint),
        (Purpose.COMPLAINT, "anna@example.org", APPLE, Unsubscribe),
        (Purpose.BOUNCE, "anna@example.org", APPLE, Unsubscribe),
        (Purpose.BOUNCE, "", AWAY_FULL, Nothing.AUTO_REPLY),
        (Purpose.BOUNCE, "", DAEMON_AWAY, Nothing.AUTO_REPLY),
        (Purpose.BOUNCE, "anna@example.org", COMPLAINING, ONLY_REPORTS),
        (Purpose.BOUNCE, "anna@example.org", PLAIN, ONLY_REPORTS),
        (Purpose.BOUNCE, "", PLAIN, Nothing.UNREADABLE),
        (Purpose.BOUNCE, "", AWAY, Nothing.AUTO_REPLY),
        (Purpose.BOUNCE, "anna@example.org", AWAY, Nothing.AUTO_REPLY),
        (Purpose.BOUNCE, "", BROKEN, Nothing.UNREADABLE),
        (Purpose.BOUNCE, "", LOOPED, LOOP),
        (Purpose.BOUNCE, "", b"", Nothing.UNREADABLE),
        (Purpose.COMPLAINT, "fbl@example.org", ARF, Complaint),
        (Purpose.COMPLAINT, "anna@example.org", PLAIN, ONLY_COMPLAINTS),
        (Purpose.COMPLAINT, "", DSN, Nothing.UNREADABLE),
        (Purpose.COMPLAINT, "anna@example.org", AWAY, Nothing.AUTO_REPLY),
        (Purpose.UNSUBSCRIBE, "anna@example.org", PLAIN, Unsubscribe),
        (Purpose.UNSUBSCRIBE, "anna@example.org", b"", Unsubscribe),
        (Purpose.UNSUBSCRIBE, "", PLAIN, Nothing.AUTO_REPLY),
        (Purpose.UNSUBSCRIBE, "anna@example.org", AWAY, Nothing.AUTO_REPLY),
        (Purpose.UNSUBSCRIBE, "md@example.org", DSN, Nothing.AUTO_REPLY),
        (Purpose.UNSUBSCRIBE, "anna@example.org", LOOPED, LOOP),
        (Purpose.REPORT, "dmarc@example.org", PLAIN, ReceiverReport),
        (Purpose.REPORT, "", AUTH_FAILURE, ReceiverReport),
        (Purpose.REPORT, "dmarc@example.org", LOOPED, LOOP),
    ],
)
def test_each_address_takes_what_it_is_for(purpose: Purpose, mail_from: str, content: bytes, expected: object) -> None:
    found = meaning(purpose, mail_from, content)
    if isinstance(expected, type):
        assert isinstance(found, expected)
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("content", "bounce_class", "kind"),
    [
        (UNNAMED, BounceClass.SOFT, Kind.BOUNCE),
        (UNNAMED_HARD, BounceClass.HARD, Kind.BOUNCE),
        (UNNAMED_DOUBT, BounceClass.UNKNOWN, Kind.BOUNCE),
        (UNNAMED_LATE, BounceClass.UNKNOWN, Kind.DELAY),
    ],
)
@pytest.mark.parametrize("mail_from", ["", "MAILER-DAEMON@mx.example.org"])
def test_a_return_path_names_the_recipient_where_a_bounce_names_nobody(
    content: bytes, bounce_class: BounceClass, kind: Kind, mail_from: str
) -> None:
    found = meaning(Purpose.BOUNCE, mail_from, content)
    assert isinstance(found, Explained)
    assert (found.kind, found.recipients[0].verdict.bounce_class) == (kind, bounce_class)
    assert explain(content).kind is not kind  # anywhere else it may be about anybody


def test_no_refusal_is_temporary_because_a_report_that_comes_again_is_no_better() -> None:
    assert all(refusal.code >= 550 for refusal in (LOOP, ONLY_COMPLAINTS, ONLY_REPORTS) if isinstance(refusal, No))
