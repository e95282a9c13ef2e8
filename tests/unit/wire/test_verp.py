"""Signed return paths."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.model.limits import LOCAL_PART_OCTETS
from posthouse.wire.verp import Purpose, ReturnToken, decode, encode, found_in

SECRET = b"s" * 32
RECIPIENT = UUID("0193a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b")
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


@given(st.sampled_from(Purpose), st.integers(0, 2**32 - 1), st.uuids(), st.binary(min_size=16, max_size=64))
def test_a_return_path_names_its_recipient_whatever_the_case(
    purpose: Purpose, number: int, recipient: UUID, secret: bytes
) -> None:
    local = encode(purpose, number, recipient, secret)
    assert len(local) <= LOCAL_PART_OCTETS
    assert decode(local, secret) == decode(local.upper(), secret) == ReturnToken(purpose, number, recipient)


@pytest.mark.parametrize("position", range(49))
def test_one_altered_character_is_a_forgery(position: int) -> None:
    local = encode(Purpose.BOUNCE, 7, RECIPIENT, SECRET)
    for char in "bcu" if position == 0 else ALPHABET:
        if char != local[position]:
            assert decode(local[:position] + char + local[position + 1 :], SECRET) is None


def test_another_secret_did_not_sign_it() -> None:
    assert decode(encode(Purpose.BOUNCE, 7, RECIPIENT, SECRET), b"t" * 32) is None


@given(st.text(max_size=70) | st.text(alphabet=ALPHABET, min_size=49, max_size=49))
def test_no_text_makes_decoding_raise(local: str) -> None:
    assert decode(local, SECRET) is None


def test_what_a_message_quotes_of_ours_is_found_and_nothing_else() -> None:
    local = encode(Purpose.BOUNCE, 7, RECIPIENT, SECRET)
    forged = encode(Purpose.BOUNCE, 7, RECIPIENT, b"t" * 32)
    content = (
        f"Return-Path: <{forged}@x.test>\r\nOriginal-Mail-From: <{local.upper()}@bounces.test>\r\n{local}\r\n".encode()
    )
    assert list(found_in(content, SECRET)) == [ReturnToken(Purpose.BOUNCE, 7, RECIPIENT)]
    assert list(found_in(b"x" * 100_000 + b"@", SECRET)) == []
