"""Server-side decoding of SASL PLAIN and LOGIN."""

import base64

import pytest

from posthouse.wire.sasl import Credentials, Exchange, credentials_of_plain, decode_base64


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"\0tim\0tanstaaftanstaaf", Credentials("tim", "tanstaaftanstaaf")),  # RFC 4616 section 4
        (b"Ursel\0Kurt\0xipj3plmq", Credentials("Kurt", "xipj3plmq", "Ursel")),
        ("\0bl\u00e5b\u00e6r\0gr\u00f8d".encode(), Credentials("bl\u00e5b\u00e6r", "gr\u00f8d")),
        (b"", None),
        (b"tim\0secret", None),
        (b"\0tim\0", None),
        (b"\0\0secret", None),
        (b"\0tim\0sec\0ret", None),
        (b"\0tim\0\xff\xfe", None),
    ],
)
def test_a_plain_message_is_three_fields_in_utf_8(message, expected):
    assert credentials_of_plain(message) == expected


@pytest.mark.parametrize(
    "encoded", [b"AHRpbQ", b"AHRpbQ=\r", b"AH Rp", b"====", b"A", b"AHRp\0bQA=", "\u00e5".encode()]
)
def test_what_is_not_canonical_base64_is_not_decoded(encoded):
    assert decode_base64(encoded) is None


def test_login_prompts_twice_and_combines_both_responses():
    exchange = Exchange("LOGIN")
    assert base64.b64decode(exchange.challenge or b"") == b"Username:"
    assert exchange.respond(base64.b64encode(b"tim"))
    assert base64.b64decode(exchange.challenge or b"") == b"Password:"
    assert exchange.respond(base64.b64encode(b"secret"))
    assert exchange.challenge is None
    assert exchange.credentials() == Credentials("tim", "secret")


def test_login_refuses_a_nul_inside_a_field():
    exchange = Exchange("LOGIN")
    exchange.respond(base64.b64encode(b"tim\0x"))
    exchange.respond(base64.b64encode(b"secret"))
    assert exchange.credentials() is None


def test_a_password_is_not_shown_in_a_log():
    assert "secret" not in repr(Credentials("tim", "secret"))
