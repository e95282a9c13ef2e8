"""Messages as written: read back by the standard library's parser, which we did not write."""

import email
import email.policy
import re
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.model.limits import TEXT_LINE_OCTETS
from posthouse.wire.addresses import Mailbox
from posthouse.wire.canonical import is_relaxed
from posthouse.wire.headers import first, is_well_formed, mailboxes, split
from posthouse.wire.mime import Attachment, Draft, write
from posthouse.wire.mime_fields import LINE_CHARS, UnsafeFieldError
from posthouse.wire.parts import walk

ENTROPY = bytes(range(16))
OWN = (("Date", "Sun, 22 Nov 2026 12:00:00 +0000"), ("Message-ID", "<1@example.com>"))
ANN = Mailbox("ann@example.com", "Ann")

tricky = st.sampled_from(
    [
        'a"b',
        "æøå Jørgen",
        "🎉👩‍👩‍👧",
        "漢字かな",
        "Doe, John",
        "x@y.z",
        "=?utf-8?q?a?=",
        "back\\slash",
        "(c)",
        "a  b",
        "…",
    ]
)
text = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), max_size=120)
words = st.one_of(tricky, text, st.text('ab =?_"\\', max_size=60)).map(str.strip)
body = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=400),
    st.text("ab \t\n=.æF", max_size=300),
    st.just("From me\nFrom you  \n\t tab\n.\n" * 3),
)


def parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=email.policy.default)


def squeezed(value: str) -> str:
    return re.sub(r"\s+", " ", value).strip()


def assert_well_written(content: bytes) -> None:
    header, rest = split(content)
    assert is_well_formed(header)
    assert is_relaxed(rest)
    assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n")
    assert max(map(len, content.split(b"\r\n"))) <= TEXT_LINE_OCTETS
    assert max(map(len, rest.split(b"\r\n"))) <= LINE_CHARS


@given(words, words)
@settings(max_examples=300)
def test_names_and_subjects_survive_any_text(name: str, subject: str) -> None:
    content = write(
        Draft(Mailbox("ann@example.com", name), to=(Mailbox("bo@example.net", name),), subject=subject), OWN, ENTROPY
    )
    assert_well_written(content)
    message = parsed(content)
    assert squeezed(str(message["Subject"])) == squeezed(subject)
    raw = email.message_from_bytes(content)  # the newer policy of 3.11 leaves spaces between encoded words of a name
    for field, address in (("From", "ann@example.com"), ("To", "bo@example.net")):
        shown, found = parseaddr(str(raw[field]))
        assert found == address
        assert squeezed(str(make_header(decode_header(shown)))) == squeezed(name)
        assert squeezed(mailboxes(split(content)[0], field)[0].name) == squeezed(name)
    assert max(map(len, split(content)[0].split(b"\r\n"))) <= max(LINE_CHARS, len(subject) + 10)


@given(body, st.none() | body)
@settings(max_examples=200)
def test_text_and_page_survive_any_characters(plain: str, page: str | None) -> None:
    content = write(Draft(ANN, to=(ANN,), text=plain, html=page), OWN, ENTROPY)
    assert_well_written(content)
    message = parsed(content)
    found = message.get_body(("plain",))
    assert found is not None
    assert lines(found.get_content()) == lines(plain)
    if page is not None:
        found = message.get_body(("html",))
        assert found is not None
        assert lines(found.get_content()) == lines(page)
        assert message.get_content_type() == "multipart/alternative"


def lines(value: str) -> str:
    return value.replace("\r\n", "\n").rstrip("\n")


filenames = st.one_of(tricky, text, st.text(max_size=255, alphabet="漢字.pdf ")).map(lambda name: name.strip() or "x")


@given(filenames, st.binary(max_size=400), st.sampled_from(["inline", "attachment"]))
@settings(max_examples=200)
def test_a_file_arrives_with_its_name_and_every_octet(filename: str, octets: bytes, disposition: str) -> None:
    item = Attachment(filename, "application/pdf", octets, disposition=disposition)
    content = write(Draft(ANN, to=(ANN,), text="see file", attachments=(item,)), OWN, ENTROPY)
    assert_well_written(content)
    (part,) = parsed(content).iter_attachments()
    assert part.get_content() == octets
    assert part.get_content_disposition() == disposition
    assert part.get_filename() == filename
    assert walk(content)[1].filename == filename


def test_inline_pictures_are_related_to_the_page_and_files_are_mixed() -> None:
    picture = Attachment("logo.png", "image/png", b"\x89PNG", content_id="logo@x", disposition="inline")
    invoice = Attachment("invoice.pdf", "application/pdf", b"%PDF")
    content = write(
        Draft(ANN, to=(ANN,), text="t", html='<img src="cid:logo@x">', attachments=(picture, invoice)), OWN, ENTROPY
    )
    kinds = [part.get_content_type() for part in parsed(content).walk()]
    assert kinds == [
        "multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png", "application/pdf",
    ]  # fmt: skip
    assert [(part.content_type, part.content_id) for part in walk(content)][2] == ("image/png", "logo@x")


def test_clean_short_ascii_goes_out_as_it_is() -> None:
    content = write(Draft(ANN, to=(ANN,), text="Hello\n\nBye\n"), OWN, ENTROPY)
    assert b"Content-Transfer-Encoding: 7bit\r\n\r\nHello\r\n\r\nBye\r\n" in content


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("x" * 79, b"quoted-printable"), ("two  spaces", b"quoted-printable"), ("a\tb", b"quoted-printable"), ("end ", b"quoted-printable"),
        ("From me", b"quoted-printable"), ("your rødgrød is ready", b"quoted-printable"), ("漢字かな", b"base64"), ("a\x01b  c", b"base64"),
        ("", b"7bit"),
    ],
)  # fmt: skip
def test_the_transfer_encoding_follows_the_text(text: str, encoding: bytes) -> None:
    content = write(Draft(ANN, to=(ANN,), text=text), OWN, ENTROPY)
    assert b"Content-Transfer-Encoding: " + encoding + b"\r\n" in content


@pytest.mark.parametrize("evil", ["a\r\nBcc: x@y.z", "a\nb", "a\x00b", "tab\tbed", "del\x7f", "\ud800"])
@pytest.mark.parametrize("place", ["subject", "name", "header", "filename", "content_type", "content_id"])
def test_no_field_can_be_broken_out_of(place: str, evil: str) -> None:
    file = Attachment(
        filename=evil if place == "filename" else "x",
        content_type=f"a/{evil}" if place == "content_type" else "a/b",
        content=b"",
        content_id=evil if place == "content_id" else None,
    )
    draft = Draft(
        Mailbox("a@b.c", evil if place == "name" else ""),
        subject=evil if place == "subject" else "",
        html="page",
        attachments=(file,),
        headers=(("X-Test", evil if place == "header" else "x"),),
    )
    with pytest.raises(UnsafeFieldError):
        write(draft, OWN, ENTROPY)


@pytest.mark.parametrize("address", ["a@b.c>\r\nBcc: x", "a@b.c, d@e.f", "a@b.c> <d@e.f", "a b@c.d"])
def test_no_address_can_be_broken_out_of(address: str) -> None:
    with pytest.raises(UnsafeFieldError):
        write(Draft(Mailbox(address)), OWN, ENTROPY)


@pytest.mark.parametrize("name", ["", "A:", "A B", "Å", "X" * 77, "A\r\nB"])
def test_a_header_name_is_a_header_name(name: str) -> None:
    with pytest.raises(UnsafeFieldError):
        write(Draft(ANN, headers=((name, "x"),)), OWN, ENTROPY)


def test_a_non_ascii_local_part_is_the_only_raw_utf8_in_a_header() -> None:
    content = write(Draft(Mailbox("grå@xn--blbr-roah.dk", "Grå"), subject="rå"), OWN, ENTROPY)
    header, _ = split(content)
    assert first(header, "From") == "=?utf-8?q?Gr=C3=A5?= <grå@xn--blbr-roah.dk>".encode()
    assert header.replace("grå@".encode(), b"").isascii()


def test_a_message_to_blind_recipients_alone_says_so() -> None:
    assert b"To: undisclosed-recipients:;\r\n" in write(Draft(ANN), OWN, ENTROPY)


def test_a_long_url_in_a_header_is_folded_but_not_encoded() -> None:
    url = "<https://example.com/" + "u" * 400 + ">"
    content = write(Draft(ANN, headers=(("List-Unsubscribe", f"<mailto:u@example.com>, {url}"),)), OWN, ENTROPY)
    assert f"List-Unsubscribe: <mailto:u@example.com>,\r\n {url}\r\n".encode() in content


def test_a_message_inside_a_message_is_sent_as_a_plain_file() -> None:
    item = Attachment("old.eml", "message/rfc822", b"From: a@b.c\r\n\r\nhi\r\n")
    content = write(Draft(ANN, text="x", attachments=(item,)), OWN, ENTROPY)
    assert b'Content-Type: application/octet-stream;\r\n name="old.eml"' in content
