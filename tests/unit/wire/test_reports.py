"""Delivery reports, complaints and the MIME reader below them."""

import base64
import email
import email.policy
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.model.limits import MIME_PARTS, REPORT_FIELD_CHARS
from posthouse.wire import arf, dsn, parts
from posthouse.wire.addresses import Mailbox
from posthouse.wire.mime import Attachment, Draft
from posthouse.wire.mime import write as write_mime

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ENTROPY = bytes(range(16))
ORIGINAL = b"Message-ID: <1@example.com>\r\nSubject: hello\r\n"
REPORT = dsn.Report(
    reporting_mta="mx.example.net",
    envelope_id="",
    recipients=(
        dsn.RecipientReport(
            "Bo@example.net", "bo@example.net", "failed", "5.1.1", "550 5.1.1 No such user; sorry", "mx2.example.net"
        ),
        dsn.RecipientReport("", "cy@example.net", "delayed", "4.2.2"),
    ),
    original_header=ORIGINAL,
    original_message_id="<1@example.com>",
)
STATUS = b"""Reporting-MTA: dns; mx.example.net

Final-Recipient: RFC822; <bo@example.net>
ACTION: Failed (permanent)
Status: 5.1.1 (unknown user)
Diagnostic-Code: smtp; 550 5.1.1
 no such user
Arrival-Date: Sun, 22 Nov 2026 12:00:00 EST
Status: 4.0.0
"""


def report_message(status_part: bytes, boundary: bytes = b"b") -> bytes:
    text = (
        b'Content-Type: multipart/report; report-type=delivery-status;\n boundary="' + boundary + b'"\n\npreamble\n--' + boundary
        + b"\nContent-Type: text/plain\n\nSorry.\n--" + boundary + b"\n" + status_part + b"\n--" + boundary
        + b"\nContent-Type: message/rfc822\n\nMessage-Id: <1@example.com>\nSubject: x\n\nbody\n--" + boundary + b"--\n"
    )  # fmt: skip
    return text.replace(b"\n", b"\r\n")


def test_a_report_reads_back_as_it_was_written() -> None:
    content = dsn.write(REPORT, "postmaster@example.net", "bounce@example.com", NOW, ENTROPY)
    assert dsn.parse(content) == REPORT
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert [part.get_content_type() for part in message.walk()][:3] == [
        "multipart/report", "text/plain", "message/delivery-status",
    ]  # fmt: skip
    assert message.get_param("report-type") == "delivery-status"
    assert message["Auto-Submitted"] == "auto-replied"


@pytest.mark.parametrize(
    "part",
    [
        b"Content-Type: message/delivery-status\n\n" + STATUS,
        b"Content-Type: Message/Delivery-Status; name=x\nContent-Transfer-Encoding: BASE64\n\n"
        + base64.encodebytes(STATUS),
        b"Content-Type: message/delivery-status\nContent-Transfer-Encoding: quoted-printable\n\n"
        + STATUS.replace(b"=", b"=3D").replace(b"no such", b"no=20=\nsuch"),
        b"Content-Type: message/global-delivery-status\n\n" + STATUS.replace(b"\n\n", b"\n\n\n\n"),
    ],
)
def test_however_the_status_part_is_encoded_the_recipient_is_found(part: bytes) -> None:
    report = dsn.parse(report_message(part))
    assert report is not None
    (recipient,) = report.recipients
    assert (recipient.final_recipient, recipient.action, recipient.status) == ("bo@example.net", "failed", "5.1.1")
    assert recipient.diagnostic == "550 5.1.1 no such user"
    assert report.reporting_mta == "mx.example.net"
    assert report.original_message_id == "<1@example.com>"
    assert report.original_header == b"Message-Id: <1@example.com>\r\nSubject: x\r\n"


@pytest.mark.parametrize(
    "content",
    [
        b"", b"Subject: hi\r\n\r\nhello\r\n", report_message(b"Content-Type: message/delivery-status\n\n"),
        report_message(b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n"),
        report_message(b"Content-Type: text/plain\n\n" + STATUS),
    ],
)  # fmt: skip
def test_what_reports_on_nobody_is_no_report(content: bytes) -> None:
    assert dsn.parse(content) is None


def test_an_endless_field_is_cut() -> None:
    status = (
        b"Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b.c\nDiagnostic-Code: smtp; "
        + b"x" * 90_000
    )
    report = dsn.parse(report_message(status))
    assert report is not None
    assert len(report.recipients[0].diagnostic) <= REPORT_FIELD_CHARS


pieces = st.lists(
    st.sampled_from([
        b"--b", b"--b--", b"\r\n", b"\r\n\r\n", b"Content-Type: message/delivery-status", b"Content-Type: multipart/report; boundary=b",
        b"Final-Recipient: rfc822; a@b.c", b"Content-Transfer-Encoding: base64", b"Status: 5", b"=", b":", b";", b"\xff", b"*0*=x''%",
    ]),
    max_size=40,
).map(b"".join)  # fmt: skip


@given(pieces | st.binary(max_size=200))
@settings(max_examples=400)
def test_no_bytes_make_a_reader_raise(junk: bytes) -> None:
    for content in (junk, b"Content-Type: multipart/report; boundary=b\r\n\r\n" + junk):
        dsn.parse(content)
        arf.parse(content)
        dsn.is_auto_reply(content)
        for part in parts.walk(content):
            part.text()


def test_a_thousand_nested_multiparts_are_read_without_harm() -> None:
    layers = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(1000)
    )
    assert len(parts.walk(layers)) == 1


def test_no_more_parts_are_read_than_the_limit() -> None:
    content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 5000
    assert len(parts.walk(content)) == MIME_PARTS


def test_a_broken_end_loses_nothing() -> None:
    content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--bad\r\n--b \r\n\r\ntwo"
    assert [part.body for part in parts.walk(content)] == [b"one\r\n--bad", b"two"]


@pytest.mark.parametrize("header", [b"multipart/mixed", b"multipart/mixed; boundary=b"])
def test_a_multipart_without_delimiters_is_one_body(header: bytes) -> None:
    (part,) = parts.walk(b"Content-Type: " + header + b"\r\n\r\nwords\r\n")
    assert part.text() == "words\r\n"


def test_what_we_write_our_reader_reads() -> None:
    files = (Attachment("å.txt", "text/plain", b"file"), Attachment("x.png", "image/png", b"png", "x@y", "inline"))
    draft = Draft(Mailbox("a@b.c"), text="blå tekst", html="<p>blå  side</p>", attachments=files)
    found = parts.walk(write_mime(draft, (), ENTROPY))
    assert [part.content_type for part in found] == ["text/plain", "text/html", "image/png", "text/plain"]
    assert found[0].text() == "blå tekst"
    assert found[1].text() == "<p>blå  side</p>"
    assert (found[2].content_id, found[2].body) == ("x@y", b"png")
    assert (found[3].filename, found[3].disposition) == ("å.txt", "attachment")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/plain", {}),
        ('a/b; Name="x; \\"y\\""; z=1', {"name": 'x; "y"', "z": "1"}),
        ("a/b; f*=utf-8''%C3%A5", {"f": "å"}),
        ("a/b; f*=iso-8859-1'da'%E5", {"f": "å"}),
        ("a/b; f*1=b; f*0=a", {"f": "ab"}),
        ("a/b; f*0*=utf-8''%C3; f*1*=%A5; f*2=x", {"f": "åx"}),
        ('a/b; f="=?utf-8?q?=C3=A5?="', {"f": "å"}),
        ("a/b; f*=nonsense''%C3%A5", {"f": "å"}),
        ("a/b; broken; =x; f", {}),
    ],
)
def test_parameters_in_all_their_spellings(value: str, expected: dict[str, str]) -> None:
    assert parts.parse_parameters(value)[1] == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Auto-Submitted: auto-replied\r\n", True),
        (b"auto-submitted: auto-generated; x=y\r\n", True),
        (b"Auto-Submitted: no\r\n", False),
        (b"X-Autoreply: yes\r\n", True),
        (b"Precedence: auto_reply\r\n", True),
        (b"Precedence: list\r\n", False),
        (b"Subject: Out of office\r\n", False),
        (b"", False),
    ],
)
def test_programs_say_that_they_answer_by_themselves(header: bytes, expected: bool) -> None:
    assert dsn.is_auto_reply(header) is expected


def test_a_complaint_reads_back_as_it_was_written() -> None:
    complaint = arf.Complaint(
        feedback_type="abuse",
        user_agent="Test/1",
        original_mail_from="b123@bounce.example.com",
        original_rcpt_to="bo@example.net",
        source_ip="192.0.2.1",
        reported_domain="example.com",
        original_header=ORIGINAL,
        original_message_id="<1@example.com>",
    )
    assert arf.parse(arf.write(complaint, "fbl@example.net", "complaints@example.com", NOW, ENTROPY)) == complaint


def test_a_mail_without_a_feedback_part_is_no_complaint() -> None:
    assert arf.parse(b"Subject: spam!\r\n\r\nI hate this\r\n") is None
