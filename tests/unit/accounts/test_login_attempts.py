"""Refused logins: how they add up, whose they are, and that there is a bound to them."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from uuid import UUID

import pytest

from posthouse.accounts import tokens
from posthouse.accounts.login_attempts import (
    Attempt,
    Collected,
    Failure,
    Known,
    LoginDoor,
    Named,
    Person,
    Reason,
    Tally,
    quarter_of,
    sort_out,
)
from posthouse.accounts.networks import place_of
from posthouse.runtime.ids import time_of

NOW = datetime(2026, 11, 22, 9, 44, 59, 7, tzinfo=UTC)
QUARTER = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
SHOP, BANK = UUID(int=1), UUID(int=2)
RIGHT, OTHER = tokens.digest("right"), tokens.digest("other")
ONCE = Tally(1, NOW, NOW)


def attempt(door: LoginDoor, account: str, proof: bytes = OTHER, peer: str = "192.0.2.1") -> Attempt:
    return Attempt(door, account, proof, peer, QUARTER)


def reasons(one: Attempt, **named: object) -> list[tuple[UUID, str, Reason]]:
    outcome = sort_out({one: ONCE}, Named(**named))  # type: ignore[arg-type]
    kept = [(each.workspace_id, each.account, each.reason) for found in outcome.failures.values() for each in found]
    assert outcome.attempts == {(one.door, "known" if kept else "unknown"): 1}
    return kept


def test_alike_attempts_are_one_with_a_count_and_two_times() -> None:
    collected, one = Collected(), attempt(LoginDoor.SMTP, "ws1-abcdefgh")
    for seconds in (0, 5, 2):
        assert collected.add(one, NOW + timedelta(seconds=seconds))
    assert collected.take() == {one: Tally(3, NOW, NOW + timedelta(seconds=5))}
    assert not collected


def test_there_is_room_for_so_many_names_and_those_in_it_go_on_counting() -> None:
    collected = Collected(most=2)
    taken = [collected.add(attempt(LoginDoor.PAGES, name), NOW) for name in ("a", "b", "c", "a")]
    assert taken == [True, True, False, True]
    assert [tally.attempts for tally in collected.take().values()] == [2, 1]


def test_a_person_is_told_of_in_every_workspace_and_a_stranger_in_none() -> None:
    people = (Person(SHOP, "ann@x.test", False), Person(BANK, "ann@x.test", False), Person(SHOP, "ben@x.test", True))
    ann = attempt(LoginDoor.PAGES, "ann@x.test", b"")
    assert reasons(ann, people=people) == [(SHOP, "ann@x.test", Reason.WRONG), (BANK, "ann@x.test", Reason.WRONG)]
    assert reasons(attempt(LoginDoor.PAGES, "ben@x.test", b""), people=people) == [
        (SHOP, "ben@x.test", Reason.DISABLED)
    ]
    assert reasons(attempt(LoginDoor.PAGES, "eve@x.test", b""), people=people) == []


def test_a_link_that_is_no_good_any_more_is_its_owners() -> None:
    people = (Person(SHOP, "ann@x.test", False, RIGHT), Person(BANK, "ben@x.test", False))
    assert reasons(attempt(LoginDoor.PAGES, "", RIGHT), people=people) == [(SHOP, "ann@x.test", Reason.EXPIRED)]
    assert reasons(attempt(LoginDoor.PAGES, "", OTHER), people=people) == []
    assert reasons(attempt(LoginDoor.PAGES, "", b""), people=people) == []


@pytest.mark.parametrize(
    ("known", "proof", "reason"),
    [
        ((Known(SHOP, "h", RIGHT, (), False),), OTHER, Reason.WRONG),
        ((Known(SHOP, "h", RIGHT, (), True),), RIGHT, Reason.REVOKED),
        ((Known(SHOP, "h", RIGHT, (), True),), OTHER, Reason.REVOKED),
        ((Known(SHOP, "h", RIGHT, (ip_network("198.51.100.0/24"),), False),), RIGHT, Reason.NETWORK),
        ((Known(SHOP, "h", RIGHT, (ip_network("198.51.100.0/24"),), False),), OTHER, Reason.WRONG),
        # Two keys may begin alike: the secret decides, then the one that lives.
        ((Known(SHOP, "h", OTHER, (), False), Known(SHOP, "h", RIGHT, (), True)), RIGHT, Reason.REVOKED),
        ((Known(SHOP, "h", b"1", (), True), Known(SHOP, "h", b"2", (), False)), RIGHT, Reason.WRONG),
    ],
    ids=str,
)
def test_a_credential_says_what_was_wrong(known: tuple[Known, ...], proof: bytes, reason: Reason) -> None:
    assert reasons(attempt(LoginDoor.API, "h", proof), credentials=known) == [(SHOP, "h", reason)]


def test_what_is_right_by_now_or_means_nobody_is_nobodys_failure() -> None:
    live = (Known(SHOP, "h", RIGHT, (ip_network("192.0.2.0/24"),), False),)
    assert reasons(attempt(LoginDoor.API, "h", RIGHT), credentials=live) == []
    assert reasons(attempt(LoginDoor.SMTP, "another", RIGHT), credentials=live) == []
    assert reasons(attempt(LoginDoor.PAGES, "h", RIGHT), credentials=live) == []


def test_different_wrong_secrets_of_one_account_are_one_failure() -> None:
    known = Named(credentials=(Known(SHOP, "h", RIGHT, (), False),))
    guesses = {attempt(LoginDoor.SMTP, "h", tokens.digest(f"{n}")): ONCE for n in range(30)}
    outcome = sort_out(guesses, known)
    (failure,) = outcome.failures[SHOP]
    assert outcome.failures[SHOP][failure].attempts == 30


def test_a_row_has_one_id_in_every_process_and_sorts_by_its_quarter() -> None:
    one = Failure(SHOP, LoginDoor.SMTP, "h", "192.0.2.1", Reason.WRONG, QUARTER)
    assert one.failure_id == one._replace(workspace_id=BANK).failure_id
    assert time_of(one.failure_id) == QUARTER
    others = (
        one._replace(door=LoginDoor.API),
        one._replace(account="i"),
        one._replace(source="192.0.2.2"),
        one._replace(reason=Reason.REVOKED),
        one._replace(quarter=QUARTER + timedelta(minutes=15)),
    )
    assert len({one.failure_id, *(each.failure_id for each in others)}) == 6


def test_quarters_begin_where_the_clock_shows_them() -> None:
    assert quarter_of(NOW) == QUARTER
    assert quarter_of(QUARTER) == QUARTER


@pytest.mark.parametrize(
    ("peer", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix", ""),
    ],
)
def test_of_an_address_that_is_kept_which_one_customer_has(peer: str, place: str) -> None:
    assert place_of(peer) == place


@pytest.mark.parametrize(
    ("hint", "number"),
    [("ph_7_abcd", 7), ("ws12-abcdefgh", 12), ("ph_7_abcde", None), ("(by network)", None), ("ws-abcdefgh", None)],
)
def test_what_may_be_shown_of_a_secret_names_the_workspace(hint: str, number: int | None) -> None:
    assert tokens.workspace_of_hint(hint) == number
