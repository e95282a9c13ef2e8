"""Finished MIME: what is taken out, what is put in, and that nothing else changes."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.content.stamp import Stamp, stamp
from posthouse.content.submitted import Prepared, Trace, prepare, with_crlf
from posthouse.model.limits import RECEIVED_HOPS
from posthouse.model.mail import Note
from posthouse.model.words import EventKind, MailClass
from posthouse.wire.addresses import Mailbox
from posthouse.wire.headers import first, split

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ID = UUID("0193a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b")
TRACE = Trace("client.test", "192.0.2.1", "mail.example.com", "ESMTPSA", "q1")
RECEIVED = b"Received: from client.test ([192.0.2.1])\r\n by mail.example.com with ESMTPSA id q1;\r\n Sun, 22 Nov 2026 12:00:00 +0000\r\n"
FEEDBACK = b"Feedback-ID: transactional:7:posthouse\r\n"
BODY = b"\r\nLine \r\n\r\n\t--x\r\n.\r\n"
PLAIN = b"From: Ann <ann@Example.com>\r\nDate: x\r\nMessage-ID: <own@x>\r\nsubject:  =?utf-8?q?=C3=A5?=\r\n"


def stamped(sender: Mailbox, options: dict[str, str]) -> Stamp:
    return stamp(ID, sender, MailClass.TRANSACTIONAL, 7, NOW)


def prepared(content: bytes, trace: Trace | None = TRACE) -> Prepared:
    result = prepare(content, stamped, trace)
    assert isinstance(result, Prepared), result
    return result


def test_a_complete_message_keeps_every_byte_below_what_is_put_on_top() -> None:
    result = prepared(PLAIN + BODY)
    assert result.content == RECEIVED + FEEDBACK + PLAIN + BODY
    assert (result.sender, result.subject, result.message_id) == (Mailbox("ann@example.com", "Ann"), "å", "<own@x>")
    assert result.notes == ()


def test_a_message_from_the_api_gets_no_received_line() -> None:
    assert prepared(PLAIN + BODY, None).content == FEEDBACK + PLAIN + BODY


def test_what_is_meant_for_us_is_taken_out_and_handed_over() -> None:
    ours = b"X-Mail-Tag: a\r\nX-MAIL-TAG: b\r\nx-mail-expires: 60\r\nX-Mail-Track: opens\r\nBcc: x@y.z,\r\n q@y.z\r\nReturn-Path: <r@x>\r\n"
    result = prepared(ours + PLAIN + BODY)
    assert result.content == RECEIVED + FEEDBACK + PLAIN + BODY
    assert result.options == {"x-mail-tag": "a,b", "x-mail-expires": "60", "x-mail-track": "opens"}
    assert [mailbox.address for mailbox in result.bcc] == ["x@y.z", "q@y.z"]
    assert result.notes == (Note(EventKind.HEADER_IGNORED, "X-Mail-Track is not available yet and was removed."),)


@pytest.mark.parametrize("name", ["X-Priority", "Priority", "X-Message-Priority"])
def test_a_priority_field_stays_and_is_reported(name: str) -> None:
    result = prepared(f"{name}: 1\r\n".encode() + PLAIN + BODY)
    assert f"{name}: 1\r\n".encode() in result.content
    note = Note(EventKind.PRIORITY_HEADER_IGNORED, f"{name} has no effect on the order of sending.")
    assert result.notes == (note,)


def test_missing_date_and_identity_are_added_even_where_the_field_is_empty() -> None:
    result = prepared(b"From: ann@example.com\r\nDate: \r\n\r\n")
    header, _ = split(result.content)
    assert first(header, "Date") == b"Sun, 22 Nov 2026 12:00:00 +0000"
    assert header.count(b"Date:") == 1
    assert result.message_id == f"<{ID}@example.com>"
    assert first(header, "Message-ID") == result.message_id.encode()


def test_a_header_without_a_body_still_ends_in_a_blank_line() -> None:
    assert prepared(b"From: ann@example.com\r\n").content.endswith(b"From: ann@example.com\r\n\r\n")


def test_a_non_ascii_address_asks_for_smtputf8_and_a_non_ascii_subject_does_not() -> None:
    assert prepared("From: grå@example.com\r\n\r\n".encode()).smtputf8
    assert not prepared("From: a@example.com\r\nSubject: grå\r\n\r\n".encode()).smtputf8


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"Subject: x\r\n", "missing_from"),
        (b"", "missing_from"),
        (b"From: \r\n", "missing_from"),
        (b"From: a@b.c, d@e.f\r\n", "several_from"),
        (b"From: a@b.c\r\nFROM: a@b.c\r\n", "several_from"),
        (b"From: <a@b.c> <d@e.f>\r\n", "several_from"),
        (b"From: a@b.c\r\nFrom: \r\n", "several_from"),
        (b"From: nobody\r\n", "invalid_address"),
        (b"From: a b@c.d\r\n", "invalid_address"),
        (b"From: a@b.c\r\nno field\r\n", "malformed_header"),
        (b"From: a@b.c\r\nX: a\nb\r\n", "malformed_header"),
        (b"From: a@b.c\r\nX: a\x00b\r\n", "malformed_header"),
        (b"From: a@b.c\r\n" + b"Received: x\r\n" * (RECEIVED_HOPS + 1), "mail_loop"),
        (b"From: a@b.c\r\nX: " + b"x" * 300_000 + b"\r\n", "header_too_large"),
    ],
)
def test_a_header_nobody_should_send_is_refused(header: bytes, code: str) -> None:
    result = prepare(header + b"\r\nbody\r\n", stamped, TRACE)
    assert not isinstance(result, Prepared)
    assert [problem.code for problem in result] == [code]


def test_a_hostile_helo_cannot_write_into_the_header() -> None:
    trace = Trace("x\r\nBcc: y (", "2001:db8::1", "mail.example.com", "ESMTP", "q1")
    content = prepared(PLAIN + BODY, trace).content
    assert content.startswith(b"Received: from x??Bcc:?y?? ([IPv6:2001:db8::1])\r\n by ")


@pytest.mark.parametrize("raw", [b"a\nb\n", b"a\rb\r", b"a\r\nb\r\n", b"a\nb\r\n"])
def test_any_line_end_becomes_crlf(raw: bytes) -> None:
    assert with_crlf(raw) == b"a\r\nb\r\n"


lines = st.lists(
    st.sampled_from([
        b"From: a@b.c", b"From: ", b"To: x@y.z,", b" folded", b"", b"Bcc: q@r.s", b"X-Mail-Tag: =?utf-8?b?AA==?=", b"Subject: \xff", b":", b"X",
    ]),
    max_size=14,
).map(lambda found: b"\r\n".join(found))  # fmt: skip


@given(lines | st.binary(max_size=200))
@settings(max_examples=300)
def test_no_bytes_make_preparing_raise(content: bytes) -> None:
    for candidate in (content, b"From: a@b.c\r\n" + content):
        result = prepare(candidate, stamped, TRACE)
        if isinstance(result, Prepared):
            assert "\x00" not in result.subject + "".join(result.options.values())
            assert first(split(result.content)[0], "Bcc") is None
            assert result.content.endswith(split(candidate)[1])
