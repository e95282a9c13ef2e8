"""From an SMTP transaction to a Submission: the envelope decides, the MIME stays, refusals have the right code."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from posthouse.intake.answers import No
from posthouse.intake.submission import Arrival, read, recipient_address, refused
from posthouse.model.errors import FieldProblem
from posthouse.model.mail import Refused, Submission, Submitter
from posthouse.model.words import Kind, MailClass, Scope
from posthouse.wire.smtp_server_commands import MailParameters
from posthouse.wire.smtp_server_events import MessageReceived

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MESSAGE_ID = UUID("0193a000-0000-7000-8000-000000000001")
SUBMITTER = Submitter(UUID(int=1), 1, UUID(int=2), "smtp_credential", "shop", frozenset({Scope.SEND}))
ARRIVAL = Arrival(SUBMITTER, "client.test", "192.0.2.1", "mail.test", MESSAGE_ID, NOW)


def submit(
    header: str,
    body: bytes = b"Hello\r\n",
    recipients: tuple[str, ...] = ("anna@example.org",),
    arrival: Arrival = ARRIVAL,
) -> Submission | No:
    content = header.replace("\n", "\r\n").encode() + b"\r\n" + body
    return read(MessageReceived("a@example.com", MailParameters(), recipients, content, "ESMTPSA"), arrival)


def test_the_header_gives_each_envelope_recipient_its_kind_and_adds_none() -> None:
    envelope = ("anna@example.org", "Bo@example.org", "hidden@example.org", "anna@example.org")
    header = "From: a@example.com\nTo: Anna <ANNA@example.org>, other@example.org\nCc: bo@Example.ORG\nSubject: Hi\n"
    found = submit(header, recipients=envelope)
    assert isinstance(found, Submission)
    assert [(r.address, r.kind) for r in found.recipients] == [
        ("anna@example.org", Kind.TO),
        ("Bo@example.org", Kind.CC),
        ("hidden@example.org", Kind.BCC),
    ]


def test_the_body_and_every_header_that_is_not_for_us_keep_their_bytes() -> None:
    body = b"--x\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR  \r\n\r\n--x--\r\n\r\n\r\n"
    odd = (
        "From:  a@example.com\nsubject:Hi \n there\nX-Priority: 1\nMIME-Version: 1.0\nMessage-ID: <x@y>\nDate: today\n"
    )
    found = submit(odd + "X-Mail-Tag: t\n", body)
    assert isinstance(found, Submission)
    assert found.content.endswith(odd.replace("\n", "\r\n").encode() + b"\r\n" + body)
    assert b"X-Mail-Tag" not in found.content


def test_options_work_and_are_stripped() -> None:
    found = submit('From: a@example.com\nX-Mail-Tag: a,b\nX-Mail-Metadata: {"k":"v"}\nX-Mail-Expires: 10m\n')
    assert isinstance(found, Submission)
    assert (found.tags, found.metadata, found.expires_at) == (("a", "b"), {"k": "v"}, NOW + timedelta(minutes=10))
    assert b"x-mail" not in found.content.lower()


@pytest.mark.parametrize(
    ("options", "feedback_id"),
    [
        ("X-Mail-Mailing-Type: News\n", b"Feedback-ID: news:marketing:1:posthouse\r\n"),
        ("X-Mail-Tag: Autumn, b\nX-Mail-Mailing-Type: News\n", b"Feedback-ID: autumn:marketing:1:posthouse\r\n"),
        ("", b"Feedback-ID: marketing:1:posthouse\r\n"),
    ],
)
def test_marketing_names_its_mailing_for_those_who_count_complaints(options: str, feedback_id: bytes) -> None:
    marketing = replace(ARRIVAL, submitter=replace(SUBMITTER, default_class=MailClass.MARKETING))
    found = submit(f"From: a@example.com\n{options}", arrival=marketing)
    assert isinstance(found, Submission)
    assert feedback_id in found.content
    assert found.mailing_type == ("News" if "Type" in options else "")


def test_headers_without_effect_are_noted_and_never_change_the_priority() -> None:
    found = submit("From: a@example.com\nX-Priority: 1\nPriority: urgent\nImportance: high\nX-Mail-Template: t\n")
    assert isinstance(found, Submission)
    assert found.priority is None
    assert len(found.notes) == 4
    assert b"X-Priority: 1\r\nPriority: urgent\r\nImportance: high\r\n" in found.content
    assert b"X-Mail-Template" not in found.content


@pytest.mark.parametrize(
    ("header", "code", "enhanced"),
    [
        ("Subject: no author\n", 554, "5.6.0"),
        ("From: a@example.com\nFrom: b@example.com\n", 554, "5.6.0"),
        ("From: a@example.com\nthis is no field\n", 554, "5.6.0"),
        ("From: a@example.com\n" + "Received: from a by b; now\n" * 101, 554, "5.4.6"),
        ("From: a@example.com\nX-Mail-Expires: soon\n", 554, "5.6.0"),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused_for_good(header: str, code: int, enhanced: str) -> None:
    found = submit(header)
    assert isinstance(found, No)
    assert (found.code, found.enhanced) == (code, enhanced)


def test_an_attached_program_is_refused() -> None:
    body = b"--x\r\nContent-Type: application/octet-stream; name=run.exe\r\n\r\nMZ\r\n--x--\r\n"
    found = submit('From: a@example.com\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="x"\n', body)
    assert isinstance(found, No)
    assert (found.code, found.enhanced) == (554, "5.7.1")


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("Anna@EXAMPLE.org", "Anna@example.org"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ('"a b"@example.org', '"a b"@example.org'),
        ("postmaster", None),
        ("anna@[192.0.2.1]", None),
    ],
)
def test_recipient_domains_become_a_labels(given: str, taken: str | None) -> None:
    found = recipient_address(given)
    if taken is None:
        assert isinstance(found, No)
        assert found.code == 550
    else:
        assert found == taken


def test_a_credential_that_may_not_send_so_gets_550_and_a_bad_message_554() -> None:
    problem = FieldProblem("/from", "sender_not_allowed", "Not yours.")
    assert refused(Refused((problem,), status=403)) == No(550, "5.7.1", "Not yours.")
    assert refused(Refused((problem,), status=422)) == No(554, "5.6.0", "Not yours.")


def test_blank_lines_behind_the_word_name_cost_nothing() -> None:
    assert isinstance(submit("From: a@example.com\n", b"name" + b"\r\n" * 300_000 + b"end\r\n"), Submission)


def test_a_recipient_at_a_bare_ip_address_is_refused() -> None:
    assert isinstance(recipient_address("ann@127.0.0.1"), No)
