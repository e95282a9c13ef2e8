"""Words with places for values: in English, and kept as JSON."""

import json
from datetime import UTC, datetime, timedelta

from posthouse.model.sentences import Sentence, english, read, written

INNER = Sentence("Mail of the pool {pool}", {"pool": "marketing"})
CLAUSES = (Sentence("{what}: {n} of {share} %.", {"what": INNER, "n": 1200, "share": 0.25}), "550 {no} <such> user")


def test_values_stand_in_their_places_as_english_writes_them() -> None:
    assert " ".join(map(english, CLAUSES)) == "Mail of the pool marketing: 1,200 of 0.25 %. 550 {no} <such> user"
    moment = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    assert english(Sentence("{a} {b}", {"a": moment, "b": timedelta(hours=3)})) == "2026-11-23 02:00:00 UTC 3 hours"


def test_what_is_written_is_read_again() -> None:
    assert read(json.loads(json.dumps(written(CLAUSES)))) == CLAUSES
    assert read([]) == ()
