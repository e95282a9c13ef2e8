"""The fields that end a list: ours, and which of a sender's own may stay."""

import pytest

from posthouse.wire import headers, list_unsubscribe

PAGE, MAILBOX = "https://mail.example.com/u/u" + "a" * 48, "u" + "a" * 48 + "@bounces.example.com"
POST = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"


def test_the_pair_names_the_page_before_the_address_and_is_what_one_click_needs() -> None:
    written = list_unsubscribe.fields(PAGE, MAILBOX)
    assert headers.first(written, "List-Unsubscribe") == f"<{PAGE}>, <mailto:{MAILBOX}?subject=unsubscribe>".encode()
    assert headers.first(written, "List-Unsubscribe-Post") == b"List-Unsubscribe=One-Click"
    assert max(map(len, written.split(b"\r\n"))) < 78 + len(PAGE)
    assert list_unsubscribe.is_one_click(written)


@pytest.mark.parametrize(
    ("block", "complete"),
    [
        (b"List-Unsubscribe: <https://a.test/x>\r\n" + POST, True),
        (b"List-Unsubscribe: <mailto:a@a.test>,\r\n <HTTPS://a.test/\r\n x>\r\n" + POST.lower(), True),
        (b"List-Unsubscribe: <http://a.test/x>\r\n" + POST, False),
        (b"List-Unsubscribe: https://a.test/x\r\n" + POST, False),
        (b"List-Unsubscribe: <mailto:a@a.test>\r\n" + POST, False),
        (b"List-Unsubscribe: <https://a.test/x>\r\n", False),
        (b"List-Unsubscribe: <https://a.test/x>\r\nList-Unsubscribe-Post: List-Unsubscribe=Yes\r\n", False),
        (b"List-Unsubscribe: <https://a.test/x>\r\nList-Unsubscribe: <https://a.test/y>\r\n" + POST, False),
        (b"List-Unsubscribe: <https://a.test/x>\r\n" + POST + POST, False),
        (POST, False),
    ],
)
def test_only_a_whole_pair_of_the_sender_s_own_stays(block: bytes, *, complete: bool) -> None:
    content = b"From: a@a.test\r\n" + block + b"Subject: x\r\n\r\nList-Unsubscribe: in the body\r\n"
    assert list_unsubscribe.is_one_click(block) is complete
    bare = b"From: a@a.test\r\nSubject: x\r\n\r\nList-Unsubscribe: in the body\r\n"
    assert list_unsubscribe.cleared(content) == (content if complete else bare)


def test_a_message_without_the_fields_is_left_as_it_is() -> None:
    content = b"From: a@a.test\r\n\r\nx\r\n"
    assert list_unsubscribe.cleared(content) is content
