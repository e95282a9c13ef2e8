"""Recognising mass mail: fingerprints of texts, who got them when, and what is done. Tables of cases."""

import random
from dataclasses import replace
from uuid import UUID

import pytest

from posthouse.intake import mass
from posthouse.intake.mass import Action, Sightings
from posthouse.model import limits
from posthouse.model.mail import Recipient, Submission, Submitter
from posthouse.model.words import Kind, MailClass, MassPolicy, Pool, Source

TEXT = (1, 4711)
SUBMITTER = Submitter(UUID(int=1), 1, UUID(int=2), "api_key", "Shop", frozenset())
SUBMISSION = Submission(
    Source.API, "ann@x.test", (Recipient("bo@y.test", Kind.TO),), "Hi", "<1@x.test>", b"A: b\r\n\r\nHi\r\n"
)


def mail(body: bytes, header: bytes = b"From: a\r\n") -> bytes:
    return header + b"\r\n" + body


def multipart(boundary: bytes, inner: bytes) -> bytes:
    header = b'From: a\r\nContent-Type: multipart/mixed;\r\n boundary="' + boundary + b'"\r\n'
    nested = (
        b"--%b\r\nContent-Type: multipart/alternative; boundary=%b\r\n\r\n--%b\r\n\r\nHello\r\n--%b--\r\n--%b--\r\n"
    )
    return mail(nested % (boundary, inner, inner, inner, boundary), header)


def test_the_same_body_has_one_fingerprint_whatever_its_header() -> None:
    assert mass.fingerprint(mail(b"Hello\r\n")) == mass.fingerprint(mail(b"Hello\r\n", b"From: b\r\nTo: c\r\n"))


@pytest.mark.parametrize("other", [b"Hello Ann\r\n", b"hello\r\n", b"", b"Hello\r\n\r\n"])
def test_another_body_has_another(other: bytes) -> None:
    assert mass.fingerprint(mail(b"Hello\r\n")) != mass.fingerprint(mail(other))


def test_delimiters_between_parts_do_not_count_nested_ones_neither() -> None:
    assert mass.fingerprint(multipart(b"=_one", b"two")) == mass.fingerprint(multipart(b"another-one", b"=_2"))


def test_bodies_that_differ_late_differ_in_length_or_not_at_all() -> None:
    long = b"x" * limits.MASS_TEXT_OCTETS
    assert mass.fingerprint(mail(long + b"a")) == mass.fingerprint(mail(long + b"b"))
    assert mass.fingerprint(mail(long + b"a")) != mass.fingerprint(mail(long + b"ab"))


@pytest.mark.parametrize(
    "content",
    [b"", b"no end of header", b"\r\n\r\n", b"boundary=\r\n\r\nboundary", b"A: boundary=\xff\xff\r\n\r\n--\xff"],
)
def test_any_octets_have_a_fingerprint_of_63_bits(content: bytes) -> None:
    assert 0 <= mass.fingerprint(content) < 1 << 63


def note(sightings: Sightings, numbers: range, minute: int) -> bool:
    """Whether the last of these recipients made it a mass."""
    found = [sightings.note(TEXT, (f"p{n}@there.test",), minute) for n in numbers]
    return found[-1] is not None and found[-1].is_mass


@pytest.mark.parametrize(
    ("rounds", "is_mass"),
    [
        ([(range(100), 50)], False),
        ([(range(101), 50)], True),
        ([(range(100), 50), (range(100), 51)], False),
        ([(range(60), 50), (range(60, 120), 59)], True),
        ([(range(60), 50), (range(60, 120), 60)], False),
        ([(range(1), 10), (range(1, 101), 50)], False),
        ([(range(101), 50), (range(300, 301), 70)], False),
        ([(range(500), 50), (range(500, 501), 51)], True),
    ],
    ids=["a hundred", "one more", "the same twice", "within ten minutes", "not within", "long ago", "over", "goes on"],
)
def test_a_mass_is_more_than_a_hundred_different_people_within_ten_minutes(
    rounds: list[tuple[range, int]], is_mass: bool
) -> None:
    sightings = Sightings()
    found = [note(sightings, numbers, minute) for numbers, minute in rounds]
    assert found[-1] is is_mass


def test_what_was_seen_once_is_nobody_elses_business() -> None:
    sightings = Sightings()
    assert sightings.note(TEXT, ("a@x.test",), 5) is None
    assert sightings.note(TEXT, ("a@x.test",), 5) is None
    assert not sightings.has_unshared()


def test_what_was_seen_twice_is_shared_once() -> None:
    sightings = Sightings()
    note(sightings, range(2), 5)
    assert len(sightings.unshared()[TEXT]) == 2
    assert not sightings.has_unshared()
    note(sightings, range(2), 5)
    assert sightings.unshared() == {}
    note(sightings, range(3), 6)
    assert list(sightings.unshared()[TEXT].values()) == [6]


def test_what_others_saw_counts() -> None:
    sightings = Sightings()
    sightings.learn(TEXT, [(1_000 + n, 5) for n in range(99)], 6)
    assert not note(sightings, range(1), 6)
    assert note(sightings, range(2), 6)
    assert not note(sightings, range(2), 16)


def test_memory_is_bounded_and_what_goes_on_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mass, "MASS_TEXTS", 50)
    sightings, seeded, found = Sightings(), random.Random(1), False
    for number in range(101):
        for _ in range(40):
            sightings.note((1, seeded.getrandbits(60)), ("x@x.test",), 5)
        found = note(sightings, range(number, number + 1), 5)
    assert found
    assert len(sightings._young) + len(sightings._old) <= 100


def test_a_mailing_remembers_no_more_than_proves_it() -> None:
    sightings = Sightings()
    note(sightings, range(5_000), 5)
    mailing = sightings.note(TEXT, ("p1@there.test",), 5)
    assert mailing is not None
    assert len(mailing.seen) == limits.MASS_RECIPIENTS + 1


@pytest.mark.parametrize(
    ("submitter", "submission", "policy", "action"),
    [
        ({}, {}, MassPolicy.HOLD, Action.HOLD),
        ({}, {}, MassPolicy.REFUSE, Action.REFUSE),
        ({}, {}, MassPolicy.FLAG, Action.FLAG),
        ({"any_domain": True}, {}, MassPolicy.REFUSE, Action.FLAG),
        ({}, {"source": Source.MANUAL}, MassPolicy.HOLD, Action.FLAG),
        ({}, {"mass_reason": "Fire in the building"}, MassPolicy.REFUSE, Action.ALLOW),
    ],
)
def test_what_is_done_follows_the_policy_but_for_the_lab_people_and_reasons(
    submitter: dict[str, object], submission: dict[str, object], policy: MassPolicy, action: Action
) -> None:
    assert mass.action_for(replace(SUBMITTER, **submitter), replace(SUBMISSION, **submission), policy) is action


@pytest.mark.parametrize(
    ("changed", "mail_class", "exempt"),
    [
        ({}, MailClass.TRANSACTIONAL, False),
        ({}, MailClass.BUSINESS, False),
        ({}, MailClass.MARKETING, True),
        ({"pool": Pool.NOTIFICATION}, MailClass.TRANSACTIONAL, True),
        ({"pool": Pool.TRANSACTIONAL}, MailClass.TRANSACTIONAL, False),
        ({"source": Source.NOTICE}, MailClass.TRANSACTIONAL, True),
    ],
)
def test_what_is_meant_for_many_is_never_a_mass(
    changed: dict[str, object], mail_class: MailClass, exempt: bool
) -> None:
    assert mass.is_exempt(replace(SUBMISSION, **changed), mail_class) is exempt


@pytest.mark.parametrize(("people", "too_many"), [(1, False), (50, False), (51, True), (100, True)])
def test_one_message_names_fifty_at_most(people: int, too_many: bool) -> None:
    recipients = tuple(Recipient(f"p{n}@x.test", Kind.TO) for n in range(people))
    assert mass.too_many_at_once(replace(SUBMISSION, recipients=recipients)) is too_many
