"""From a draft to the bytes that are sent."""

import re
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.content.draft import problems
from posthouse.content.render import render, text_of
from posthouse.content.stamp import mailing_of, stamp
from posthouse.model.words import MailClass
from posthouse.wire.addresses import Mailbox
from posthouse.wire.headers import first, split
from posthouse.wire.mime import Attachment, Draft
from posthouse.wire.parts import walk

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ANN = Mailbox("ann@example.com", "Ann")
ID = UUID("0193a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b")
STAMP = stamp(ID, ANN, MailClass.TRANSACTIONAL, 7, NOW)
ENTROPY = bytes(range(16))


def test_the_house_adds_an_identity_in_the_senders_domain_a_date_and_a_feedback_id() -> None:
    header, _ = split(render(Draft(ANN, text="hi"), STAMP, ENTROPY))
    assert first(header, "Message-ID") == b"<0193a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b@example.com>"
    assert first(header, "Date") == b"Sun, 22 Nov 2026 12:00:00 +0000"
    assert first(header, "Feedback-ID") == b"transactional:7:posthouse"


@pytest.mark.parametrize(
    ("mail_class", "tags", "wanted"),
    [
        (MailClass.MARKETING, ("Autumn Sale 2026", "b"), "autumn-sale-2026:marketing:7:posthouse"),
        (MailClass.MARKETING, ("a:b:c",), "a-b-c:marketing:7:posthouse"),
        (MailClass.MARKETING, ("for-anna@example.org",), "marketing:7:posthouse"),
        (MailClass.MARKETING, ("???",), "marketing:7:posthouse"),
        (MailClass.MARKETING, (), "autumn-news:marketing:7:posthouse"),
        (MailClass.TRANSACTIONAL, ("order-4711",), "transactional:7:posthouse"),
    ],
)
def test_complaints_are_counted_by_mailing_class_and_workspace(
    mail_class: MailClass, tags: tuple[str, ...], wanted: str
) -> None:
    assert stamp(ID, ANN, mail_class, 7, NOW, mailing_of("Autumn News", tags)).feedback_id == wanted


def test_a_page_alone_gets_a_text_beside_it() -> None:
    found = walk(render(Draft(ANN, html="<h1>Hi</h1><p>See <a href='https://x.test/y'>this</a></p>"), STAMP, ENTROPY))
    assert [part.content_type for part in found] == ["text/plain", "text/html"]
    assert "https://x.test/y" in found[0].text()


def test_a_text_that_was_given_is_kept() -> None:
    assert walk(render(Draft(ANN, text="mine", html="<p>page</p>"), STAMP, ENTROPY))[0].text() == "mine"


@pytest.mark.parametrize(
    "html",
    ["", "plain", "<p>a<p>b", "<script>alert(1)</script>ok", "<table><tr><td>1</td></tr></table>", "\x00<\ud83d"],
)
def test_any_page_has_a_text(html: str) -> None:
    assert "alert" not in text_of(html.encode("utf-8", "replace").decode())


FILE = Attachment("a.pdf", "application/pdf", b"")


@pytest.mark.parametrize(
    ("draft", "pointer", "code"),
    [
        (Draft(ANN, subject="a\r\nBcc: x@y.z"), "/subject", "control_character"),
        (Draft(ANN, subject="x" * 999), "/subject", "too_long"),
        (Draft(Mailbox("a@b.c", "x\ny")), "/from", "control_character"),
        (Draft(ANN, to=(ANN, Mailbox("a@b.c", "\x00"))), "/to/1", "control_character"),
        (Draft(ANN, headers=(("Bad Name", "x"),)), "/headers/Bad Name", "invalid_header_name"),
        (Draft(ANN, headers=(("a/b", "\n"),)), "/headers/a~1b", "control_character"),
        (Draft(ANN, headers=(("bcc", "x"),)), "/headers/bcc", "reserved_header"),
        (Draft(ANN, headers=(("Content-Type", "x"),)), "/headers/Content-Type", "reserved_header"),
        (Draft(ANN, headers=(("X", "x"),) * 51), "/headers", "too_many"),
        (Draft(ANN, attachments=(Attachment("a\nb", "a/b", b""),)), "/attachments/0/filename", "control_character"),
        (
            Draft(ANN, attachments=(FILE, Attachment("a", "nonsense", b""))),
            "/attachments/1/content_type",
            "invalid_content_type",
        ),
        (
            Draft(ANN, attachments=(Attachment("a", "multipart/mixed", b""),)),
            "/attachments/0/content_type",
            "invalid_content_type",
        ),
        (
            Draft(ANN, attachments=(Attachment("a", 'a/b; x="\n"', b""),)),
            "/attachments/0/content_type",
            "invalid_content_type",
        ),
        (
            Draft(ANN, attachments=(Attachment("a", "a/b", b"", "<x>"),)),
            "/attachments/0/content_id",
            "invalid_content_id",
        ),
        (
            Draft(ANN, attachments=(Attachment("a", "a/b", b"", "x", "shown"),)),
            "/attachments/0/disposition",
            "invalid_disposition",
        ),
        (
            Draft(ANN, attachments=(Attachment("a", "a/b", b"", "x"),) * 2),
            "/attachments/1/content_id",
            "repeated_content_id",
        ),
        (Draft(ANN, attachments=(FILE,) * 101), "/attachments", "too_many"),
    ],
)
def test_a_bad_field_is_named_by_its_place(draft: Draft, pointer: str, code: str) -> None:
    assert (pointer, code) in [(problem.pointer, problem.code) for problem in problems(draft)]


@pytest.mark.parametrize(
    "kind",
    ["application/pdf", "text/calendar; method=REQUEST; charset=utf-8", 'text/plain; name="a b"', "message/rfc822"],
)
def test_every_ordinary_content_type_is_fine(kind: str) -> None:
    assert problems(Draft(ANN, attachments=(Attachment("x", kind, b""),))) == ()


anything = st.text(max_size=40) | st.sampled_from(
    ["\r\n", "\ud800", "a b", "x-y", "text/plain", "æ", "=?utf-8?q?x?=", '"', "\x7f"]
)


@given(anything, anything, anything, anything, anything, anything)
@settings(max_examples=300)
def test_a_draft_without_problems_can_always_be_written(
    name: str, subject: str, header: str, value: str, file: str, kind: str
) -> None:
    draft = Draft(
        Mailbox("ann@example.com", name),
        subject=subject,
        text=value,
        html=header,
        headers=((header, value),),
        attachments=(Attachment(file, kind, b"x", content_id=file),),
    )
    fine = Draft(Mailbox("ann@example.com", name), subject=subject, headers=(("X-Test", value),), html=kind)
    for candidate in (draft, fine):
        if not problems(candidate):
            content = render(candidate, STAMP, ENTROPY)
            assert re.search(rb"(?<!\r)\n|\r(?!\n)", content) is None
