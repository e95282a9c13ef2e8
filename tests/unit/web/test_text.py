"""Words, numbers and times of the pages in each language."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from posthouse.web.text import PSEUDO, Speech, choose, zone

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def speech(code: str, name: str = "Europe/Copenhagen") -> Speech:
    return Speech(code, ZoneInfo(name), NOW)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("da-DK,da;q=0.9,en;q=0.8", "da"),
        ("en-GB", "en"),
        ("fr,da;q=0.5", "da"),
        ("", "en"),
        ("de", "en"),
        (PSEUDO, PSEUDO),
    ],
)
def test_the_first_language_we_speak_is_chosen(header: str, code: str) -> None:
    assert choose(header) == code


def test_numbers_and_sizes_are_written_as_the_language_does() -> None:
    assert speech("en").number(12_345) == "12,345"
    assert speech("da").number(12_345) == "12.345"
    assert speech("da").size(14_240) == "14,2 kB"
    assert speech("en").percent(1, 8) == "12.5 %"
    assert speech("en").percent(0, 0) == "–"


def test_one_and_many_are_told_apart_with_the_number_written_out() -> None:
    assert speech("da").count("One mail is held", "{n} mails are held", 1) == "Én mail er holdt tilbage"
    assert speech("da").count("One mail is held", "{n} mails are held", 1_200) == "1.200 mails er holdt tilbage"
    assert speech("en").count("One mail is held", "{n} mails are held", 0) == "0 mails are held"


def test_times_near_are_relative_and_far_are_dates() -> None:
    assert speech("en").ago(NOW - timedelta(minutes=3)) == "3 minutes ago"
    assert speech("da").ago(NOW + timedelta(hours=2)) == "om 2 timer"
    assert speech("en").ago(NOW - timedelta(days=40)) == "12 Oct"
    assert speech("en").ago(NOW - timedelta(days=400)) == "17 Oct 2025"


def test_a_clock_names_the_day_only_when_it_is_another() -> None:
    assert speech("en").clock(NOW + timedelta(hours=1)) == "14:00"
    assert speech("en").clock(NOW + timedelta(hours=12)) == "22 Nov 01:00"


def test_exact_times_carry_their_zone() -> None:
    assert speech("en", "Asia/Tokyo").exact(NOW) == "21 Nov 2026 21:00:00 JST"
    assert speech("en").iso(NOW) == "2026-11-21T12:00:00Z"


@pytest.mark.parametrize("name", ["", "Nowhere/Land", "../../etc/passwd", "a\0b"])
def test_a_zone_nobody_knows_is_utc(name: str) -> None:
    assert zone(name).key == "UTC"


def test_the_pseudo_language_leaves_places_for_values_alone() -> None:
    assert speech(PSEUDO).say("Remove {domain}?", domain="acme.example") == "⟦Rêmôvê acme.example?⟧"


def test_durations_are_short() -> None:
    assert speech("en").lasted(NOW, NOW + timedelta(milliseconds=412)) == "412 ms"
    assert speech("da").lasted(NOW, NOW + timedelta(seconds=3.21)) == "3,2 s"
