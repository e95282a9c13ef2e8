"""What mail to a signed address means, as a table, and on real reports, complaints and automatic replies."""

from datetime import UTC, datetime

import pytest

from posthouse.intake.answers import No
from posthouse.intake.returned import LOOP, ONLY_COMPLAINTS, ONLY_REPORTS, Nothing, ReceiverReport, Unsubscribe, meaning
from posthouse.ledger.explain import Explained
from posthouse.wire import arf, dsn
from posthouse.wire.arf import Complaint
from posthouse.wire.dsn import RecipientReport, Report
from posthouse.wire.verp import Purpose

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RECIPIENT = RecipientReport(
    "anna@example.org", "anna@example.org", "failed", "5.1.1", "550 no such user", "mx.example.org"
)
DSN = dsn.write(
    Report("mx.example.org", "", (RECIPIENT,), b"Subject: x\r\n"), "md@example.org", "b@c.test", NOW, bytes(16)
)
ARF = arf.write(Complaint("abuse", "fbl/1"), "fbl@example.org", "b@c.test", NOW, bytes(16))
AUTH_FAILURE = arf.write(Complaint("auth-failure", "dmarc/1"), "dmarc@example.org", "b@c.test", NOW, bytes(16))
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


def test_no_refusal_is_temporary_because_a_report_that_comes_again_is_no_better() -> None:
    assert all(refusal.code >= 550 for refusal in (LOOP, ONLY_COMPLAINTS, ONLY_REPORTS) if isinstance(refusal, No))
