"""When schedules are due, how rows are written, and which links open."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from posthouse.exports import jobs, links, writing
from posthouse.exports.jobs import Wish
from posthouse.exports.schedule import Every, Rhythm, latest, next_after
from posthouse.exports.sources import What
from posthouse.exports.writing import Format

NOW = datetime(2026, 3, 27, 12, 30, tzinfo=UTC)  # a Friday; Denmark's clocks go forward on the 29th
DANISH = "Europe/Copenhagen"


@pytest.mark.parametrize(
    ("rhythm", "after", "due"),
    [
        (Rhythm(Every.DAY, 0, 6, "UTC"), NOW, "2026-03-28T06:00"),
        (Rhythm(Every.DAY, 0, 13, "UTC"), NOW, "2026-03-27T13:00"),
        (Rhythm(Every.DAY, 0, 6, DANISH), NOW, "2026-03-28T05:00"),
        (Rhythm(Every.DAY, 0, 6, DANISH), NOW + timedelta(days=1), "2026-03-29T04:00"),  # summer
        (Rhythm(Every.DAY, 0, 2, DANISH), NOW + timedelta(days=1), "2026-03-29T01:00"),  # there is no 2 o'clock
        (Rhythm(Every.WEEK, 1, 6, "UTC"), NOW, "2026-03-30T06:00"),
        (Rhythm(Every.WEEK, 5, 6, "UTC"), NOW, "2026-04-03T06:00"),
        (Rhythm(Every.MONTH, 28, 0, "UTC"), NOW, "2026-03-28T00:00"),
        (Rhythm(Every.MONTH, 1, 0, "America/New_York"), NOW, "2026-04-01T04:00"),
    ],
)
def test_a_schedule_is_due_at_its_hour_in_its_zone(rhythm: Rhythm, after: datetime, due: str) -> None:
    assert next_after(rhythm, after) == datetime.fromisoformat(f"{due}+00:00")


def test_what_was_missed_is_made_up_for_by_one() -> None:
    daily = Rhythm(Every.DAY, 0, 6, "UTC")
    first = datetime(2026, 3, 1, 6, tzinfo=UTC)
    assert latest(daily, first, NOW) == datetime(2026, 3, 27, 6, tzinfo=UTC)
    assert latest(daily, first, first) == first


@pytest.mark.parametrize(
    ("rhythm", "sound"),
    [
        (Rhythm(Every.DAY, 0, 23, "UTC"), True),
        (Rhythm(Every.DAY, 1, 0, "UTC"), False),
        (Rhythm(Every.WEEK, 0, 0, "UTC"), False),
        (Rhythm(Every.MONTH, 29, 0, "UTC"), False),
        (Rhythm(Every.MONTH, 28, 24, "UTC"), False),
    ],
)
def test_a_day_that_does_not_come_is_refused(rhythm: Rhythm, sound: bool) -> None:
    assert rhythm.is_sound() is sound


def test_parts_make_one_file_and_no_cell_runs() -> None:
    columns = ("address", "at", "tags", "more")
    rows = [{"address": f"=cmd{n}", "at": NOW, "tags": ["a", "b"], "more": {"x": 1}, "left": "out"} for n in range(2)]
    parts = [writing.part(columns, [row], Format.CSV, first=not number) for number, row in enumerate(rows)]
    text = gzip.decompress(b"".join(parts)).decode()
    assert text == b"".join(map(writing.unpacked, parts)).decode()
    line = '2026-03-27T12:30:00Z,a b,"{""x"":1}"\r\n'
    assert text == f"address,at,tags,more\r\n'=cmd0,{line}'=cmd1,{line}"
    lines = [writing.unpacked(writing.part(columns, [row], Format.JSONL, first=True)) for row in rows]
    assert json.loads(lines[1]) == {
        "address": "=cmd1",
        "at": "2026-03-27T12:30:00Z",
        "tags": ["a", "b"],
        "more": {"x": 1},
    }


def test_a_link_opens_its_own_export_and_only_for_a_day() -> None:
    one, two, key = UUID(int=1), UUID(int=2), b"k" * 32
    *_, until, signature = links.path(one, two, key, NOW).split("/")
    good = (one, two, key, int(until), signature)
    assert links.is_good(*good, NOW + timedelta(hours=23))
    assert not links.is_good(*good, NOW + timedelta(hours=25))
    assert not links.is_good(one, two, key, int(until) + 3600, signature, NOW)
    assert not links.is_good(two, two, key, int(until), signature, NOW)
    assert not links.is_good(one, two, b"x" * 32, int(until), signature, NOW)
    assert not links.is_good(one, two, key, int(until), "\udcff", NOW)


@pytest.mark.parametrize(
    ("since", "until", "code"),
    [
        (NOW, NOW, "empty_period"),
        (NOW - timedelta(days=401), NOW, "too_long"),
        (NOW, NOW + timedelta(days=2), "in_future"),
    ],
)
def test_a_period_has_to_be_one(since: datetime, until: datetime, code: str) -> None:
    (problem,) = jobs.check(Wish(What.MESSAGES, Format.CSV, since, until), NOW)
    assert problem.code == code
