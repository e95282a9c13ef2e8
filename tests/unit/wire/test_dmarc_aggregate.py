"""DMARC aggregate reports as receivers write them, and as nobody should."""

import time
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.model.limits import REPORT_XML_NAMES, REPORT_XML_TOKEN_OCTETS
from posthouse.wire import dmarc_aggregate
from posthouse.wire.dmarc_aggregate import AggregateReport, EnvelopeResult, Row, Signature
from posthouse.wire.unpacking import Reason, Refused

METADATA = """<report_metadata><org_name>Receiver &amp; Co</org_name><email>dmarc@receiver.example</email>
<report_id> 77-a </report_id><date_range><begin>1709683200</begin><end>1709769599</end></date_range></report_metadata>"""
POLICY = "<policy_published><domain>Example.COM</domain><adkim>r</adkim><aspf>s</aspf><p>reject</p><sp>none</sp><pct>100</pct></policy_published>"
RECORD = """<record><row><source_ip>192.0.2.1</source_ip><count>3</count>
<policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf><reason><type>mailing_list</type><comment>x</comment></reason>
</policy_evaluated></row>
<identifiers><envelope_to>gmail.test</envelope_to><envelope_from>bounce.example.com</envelope_from><header_from>example.com</header_from></identifiers>
<auth_results><dkim><domain>example.com</domain><selector>s1</selector><result>pass</result></dkim>
<dkim><domain>esp.example</domain><result>fail</result></dkim>
<spf><domain>bounce.example.com</domain><scope>mfrom</scope><result>softfail</result></spf></auth_results></record>"""
ROW = Row(
    "192.0.2.1", "none", True, False, "example.com", "bounce.example.com", "gmail.test",
    (Signature("example.com", "s1", "pass"), Signature("esp.example", "", "fail")),
    (EnvelopeResult("bounce.example.com", "mfrom", "softfail"),), ("mailing_list",),
)  # fmt: skip


def document(*parts: str, root: str = "feedback") -> str:
    return f"<?xml version='1.0' encoding='UTF-8'?>\n<{root}>{''.join(parts)}</{root.partition(' ')[0]}>"


def read(text: str | bytes, size: int = 50) -> AggregateReport | Refused:
    octets = text.encode() if isinstance(text, str) else text
    return dmarc_aggregate.read(octets[at : at + size] for at in range(0, len(octets), size))


def good(text: str | bytes) -> AggregateReport:
    report = read(text)
    assert isinstance(report, AggregateReport), report
    return report


def refused(text: str | bytes, size: int = 65_536) -> Reason:
    report = read(text, size)
    assert isinstance(report, Refused), report
    return report.reason


def test_everything_a_report_says_is_read() -> None:
    report = good(document("<version>1.0</version>", METADATA, POLICY, RECORD))
    assert report.organisation == "Receiver & Co"
    assert report.contact == "dmarc@receiver.example"
    assert report.report_id == "77-a"
    assert report.begins_at == datetime(2024, 3, 6, tzinfo=UTC)
    assert report.ends_at == datetime(2024, 3, 6, 23, 59, 59, tzinfo=UTC)
    policy = report.published
    assert (policy.domain, policy.policy, policy.subdomain_policy) == ("example.com", "reject", "none")
    assert (policy.dkim_alignment, policy.spf_alignment, policy.percent) == ("r", "s", "100")
    assert report.rows == {ROW: 3}
    assert (report.messages, report.count("passed"), report.count("spf_aligned")) == (3, 3, 0)
    assert report.dispositions() == {"none": 3}


def test_records_that_say_the_same_are_one_row() -> None:
    report = good(document(METADATA, POLICY, *[RECORD] * 5, RECORD.replace("192.0.2.1", "192.0.2.2")))
    assert sorted(report.rows.values()) == [3, 15]
    assert report.records == 6


@pytest.mark.parametrize(
    "text",
    [
        document(RECORD, POLICY, METADATA),
        document(METADATA, POLICY, RECORD, root='feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"'),
        document(METADATA, POLICY, RECORD).replace("<", "<d:").replace("<d:/", "</d:").replace("<d:?", "<?"),
        document(METADATA, POLICY, RECORD).upper().replace("&AMP;", "&amp;").replace("<?XML VERSION='1.0' ENCODING='UTF-8'?>", ""),
        "\n\n  " + document(METADATA, POLICY, RECORD),
        "﻿" + document(METADATA, POLICY, RECORD),
        document(METADATA, POLICY, RECORD) + "\n</feedback>trailing & junk",
        document(METADATA, POLICY, RECORD.replace("identifiers>", "identities>")),
        document(METADATA, POLICY, "<extension><record><row><count>9</count></row></record><domain>x.example</domain></extension>", RECORD),
        document(METADATA.replace("&amp;", "&"), POLICY, RECORD),
        document(METADATA, POLICY, RECORD.replace("<comment>x</comment>", "<comment>a\x00\x0b & b &nbsp; &undefined;</comment>")),
        document("<generator>x</generator>", METADATA, POLICY, RECORD.replace("<reason>", "<why/><reason>")),
        document(METADATA, POLICY, RECORD).encode("utf-16"),
        document(METADATA, POLICY, RECORD).encode("utf-16-le"),
        document(METADATA, POLICY, RECORD).replace("UTF-8", "no-such-charset"),
        document(METADATA, POLICY, RECORD).replace("UTF-8", "zlib_codec"),
    ],
)  # fmt: skip
def test_order_names_and_small_faults_do_not_matter(text: str | bytes) -> None:
    report = good(text)
    assert report.published.domain == "example.com"
    assert report.organisation.upper() == "RECEIVER & CO"
    assert [row.source_ip for row in report.rows] == ["192.0.2.1"]
    assert (report.messages, report.count("passed")) == (3, 3)


@pytest.mark.parametrize("charset", ["iso-8859-1", "windows-1252", "utf-8"])
def test_a_charset_is_read_as_declared_and_a_wrong_one_costs_its_characters(charset: str) -> None:
    text = document(METADATA.replace("Receiver", "Société"), POLICY, RECORD)
    assert good(text.replace("UTF-8", charset).encode(charset)).organisation == "Société & Co"
    assert good(text.encode("iso-8859-1")).organisation == "Soci�t� & Co"


def test_what_is_missing_is_empty() -> None:
    report = good(
        "<feedback><record><identifiers><header_from>a.example</header_from></identifiers></record></feedback>"
    )
    assert report.published.domain == "a.example"
    assert (report.organisation, report.report_id, report.begins_at) == ("", "", None)
    assert report.rows == {Row("", "none", False, False, "a.example", "", ""): 1}


@pytest.mark.parametrize(
    ("value", "messages"), [("7", 7), (" 7.0 ", 7), ("-4", 1), ("many", 1), ("9" * 30, 10**12), ("nan", 1), ("inf", 1)]
)
def test_counts_are_numbers_whatever_is_written(value: str, messages: int) -> None:
    assert good(document(POLICY, RECORD.replace("<count>3", f"<count>{value}"))).messages == messages


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("1709683200", datetime(2024, 3, 6, tzinfo=UTC)),
        ("1709683200.0", datetime(2024, 3, 6, tzinfo=UTC)),
        ("2024-03-06T01:00:00+01:00", datetime(2024, 3, 6, tzinfo=UTC)),
        ("2024-03-06 00:00:00", datetime(2024, 3, 6, tzinfo=UTC)),
        ("soon", None), ("9" * 40, None), ("-99999999999999", None), ("nan", None), ("0001-01-01T00:00:00+23:00", None),
    ],
)  # fmt: skip
def test_moments_are_read_in_the_spellings_there_are(value: str, wanted: datetime | None) -> None:
    assert good(document(METADATA.replace("1709683200", value), POLICY, RECORD)).begins_at == wanted


BILLION_LAUGHS = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;">]>
<feedback><org_name>&lol2;</org_name></feedback>"""
EXTERNAL = """<!DOCTYPE feedback [<!ENTITY x SYSTEM "file:///etc/passwd">]><feedback><policy_published><domain>&x;</domain></policy_published></feedback>"""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (BILLION_LAUGHS, Reason.DANGEROUS),
        (EXTERNAL, Reason.DANGEROUS),
        ("<feedback>" + "<a>" * 40, Reason.DANGEROUS),
        ("<feedback>" + "".join(f"<a{number}/>" for number in range(REPORT_XML_NAMES + 1)), Reason.DANGEROUS),
        ("<feedback>" + "".join(f"<a b{number}='1'/>" for number in range(REPORT_XML_NAMES + 1)), Reason.DANGEROUS),
        ("<feedback><!--" + "x" * (REPORT_XML_TOKEN_OCTETS + 200_000), Reason.DANGEROUS),
        ("<feedback><a b='" + "x" * (REPORT_XML_TOKEN_OCTETS + 200_000), Reason.DANGEROUS),
        ("<html><body>Not found</body></html>", Reason.NOT_A_REPORT),
        ("<feedback></feedback>", Reason.NOT_A_REPORT),
        (document(METADATA, POLICY, RECORD)[:-40], Reason.BROKEN),
        ("<feedback><a></b></feedback>", Reason.BROKEN),
        ("<feedback", Reason.BROKEN),
        ("", Reason.BROKEN),
    ],
)  # fmt: skip
def test_attacks_and_other_documents_are_refused_with_a_reason(text: str, wanted: Reason) -> None:
    assert refused(text) is wanted


def test_text_without_end_takes_no_memory() -> None:
    pieces = (b"<feedback><org_name>", *[b"x" * 65_536] * 400, b"</org_name>", POLICY.encode(), b"</feedback>")
    tracemalloc.start()
    try:
        report = dmarc_aggregate.read(iter(pieces))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(report, AggregateReport)
    assert len(report.organisation) == 255
    assert peak < 4_000_000


def test_rows_that_all_differ_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dmarc_aggregate, "REPORT_KEPT_OCTETS", 100_000)
    records = [RECORD.replace("192.0.2.1", f"192.0.{number // 250}.{number % 250}") for number in range(500)]
    assert refused(document(METADATA, POLICY, *records)) is Reason.TOO_LARGE
    assert good(document(METADATA, POLICY, *[RECORD] * 2_000)).messages == 6_000


def test_time_grows_with_the_size_of_a_hostile_document_and_no_faster() -> None:
    began = time.process_time()
    for text in (
        "<feedback>" + "&" * 500_000,
        "<feedback>" + "&amp" * 200_000,
        "<feedback" + " " * 900_000,
        "<" * 500_000,
    ):
        read(text, 65_536)
    assert time.process_time() - began < 5


pieces = st.lists(
    st.sampled_from([METADATA, POLICY, RECORD, "<record>", "</record>", "<dkim>", "</spf>", "<extension>", "&", "&#0;", "<![CDATA[", "]]>",
                     "<!--", "-->", "<?x", "?>", "<!DOCTYPE x>", "é", "\0", "<count>1e999</count>", "<begin>1e400</begin>"]),
    max_size=12,
).map("".join)  # fmt: skip


@given(pieces | st.text(max_size=300), st.binary(max_size=30), st.integers(1, 200))
@settings(max_examples=500)
def test_no_document_makes_the_reader_raise(text: str, junk: bytes, size: int) -> None:
    octets = text.encode("utf-8", "replace")
    whole = b"<?xml version='1.0'?><feedback>" + octets + b"</feedback>"
    for content in (
        octets,
        whole,
        whole + junk,
        junk + whole,
        whole[:size] + junk + whole[size:],
        whole.decode("utf-8", "replace").encode("utf-16"),
    ):
        read(content, size)
