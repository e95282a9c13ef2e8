"""Reports as files: TLS reports, failure reports, and whatever each of them comes in."""

import base64
import csv
import gzip
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.wire import arf, report_files
from posthouse.wire.dmarc_aggregate import AggregateReport
from posthouse.wire.dmarc_failure import FailureReport
from posthouse.wire.report_files import Content
from posthouse.wire.tlsrpt_report import PolicyReport, SessionFailure, TlsReport
from posthouse.wire.unpacking import Reason, Refused

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "dmarc"
no_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no collection of samples beside the project")

XML = b"""<feedback><report_metadata><org_name>Receiver</org_name><report_id>1</report_id></report_metadata>
<policy_published><domain>example.com</domain><p>none</p></policy_published><record><row><source_ip>::ffff:192.0.2.1</source_ip>
<count>2</count></row></record></feedback>"""
TLS: dict[str, Any] = {
    "organization-name": "Sender", "contact-info": "tls@sender.example", "report-id": "2026-11-21_example.com",
    "date-range": {"start-datetime": "2026-11-21T00:00:00Z", "end-datetime": "2026-11-21T23:59:59Z"},
    "policies": [{
        "policy": {"policy-type": "sts", "policy-string": ["version: STSv1", "mode: enforce"], "policy-domain": "Example.com", "mx-host": "mx.example.com"},
        "summary": {"total-successful-session-count": 5326, "total-failure-session-count": "303"},
        "failure-details": [
            {"result-type": "certificate-expired", "sending-mta-ip": "2001:db8:0:0::1", "receiving-mx-hostname": "mx1.example.com",
             "failed-session-count": 100},
            {"result-type": "starttls-not-supported", "sending-mta-ip": "nowhere", "receiving-ip": "203.0.113.58",
             "failed-session-count": 203, "failure-reason-code": "X", "additional-information": "https://a.example/\\r\\nb"},
        ],
    }],
}  # fmt: skip
TLS_JSON = json.dumps(TLS).encode()
FAILURE = b"""From: <dmarc@receiver.example>
To: ruf@example.com
Subject: FW: You have a new bill
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an authentication failure report.
--b
Content-Type: message/feedback-report

Feedback-Type: auth-failure
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <bounce@bad.example>
Arrival-Date: Sat, 8 Oct 2011 13:16:24 +0000 (GMT)
Source-IP: 192.0.2.1
Reported-Domain: Example.com
Auth-Failure: dmarc
Delivery-Result: reject
DKIM-Domain: bad.example
DKIM-Selector: s1

--b
Content-Type: text/rfc822-headers

From: Bank <service@example.com>
Message-ID: <777@bad.example>
Subject: You have a new bill
--b--
"""


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def mail(content: bytes, media: str = "application/octet-stream", name: str = "report.bin") -> bytes:
    return (
        b"From: a@receiver.example\r\nSubject: Report Domain: example.com\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\n<This> is an aggregate report.\r\n"
        b"--x\r\nContent-Type: text/html\r\n\r\n<html>The same</html>\r\n"
        b"--x\r\nContent-Type: " + media.encode() + b"\r\nContent-Transfer-Encoding: base64\r\n"
        b'Content-Disposition: attachment; filename="' + name.encode() + b'"\r\n\r\n'
        + base64.encodebytes(content).replace(b"\n", b"\r\n") + b"--x--\r\n"
    )  # fmt: skip


def read(content: bytes) -> list[Content]:
    return [found.content for found in report_files.read(content)]


@pytest.mark.parametrize(
    "content",
    [
        XML,
        gzip.compress(XML),
        zipped({"a.xml": XML}),
        zipped({"a.xml.gz": gzip.compress(XML)}),
        mail(gzip.compress(XML), "application/gzip"),
        mail(zipped({"a.xml": XML}), "application/zip"),
        mail(zipped({"a.xml": XML}), "text/plain"),
        mail(gzip.compress(XML), "image/png", "x.png"),
        mail(XML, "text/xml", "a.xml"),
        mail(gzip.compress(XML)).replace(b"\r\n", b"\n"),
        b"From: a@receiver.example\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: binary\r\n\r\n" + gzip.compress(XML),
        mail(mail(gzip.compress(XML)), "message/rfc822", "forwarded.eml"),
        gzip.compress(mail(gzip.compress(XML))),
    ],
)  # fmt: skip
def test_an_aggregate_report_is_found_in_whatever_it_comes(content: bytes) -> None:
    (report,) = read(content)
    assert isinstance(report, AggregateReport), report
    assert (report.organisation, report.messages) == ("Receiver", 2)
    assert [row.source_ip for row in report.rows] == ["192.0.2.1"]


@pytest.mark.parametrize(
    "content",
    [TLS_JSON, b"\xef\xbb\xbf" + TLS_JSON, b"\n " + TLS_JSON, gzip.compress(TLS_JSON), mail(gzip.compress(TLS_JSON), "application/tlsrpt+gzip"),
     mail(TLS_JSON, "application/tlsrpt+json"), zipped({"tls.json": TLS_JSON})],
)  # fmt: skip
def test_so_is_a_tls_report(content: bytes) -> None:
    (report,) = read(content)
    assert report == TlsReport(
        "Sender", "tls@sender.example", "2026-11-21_example.com",
        datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC),
        (PolicyReport(
            "example.com", "sts", ("version: STSv1", "mode: enforce"), ("mx.example.com",), 5326, 303,
            (SessionFailure("certificate-expired", 100, "2001:db8::1", "mx1.example.com"),
             SessionFailure("starttls-not-supported", 203, "", "", "203.0.113.58", "X", "https://a.example/\\r\\nb")),
        ),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ({"policies": {"policy": {"policy-domain": "example.com"}}}, (0, 0)),
        ({"policies": [{"policy": {"policy-domain": "example.com", "policy-string": "none", "mx-host": None}, "summary": {
            "total-successful-session-count": 1.0, "total-failure-session-count": -4}, "failure-details": {"result-type": 7}}]}, (1, 0)),
        ({"policies": [7, {"policy": {"policy-domain": "example.com"}, "summary": [], "failure-details": [None, "x"]}], "date-range": 9}, (0, 0)),
        ({"policies": [{"policy": {"policy-domain": "bücher.example"}}], "report-id": {"a": 1}, "organization-name": "a\r\nb\x00"}, (0, 0)),
    ],
)  # fmt: skip
def test_a_tls_report_with_faults_is_read_as_far_as_it_goes(said: dict[str, Any], counted: tuple[int, int]) -> None:
    (report,) = read(json.dumps(said).encode())
    assert isinstance(report, TlsReport)
    assert (report.successful, report.failed) == counted
    assert "\n" not in report.organisation


def test_a_failure_report_is_read_from_its_feedback_part() -> None:
    expected = FailureReport(
        "example.com", "SomeGenerator/1.0", "dmarc", "192.0.2.1", datetime(2011, 10, 8, 13, 16, 24, tzinfo=UTC), "reject",
        "bounce@bad.example", "bad.example", "s1", "<777@bad.example>",
    )  # fmt: skip
    assert read(FAILURE) == [expected]
    (without,) = read(FAILURE.replace(b"Reported-Domain: Example.com\n", b""))
    assert isinstance(without, FailureReport)
    assert without.domain == "example.com", "as From of the message says"
    (nobody,) = read(
        FAILURE.replace(b"Reported-Domain: Example.com\n", b"").replace(b"Bank <service@example.com>", b"x")
    )
    assert isinstance(nobody, Refused)


def test_a_complaint_is_no_failure_report() -> None:
    complaint = arf.parse(FAILURE.replace(b"auth-failure", b"abuse"))
    assert complaint
    assert complaint.feedback_type == "abuse"
    (found,) = read(FAILURE.replace(b"auth-failure", b"abuse"))
    assert isinstance(found, Refused)


def test_several_reports_in_one_archive_are_all_read_and_a_bad_one_harms_nobody() -> None:
    several = zipped({"a.xml": XML, "b.txt": b"hello", "c.json": TLS_JSON})
    kinds = [(found.name, type(found.content)) for found in report_files.read(several)]
    assert kinds == [("a.xml", AggregateReport), ("b.txt", Refused), ("c.json", TlsReport)]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", Reason.NOT_A_REPORT),
        (b"hello", Reason.NOT_A_REPORT),
        (b"From: a@b.example\r\n\r\nhello", Reason.NOT_A_REPORT),
        (b"%PDF-1.4 binary", Reason.NOT_A_REPORT),
        (zipped({}), Reason.NOT_A_REPORT),
        (b"{}", Reason.NOT_A_REPORT),
        (b'{"policies": []}', Reason.NOT_A_REPORT),
        (b'{"policies": ', Reason.BROKEN),
        (b'{"a":' * 100_000, Reason.BROKEN),
        (b'{"a":"\xff"}', Reason.BROKEN),
        (b'{"policies": [' + b"1," * 2_200_000 + b"1]}", Reason.TOO_LARGE),
        (b"<!DOCTYPE html><html></html>", Reason.DANGEROUS),
        (mail(mail(mail(mail(XML), "message/rfc822"), "message/rfc822"), "message/rfc822"), Reason.NOT_A_REPORT),
    ],
)  # fmt: skip
def test_what_is_no_report_is_refused_with_a_reason(content: bytes, wanted: Reason) -> None:
    found = read(content)
    assert [each.reason for each in found if isinstance(each, Refused)] == [wanted]
    assert len(found) == 1


@given(
    st.sampled_from([XML, TLS_JSON, FAILURE, gzip.compress(XML), zipped({"a": XML}), mail(gzip.compress(TLS_JSON))]),
    st.binary(max_size=40),
    st.integers(0, 1200),
)
@settings(max_examples=500)
def test_no_damage_makes_a_reader_raise(whole: bytes, junk: bytes, at: int) -> None:
    for content in (
        whole[:at] + junk + whole[at + len(junk) :],
        whole[:at] + junk,
        junk + whole,
        mail(whole[:at] + junk + whole[at:]),
    ):
        assert read(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["policies", "policy", "summary", "failure-details", "policy-domain", "policy-string", "mx-host", "date-range", "start-datetime",
         "result-type", "failed-session-count", "total-successful-session-count"]), inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@given(json_values)
@settings(max_examples=400)
def test_no_json_makes_a_reader_raise(value: object) -> None:
    assert read(json.dumps({"policies": value}).encode())


@no_samples
def test_reports_others_wrote_say_what_their_labels_say() -> None:
    for label in csv.DictReader((SAMPLES / "labels.csv").read_text().splitlines()):
        (report,) = read((SAMPLES / label["file"]).read_bytes())
        assert isinstance(report, AggregateReport), label["file"]
        assert report.begins_at
        assert report.ends_at
        said = {
            "org": report.organisation, "report_id": report.report_id, "domain": report.published.domain, "p": report.published.policy,
            "begin": str(int(report.begins_at.timestamp())), "end": str(int(report.ends_at.timestamp())),
            "records": str(report.records), "messages": str(report.messages), "dkim_aligned": str(report.count("dkim_aligned")),
            "spf_aligned": str(report.count("spf_aligned")), "dmarc_pass": str(report.count("passed")),
        }  # fmt: skip
        assert said == {name: label[name] for name in said}, label["file"]
        assert report.dispositions() == json.loads(label["dispositions"]), label["file"]


@no_samples
def test_tls_reports_others_wrote_say_what_their_labels_say() -> None:
    for label in csv.DictReader((SAMPLES / "labels-tlsrpt.csv").read_text().splitlines()):
        (report,) = read((SAMPLES / label["file"]).read_bytes())
        assert isinstance(report, TlsReport), label["file"]
        said = {
            "org": report.organisation, "report_id": report.report_id, "successful": str(report.successful), "failed": str(report.failed),
            "policy_domains": ";".join(policy.domain for policy in report.policies),
        }  # fmt: skip
        assert said == {name: label[name] for name in said}, label["file"]


@no_samples
def test_hostile_files_are_read_or_refused_as_their_labels_say() -> None:
    for label in csv.DictReader((SAMPLES / "labels-hostile.csv").read_text().splitlines()):
        found = read((SAMPLES / label["file"]).read_bytes())
        assert all(isinstance(each, Refused) == label["expected"].startswith("reject") for each in found), label["file"]
