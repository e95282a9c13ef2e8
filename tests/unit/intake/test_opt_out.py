"""How things stand behind an opt-out link, and which fields of a sender's own make room for ours."""

from datetime import UTC, datetime, timedelta

import pytest

from posthouse.intake import opt_out
from posthouse.ledger.suppression import Entry
from posthouse.model.mail import Submission
from posthouse.model.words import EventKind, Source

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TYPE = "mailing_type:Newsletter"


@pytest.mark.parametrize(
    ("entries", "stopped", "blocked"),
    [
        ([], (), False),
        ([Entry("marketing", "unsubscribe")], ("marketing",), True),
        ([Entry("mailing_type:newsletter", "unsubscribe")], ("mailing_type:newsletter",), True),
        ([Entry("mailing_type:Events", "unsubscribe")], (), False),
        ([Entry("mailing_type:Events", "unsubscribe", strict=True)], (), True),
        ([Entry("marketing", "complaint")], (), True),
        ([Entry("everything", "hard_bounce")], (), True),
        ([Entry("marketing", "unsubscribe", NOW - timedelta(1))], (), False),
    ],
)
def test_only_a_reader_s_own_wish_counts_as_what_she_stopped(
    entries: list[Entry], stopped: tuple[str, ...], *, blocked: bool
) -> None:
    found = opt_out.standing("a@b.test", "s@shop.test", "Newsletter", entries, NOW)
    assert (found.stopped, found.blocked) == (stopped, blocked)


def test_types_that_differ_in_case_are_of_one_type() -> None:
    found = opt_out.standing("a@b.test", "", "Newsletter", [Entry("mailing_type:NEWSLETTER", "unsubscribe")], NOW)
    assert (found.type_scope, found.has_stopped(found.type_scope), found.has_stopped("marketing")) == (
        TYPE,
        True,
        False,
    )


def test_without_a_type_the_narrowest_is_all_marketing() -> None:
    assert opt_out.standing("a@b.test", "", "", [], NOW).type_scope == "marketing"


def submission(content: bytes) -> Submission:
    return Submission(Source.API, "a@a.test", (), "x", "<1@a.test>", content)


def test_half_a_pair_makes_room_and_its_sender_is_told() -> None:
    made = opt_out.prepared(submission(b"List-Unsubscribe: <mailto:me@a.test>\r\nFrom: a@a.test\r\n\r\nx\r\n"))
    assert made.content == b"From: a@a.test\r\n\r\nx\r\n"
    assert [note.kind for note in made.notes] == [EventKind.HEADER_IGNORED]


def test_what_has_no_such_field_is_left_as_it_is() -> None:
    plain = submission(b"From: a@a.test\r\n\r\nx\r\n")
    assert opt_out.prepared(plain) is plain
