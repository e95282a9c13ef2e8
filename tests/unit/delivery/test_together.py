"""Several signatures at once: whatever the keys and however many, they are those made one by one."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from posthouse.delivery.together import Together
from posthouse.runtime import crypto_mb
from posthouse.runtime.crypto_mb import LANES, Lanes
from posthouse.wire import dkim, dkim_keys
from posthouse.wire.dkim import Draft
from posthouse.wire.dkim_keys import Algorithm, SigningKey

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RSA = [dkim_keys.generate(Algorithm.RSA, f"{number}.test", "one") for number in range(3)]
ED25519 = [dkim_keys.generate(Algorithm.ED25519, f"{number}.test", "two") for number in range(3)]
LONG = SigningKey("long.test", "one", Algorithm.RSA, generate_private_key(65_537, 3072))
SHORT = SigningKey("short.test", "one", Algorithm.RSA, generate_private_key(65_537, 1024))
ODD = SigningKey("odd.test", "one", Algorithm.RSA, generate_private_key(3, 2048))


@pytest.fixture
def lanes() -> Lanes:
    found = crypto_mb.lanes()
    if found is None:
        pytest.skip("this processor has no AVX-512 IFMA")
    return found


def drafts(*keys: SigningKey) -> list[Draft]:
    return [
        draft
        for number, key in enumerate(keys)
        for draft in dkim.drafts(b"From: ann@example.test\r\nSubject: %d\r\n\r\nHello\r\n" % number, [key], NOW)
    ]


def alone(asked: list[Draft]) -> list[bytes]:
    return [dkim.sign_digest(draft.key, draft.digest) for draft in asked]


@pytest.mark.parametrize("number", [0, 1, 2, 3, 8, 9, 21])
def test_any_number_of_any_keys(lanes: Lanes, number: int) -> None:
    keys = [RSA[0], ED25519[0], RSA[1], ED25519[1], SHORT, LONG, RSA[2], ODD, SHORT, ED25519[2]]
    asked = drafts(*(keys * 3)[:number])
    assert Together(lanes).sign(asked) == alone(asked)


def test_without_lanes_they_are_made_one_by_one() -> None:
    asked = drafts(*RSA, *ED25519)
    together = Together(None)
    assert together.most == 1
    assert together.sign(asked) == alone(asked)


class Counting(Lanes):
    """Counts the calls, and answers as it is told."""

    def __init__(self, *, fails: bool) -> None:
        self.calls: list[int] = []
        self._fails = fails

    def rsa(self, asked: object) -> list[bytes] | None:  # type: ignore[override]
        return self._answer(asked)

    def ed25519(self, asked: object) -> list[bytes] | None:  # type: ignore[override]
        return self._answer(asked)

    def _answer(self, asked: object) -> list[bytes] | None:
        assert isinstance(asked, list)
        self.calls.append(len(asked))
        return None if self._fails else [b"made"] * len(asked)


def test_what_came_out_wrong_is_made_again_one_by_one() -> None:
    asked = drafts(*[RSA[0]] * LANES, *[ED25519[0]] * 3)
    wrong = Counting(fails=True)
    assert Together(wrong).sign(asked) == alone(asked)
    assert wrong.calls == [8, 3]


def test_too_few_for_the_lanes_are_made_one_by_one() -> None:
    counting = Counting(fails=False)
    asked = drafts(*[RSA[0]] * 10, SHORT, ED25519[0])
    made = Together(counting).sign(asked)
    assert counting.calls == [8]
    assert made == [b"made"] * 8 + alone(asked[8:])
