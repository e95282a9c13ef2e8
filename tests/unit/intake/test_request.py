"""A JSON submission is either complete or refused with every bad field named."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from posthouse.intake.request import Call, Context, parse, parse_message
from posthouse.model import limits
from posthouse.model.mail import Recipient, Refused, Submission, Submitter
from posthouse.model.words import Kind, MailClass, Scope, Source

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ID = UUID("019a0000-0000-7000-8000-000000000001")
SUBMITTER = Submitter(UUID(int=1), 1, UUID(int=2), "api_key", "shop", frozenset({Scope.SEND}))
CONTEXT = Context(SUBMITTER, NOW, lambda: ID)
GOOD: dict[str, Any] = {"from": "ann@example.com", "to": "bo@example.org", "subject": "Hello", "text": "It works."}
RAW = "From: Ann <ann@example.com>\nTo: bo@example.org\nSubject: Hi\n\nHello\n"


def accepted(message: dict[str, Any]) -> Submission:
    outcome = parse_message(message, CONTEXT)
    assert isinstance(outcome, Submission), outcome
    return outcome


def refused(message: dict[str, Any]) -> set[tuple[str, str]]:
    outcome = parse_message(message, CONTEXT)
    assert isinstance(outcome, Refused), outcome
    return {(problem.pointer, problem.code) for problem in outcome.problems}


def test_a_plain_message_is_rendered_and_carries_the_id_it_is_stamped_with() -> None:
    submission = accepted(GOOD)
    assert submission.source is Source.API
    assert submission.sender == "ann@example.com"
    assert submission.recipients == (Recipient("bo@example.org", Kind.TO),)
    assert submission.message_id == ID
    assert f"Message-ID: {submission.message_id_header}\r\n".encode() in submission.content
    assert b"\r\n\r\nIt works." in submission.content
    assert submission.priority is None
    assert submission.mail_class is None
    assert submission.expires_at is None


def test_every_field_of_a_message_is_understood() -> None:
    submission = accepted(
        GOOD
        | {
            "to": ["Bo <bo@example.org>", {"address": "cy@example.org", "name": "Cy"}],
            "cc": "di@example.org",
            "bcc": ["ed@example.org", "bo@example.org"],
            "reply_to": "help@example.com",
            "html": "<p>It works.</p>",
            "headers": {"X-Order": "10-4711"},
            "attachments": [{"filename": "a.pdf", "content": "JVBERg=="}],
            "tags": ["receipt", "receipt", "shop"],
            "metadata": {"order": "10-4711"},
            "class": "marketing",
            "priority": 9,
            "send_at": "2026-11-21T15:00:00+01:00",
            "expires_in": 600,
        }
    )
    assert [(each.address, each.kind) for each in submission.recipients] == [
        ("bo@example.org", Kind.TO),
        ("cy@example.org", Kind.TO),
        ("di@example.org", Kind.CC),
        ("ed@example.org", Kind.BCC),
    ]
    assert submission.tags == ("receipt", "shop")
    assert submission.metadata == {"order": "10-4711"}
    assert submission.mail_class is MailClass.MARKETING
    assert submission.priority == 9
    assert submission.send_at == NOW + timedelta(hours=2)
    assert submission.expires_at == NOW + timedelta(hours=2, seconds=600)
    assert b"ed@example.org" not in submission.content
    assert b"X-Order: 10-4711\r\n" in submission.content
    assert b"application/pdf" in submission.content


@pytest.mark.parametrize("priority", range(10))
def test_every_priority_from_0_to_9_is_taken_as_given(priority: int) -> None:
    assert accepted(GOOD | {"priority": priority}).priority == priority


@pytest.mark.parametrize("priority", [-1, 10, 4.5, 4.0, "high", "4", True, False, None, [4], {}, 10**30])
def test_anything_else_is_no_priority(priority: object) -> None:
    assert {pointer for pointer, _ in refused(GOOD | {"priority": priority})} == {"/priority"}


WRONG: list[tuple[dict[str, Any], set[tuple[str, str]]]] = [
    ({"subjet": "x"}, {("/subjet", "unknown_field")}),
    ({"a/b~c": 1}, {("/a~1b~0c", "unknown_field")}),
    ({"from": "nobody"}, {("/from", "invalid_address")}),
    ({"from": None}, {("/from", "wrong_type")}),
    ({"from": {"name": "Ann"}}, {("/from/address", "required")}),
    ({"from": {"address": "ann@example.com", "age": 4}}, {("/from/age", "unknown_field")}),
    ({"from": {"address": "ann@example.com", "name": "A\r\nBcc: x@y.z"}}, {("/from/name", "control_character")}),
    ({"from": 'Ann\r\nBcc: "x@y.z" <ann@example.com>'}, {("/from", "invalid_address")}),
    ({"to": ["a@b.cd", "bad", 4]}, {("/to/1", "invalid_address"), ("/to/2", "wrong_type")}),
    ({"to": []}, {("/to", "required")}),
    ({"to": [f"u{n}@example.org" for n in range(101)]}, {("/to", "too_many_recipients")}),
    (
        {"to": [f"u{n}@example.org" for n in range(60)], "cc": [f"v{n}@example.org" for n in range(60)]},
        {("/to", "too_many_recipients")},
    ),
    ({"subject": "a\nb"}, {("/subject", "control_character")}),
    ({"subject": "a" * 999}, {("/subject", "too_long")}),
    ({"subject": 4}, {("/subject", "wrong_type")}),
    ({"text": "a\x00b"}, {("/text", "control_character")}),
    ({"html": ["<p>"]}, {("/html", "wrong_type")}),
    ({"headers": {"X-A": "b\r\nBcc: c@d.ef"}}, {("/headers/X-A", "control_character")}),
    ({"headers": {"X A": "b"}}, {("/headers/X A", "invalid_header_name")}),
    (
        {"headers": {"X-A": 1, "Subject": "b"}},
        {("/headers/X-A", "wrong_type"), ("/headers/Subject", "reserved_header")},
    ),
    ({"headers": []}, {("/headers", "wrong_type")}),
    ({"headers": {f"X-{n}": "" for n in range(51)}}, {("/headers", "too_many_headers")}),
    (
        {"tags": ["", "a\nb", 4]},
        {("/tags/0", "wrong_length"), ("/tags/1", "control_character"), ("/tags/2", "wrong_type")},
    ),
    ({"tags": ["a"] * 11}, {("/tags", "too_many_tags")}),
    ({"metadata": {"a": 1}}, {("/metadata/a", "wrong_type")}),
    ({"metadata": {"a": "x\x00"}}, {("/metadata/a", "control_character")}),
    ({"metadata": {"a": "x" * 256}}, {("/metadata/a", "wrong_length")}),
    ({"metadata": {str(n): "" for n in range(21)}}, {("/metadata", "too_many_entries")}),
    ({"class": "bulk"}, {("/class", "unknown_class")}),
    ({"class": 1}, {("/class", "wrong_type")}),
    ({"send_at": "tomorrow"}, {("/send_at", "invalid_time")}),
    ({"send_at": "2026-12-01T10:00:00"}, {("/send_at", "time_without_zone")}),
    ({"send_at": "2028-01-01T00:00:00Z"}, {("/send_at", "out_of_range")}),
    ({"send_at": "0001-01-01T00:00:00+14:00"}, {("/send_at", "invalid_time")}),
    ({"send_at": 1700000000}, {("/send_at", "wrong_type")}),
    ({"expires_in": 0}, {("/expires_in", "out_of_range")}),
    ({"expires_in": 600.0}, {("/expires_in", "wrong_type")}),
    ({"expires_in": limits.MESSAGE_LIFETIME_S + 1}, {("/expires_in", "out_of_range")}),
    ({"attachments": {}}, {("/attachments", "wrong_type")}),
    ({"attachments": [4]}, {("/attachments/0", "wrong_type")}),
    ({"attachments": [{}]}, {("/attachments/0/filename", "required"), ("/attachments/0/content", "required")}),
    ({"attachments": [{"filename": "a", "content": "a b"}]}, {("/attachments/0/content", "invalid_base64")}),
    ({"attachments": [{"filename": "a", "content": "YQ"}]}, {("/attachments/0/content", "invalid_base64")}),
    ({"attachments": [{"filename": "../a", "content": ""}]}, {("/attachments/0/filename", "invalid_filename")}),
    ({"attachments": [{"filename": "a", "content": "", "x": 1}]}, {("/attachments/0/x", "unknown_field")}),
    (
        {"attachments": [{"filename": "a", "content": "", "content_type": "text"}]},
        {("/attachments/0/content_type", "invalid_content_type")},
    ),
    (
        {"attachments": [{"filename": "a", "content": "", "content_id": "a\r\nb"}]},
        {("/attachments/0/content_id", "invalid_content_id")},
    ),
]


@pytest.mark.parametrize(("change", "problems"), WRONG)
def test_each_bad_field_is_named(change: dict[str, Any], problems: set[tuple[str, str]]) -> None:
    assert refused(GOOD | change) == problems


def test_all_bad_fields_are_named_at_once() -> None:
    problems = refused(
        {"from": 1, "to": "x", "subject": "a\nb", "priority": "high", "extra": 1, "headers": {"Received": "x"}}
    )
    assert problems == {
        ("/from", "wrong_type"),
        ("/to", "invalid_address"),
        ("/subject", "control_character"),
        ("/priority", "wrong_type"),
        ("/extra", "unknown_field"),
        ("/headers/Received", "reserved_header"),
        ("/text", "required"),
    }


def test_an_empty_message_says_what_it_needs() -> None:
    assert refused({}) == {("/from", "required"), ("/to", "required"), ("/text", "required")}


@pytest.mark.parametrize(
    "name",
    ["From", "to", "DKIM-Signature", "Received", "Return-Path", "Message-ID", "Content-Type", "X-Mail-Tag", "Bcc"],
)
def test_headers_the_house_writes_are_refused(name: str) -> None:
    assert refused(GOOD | {"headers": {name: "x"}}) == {(f"/headers/{name}", "reserved_header")}


@pytest.mark.parametrize("filename", ["run.exe", "RUN.EXE", "run.exe. ", "photo.jpg.scr", "a.ps1", ".bat", "x.JS"])
def test_attachments_that_can_run_are_refused(filename: str) -> None:
    message = GOOD | {"attachments": [{"filename": filename, "content": ""}]}
    assert refused(message) == {("/attachments/0/filename", "blocked_attachment")}


@pytest.mark.parametrize("filename", ["exe", "report.pdf", "exe.txt", "com", "a.exe.zip"])
def test_attachments_that_only_look_alike_are_taken(filename: str) -> None:
    accepted(GOOD | {"attachments": [{"filename": filename, "content": ""}]})


def test_a_time_that_has_passed_means_now() -> None:
    submission = accepted(GOOD | {"send_at": "2020-01-01T00:00:00Z", "expires_in": 60})
    assert submission.send_at is None
    assert submission.expires_at == NOW + timedelta(seconds=60)


@pytest.mark.parametrize("encode", [str, lambda text: base64.b64encode(text.encode()).decode()])
def test_raw_mime_is_taken_as_it_is_or_in_base64(encode: Any) -> None:
    submission = accepted({"raw": encode(RAW)})
    assert submission.sender == "ann@example.com"
    assert submission.subject == "Hi"
    assert submission.recipients == (Recipient("bo@example.org", Kind.TO),)
    assert submission.content.endswith(b"Subject: Hi\r\n\r\nHello\r\n")


def test_named_recipients_replace_those_in_raw_mime() -> None:
    submission = accepted({"raw": RAW, "bcc": "cy@example.org"})
    assert submission.recipients == (Recipient("cy@example.org", Kind.BCC),)


@pytest.mark.parametrize(
    ("message", "problems"),
    [
        ({"raw": RAW, "subject": "x", "from": "a@b.cd"}, {("/subject", "not_with_raw"), ("/from", "not_with_raw")}),
        ({"raw": ""}, {("/raw", "invalid_raw")}),
        ({"raw": "not base64"}, {("/raw", "invalid_raw")}),
        ({"raw": 4}, {("/raw", "wrong_type")}),
        ({"raw": "Subject: no author\n\nx"}, {("/raw", "missing_from")}),
        ({"raw": "From: a@b.cd\n\nnobody to send it to"}, {("/to", "wrong_length")}),
        ({"raw": RAW + "x" * 999}, {("/raw", "line_too_long")}),
        (
            {"raw": RAW.replace("\n\n", '\nContent-Disposition: attachment; filename="a.exe"\n\n')},
            {("/raw", "blocked_attachment")},
        ),
    ],
)
def test_raw_mime_that_cannot_be_sent_is_refused(message: dict[str, Any], problems: set[tuple[str, str]]) -> None:
    assert refused(message) == problems


def test_a_message_of_more_than_the_limit_is_refused_as_too_large() -> None:
    content = base64.b64encode(bytes(limits.MESSAGE_OCTETS)).decode()
    outcome = parse_message(GOOD | {"attachments": [{"filename": "a.bin", "content": content}]}, CONTEXT)
    assert isinstance(outcome, Refused)
    assert outcome.status == 413


def test_addresses_beyond_ascii_need_smtputf8_and_names_do_not() -> None:
    assert not accepted(GOOD | {"from": "Åse <ann@example.com>", "to": "bo@blåbær.dk"}).smtputf8
    assert accepted(GOOD | {"to": "grå@blåbær.dk"}).smtputf8


def test_one_bad_message_of_a_list_does_not_lose_the_others() -> None:
    call = parse(msgspec.json.encode([GOOD, GOOD | {"priority": 10}, 4, GOOD]), CONTEXT)
    assert isinstance(call, Call)
    assert not call.single
    assert [type(message) for message in call.messages] == [Submission, Refused, Refused, Submission]
    problems = [
        problem.pointer for message in call.messages if isinstance(message, Refused) for problem in message.problems
    ]
    assert problems == ["/1/priority", "/2"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"{", 400, "invalid_json"),
        (b"{} {}", 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400, "invalid_json"),
        (b'{"priority": NaN}', 400, "invalid_json"),
        (b'{"priority": ' + b"9" * 5_000 + b"}", 400, "invalid_json"),
        (b'{"subject": "\\ud800"}', 400, "invalid_json"),
        (b'{"subject": "\xff"}', 400, "invalid_json"),
        (b"\xef\xbb\xbf{}", 400, "invalid_json"),
        (b"4", 422, "wrong_type"),
        (b"null", 422, "wrong_type"),
        (b"[]", 422, "wrong_length"),
        (b"[" + b",".join([b"{}"] * 1001) + b"]", 422, "wrong_length"),
    ],
)
def test_a_body_that_is_no_call_is_refused_whole(body: bytes, status: int, code: str) -> None:
    outcome = parse(body, CONTEXT)
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.problems[0].code) == (status, code)


def test_more_recipients_than_a_call_may_have_are_refused() -> None:
    message = GOOD | {"to": [f"u{n}@example.org" for n in range(100)]}
    assert isinstance(parse(msgspec.json.encode([message] * 10), CONTEXT), Call)
    outcome = parse(msgspec.json.encode([message] * 11), CONTEXT)
    assert isinstance(outcome, Refused)
    assert outcome.problems[0].code == "too_many_recipients"


def test_of_a_name_given_twice_the_last_counts() -> None:
    call = parse(b'{"from":"a@b.cd","to":"c@d.ef","text":"x","priority":1,"priority":2}', CONTEXT)
    assert isinstance(call, Call)
    assert isinstance(call.messages[0], Submission)
    assert call.messages[0].priority == 2


def test_a_flood_of_bad_fields_is_answered_within_bounds() -> None:
    outcome = parse_message({f"{n}" + "x" * 10_000: 1 for n in range(1_000)}, CONTEXT)
    assert isinstance(outcome, Refused)
    assert len(outcome.problems) == limits.PROBLEMS_PER_MESSAGE
    assert max(len(problem.pointer) for problem in outcome.problems) < 2 * limits.POINTER_CHARS
