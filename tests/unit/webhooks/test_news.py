"""What is news of the audit log and the list of invalid addresses, and that it is the same whenever it is read."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from posthouse.accounts.audit import Entry
from posthouse.ledger.invalid import Invalid
from posthouse.webhooks import news, payload

WORKSPACE = UUID("01a2043a-aee3-736f-b195-66f51085d51e")
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def entry(action: str, subject: str, number: int = 1, at: datetime = NOW, **detail: Any) -> Entry:
    return Entry(WORKSPACE, number, at, "user:ann@acme.example", action, subject, detail)


def invalid(place: int, at: datetime = NOW) -> Invalid:
    return Invalid(place, "bo@there.example", "hard_bounce", at, "delivery", "", WORKSPACE, "4711")


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (entry("alert.raise", "x.example", alert="1", kind="breaker", level="critical", sentence="Stop.", path="/queue"), "alert.raised"),
        (entry("alert.end", "x.example", alert="1", kind="breaker"), "alert.ended"),
        (entry("address.revalidate", "bo@there.example", reason="asked", new_address=""), "address.cleared"),
        (entry("address.replace", "bo@there.example", reason="asked", new_address="b@x.example"), "address.cleared"),
        (entry("suppression.remove", "bo@there.example", reason="asked", was_invalid=True), "address.cleared"),
        (entry("suppression.remove", "bo@there.example", reason="asked"), None),
        (entry("domain.add", "x.example"), None),
    ],
)  # fmt: skip
def test_what_an_entry_is_the_news_of(told: Entry, kind: str | None) -> None:
    found = news.of_entry(told)
    assert (found.happened.kind if found else None) == kind


def test_an_alert_says_what_is_wrong_and_where_it_is_mended() -> None:
    found = news.of_entry(
        entry("alert.raise", "x.example", alert="1", kind="breaker", level="critical", sentence="Stop.", path="/queue")
    )
    assert found is not None
    assert found.data == {
        "alert_id": "1", "kind": "breaker", "subject": "x.example", "level": "critical", "sentence": "Stop.", "path": "/queue",
    }  # fmt: skip


def test_read_again_it_has_the_same_id_and_another_place_has_another() -> None:
    ids = [news.of_invalid(WORKSPACE, invalid(place)).happened.event_id for place in (7, 7, 8)]
    assert ids[0] == ids[1] < ids[2]
    assert ids[0].version == 7
    assert news.of_invalid(UUID(int=5), invalid(7)).happened.event_id != ids[0]


def test_news_of_one_address_are_in_order_and_belong_together_wherever_they_were_read() -> None:
    became = news.of_invalid(WORKSPACE, invalid(900)).happened
    cleared = news.of_entry(entry("address.revalidate", "bo@there.example", 3, reason="asked"))
    later = news.of_invalid(WORKSPACE, invalid(901, NOW + timedelta(seconds=1))).happened
    assert cleared is not None
    assert became.message_id == cleared.happened.message_id == later.message_id
    assert became.event_id < cleared.happened.event_id < later.event_id


def test_every_kind_has_a_type_that_leads_back_to_it() -> None:
    assert [payload.kind_of(payload.type_of(kind)) for kind in payload.KINDS] == list(payload.KINDS)
    assert tuple(map(payload.type_of, payload.KINDS)) == payload.TYPES
    assert {payload.is_of_mail(kind) for kind in news.KINDS} == {False}
