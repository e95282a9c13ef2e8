"""What the pages work out before anything is printed."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from posthouse.accounts import guessing
from posthouse.accounts.login_failures import Guessed
from posthouse.intake import blocked_alerts
from posthouse.intake.blocked_alerts import Blocked
from posthouse.ledger import suppression
from posthouse.ledger.dmarc_reports import DayTotals
from posthouse.model.words import Kind, MailClass, Pool, Source, State
from posthouse.outbox.messages import Filters, RecipientRow
from posthouse.outbox.operator import CANCEL
from posthouse.outbox.sites import SiteNote, Standing
from posthouse.outbox.waiting import FREE, Situation
from posthouse.web.pages import assets, query, reading, report_plot, selecting, story, words
from posthouse.web.pages.home import Day, nice_top, plot
from posthouse.web.pages.sign_in_pages import local
from posthouse.web.text import Speech

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SPEECH = Speech("en", ZoneInfo("UTC"), NOW)


def recipient(state: State, **changes: object) -> RecipientRow:
    values: dict[str, object] = {
        "recipient_id": UUID(int=1), "message_id": UUID(int=2), "address": "anna@there.example", "domain": "there.example",
        "kind": Kind.TO, "pool": Pool.TRANSACTIONAL, "state": state, "priority": 4, "not_before": NOW + timedelta(minutes=5),
        "expires_at": NOW + timedelta(days=3), "attempts": 2, "claimed_at": None, "settled_at": None, "reason": "", "code": 451,
        "enhanced": "4.7.1", "remote": "mx1.there.example",
    }  # fmt: skip
    return RecipientRow(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "situation", "sentence"),
    [
        (recipient(State.WAITING, attempts=0), FREE, "Scheduled: it leaves at 12:05."),
        (
            recipient(State.WAITING, reason="mx1 is busy."),
            FREE,
            "Waiting after attempt 2: mx1 is busy. Next try 12:05.",
        ),
        (
            recipient(State.HELD),
            FREE,
            "Held: somebody stopped it. It waits until it is released, at most until 24 Nov 12:00.",
        ),
        (
            recipient(State.READY),
            Situation(before=10_000, more=True),
            "In line for there.example at priority 4. Mails of this workspace before it: more than 10,000.",
        ),
        (recipient(State.BOUNCED, reason="No such user."), FREE, "No such user."),
    ],
)
def test_a_page_says_why_in_the_readers_own_time(row: RecipientRow, situation: Situation, sentence: str) -> None:
    assert words.why(row, situation, SPEECH) == sentence


def test_why_is_said_in_the_readers_language() -> None:
    danish = Speech("da", ZoneInfo("Europe/Copenhagen"), NOW)
    slow = SiteNote("mx", Standing.BUSY, "default", "", None, 5, 9, 2.0)
    situation = Situation(site=slow, before=3600)
    assert words.why(recipient(State.WAITING, attempts=0), FREE, danish) == "Planlagt: den sendes 13:05."
    assert words.why(recipient(State.READY), situation, danish) == (
        "Alle 5 forbindelser, der må være åbne til mx, er i brug. Reglen er default."
        " Mails fra dette arbejdsområde foran den: 3.600, i det nuværende tempo mindst 30 minutter."
    )


def test_a_suppressed_mail_is_told_without_the_word_for_programs() -> None:
    danish = Speech("da", ZoneInfo("UTC"), NOW)
    kept = "Suppressed: opted_out (the recipient unsubscribed; mailing type “News”)."
    assert words.reason(kept, SPEECH) == "Not sent: the recipient unsubscribed. Mailing type News."
    assert words.reason(kept, danish) == "Ikke sendt: modtageren har frameldt sig. Mailtype News."
    assert words.why(recipient(State.SUPPRESSED, reason=kept), FREE, danish) == words.reason(kept, danish)
    assert words.reason("550 no (such) user", danish) == "550 no (such) user"
    for reason in suppression.REASONS:
        told = suppression.blocking([suppression.Entry("everything", reason)], MailClass.TRANSACTIONAL, NOW)
        assert told
        assert words.reason(told, SPEECH).startswith("Not sent: ")


def test_an_alert_is_told_in_the_readers_language_and_an_old_one_as_it_was_kept() -> None:
    danish = Speech("da", ZoneInfo("UTC"), NOW)
    found = blocked_alerts.trouble(Blocked("shop.example", "mx1.there.example", "5.7.1 listed", "reputation"))
    assert words.alert(found, SPEECH) == found.sentence
    told = words.alert(found, danish)
    assert told.startswith(
        "there.example afviser mail fra dette arbejdsområde; til shop.example sagde den: 5.7.1 listed. Slå"
    )
    logins = guessing.trouble(Guessed("anna@shop.example", attempts=1_200, sources=3))
    assert words.alert(logins, danish).startswith("1.200 logins på anna@shop.example fra 3 adresser blev afvist")
    assert words.alert(replace(found, clauses=()), danish) == found.sentence


def test_every_stored_word_has_a_label() -> None:
    assert set(words.STATES) == set(State) == set(words.ATTENTION)
    assert set(words.SOURCES) == set(Source)


def test_filters_come_from_the_address_and_go_back_into_it() -> None:
    asked = query.read(
        {"q": " anna@ ", "state": "bounced", "domain": "There.Example", "source": "api"}, ZoneInfo("UTC")
    )
    assert (asked.filters.query, asked.filters.state, asked.filters.domain) == ("anna@", State.BOUNCED, "there.example")
    assert asked.link(state="") == "/messages?q=anna%40&domain=There.Example&source=api"


@pytest.mark.parametrize(
    "params",
    [
        {"state": "lost"},
        {"after": "x"},
        {"since": "yesterday"},
        {"until": "9999-12-31"},
        {"since": "2026-11-21T10:00:00"},
    ],
)
def test_what_cannot_be_read_is_as_if_it_were_not_there(params: dict[str, str]) -> None:
    assert query.read(params, ZoneInfo("UTC")) == query.read({}, ZoneInfo("UTC"))


def test_days_are_days_of_the_reader_and_the_last_one_is_included() -> None:
    filters = query.read({"since": "2026-11-20", "until": "2026-11-20"}, ZoneInfo("Europe/Copenhagen")).filters
    assert filters.since == datetime(2026, 11, 19, 23, 0, tzinfo=UTC)
    assert filters.until == datetime(2026, 11, 20, 23, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/queue?a=1", "/queue?a=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
        ("/a\r\nset-cookie: x", "/"),
    ],
)
def test_signing_in_leads_nowhere_else(wanted: str, path: str) -> None:
    assert local(wanted) == path


def test_the_axis_ends_above_the_largest_bar_and_pieces_stand_on_each_other() -> None:
    assert [nice_top(n) for n in (0, 3, 17, 81, 4100)] == [2, 4, 20, 100, 8000]
    shown = plot([Day(date(2026, 11, day), delivered=day, deferred=1, bounced=1) for day in range(8, 22)], SPEECH)
    assert [line["label"] for line in shown["lines"]] == ["0", "20", "40"]
    good, wait, bad = shown["bars"][-1]["pieces"]
    assert good["y"] == pytest.approx(wait["y"] + wait["height"], abs=0.2)
    assert wait["y"] == pytest.approx(bad["y"] + bad["height"], abs=0.2)


def test_a_button_says_how_many_it_touches() -> None:
    found = story.buttons([recipient(State.WAITING), recipient(State.HELD), recipient(State.DELIVERED)], SPEECH)
    assert {button.name: button.touches for button in found}[CANCEL.name] == "2 mails will never be sent."
    assert story.buttons([recipient(State.DELIVERED)], SPEECH) == []


def test_a_transcript_tells_who_spoke() -> None:
    assert story.transcript("* connected\n< 220 hi\n> EHLO us") == [
        ("n", "·", "connected"),
        ("s", "←", "220 hi"),
        ("c", "→", "EHLO us"),
    ]


MAIL = (
    b"Subject: =?utf-8?q?Gr=C3=A5?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n"
    b'--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<img src="cid:logo@x"><img src="https://out.example/t.png">\r\n'
    b"--b\r\nContent-Type: image/png\r\nContent-ID: <logo@x>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0K\r\n--b--\r\n"
)


def test_inline_images_are_put_into_the_page_and_remote_ones_are_noticed() -> None:
    read = reading.read(MAIL)
    assert read.html is not None
    assert 'src="data:image/png;base64,iVBORw0K"' in read.html
    assert read.remote
    assert ("Subject", "Grå") in read.headers


def test_the_frame_may_load_remote_images_only_when_asked() -> None:
    assert "img-src data:;" in reading.policy(images=False)
    assert "https:" in reading.policy(images=True)
    for images in (True, False):
        assert reading.policy(images).startswith("sandbox; default-src 'none';")


@pytest.mark.parametrize(
    "content", [b"", b"\r\n\r\n", b"Content-Type: multipart/mixed; boundary=\r\n\r\nx", b"\xff\xfe: \x00\r\n\r\n"]
)
def test_a_broken_mail_is_still_shown(content: bytes) -> None:
    reading.read(content)
    reading.source(content)


@pytest.mark.parametrize("filler", [" ", "\t", "\n", "src ", "url( ", '= "'])
def test_a_hostile_html_does_not_hold_the_reader_up(filler: str) -> None:
    reading.read(b"Content-Type: text/html\r\n\r\nsrc" + (filler * 300_000)[:300_000].encode())


@pytest.mark.parametrize("wanted", ["//[", "https://[", "\\\\[", "/\\[x"])
def test_an_address_that_is_none_leads_to_the_front_page(wanted: str) -> None:
    assert local(wanted) == "/"


def test_what_the_database_cannot_hold_never_reaches_it() -> None:
    params = {"q": "\0", "tag": "a\0b", "since": "0001-01-01", "until": "9999-12-31T23:59:59-14:00"}
    asked = query.read(params, ZoneInfo("Pacific/Kiritimati"))
    assert asked.filters == Filters(tag="ab")


@pytest.mark.parametrize(
    "path", ["./posthouse.css", "/posthouse.css", "vendor/../posthouse.css", "x" * 300 + ".css", ""]
)
def test_a_static_file_has_one_path_and_no_other(path: str) -> None:
    with pytest.raises(KeyError):
        assets.asset(path)


@pytest.mark.parametrize(
    ("params", "given"),
    [
        ({"domain": "There.Example"}, {"domain": "there.example"}),
        ({"state": "held", "tag": " news "}, {"state": State.HELD, "tag": "news"}),
        ({"priority_from": "0", "priority_to": "3"}, {"priority_least": 0, "priority_most": 3}),
        ({"older_than": "6"}, {"accepted_before": NOW - timedelta(hours=6)}),
        ({"reply": "over quota", "attempts": "3"}, {"reply": "over quota", "attempts_least": 3}),
    ],
)
def test_the_conditions_of_a_form_say_which_mail_is_meant(params: dict[str, str], given: dict[str, object]) -> None:
    asked = selecting.read(params, NOW)
    assert asked.selection is not None
    assert asked.selection.given == given


@pytest.mark.parametrize(
    ("params", "bad"),
    [
        ({}, "domain"),
        ({"domain": "no domain"}, "domain"),
        ({"tag": "news", "state": "delivered"}, "state"),
        ({"tag": "news", "pool": "bulk"}, "pool"),
        ({"tag": "news", "priority_from": "ten"}, "priority_from"),
        ({"tag": "news", "attempts": "0"}, "attempts"),
        ({"tag": "news", "older_than": "-1"}, "older_than"),
        ({"message": "x"}, "message"),
    ],
)
def test_a_condition_that_cannot_be_read_is_never_passed_over(params: dict[str, str], bad: str) -> None:
    asked = selecting.read(params, NOW)
    assert asked.selection is None
    assert list(asked.errors) == [bad]


def test_reports_are_plotted_day_by_day_also_where_nobody_reported() -> None:
    days = [DayTotals(date(2026, 11, 19), 30, 10), DayTotals(date(2026, 11, 21), 0, 5)]
    drawn = report_plot.plot(days, date(2026, 11, 15), date(2026, 11, 21), SPEECH)
    assert [(bar["passed"], bar["failed"]) for bar in drawn["bars"]] == [(0, 0)] * 4 + [(30, 10), (0, 0), (0, 5)]
    assert drawn["bars"][4]["title"] == "19 Nov: 30 passed, 10 failed"
    (good, bad), (alone,) = drawn["bars"][4]["pieces"], drawn["bars"][6]["pieces"]
    assert good["y"] == bad["y"] + bad["height"], "they stand on one another"
    assert (alone["tone"], alone["y"] + alone["height"]) == ("bad", 176)
    assert [line["label"] for line in drawn["lines"]] == ["0", "20", "40"]
    assert 1 <= sum(bar["named"] for bar in drawn["bars"]) <= 7


@pytest.mark.parametrize("days", [7, 30, 90])
def test_bars_of_reports_stay_inside_the_picture(days: int) -> None:
    last = date(2026, 11, 21)
    drawn = report_plot.plot([], last - timedelta(days=days - 1), last, SPEECH)
    assert len(drawn["bars"]) == days
    assert drawn["width"] > 1
    assert drawn["bars"][-1]["x"] + drawn["width"] <= 640
    assert 3 <= sum(bar["named"] for bar in drawn["bars"]) <= 7
