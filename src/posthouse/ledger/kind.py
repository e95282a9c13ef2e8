"""What a mail that came back is: a bounce, a delay, a complaint, an absence note ... told from its fields and its words. Pure.

Words are data, in `kinds.toml`. A mail is a bounce only when several things say so: nobody is to be struck off a list because the
word "undeliverable" stands in an answer.
"""

import re
import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Final

from posthouse.wire import dsn, headers
from posthouse.wire.notice import Notice

_REPLY: Final = re.compile(r"(?:^|[\s:'\"(])[45]\d\d[ -](?:[#(]?[45]\.\d{1,3}\.\d{1,3}|\S+ \S+)")
_FORWARDED: Final = re.compile(r"(?:fwd?|wg|tr|rv|vs|vb|vl|i|enc|doorst|пересл|转发|轉寄|fs)\s*:")
_READ_CHARS: Final = 6_000
_ENOUGH: Final = 3


class Kind(StrEnum):
    """What came back."""

    BOUNCE = "bounce"
    DELAY = "delay"
    SUCCESS = "success"
    AUTO_REPLY = "auto_reply"
    CHALLENGE = "challenge"
    COMPLAINT = "complaint"
    OPT_OUT = "opt_out"
    OTHER = "other"


# Types of feedback that are no complaint: RFC 6430 (not spam after all), RFC 5965 (a virus: nobody complained), RFC 6591 (a program
# found that DMARC failed), and the wish to be left alone, which is one. Every other type, known or not, is a complaint.
_FEEDBACK: Final = {
    "not-spam": Kind.OTHER,
    "virus": Kind.OTHER,
    "auth-failure": Kind.OTHER,
    "dmarc": Kind.OTHER,
    "opt-out": Kind.OPT_OUT,
    "opt-out-list": Kind.OPT_OUT,
}


@dataclass(frozen=True, slots=True)
class Words:
    """The lists of `kinds.toml`."""

    bounce_subjects: tuple[str, ...]
    bounce_words: tuple[str, ...]
    daemons: tuple[str, ...]
    delay_words: tuple[str, ...]
    delay_subjects: tuple[str, ...]
    final_words: tuple[str, ...]
    auto_subjects: tuple[str, ...]
    auto_words: tuple[str, ...]
    challenge_words: tuple[str, ...]
    list_words: tuple[str, ...]
    complaint_words: tuple[str, ...]
    opt_out_words: tuple[str, ...]


@cache
def words() -> Words:
    """The lists that come with this version."""
    written = resources.files(__package__).joinpath("kinds.toml").read_text(encoding="utf-8")
    return Words(**{name: tuple(each.lower() for each in listed) for name, listed in tomllib.loads(written).items()})


def of_actions(actions: set[str]) -> Kind:
    """The kind of a report whose recipients have these actions (RFC 3464 2.3.3): the worst of them."""
    if actions <= {"delivered", "relayed", "expanded"} and actions:
        return Kind.SUCCESS
    return Kind.DELAY if "delayed" in actions and "failed" not in actions else Kind.BOUNCE


def of_feedback(feedback_type: str) -> Kind:
    """The kind of a feedback report of this type, in lower case."""
    return _FEEDBACK.get(feedback_type, Kind.COMPLAINT)


def of_notice(notice: Notice) -> Kind:
    """The kind of a mail without a report for programs in it."""
    subject, text = _subject(notice), _text(notice)
    if complaint := _complaint(notice, subject):
        return complaint
    if notice.disposition:
        return Kind.OTHER
    if _score(notice, subject, text) < _ENOUGH or _is_answer(notice, subject, text):
        return of_answer(notice)
    return _failed_or_late(subject, text)


def of_unnamed(notice: Notice, *, from_nobody: bool) -> Kind:
    """The kind of a mail to an address that only one mail left under, so that it needs to name nobody.

    `from_nobody`: it came with the null sender. Without that only what moves mail is believed, and of an answer not a word.
    """
    known, subject, text = words(), _subject(notice), _text(notice)
    answered = _any(known.auto_subjects, subject) or _any(known.auto_words, text) or _is_answer(notice, subject, text)
    challenged = _any(known.challenge_words, f"{subject} {text}")
    if notice.disposition or answered or challenged or not (from_nobody or _is_daemon(notice)):
        return of_answer(notice)
    said = _any(known.bounce_words, text) or _any(known.delay_words, text) or bool(_REPLY.search(text))
    return _failed_or_late(subject, text) if said and _score(notice, subject, text) >= _ENOUGH else of_answer(notice)


def of_answer(notice: Notice) -> Kind:
    """The kind of a mail that tells of no delivery: from a program that answers for a person, or from anybody."""
    known, subject, text = words(), _subject(notice), _text(notice)
    if _any(known.list_words, text):
        return Kind.OTHER
    answered = dsn.is_auto_reply(notice.header)
    if answered and _any(known.challenge_words, f"{subject} {text}"):
        return Kind.CHALLENGE
    if _is_auto_replied(notice) or _any(known.auto_subjects, subject) or _any(known.auto_words, text):
        return Kind.AUTO_REPLY
    return Kind.OTHER


def _failed_or_late(subject: str, text: str) -> Kind:
    known = words()
    waits = _any(known.delay_subjects, subject) and not _any(known.final_words, text)
    return Kind.DELAY if waits or _any(known.delay_words, text) else Kind.BOUNCE


def _subject(notice: Notice) -> str:
    return headers.decode(headers.first(notice.header, "Subject") or b"").lower()


def _text(notice: Notice) -> str:
    return " ".join(notice.text[:_READ_CHARS].lower().split())


def _score(notice: Notice, subject: str, text: str) -> int:
    known = words()
    in_subject = _any(known.bounce_subjects, subject) or _any(known.delay_subjects, subject)
    in_words = _any(known.bounce_words, text) or _any(known.delay_words, text)
    answers = headers.first(notice.header, "In-Reply-To") is not None
    signs = (
        (3, headers.first(notice.header, "X-Failed-Recipients") is not None),
        (1, _is_daemon(notice)),
        (1, in_subject),
        (1, in_words),
        (1, bool(_REPLY.search(text))),
        (1, notice.has_returned),
        (1, headers.first(notice.header, "Return-Path") in {b"<>", b"<MAILER-DAEMON>"}),
        (1, b"multipart/report" in (headers.first(notice.header, "Content-Type") or b"").lower()),
        # People who answer quote what they answer; programs that give no other sign of themselves do not answer.
        (1, in_subject and in_words and not answers),
        (-2, answers and not _is_daemon(notice)),
    )
    return sum(weight for weight, seen in signs if seen)


def _is_daemon(notice: Notice) -> bool:
    """Whether a program that moves mail wrote it. A bounce may be without From altogether."""
    written = headers.first(notice.header, "From")
    if written is None:
        return True
    name = headers.decode(written).lower()
    return name.strip() in {"", "<>"} or _any(words().daemons, name)


def _is_answer(notice: Notice, subject: str, text: str) -> bool:
    """Whether a person or her program answers, forwards or asks something, with words of a bounce in it."""
    known = words()
    if _any(known.list_words, text):
        return True
    explained = notice.has_returned or bool(_REPLY.search(text))
    if _any(known.challenge_words, f"{subject} {text}") and not explained:
        return True
    if _is_daemon(notice):
        return False
    automatic = dsn.is_auto_reply(notice.header) and not explained and not _any(known.bounce_subjects, subject)
    spoken = _any(known.auto_subjects, subject) or (_any(known.auto_words, text) and not explained)
    return automatic or spoken or _FORWARDED.match(subject) is not None


def _is_auto_replied(notice: Notice) -> bool:
    """Whether it says itself to be an answer; `auto-generated` and bulk mail may be anything."""
    submitted = headers.decode(headers.first(notice.header, "Auto-Submitted") or b"").lower()
    return submitted.startswith("auto-replied") or (
        not submitted and dsn.is_auto_reply(notice.header) and not _is_bulk(notice)
    )


def _is_bulk(notice: Notice) -> bool:
    return headers.decode(headers.first(notice.header, "Precedence") or b"").strip().lower() in {"bulk", "junk"}


def _complaint(notice: Notice, subject: str) -> Kind | None:
    """The few who report without a part of fields: one mailbox provider by its subject, one mail program by its own field."""
    if headers.first(notice.header, "X-Apple-Unsubscribe") is not None:
        return Kind.OPT_OUT
    if not notice.has_returned or notice.status:
        return None
    if _any(words().opt_out_words, subject):
        return Kind.OPT_OUT
    return Kind.COMPLAINT if _any(words().complaint_words, subject) else None


def _any(known: tuple[str, ...], text: str) -> bool:
    return any(word in text for word in known)
